"""``reelpulse speech preview``."""

from __future__ import annotations

from typing import Annotated

import typer


def preview(
    folder: Annotated[
        str, typer.Argument(metavar="SPEECH", help="A folder that `speech prepare` made.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE.png", help="Picture to write.")
    ] = "preview.png",
    clips: Annotated[int, typer.Option("--clips", min=1, max=30, help="How many clips.")] = 7,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws clips and changes.")] = 0,
) -> None:
    """Show the pictures a network is given: clips as they are, and varied in each way.

    One PNG, a row for each way: silence and border cut, masks of time and frequency, shift,
    erasing, mixup, speed, noise, room, and all together.
    """
    from reelpulse.speech.preview import preview as write

    typer.echo(write(folder, output, clips=clips, seed=seed))
