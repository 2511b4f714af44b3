"""``reelpulse moments evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from pathlib import Path

    from reelpulse.export.evaluation import Tried


_ONE_LINE = 1000


def evaluate(
    moments: Annotated[
        list[str], typer.Argument(metavar="MOMENTS...", help=".moments.json files of detect.")
    ],
    truth: Annotated[
        str,
        typer.Option(
            "--truth",
            metavar="FILE.csv",
            help="What is truly funny: columns start, end and, for several videos, file; times in"
            " seconds or h:m:s.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.html",
            help="Where the page with the plots goes. [default: NAME.evaluation.html beside the"
            " moments]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Judge found moments by what is truly funny in the same videos.

    Precision, recall, hits among the best, false alarms an hour; beside luck and, where the
    timelines are there, loudness and tension alone. Writes a page that shows every hit and miss.

    \b
    reelpulse moments evaluate out/stream.moments.json --truth stream_truth.csv
    reelpulse moments evaluate out/*.moments.json --truth truth.csv -o evaluation.html
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.export.evaluation import evaluate_files, page_path, write_page

    page = page_path(moments, truth, out)
    tried = evaluate_files(moments, truth)
    write_page(tried, page)
    if json:
        from json import dumps

        table = {**tried.as_dict(), "page": str(page)}
        typer.echo(dumps(table, ensure_ascii=False, indent=2))
        return
    _print(tried, page)


def _print(tried: Tried, page: Path) -> None:
    import sys

    from rich.console import Console
    from rich.text import Text

    from reelpulse.cli.display import note, plain_table, printable
    from reelpulse.export.evaluation import ahead_text, cells, headline

    for warning in tried.evaluation.warnings:
        note(f"warning: {warning}")
    table = plain_table(gap=3)
    table.add_column("", no_wrap=True)
    for name in tried.evaluation.figures:
        table.add_column(Text(printable(name)), header_style="dim")
    for label, row in cells(tried):
        table.add_row(Text(label), *map(Text, row))
    # Into a file or a pipe, a figure is a line.
    width = None if sys.stdout.isatty() else _ONE_LINE
    console = Console(emoji=False, markup=False, highlight=False, width=width)
    console.print(Text(printable(headline(tried)), style="bold"), soft_wrap=True)
    console.print(table)
    for text in (*ahead_text(tried), str(page)):
        console.print(Text(printable(text)), soft_wrap=True)
