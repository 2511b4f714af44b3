"""``reelpulse detect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import MomentSettings


@with_settings(MomentSettings)
def detect(
    timelines: Annotated[
        list[str], typer.Argument(metavar="TIMELINE...", help=".h5 files that analyze wrote.")
    ],
    moment_settings: MomentSettings,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Find the moments again, with other settings, without touching the video.

    Rewrites NAME.moments.json beside the timeline.

    \b
    reelpulse detect out/stream.h5 --top 10
    reelpulse detect out/stream.h5 --min-score 0.4 --pre-roll 8
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.batch import Result, detect_again
    from reelpulse.cli.display import note, print_result
    from reelpulse.errors import DataError, ReelpulseError, at

    results = []
    for path in timelines:
        try:
            if Path(path).exists() and Path(path).suffix.lower() not in (".h5", ".hdf5"):
                problem = "is not a timeline (.h5); run `reelpulse analyze` on a video first"
                raise DataError(at(path, problem))
            result = detect_again(path, moment_settings)
        except ReelpulseError as error:
            result = Result(path, error=str(error))
            note(f"error: {error}")
        results.append(result)
        if result.error is None and not json:
            print_result(result)
    if json:
        from json import dumps

        typer.echo(dumps([r.summary() for r in results], ensure_ascii=False, indent=2))
    if any(result.error is not None for result in results):
        raise typer.Exit(1)
