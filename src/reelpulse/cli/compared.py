"""What the commands that compare networks share: to run, to keep and to print a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from reelpulse.learn.comparison import NetworkComparison


def run_comparison(
    compare: Callable[[Any], NetworkComparison],
    folder: str,
    out: str | None,
    *,
    titles: Mapping[str, str],
    counts: Callable[[dict[str, int]], str],
    quiet: bool,
    json: bool,
) -> None:
    """Compare, keep what was found and print it; exit with 1 where a network failed.

    Parameters
    ----------
    compare : callable
        Told whom to tell the progress.
    folder : str
        Of the examples.
    out : str or None
        Where the JSON goes.
    titles : dict of str to str
        Figures shown, and what stands above them.
    counts : callable
        Says in a line how many examples there are in each part.
    quiet, json : bool
    """
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.learn.comparison import comparison_path, write_comparison
    from reelpulse.learn.fit import beside

    comparison_path(Path(folder), out)
    try:
        with counting("networks", quiet=quiet or json or beside()) as progress:
            found = compare(progress)
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
        _print(found, path, titles, counts(found.facts["parts"]))
    for name, why in found.failed.items():
        note(f"error: {name} could not be trained: {why}")
    if found.failed:
        raise typer.Exit(1)


def _print(found: NetworkComparison, path: Path, titles: Mapping[str, str], counts: str) -> None:
    from rich.text import Text

    from reelpulse.cli.display import plain_table, printable, score_text, table_console

    console = table_console()
    console.print(Text(printable(str(found.folder)), style="bold"), soft_wrap=True)
    console.print(Text(f"  {counts}"), soft_wrap=True)
    table = plain_table(["", *titles.values(), "behind", "s a pass", "a s", "ms each", "MB"])
    for place, line in enumerate(found.lines):
        noise = "~" if place and line.within_noise else ""
        costs = line.costs
        table.add_row(
            f"  {line.name}",
            *(score_text(line.scores[name]) for name in titles),
            f"{line.behind.value:.3f}{noise}" if place else "",
            f"{costs.epoch:.1f}",
            f"{costs.trained:.0f}",
            f"{costs.milliseconds:.1f}",
            f"{costs.megabytes:.1f}",
        )
    console.print(table)
    if any(line.within_noise for line in found.lines[1:]):
        console.print(Text("  ~ within noise: the interval of the difference holds 0"))
    console.print(Text(f"  {printable(str(path))}"), soft_wrap=True)
