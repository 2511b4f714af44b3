"""``reelpulse genre compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import GenreTrainSettings


@with_settings(GenreTrainSettings, without=("network", "preset", "every_fold"))
def compare(
    frames: Annotated[
        str, typer.Argument(metavar="FRAMES", help="A folder that genre extract made.")
    ],
    settings: GenreTrainSettings,
    presets: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            "--preset",
            help="Compare only this network, or preset; again for more. [default: all networks]",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.json",
            help="Where all figures go. [default: compare.json in the folder]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Train every network on the same films, test it on the same others, and set them side by side.

    Each is trained as its preset says; what is given here counts more, for all. Stopped, it goes on
    where it was; a network that fails is named, and the others go on.

    \b
    reelpulse genre compare frames/
    reelpulse genre compare frames/ --network inception_v3 --network six_channel_128 --epochs 5
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.compared import run_comparison
    from reelpulse.cli.genre.tables import TITLES
    from reelpulse.genre.compare import compare as compare_networks

    run_comparison(
        lambda progress: compare_networks(frames, settings, presets=presets, progress=progress),
        frames,
        out,
        titles=TITLES,
        counts=_counts,
        quiet=quiet,
        json=json,
    )


def _counts(parts: dict[str, int]) -> str:
    held = f", {parts['valid']} held back" if parts["valid"] else ""
    return f"{parts['train']} pairs trained on{held}, {parts['test']} tested on"
