"""What a model took recordings for, beside what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.figures import figures_of, rounded_classes, scores_of
from reelpulse.learn.metrics import Score, by_class, confusion
from reelpulse.speech.corpus import EMOTIONS, Corpus

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """What was taken for what, of clips that nothing was trained on or chosen by.

    Parameters
    ----------
    names : tuple of str
    labels, predicted : ndarray of int, shape (N,)
        Places in `EMOTIONS`.
    speakers : ndarray of str, shape (N,)
    outputs : ndarray of float32, shape (N, 7)
        Probabilities.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.intp]
    speakers: npt.NDArray[np.str_]
    outputs: Array

    @property
    def matrix(self) -> npt.NDArray[np.intp]:
        """Clips by their class (rows) and the one predicted, (7, 7)."""
        return confusion(self.labels, self.predicted, len(EMOTIONS))

    def scores(self) -> dict[str, Score]:
        """The figures with their intervals: see `scores_of`."""
        return scores_of(self.labels, self.predicted, self.speakers, len(EMOTIONS))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: figures, by class and by speaker, and what was taken for what."""
        return {
            "clips": len(self.labels),
            "speakers": len(np.unique(self.speakers)),
            "scores": {name: score.as_list() for name, score in self.scores().items()},
            "classes": rounded_classes(by_class(self.matrix, EMOTIONS)),
            "by_speaker": self.by_speaker(),
            "confusion": self.matrix.tolist(),
        }

    def by_speaker(self) -> dict[str, dict[str, float]]:
        """Macro F1, UAR, WAR and count of each speaker."""
        found = {}
        for speaker in np.unique(self.speakers):
            own = self.speakers == speaker
            matrix = confusion(self.labels[own], self.predicted[own], len(EMOTIONS))
            figures = figures_of(matrix)
            shown = {name: round(figures[name], 4) for name in ("macro_f1", "uar", "war")}
            found[str(speaker)] = {**shown, "count": int(own.sum())}
        return found


def judged(corpus: Corpus, rows: npt.NDArray[np.intp], outputs: Array) -> Judged:
    """Set what a model gave for some recordings beside what they are."""
    names = tuple(corpus.names[row] for row in rows)
    guessed = outputs.argmax(axis=1)
    return Judged(names, corpus.labels[rows], guessed, corpus.speakers[rows], outputs)


def joined(parts: list[Judged]) -> Judged:
    """What was judged of several folds, as one."""
    return Judged(
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.speakers for part in parts]),
        np.concatenate([part.outputs for part in parts]),
    )
