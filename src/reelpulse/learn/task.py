"""What a classifier says: two classes, several, or a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reelpulse.errors import ModelError

Kind = Literal["binary", "classes", "score"]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """What is learnt, and so what the last layer gives.

    Parameters
    ----------
    kind : {"binary", "classes", "score"}
        Two classes: one sigmoid. Several: a softmax over them. A score from 0 to `highest`: one
        sigmoid, of the share of the highest.
    classes : tuple of str
        Names by stored code; none for a score.
    highest : float
        Of a score.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    highest: float = 10.0

    @property
    def outputs(self) -> int:
        """How many values a model gives for one example."""
        return len(self.classes) if self.kind == "classes" else 1

    def targets(self, labels: npt.ArrayLike) -> Array:
        """Turn stored labels (N,) into what the outputs should be, float32 (N, outputs)."""
        stored = np.asarray(labels, np.float32)
        if self.kind == "classes":
            return np.asarray(np.eye(len(self.classes))[stored.astype(int)], np.float32)
        return (stored / (self.highest if self.kind == "score" else 1.0))[:, None]

    def positive(self, outputs: npt.ArrayLike) -> Array:
        """How much of the last class there is, (N, outputs) to (N,) in [0, 1]: what ranks."""
        return np.asarray(outputs, np.float32)[:, -1]

    def is_positive(self, labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which labels (N,) are of the last class; of scores, which are half the highest or more.

        Returns
        -------
        ndarray of bool, shape (N,)
        """
        stored = np.asarray(labels)
        if self.kind == "score":
            return np.asarray(stored >= self.highest / 2)
        return np.asarray(stored == len(self.classes) - 1)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"kind": self.kind, "classes": list(self.classes), "highest": self.highest}

    @classmethod
    def from_dict(cls, value: Any) -> Task:
        """Read `as_dict`; raises `ModelError` where it is no task."""
        try:
            kind, classes = value["kind"], tuple(map(str, value["classes"]))
            highest = float(value["highest"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"does not say what it learnt ({error})") from None
        counts = {"binary": len(classes) == 2, "classes": len(classes) > 2, "score": not classes}
        if not counts.get(kind, False) or not highest > 0:
            raise ModelError(f"learnt something unknown here ({kind!r} of {len(classes)} classes)")
        return cls(kind, classes, highest)


BINARY = Task("binary", ("ordinary", "funny"))
LEVELS = Task("classes", ("boring", "ordinary", "funny"))
SCORE = Task("score")
