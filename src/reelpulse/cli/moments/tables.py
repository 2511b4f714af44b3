"""Tables of figures with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reelpulse.learn.metrics import Score
    from reelpulse.learn.task import Task

_ROOMY = 130
"""Columns of a terminal in which an interval has room beside its figure; else it stands below."""


def figures_table(
    console: Console,
    task: Task,
    rows: Iterable[tuple[str, Mapping[str, Score], Sequence[str], bool]],
    more: Sequence[str] = (),
) -> Table:
    """Lay out the figures of a task, a model a row.

    Parameters
    ----------
    console : Console
        What it is for.
    task : Task
    rows : iterable of tuple
        Name, figures, cells of the columns in `more`, and whether the row needs no network.
    more : sequence of str
        Titles of further columns.
    """
    from reelpulse.cli.display import plain_table
    from reelpulse.export.comparison import TITLES, cell_texts
    from reelpulse.moments.training.comparison import SHOWN

    roomy = console.width >= _ROOMY
    shown = SHOWN[task.kind]
    table = plain_table(gap=2 if roomy else 1)
    table.add_column("", no_wrap=True)
    for title in (*(TITLES[name] for name in shown), *more):
        table.add_column(title, header_style="dim")
    for name, scores, cells, plain in rows:
        figures = (cell_texts(key, scores[key]) for key in shown)
        pattern = "{0} ({1})" if roomy else "{0}\n{1}"
        texts = [pattern.format(*pair) if pair[1] else pair[0] for pair in figures]
        table.add_row(f"  {name}", *texts, *cells, style="dim" if plain else "")
    return table
