"""What became of labels: the clips added, and those that could not be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelpulse.learn.task import Task
from reelpulse.moments.dataset.labels import LeftOut
from reelpulse.moments.lengths import LONGEST, SHORTEST

_LENGTH_SLACK = 0.05
"""Seconds by which a clip may be shorter or longer without a word."""


@dataclass
class Built:
    """What became of labels.

    `added` clips are new of the `total` that the dataset now has, `labels` of each class;
    `left_out` are not good enough, `failed` are those whose file or range cannot be used, and
    `there_already` are the same as another.
    """

    path: Path
    task: Task
    added: int = 0
    total: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    failed: list[LeftOut] = field(default_factory=list)
    there_already: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Plain values for people and scripts."""
        lists = {
            name: [entry._asdict() for entry in getattr(self, name)]
            for name in ("left_out", "failed", "there_already")
        }
        return {
            "dataset": str(self.path),
            "task": self.task.as_dict(),
            "added": self.added,
            "clips": self.total,
            "labels": self.labels,
            **lists,
            "notes": self.notes,
            "warnings": self.warnings,
        }

    def count(self, labels: Iterable[float]) -> None:
        """Count the classes of clips that were added."""
        if self.task.kind == "score":
            return
        for label in labels:
            name = self.task.classes[int(label)]
            self.labels[name] = self.labels.get(name, 0) + 1

    def nothing(self) -> str:
        """Say why no clip is left."""
        first, *others = sorted([*self.failed, *self.left_out])
        more = f" (and {len(others)} more)" if others else ""
        return f"no clip can be used: line {first.line}: {first.file}: {first.why}{more}"

    def conclude(self, lengths: Sequence[tuple[int, float]]) -> None:
        """Say once what is to be said of many clips.

        Parameters
        ----------
        lengths : sequence of (int, float)
            Lines and seconds of the clips added.
        """
        self.warnings = list(dict.fromkeys(self.warnings))
        for entries in (self.failed, self.left_out, self.there_already):
            entries.sort()
        low, high = SHORTEST - _LENGTH_SLACK, LONGEST + _LENGTH_SLACK
        odd = [(line, seconds) for line, seconds in lengths if not low <= seconds <= high]
        if odd:
            shortest, longest = (edge(seconds for _, seconds in odd) for edge in (min, max))
            self.warnings.append(
                f"{len(odd)} of {self.added} clips do not last {SHORTEST:g} to {LONGEST:g} s, but"
                f" {shortest:.1f} to {longest:.1f} s (first: line {min(odd)[0]})"
            )
        missing = [name for name in self.task.classes if not self.labels.get(name)]
        if missing and self.added == self.total:
            self.warnings.append(f"no clip that could be used is {' or '.join(missing)}")
