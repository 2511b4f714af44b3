"""What a model took examples for, beside what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from reelpulse.learn.figures import rounded_classes, scores_of
from reelpulse.learn.metrics import Score, by_class, confusion

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class JudgedClasses:
    """What was taken for what, of examples that nothing was trained on or chosen by.

    Parameters
    ----------
    classes : tuple of str
    labels, predicted : ndarray of int, shape (N,)
        Places in `classes`.
    groups : ndarray of str, shape (N,)
        Who or what each example is of; those of one group are no independent ones.
    outputs : ndarray of float32, shape (N, classes)
        Probabilities.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.intp]
    groups: npt.NDArray[np.str_]
    outputs: Array

    @property
    def matrix(self) -> npt.NDArray[np.intp]:
        """Examples by their class (rows) and the one predicted, (K, K)."""
        return confusion(self.labels, self.predicted, len(self.classes))

    def scores(self) -> dict[str, Score]:
        """The figures with their intervals: see `reelpulse.learn.figures.scores_of`."""
        return scores_of(self.labels, self.predicted, self.groups, len(self.classes))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: figures, those of each class, and what was taken for what."""
        return {
            "scores": {name: score.as_list() for name, score in self.scores().items()},
            "classes": rounded_classes(by_class(self.matrix, self.classes)),
            "confusion": self.matrix.tolist(),
        }

    def by_group(self) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Each group in the order of their names, and which examples are its own, (N,)."""
        for group in np.unique(self.groups):
            yield str(group), self.groups == group


Judged = TypeVar("Judged", bound=JudgedClasses)


def joined(parts: Sequence[Judged]) -> Judged:
    """What was judged of several folds, as one."""
    first = parts[0]
    names = [one.name for one in fields(first) if isinstance(getattr(first, one.name), np.ndarray)]
    whole: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }
    return replace(first, **whole)
