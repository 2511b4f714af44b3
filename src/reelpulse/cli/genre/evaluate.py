"""``reelpulse genre evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from reelpulse.genre.evaluate import GenreEvaluation


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model that genre train wrote.")],
    frames: Annotated[
        str, typer.Argument(metavar="FRAMES", help="A folder that genre extract made.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="train|valid|test|all",
            help="What to try it on: a part of what it was trained on, dealt as then, or of another"
            " folder, by its table. [default: test where there is any, else all]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Judge a model of film genre by pairs of frames.

    Accuracy and macro F1 with 95 % intervals, over films where there are ten or more; each class,
    what it was taken for, and each film.

    \b
    reelpulse genre evaluate genre.onnx frames/ --split test
    reelpulse genre evaluate genre.onnx other/ --split all --json
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.genre.evaluate import evaluate as judge

    with counting("pairs", quiet=quiet or json) as show:
        found = judge(
            model,
            frames,
            split,
            progress=(lambda done, total: show(done, total, "")) if show else None,
        )
    for warning in found.warnings:
        note(f"warning: {warning}")
    if json:
        from json import dumps

        typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: GenreEvaluation) -> None:
    from rich.text import Text

    from reelpulse.cli.display import printable, table_console
    from reelpulse.cli.genre.tables import many, print_judged

    console = table_console()
    console.print(Text(printable(found.model), style="bold"), soft_wrap=True)
    films = many(len(set(found.tested.groups.tolist())), "film")
    counts = f"{many(len(found.tested.labels), 'pair')} of {films} ({found.part})"
    console.print(Text(f"  {counts}"), soft_wrap=True)
    print_judged(console, found.tested)
