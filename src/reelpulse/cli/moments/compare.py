"""``reelpulse moments compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import TrainSettings

if TYPE_CHECKING:
    from pathlib import Path

    from reelpulse.moments.training.comparison import Comparison


@with_settings(TrainSettings, without=("network",))
def compare(
    clips: Annotated[
        str, typer.Argument(metavar="CLIPS.h5", help="A dataset that moments build wrote.")
    ],
    settings: TrainSettings,
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
            metavar="FILE.html|FOLDER",
            help="Where the page goes, and a .json beside it. [default: NAME.compare.html beside"
            " the dataset]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Cross-validate every network on the same folds, and say which differences are noise.

    Beside them stand what needs no network: the classes' shares, loudness alone, tension. Folds are
    apart by video and person. Stopped, it goes on where it was; a network that fails is named, and
    the others go on.

    \b
    reelpulse moments compare clips.h5
    reelpulse moments compare clips.h5 --network conv1d --network xgboost --baseline video -o out/
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from pathlib import Path

    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.export.comparison import comparison_path, write_comparison
    from reelpulse.moments.training.compare import compare as compare_networks

    comparison_path(Path(clips), out)
    try:
        with counting("fits", quiet=quiet or json) as progress:
            found = compare_networks(clips, settings, networks=networks, progress=progress)
    except KeyboardInterrupt:
        note("stopped; the same command goes on with the fits that are not done yet")
        raise typer.Exit(130) from None
    files = write_comparison(found, out)
    if json:
        from json import dumps

        plain = {**found.as_dict(), "files": [str(file) for file in files]}
        typer.echo(dumps(plain, ensure_ascii=False, indent=2))
    else:
        _print(found, files)
    for name, why in found.failed.items():
        note(f"error: {name} could not be fitted: {why}")
    if found.failed:
        raise typer.Exit(1)


def _print(found: Comparison, files: list[Path]) -> None:
    from rich.text import Text

    from reelpulse.cli.display import note, printable, table_console
    from reelpulse.cli.moments.tables import figures_table
    from reelpulse.export.comparison import COST_TITLES, cost_texts, facts_text

    for warning in found.warnings:
        note(f"warning: {warning}")
    console = table_console()
    rows = [(row.name, row.scores, cost_texts(row), not row.network) for row in found.rows]
    console.print(Text(printable(str(found.path)), style="bold"), soft_wrap=True)
    console.print(Text(f"  {facts_text(found)}"), soft_wrap=True)
    console.print(figures_table(console, found.task, rows, COST_TITLES))
    for text in (found.verdict, *map(str, files)):
        console.print(Text(f"  {printable(text)}"), soft_wrap=True)
