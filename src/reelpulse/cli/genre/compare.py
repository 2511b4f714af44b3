"""``reelpulse genre compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import GenreTrainSettings

if TYPE_CHECKING:
    from pathlib import Path

    from reelpulse.genre.compare import GenreComparison


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
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.genre.compare import compare as compare_networks
    from reelpulse.genre.compare import write_comparison
    from reelpulse.learn.fit import beside

    try:
        with counting("networks", quiet=quiet or json or beside()) as progress:
            found = compare_networks(frames, settings, presets=presets, progress=progress)
    except KeyboardInterrupt:
        note("stopped; the same command goes on with what is not done yet")
        raise typer.Exit(130) from None
    if beside():
        return
    path = write_comparison(found, out)
    for warning in found.warnings:
        note(f"warning: {warning}")
    if json:
        from json import dumps

        typer.echo(dumps({**found.as_dict(), "file": str(path)}, ensure_ascii=False, indent=2))
    else:
        _print(found, path)
    for name, why in found.failed.items():
        note(f"error: {name} could not be trained: {why}")
    if found.failed:
        raise typer.Exit(1)


def _print(found: GenreComparison, path: Path) -> None:
    from rich.text import Text

    from reelpulse.cli.display import plain_table, printable, score_text, table_console
    from reelpulse.cli.genre.tables import TITLES

    console = table_console()
    parts = found.facts["parts"]
    held = f", {parts['valid']} held back" if parts["valid"] else ""
    counts = f"{parts['train']} pairs trained on{held}, {parts['test']} tested on"
    console.print(Text(printable(str(found.folder)), style="bold"), soft_wrap=True)
    console.print(Text(f"  {counts}"), soft_wrap=True)
    table = plain_table(["", *TITLES.values(), "behind", "s a pass", "a s", "ms each", "MB"])
    for place, line in enumerate(found.lines):
        noise = "~" if place and line.within_noise else ""
        costs = line.costs
        table.add_row(
            f"  {line.name}",
            *(score_text(line.scores[name]) for name in TITLES),
            f"{line.behind.value:.3f}{noise}" if place else "",
            f"{costs.epoch:.1f}",
            f"{costs.images:.0f}",
            f"{costs.milliseconds:.1f}",
            f"{costs.megabytes:.1f}",
        )
    console.print(table)
    if any(line.within_noise for line in found.lines[1:]):
        console.print(Text("  ~ within noise: the interval of the difference holds 0"))
    console.print(Text(f"  {printable(str(path))}"), soft_wrap=True)
