"""``reelpulse speech compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import SpeechTrainSettings

if TYPE_CHECKING:
    from pathlib import Path

    from reelpulse.speech.compare import SpeechComparison


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
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.learn.fit import beside
    from reelpulse.speech.compare import compare as compare_networks
    from reelpulse.speech.compare import write_comparison

    try:
        with counting("networks", quiet=quiet or json or beside()) as progress:
            found = compare_networks(speech, settings, networks=networks, progress=progress)
    except KeyboardInterrupt:
        note("stopped; the same command goes on with what is not done yet")
        raise typer.Exit(130) from None
    if beside():
        return
    path = write_comparison(found, out)
    if json:
        from json import dumps

        typer.echo(dumps({**found.as_dict(), "file": str(path)}, ensure_ascii=False, indent=2))
    else:
        _print(found, path)
    for name, why in found.failed.items():
        note(f"error: {name} could not be trained: {why}")
    if found.failed:
        raise typer.Exit(1)


def _print(found: SpeechComparison, path: Path) -> None:
    from rich.text import Text

    from reelpulse.cli.display import note, plain_table, printable, score_text, table_console
    from reelpulse.cli.speech.tables import TITLES

    for warning in found.warnings:
        note(f"warning: {warning}")
    console = table_console()
    parts = found.facts["parts"]
    counts = f"{parts['train']} clips trained on, {parts['valid']} to stop by"
    console.print(Text(printable(str(found.folder)), style="bold"), soft_wrap=True)
    console.print(Text(f"  {counts}, {parts['test']} tested on"), soft_wrap=True)
    titles = ["", *TITLES.values(), "behind", "s a pass", "ms a clip", "MB"]
    table = plain_table(titles)
    for place, line in enumerate(found.lines):
        noise = "~" if place and line.within_noise else ""
        costs = line.costs
        table.add_row(
            f"  {line.name}",
            *(score_text(line.scores[name]) for name in TITLES),
            f"{line.behind.value:.3f}{noise}" if place else "",
            f"{costs.epoch:.1f}",
            f"{costs.milliseconds:.1f}",
            f"{costs.megabytes:.1f}",
        )
    console.print(table)
    if any(line.within_noise for line in found.lines[1:]):
        console.print(Text("  ~ within noise: the interval of the difference holds 0"))
    console.print(Text(f"  {printable(str(path))}"), soft_wrap=True)
