"""Tables of what was taken for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from reelpulse.genre.judged import JudgedPairs

TITLES = {"accuracy": "accuracy", "macro_f1": "macro F1"}
"""Figures shown; the JSON has more."""

_MOST_FILMS = 24
"""So many are shown; the JSON has them all."""


def many(count: int, what: str, ending: str = "s") -> str:
    """A count with its noun."""
    return f"{count} {what}{ending if count != 1 else ''}"


def print_judged(console: Console, tested: JudgedPairs) -> None:
    """Print the figures, those of each class and film, and the confusion matrix."""
    from rich.text import Text

    from reelpulse.cli.display import plain_table, printable, score_text
    from reelpulse.learn.metrics import FEWEST_GROUPS, by_class

    def line(text: str) -> None:
        console.print(Text(printable(text)), soft_wrap=True)

    for name, score in tested.scores().items():
        if name in TITLES:
            line(f"  {TITLES[name]:<10} {score_text(score)}")
    films = tested.by_film()
    if len(films) < FEWEST_GROUPS:
        line(f"  of {many(len(films), 'film')}: the intervals say nothing of other films")
    matrix = tested.matrix
    table = plain_table(
        ["", "pairs", "F1", "precision", "recall", *(n[:12] for n in tested.classes)]
    )
    for place, (name, row) in enumerate(by_class(matrix, tested.classes).items()):
        figures = [f"{row[part]:.3f}" for part in ("f1", "precision", "recall")]
        cells = [f"{row['count']:.0f}", *figures, *map(str, matrix[place])]
        table.add_row(Text(printable(f"  {name}")), *cells)
    line("")
    line("  of each class, and what it was taken for")
    console.print(table)
    order = sorted(films.items(), key=lambda pair: pair[1]["accuracy"])
    table = plain_table(["", "pairs", "right", "mostly taken for"])
    for film, found in order[:_MOST_FILMS]:
        cells = [str(found["count"]), f"{found['accuracy']:.3f}", printable(found["taken_for"])]
        table.add_row(Text(printable(f"  {film}")), *cells)
    line("")
    line("  of each film, the hardest first")
    console.print(table)
    if len(order) > _MOST_FILMS:
        line(f"  {len(order) - _MOST_FILMS} more films are in --json")
