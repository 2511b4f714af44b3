"""``reelpulse speech compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import SpeechTrainSettings


@with_settings(SpeechTrainSettings, without=("network", "every_fold"))
def compare(
    speech: Annotated[
        str, typer.Argument(metavar="SPEECH", help="A folder that speech prepare made.")
    ],
    settings: SpeechTrainSettings,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            help="Compare only this network; again for more. [default: all of them]",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.json",
            help="Where all figures go. [default: compare.json in the corpus' folder]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Train every network on the same clips, test it on the same others, and set them side by side.

    Stopped, it goes on where it was; a network that fails is named, and the others go on.

    \b
    reelpulse speech compare speech/
    reelpulse speech compare speech/ --network resnet18 --network small --epochs 5
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.compared import run_comparison
    from reelpulse.cli.speech.tables import TITLES
    from reelpulse.speech.compare import compare as compare_networks

    run_comparison(
        lambda progress: compare_networks(speech, settings, networks=networks, progress=progress),
        speech,
        out,
        titles=TITLES,
        counts=lambda parts: (
            f"{parts['train']} clips trained on, {parts['valid']} to stop by,"
            f" {parts['test']} tested on"
        ),
        quiet=quiet,
        json=json,
    )
