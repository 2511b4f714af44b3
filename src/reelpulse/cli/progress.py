"""A bar for long work on many clips."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[float, int, str], None] | None]:
    """Show a bar on stderr: how many are done, of how many, the time left, and what is at hand.

    Gives None where nobody watches.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from reelpulse.cli.display import error_console, printable

    bar = Progress(
        TextColumn("{task.fields[done]}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=error_console(),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None, done="")

        def show(done: float, total: int, name: str) -> None:
            counted = f"{int(done)} of {total} {what}"
            bar.update(task, completed=done, total=total, description=printable(name), done=counted)

        yield show
