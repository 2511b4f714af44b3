"""``reelpulse analyze``."""

from __future__ import annotations

from typing import Annotated

import typer

from reelpulse.cli.options import MODEL, show_notes, with_settings
from reelpulse.settings import AnalyzeSettings, MomentSettings, ReportSettings


@with_settings(AnalyzeSettings, MomentSettings, ReportSettings)
def analyze(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Files with video, sound or both.")
    ],
    settings: AnalyzeSettings,
    moment_settings: MomentSettings,
    report_settings: ReportSettings,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the results go.")
    ] = "out",
    model: Annotated[str | None, MODEL] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Measure videos, follow one person, find the funny moments.

    Leaves NAME.h5 (the timeline), NAME.html (the report), NAME.moments.json and NAME.csv in the
    output folder. What was measured before with the same settings is not measured again; a stopped
    run goes on where it stopped. Without photos the person seen most is followed.

    \b
    reelpulse analyze stream.mp4 -o out/
    reelpulse analyze *.mp4 -o out/ --person me.jpg --person me2.jpg
    reelpulse analyze clip.mp4 --range 2:00-2:06.5 --ticks 15
    reelpulse analyze stream.mp4 -o out/ --model funny.onnx
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.batch import analyze_many
    from reelpulse.cli.display import measuring, note, print_result
    from reelpulse.moments.model import load_model

    network = load_model(model) if model is not None else None
    results = []
    try:
        with measuring(quiet=quiet or json) as progress:
            for result in analyze_many(
                videos,
                out,
                settings,
                moment_settings,
                model=network,
                options=report_settings,
                progress=progress,
            ):
                results.append(result)
                if result.error is not None:
                    note(f"error: {result.error}")
                    continue
                for warning in result.summary()["warnings"]:
                    note(f"warning: {warning}")
                if not json:
                    print_result(result)
    except KeyboardInterrupt:
        note("stopped; the same command goes on from the last finished minute")
        raise typer.Exit(130) from None
    if json:
        from json import dumps

        typer.echo(dumps([r.summary() for r in results], ensure_ascii=False, indent=2))
    failed = [result.video for result in results if result.error is not None]
    if failed and len(results) > 1:
        note(f"{len(failed)} of {len(results)} failed: {', '.join(failed)}")
    if failed:
        raise typer.Exit(1)
