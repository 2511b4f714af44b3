"""``reelpulse export``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import ReportSettings

if TYPE_CHECKING:
    from reelpulse.batch import Result


@with_settings(ReportSettings)
def export(
    timelines: Annotated[
        list[str], typer.Argument(metavar="TIMELINE...", help=".h5 files that analyze wrote.")
    ],
    report_settings: ReportSettings,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="html, csv, json or npz; give it again for more. [default: html]",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where the files go. [default: beside the timeline]",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only files and warnings.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Write timelines and their moments in other formats: the report, tables.

    The moments are those that analyze or detect found last.

    \b
    reelpulse export out/stream.h5 --to html --lang ko
    reelpulse export out/*.h5 --to csv --to npz -o tables/
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.batch import export_again
    from reelpulse.export import check_formats

    formats = to or ["html"]
    check_formats(formats)

    def show(result: Result) -> None:
        for file in result.files:
            typer.echo(str(file))

    on_timelines(
        timelines,
        lambda path: export_again(path, formats, out, report_settings),
        None if json else show,
    )


def is_timeline(path: str) -> bool:
    """Whether a file is called as those that analyze writes."""
    return Path(path).suffix.lower() in (".h5", ".hdf5")


def on_timelines(
    paths: Sequence[str],
    work: Callable[[str], Result],
    show: Callable[[Result], None] | None,
    *,
    videos: bool = False,
) -> None:
    """Do something with each ``.h5`` file, past those that fail; exits 1 where one did.

    Parameters
    ----------
    paths : sequence of str
    work : callable
    show : callable or None
        Prints one result; without it all are printed as JSON at the end.
    videos : bool
        Whether `work` takes videos too.
    """
    from reelpulse.batch import Result
    from reelpulse.cli.display import note
    from reelpulse.errors import DataError, ReelpulseError, at

    results = []
    for path in paths:
        try:
            if not videos and Path(path).exists() and not is_timeline(path):
                problem = "is not a timeline (.h5); run `reelpulse analyze` on a video first"
                raise DataError(at(path, problem))
            result = work(path)
        except ReelpulseError as error:
            result = Result(path, error=str(error))
            note(f"error: {error}")
        results.append(result)
        if result.error is None and show is not None:
            show(result)
    if show is None:
        from json import dumps

        typer.echo(dumps([r.summary() for r in results], ensure_ascii=False, indent=2))
    if any(result.error is not None for result in results):
        raise typer.Exit(1)
