"""``reelpulse models``: which pretrained weights there are, fetching them, and using one's own."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reelpulse.cli import checkpoints

app = typer.Typer(no_args_is_help=True, help="List and fetch pretrained weights; use your own.")


@app.command("list")
def list_weights(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show the known weights: kind, size, licence, and where they are on this machine."""
    from dataclasses import asdict

    from reelpulse import hub
    from reelpulse.errors import ModelError

    rows = []
    for weights in hub.WEIGHTS.values():
        path, problem = None, None
        try:
            path = hub.locate(weights.name)
        except ModelError as error:
            problem = str(error)
        rows.append({**asdict(weights), "path": str(path) if path else None, "problem": problem})
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    note = "* trained on data given for non-commercial use, or without a stated licence"
    table = Table("Name", "Kind", "Size", "Licence", "At hand", caption=note)
    for column in table.columns[:-1]:
        column.no_wrap = True
    table.columns[-1].overflow = "fold"
    for row in rows:
        size = f"{row['size'] / 1e6:.1f} MB" if row["size"] else ""
        licence = f"{row['licence']} *" if row["non_commercial"] else row["licence"]
        where = row["path"] or row["problem"] or "no"
        cells = (row["name"], row["kind"], size, licence, where)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


@app.command()
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Which weights; without a name, the recommended ones."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors: no progress, no paths.")
    ] = False,
) -> None:
    """Download weights into the user's cache, unless they are at hand.

    Goes on past one that fails, names it at the end and exits 1.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TransferSpeedColumn,
    )

    from reelpulse import hub
    from reelpulse.errors import ReelpulseError

    wanted = names or [weights.name for weights in hub.WEIGHTS.values() if weights.recommended]
    found: dict[str, str] = {}
    failures: dict[str, str] = {}
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )
    with bar:
        for name in dict.fromkeys(wanted):
            task = bar.add_task(name, total=None, visible=False)

            def show(_: str, done: int, total: int | None, task: TaskID = task) -> None:
                bar.update(task, completed=done, total=total, visible=True)

            try:
                path = hub.locate(name) if name in hub.WEIGHTS else None
                found[name] = str(path or hub.fetch(name, progress=show))
            except ReelpulseError as error:
                failures[name] = str(error)
    if not quiet:
        for name, where in found.items():
            typer.echo(f"{name}: {where}")
    for problem in failures.values():
        typer.echo(problem, err=True)
    if failures:
        typer.echo(f"Not fetched: {', '.join(failures)}", err=True)
        raise typer.Exit(1)


app.command("inspect")(checkpoints.inspect)
app.command("convert")(checkpoints.convert)
