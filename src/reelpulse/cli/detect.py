"""``reelpulse detect``."""

from __future__ import annotations

from typing import Annotated

import typer

from reelpulse.cli.export import on_timelines
from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import MomentSettings, ReportSettings


@with_settings(MomentSettings, ReportSettings)
def detect(
    timelines: Annotated[
        list[str], typer.Argument(metavar="TIMELINE...", help=".h5 files that analyze wrote.")
    ],
    moment_settings: MomentSettings,
    report_settings: ReportSettings,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Find the moments again, with other settings, without touching the video.

    Rewrites NAME.moments.json and NAME.html, the report, beside the timeline.

    \b
    reelpulse detect out/stream.h5 --top 10
    reelpulse detect out/stream.h5 --min-score 0.4 --pre-roll 8
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.batch import detect_again
    from reelpulse.cli.display import print_result

    on_timelines(
        timelines,
        lambda path: detect_again(path, moment_settings, options=report_settings),
        None if json else print_result,
    )
