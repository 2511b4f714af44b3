"""``reelpulse moments build``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import AnalyzeSettings, ClipSettings

if TYPE_CHECKING:
    from reelpulse.moments.dataset.built import Built

_MOST_NAMED = 10
"""Clips of one kind that are named; the others are counted (--json names all)."""


@with_settings(ClipSettings, AnalyzeSettings, without=("fps", "ticks", "range", "forget_faces"))
def build(
    labels: Annotated[
        str,
        typer.Argument(
            metavar="LABELS.csv",
            help="A table: file[, start, end], label[, source, person, annotator].",
        ),
    ],
    settings: ClipSettings,
    analysis: AnalyzeSettings,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.h5", help="The dataset.")
    ] = "clips.h5",
    timelines: Annotated[
        str | None,
        typer.Option(
            "--timelines",
            metavar="FOLDER",
            help="Where what is measured is kept. [default: NAME.timelines beside the dataset]",
        ),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to a dataset that is there.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Build a dataset that is there anew.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Make a dataset of labelled clips, to train on.

    Each line of the table names a video, a sound or a timeline (.h5), all of it or from start to
    end, and says whether that is funny, ordinary or boring, or a score from 0 to 10. Clips of 5 to
    7 seconds are best. What was measured is kept: a build that was stopped goes on from there, and
    ranges of videos need no decoding for another --length.

    \b
    reelpulse moments build labels.csv -o clips.h5
    reelpulse moments build more.csv -o clips.h5 --append --person me.jpg
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.moments.dataset.build import build as build_clips

    try:
        with counting("clips", quiet=quiet or json) as progress:
            built = build_clips(
                labels,
                out,
                settings,
                analysis=analysis,
                timelines=timelines,
                append=append,
                overwrite=overwrite,
                progress=progress,
            )
    except KeyboardInterrupt:
        note("stopped; the same command goes on with what is not measured yet")
        raise typer.Exit(130) from None
    _tell(built, quiet=quiet or json)
    if json:
        from json import dumps

        typer.echo(dumps(built.summary(), ensure_ascii=False, indent=2))
    else:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(built.labels.items()))
        typer.echo(f"{built.path}: {built.added} clips added{f' ({counts})' if counts else ''}")
        if built.total != built.added:
            typer.echo(f"{built.path}: now holds {built.total}")
    if built.failed:
        raise typer.Exit(1)


def _tell(built: Built, *, quiet: bool) -> None:
    """Print notes, warnings and the clips that are not in the dataset."""
    from reelpulse.cli.display import note

    kinds = [
        ("left out", built.left_out),
        ("error", built.failed),
        *([] if quiet else [("passed over", built.there_already)]),
    ]
    for text in [] if quiet else built.notes:
        note(text)
    for warning in built.warnings[:_MOST_NAMED]:
        note(f"warning: {warning}")
    if len(built.warnings) > _MOST_NAMED:
        note(f"warning: and {len(built.warnings) - _MOST_NAMED} more warnings (--json names all)")
    for kind, entries in kinds:
        for entry in entries[:_MOST_NAMED]:
            note(f"{kind}: line {entry.line}: {entry.file}: {entry.why}")
        if len(entries) > _MOST_NAMED:
            note(f"{kind}: and {len(entries) - _MOST_NAMED} more lines (--json names all)")
