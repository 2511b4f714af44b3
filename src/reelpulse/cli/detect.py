"""``reelpulse detect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.export import is_timeline, on_timelines
from reelpulse.cli.options import MODEL, show_notes, with_settings
from reelpulse.settings import MomentSettings, ReportSettings

if TYPE_CHECKING:
    from reelpulse.batch import Result


@with_settings(MomentSettings, ReportSettings)
def detect(
    timelines: Annotated[
        list[str],
        typer.Argument(
            metavar="TIMELINE...",
            help=".h5 files that analyze wrote; with --model also videos, which are analysed"
            " first.",
        ),
    ],
    moment_settings: MomentSettings,
    report_settings: ReportSettings,
    model: Annotated[str | None, MODEL] = None,
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FOLDER", help="Where the results of videos go."),
    ] = "out",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Find the moments again, with other settings or a trained model.

    Rewrites NAME.moments.json and NAME.html, the report, beside the timeline, without touching the
    video. A video that is not yet analysed is, as the model's clips were, into the output folder.

    \b
    reelpulse detect out/stream.h5 --top 10
    reelpulse detect out/stream.h5 --min-score 0.4 --pre-roll 8
    reelpulse detect out/*.h5 --model funny.onnx --per-hour 20
    reelpulse detect stream.mp4 --model funny.onnx -o out/
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.batch import analyze_many, detect_again
    from reelpulse.cli.display import measuring, note, print_result
    from reelpulse.errors import ReelpulseError
    from reelpulse.moments.model import analysis_for, load_model

    network = load_model(model) if model is not None else None

    def work(path: str) -> Result:
        if network is None or is_timeline(path):
            result = detect_again(path, moment_settings, options=report_settings, model=network)
            warnings = result.detection.warnings if result.detection else []
            return _told(result, warnings)
        with measuring(quiet=quiet or json) as progress:
            (result,) = analyze_many(
                [path],
                out,
                analysis_for(network),
                moment_settings,
                model=network,
                options=report_settings,
                progress=progress,
            )
        if result.error is not None:
            raise ReelpulseError(result.error)
        return _told(result, result.summary()["warnings"])

    show = None if json else print_result
    try:
        on_timelines(timelines, work, show, videos=network is not None)
    except KeyboardInterrupt:
        note("stopped; the same command goes on where it was")
        raise typer.Exit(130) from None


def _told(result: Result, warnings: list[str]) -> Result:
    """The same result, what is good to know of it printed."""
    from reelpulse.cli.display import note

    for warning in dict.fromkeys(warnings):
        note(f"warning: {warning}")
    return result
