"""What a model took recordings for, beside what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.figures import figures_of
from reelpulse.learn.judged import Array, JudgedClasses
from reelpulse.learn.metrics import confusion
from reelpulse.speech.corpus import EMOTIONS, Corpus


@dataclass(frozen=True)
class JudgedClips(JudgedClasses):
    """What was taken for what, of clips that nothing was trained on or chosen by.

    Its classes are `EMOTIONS`, its groups the speakers.

    Parameters
    ----------
    names : ndarray of str, shape (N,)
        Of the clips.
    """

    names: npt.NDArray[np.str_]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: figures, of each class and speaker; what was taken for what."""
        return {
            "clips": len(self.labels),
            "speakers": len(np.unique(self.groups)),
            **super().as_dict(),
            "by_speaker": self.by_speaker(),
        }

    def by_speaker(self) -> dict[str, dict[str, float]]:
        """Macro F1, UAR, WAR and count of each speaker."""
        found = {}
        for speaker, own in self.by_group():
            figures = figures_of(confusion(self.labels[own], self.predicted[own], len(EMOTIONS)))
            shown = {name: round(figures[name], 4) for name in ("macro_f1", "uar", "war")}
            found[speaker] = {**shown, "count": int(own.sum())}
        return found


def judged(corpus: Corpus, rows: npt.NDArray[np.intp], outputs: Array) -> JudgedClips:
    """Set what a model gave for some recordings beside what they are."""
    names = np.array([corpus.names[row] for row in rows], str)
    guessed = outputs.argmax(axis=1)
    return JudgedClips(
        EMOTIONS, corpus.labels[rows], guessed, corpus.speakers[rows], outputs, names
    )
