"""What a model took pairs of frames for, beside what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.genre.pairs import Pairs
from reelpulse.learn.figures import figures_of, rounded_classes, scores_of
from reelpulse.learn.metrics import Score, by_class, confusion

Array = npt.NDArray[np.float32]

FIGURES = {"accuracy": "war", "macro_f1": "macro_f1", "uar": "uar"}
"""Figures given, and their names in `reelpulse.learn.figures`: accuracy, macro F1 and the mean
recall of classes. Means are over the classes that there are pairs of."""


@dataclass(frozen=True)
class Judged:
    """What was taken for what, of pairs that nothing was trained on or chosen by.

    Parameters
    ----------
    classes : tuple of str
    labels, predicted : ndarray of int, shape (N,)
        Places in `classes`.
    films : ndarray of str, shape (N,)
        ``genre/film``.
    outputs : ndarray of float32, shape (N, classes)
        Probabilities.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.intp]
    films: npt.NDArray[np.str_]
    outputs: Array

    @property
    def matrix(self) -> npt.NDArray[np.intp]:
        """Pairs by their class (rows) and the one predicted, (K, K)."""
        return confusion(self.labels, self.predicted, len(self.classes))

    def scores(self) -> dict[str, Score]:
        """Figures with 95 % intervals, of ten films or more over films, of fewer over pairs."""
        found = scores_of(self.labels, self.predicted, self.films, len(self.classes))
        return {name: found[known] for name, known in FIGURES.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: figures, by class and by film, and what was taken for what."""
        return {
            "pairs": len(self.labels),
            "films": len(np.unique(self.films)),
            "scores": {name: score.as_list() for name, score in self.scores().items()},
            "classes": rounded_classes(by_class(self.matrix, self.classes)),
            "by_film": self.by_film(),
            "confusion": self.matrix.tolist(),
        }

    def by_film(self) -> dict[str, dict[str, Any]]:
        """Of each film, the share told right, what it was taken for most often, and the count."""
        found: dict[str, dict[str, Any]] = {}
        for film in np.unique(self.films):
            own = self.films == film
            counts = np.bincount(self.predicted[own], minlength=len(self.classes))
            found[str(film)] = {
                "accuracy": round(float((self.predicted[own] == self.labels[own]).mean()), 4),
                "taken_for": self.classes[int(counts.argmax())],
                "count": int(own.sum()),
            }
        return found


def judged(
    pairs: Pairs, rows: npt.NDArray[np.intp], outputs: Array, classes: Sequence[str] | None = None
) -> Judged:
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
    return Judged(names, labels, outputs.argmax(axis=1), pairs.film_keys[rows], outputs)


def joined(parts: Sequence[Judged]) -> Judged:
    """What was judged of several folds, as one."""
    return Judged(
        parts[0].classes,
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.films for part in parts]),
        np.concatenate([part.outputs for part in parts]),
    )


def matrix_figures(matrix: npt.ArrayLike) -> dict[str, float]:
    """`FIGURES` of a confusion matrix."""
    found = figures_of(matrix)
    return {name: found[known] for name, known in FIGURES.items()}
