"""Tables of what was taken for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from reelpulse.speech.judged import JudgedClips

TITLES = {"macro_f1": "macro F1", "precision": "precision", "uar": "UAR", "war": "WAR"}
"""Figures shown; macro recall is UAR."""

_MOST_SPEAKERS = 12
"""So many are shown; the JSON has them all."""


def print_judged(console: Console, tested: JudgedClips) -> None:
    """Print the figures, those of each class and speaker, and the confusion matrix."""
    from rich.text import Text

    from reelpulse.cli.display import plain_table, printable, score_text
    from reelpulse.learn.metrics import by_class
    from reelpulse.speech.corpus import EMOTIONS

    def line(text: str) -> None:
        console.print(Text(printable(text)), soft_wrap=True)

    for name, score in tested.scores().items():
        if name in TITLES:
            line(f"  {TITLES[name]:<10} {score_text(score)}")
    matrix = tested.matrix
    table = plain_table(["", "clips", "F1", "precision", "recall", *(n[:9] for n in EMOTIONS)])
    for place, (name, row) in enumerate(by_class(matrix, EMOTIONS).items()):
        if row["count"] or matrix[:, place].any():
            figures = [f"{row[part]:.3f}" for part in ("f1", "precision", "recall")]
            table.add_row(f"  {name}", f"{row['count']:.0f}", *figures, *map(str, matrix[place]))
    line("")
    line("  of each class, and what it was taken for")
    console.print(table)
    speakers = sorted(tested.by_speaker().items(), key=lambda pair: pair[1]["uar"])
    table = plain_table(["", "clips", "macro F1", "UAR", "WAR"])
    for name, figures_ in speakers[:_MOST_SPEAKERS]:
        shown = [f"{figures_[part]:.3f}" for part in ("macro_f1", "uar", "war")]
        table.add_row(Text(printable(f"  {name}")), f"{figures_['count']:.0f}", *shown)
    line("")
    line("  of each speaker, the hardest first")
    console.print(table)
    if len(speakers) > _MOST_SPEAKERS:
        line(f"  {len(speakers) - _MOST_SPEAKERS} more speakers are in --json")
