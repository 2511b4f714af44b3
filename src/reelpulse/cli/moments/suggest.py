"""``reelpulse moments suggest``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes
from reelpulse.cli.progress import counting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reelpulse.moments.judging.suggest import Suggestion
    from reelpulse.timeline import Timeline

_ONE_LINE = 1000


def suggest(
    timelines: Annotated[
        list[str], typer.Argument(metavar="TIMELINE...", help=".h5 files that analyze wrote.")
    ],
    model: Annotated[
        str,
        typer.Option("--model", metavar="FILE.onnx", help="A model that moments train wrote."),
    ],
    clips: Annotated[
        str | None,
        typer.Option(
            "--clips",
            metavar="FILE.h5",
            help="The labelled clips so far: what is like them is not suggested.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", help="At most this many windows.")] = 20,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.csv",
            help="Write them as a table for moments build, its column label still to be filled in.",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """List the windows worth labelling next: the model is unsure of them, and knows none like them.

    Watch them, fill in the column label, add them to the clips and train again.

    \b
    reelpulse moments suggest out/stream.h5 --model funny.onnx --clips clips.h5
    reelpulse moments suggest out/*.h5 --model funny.onnx --count 50 -o next.csv
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from contextlib import ExitStack

    from reelpulse.cli.display import note
    from reelpulse.moments.dataset.clips import ClipSet
    from reelpulse.moments.judging.suggest import check_free, suggest, write_suggestions
    from reelpulse.moments.model import load_model

    if out is not None:
        check_free(out)
    network = load_model(model)
    with ExitStack() as opened:
        labelled = opened.enter_context(ClipSet(clips)) if clips is not None else None
        good, failed = _load(timelines)
        progress = opened.enter_context(counting("videos", quiet=quiet or json))
        found = suggest(good, network, labelled, count=count, progress=progress)
    for warning in found.warnings:
        note(f"warning: {warning}")
    if out is not None and found.windows:
        write_suggestions(found.windows, out)
    if json:
        from dataclasses import asdict
        from json import dumps

        table = {
            "suggestions": [asdict(window) for window in found.windows],
            "warnings": found.warnings,
            "errors": failed,
            "table": out if found.windows else None,
        }
        typer.echo(dumps(table, ensure_ascii=False, indent=2))
    elif found.windows:
        _print(found.windows, out)
    if failed:
        raise typer.Exit(1)


def _load(paths: Sequence[str]) -> tuple[list[Timeline], list[str]]:
    """Timelines that can be read, and what is wrong with the others, which is printed."""
    from reelpulse.cli.display import note
    from reelpulse.errors import ReelpulseError
    from reelpulse.timeline import load_timeline

    good, failed = [], []
    for path in paths:
        try:
            good.append(load_timeline(path))
        except ReelpulseError as error:
            note(f"error: {error}")
            failed.append(str(error))
    return good, failed


def _print(windows: Sequence[Suggestion], out: str | None) -> None:
    import sys

    from rich.console import Console
    from rich.text import Text

    from reelpulse.cli.display import plain_table, printable
    from reelpulse.times import clock_text

    # Into a file or a pipe, a window is a line.
    width = None if sys.stdout.isatty() else _ONE_LINE
    console = Console(emoji=False, markup=False, highlight=False, width=width)
    table = plain_table()
    for column in ("  #", "file", "from", "to", "score", "why"):
        table.add_column(column, no_wrap=column not in ("file", "why"), header_style="dim")
    for rank, window in enumerate(windows, 1):
        table.add_row(
            f"{rank:>3}",
            Text(printable(window.name)),
            clock_text(window.start),
            clock_text(window.end),
            f"{window.score:.2f}",
            Text(window.why),
        )
    console.print(table)
    if out is not None:
        console.print(Text(printable(out)), soft_wrap=True)
