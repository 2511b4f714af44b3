"""``reelpulse demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelpulse.cli.options import show_notes


def demo(
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the clip and results go.")
    ] = "demo",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
) -> None:
    """Make a one-minute clip, find its planted moments, and say which were found.

    Needs no download: the face is a public-domain portrait that scikit-image carries, warped to
    smile and laugh; the sound is synthesised.
    """
    show_notes(quiet=quiet)
    from reelpulse.batch import analyze_many
    from reelpulse.cli.display import measuring, note, print_result
    from reelpulse.demo import found_again, make_clip
    from reelpulse.times import clock_text

    clip = Path(out) / "demo.mp4"
    clip.parent.mkdir(parents=True, exist_ok=True)
    note(f"making {clip} ...")
    planted = make_clip(clip)
    with measuring(quiet=quiet) as progress:
        result = next(iter(analyze_many([clip], out, progress=progress)))
    if result.error is not None:
        note(f"error: {result.error}")
        raise typer.Exit(1)
    print_result(result)
    typer.echo("\nplanted and found:")
    for moment, rank in found_again(planted, result.moments):
        said = f"found as moment {rank}" if rank else "not found"
        typer.echo(
            f"  {clock_text(moment.start)} to {clock_text(moment.end)}  {moment.what}: {said}"
        )
