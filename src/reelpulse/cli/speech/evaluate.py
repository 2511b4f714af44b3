"""``reelpulse speech evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from reelpulse.speech.evaluate import SpeechEvaluation


def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model that speech train wrote, or builtin."),
    ],
    speech: Annotated[
        str, typer.Argument(metavar="SPEECH", help="A folder that speech prepare made.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="train|valid|test|all",
            help="What to try it on: a part of the corpus that it was trained on, or all of any."
            " [default: test of its own corpus, all of another]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Judge a model of speech emotion by a prepared corpus.

    Macro F1, precision, UAR and WAR with 95 % intervals over speakers; each class, what it was
    taken for, and each speaker.

    \b
    reelpulse speech evaluate speech.onnx speech/ --split test
    reelpulse speech evaluate builtin speech/ --json
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.progress import counting
    from reelpulse.speech.evaluate import evaluate as judge

    with counting("recordings", quiet=quiet or json) as show:
        found = judge(
            model,
            speech,
            split,
            progress=(lambda done, total: show(done, total, "")) if show else None,
        )
    if json:
        from json import dumps

        typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: SpeechEvaluation) -> None:
    from rich.text import Text

    from reelpulse.cli.display import note, printable, table_console
    from reelpulse.cli.speech.tables import print_judged

    for warning in found.warnings:
        note(f"warning: {warning}")
    console = table_console()
    console.print(Text(printable(found.model), style="bold"), soft_wrap=True)
    speakers = len(set(found.tested.groups.tolist()))
    who = f"{speakers} speaker" + ("s" if speakers != 1 else "")
    counts = f"{len(found.tested.labels)} clips of {who} ({found.part})"
    console.print(Text(f"  {counts}"), soft_wrap=True)
    print_judged(console, found.tested)
