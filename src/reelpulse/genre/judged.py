"""What a model took pairs of frames for, beside what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.genre.pairs import Pairs
from reelpulse.learn.figures import figures_of
from reelpulse.learn.judged import Array, JudgedClasses
from reelpulse.learn.metrics import Score

FIGURES = {"accuracy": "war", "macro_f1": "macro_f1", "uar": "uar"}
"""Figures given, and their names in `reelpulse.learn.figures`: accuracy, macro F1 and the mean
recall of classes. Means are over the classes that there are pairs of."""


@dataclass(frozen=True)
class JudgedPairs(JudgedClasses):
    """What was taken for what, of pairs that nothing was trained on or chosen by.

    Its groups are the films, ``genre/film``.
    """

    def scores(self) -> dict[str, Score]:
        """Figures with 95 % intervals, of ten films or more over films, of fewer over pairs."""
        found = super().scores()
        return {name: found[known] for name, known in FIGURES.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: figures, of each class and film; what was taken for what."""
        return {
            "pairs": len(self.labels),
            "films": len(np.unique(self.groups)),
            **super().as_dict(),
            "by_film": self.by_film(),
        }

    def by_film(self) -> dict[str, dict[str, Any]]:
        """Of each film, the share told right, what it was taken for most often, and the count."""
        found: dict[str, dict[str, Any]] = {}
        for film, own in self.by_group():
            counts = np.bincount(self.predicted[own], minlength=len(self.classes))
            found[film] = {
                "accuracy": round(float((self.predicted[own] == self.labels[own]).mean()), 4),
                "taken_for": self.classes[int(counts.argmax())],
                "count": int(own.sum()),
            }
        return found


def judged(
    pairs: Pairs,
    rows: npt.NDArray[np.intp],
    outputs: Array,
    classes: Sequence[str] | None = None,
) -> JudgedPairs:
    """Set what a model gave for some pairs beside what they are.

    Parameters
    ----------
    pairs : Pairs
    rows : ndarray of int
    outputs : ndarray of float32, shape (len(rows), classes)
    classes : sequence of str, optional
        Of the model, among them all those of the rows; those of the pairs without it.
    """
    names = tuple(classes or pairs.classes)
    labels = np.array([names.index(str(genre)) for genre in pairs.genres[rows]], np.int64)
    return JudgedPairs(names, labels, outputs.argmax(axis=1), pairs.film_keys[rows], outputs)


def matrix_figures(matrix: npt.ArrayLike) -> dict[str, float]:
    """`FIGURES` of a confusion matrix."""
    found = figures_of(matrix)
    return {name: found[known] for name, known in FIGURES.items()}
