"""What a comparison of networks found: a line each, and which differences are noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.learn.metrics import Calibration, Score, calibration, difference, scores
from reelpulse.learn.task import Task

RANKED_BY = {"binary": "roc_auc", "classes": "roc_auc", "score": "spearman"}
"""The figure that says which network is best: to find moments is to put them first."""

SHOWN = {
    "binary": ("roc_auc", "average_precision", "f1", "accuracy", "ece"),
    "classes": ("roc_auc", "average_precision", "macro_f1", "accuracy", "ece"),
    "score": ("spearman", "mae", "rmse", "roc_auc"),
}
"""The columns of a table, by task."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Costs:
    """What a network costs.

    Parameters
    ----------
    seconds : float
        Of a fit.
    microseconds : float
        A clip, by ONNX Runtime on one thread; making the network's input left out.
    kilobytes : float
        Of the exported model.
    """

    seconds: float
    microseconds: float
    kilobytes: float


@dataclass(frozen=True)
class Row:
    """A line of the comparison.

    Parameters
    ----------
    name : str
    scores : dict of str to Score
    behind : Score
        By how much the best network's figure exceeds this one's, on the same draws.
    calibration : Calibration
    costs : Costs or None
        None of a baseline.
    """

    name: str
    scores: dict[str, Score]
    behind: Score
    calibration: Calibration
    costs: Costs | None = None

    @property
    def network(self) -> bool:
        """Whether it was trained, and is no baseline."""
        return self.costs is not None

    @property
    def within_noise(self) -> bool:
        """Whether the interval of the difference from the best holds 0."""
        return self.behind.reaches_zero

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "network": self.network,
            "scores": {name: score.as_list() for name, score in self.scores.items()},
            "behind": self.behind.as_list(),
            "within_noise": self.within_noise,
            "calibration": {
                "predicted": [round(value, 4) for value in self.calibration.predicted],
                "observed": [round(value, 4) for value in self.calibration.observed],
                "counts": list(self.calibration.counts),
            },
            "costs": None if self.costs is None else _rounded(asdict(self.costs)),
        }


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    path : Path
        The dataset.
    task : Task
    metric : str
        The figure that `rows` are ordered by.
    rows : tuple of Row
        Networks and baselines, the best first.
    failed : dict of str to str
        Networks that could not be fitted, and why.
    warnings : tuple of str
    facts : dict
        Clips, groups and folds; clips of each class; the dataset's fingerprint; the settings.
    """

    path: Path
    task: Task
    metric: str
    rows: tuple[Row, ...]
    failed: dict[str, str]
    warnings: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def best(self) -> Row:
        """The best network."""
        return next(row for row in self.rows if row.network)

    @property
    def verdict(self) -> str:
        """Which differences are within noise, in a line."""
        others = [row for row in self.rows if row is not self.best]
        near = [row.name for row in others if row.network and row.within_noise]
        behind = [row.name for row in others if row.network and not row.within_noise]
        no_worse = [row.name for row in others if not row.network and row.within_noise]
        parts = [f"{self.best.name} is best"]
        if near:
            parts.append(f"{', '.join(near)} within noise of it")
        if behind:
            parts.append(f"{', '.join(behind)} behind")
        if no_worse:
            parts.append(f"what it adds over {', '.join(no_worse)} is within noise")
        else:
            parts.append("it beats every baseline")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "dataset": str(self.path),
            "task": self.task.as_dict(),
            **self.facts,
            "metric": self.metric,
            "best": self.best.name,
            "verdict": self.verdict,
            "rows": [row.as_dict() for row in self.rows],
            "failed": self.failed,
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def judge(
    task: Task,
    labels: Array,
    groups: npt.NDArray[Any],
    outputs: Mapping[str, Array],
    costs: Mapping[str, Costs],
) -> tuple[Row, ...]:
    """Score predictions, and how far each is behind the best network.

    Parameters
    ----------
    task : Task
    labels, groups : ndarray, shape (N,)
    outputs : mapping of str to ndarray, shape (N, task.outputs)
        Out of fold, of networks and baselines.
    costs : mapping
        Of the networks among them: at least one.

    Returns
    -------
    tuple of Row
        The best first.
    """
    metric = RANKED_BY[task.kind]
    found = {name: scores(task, labels, given, groups) for name, given in outputs.items()}

    def rank(name: str) -> float:
        value = found[name][metric].value
        return value if math.isfinite(value) else -math.inf

    best = max(costs, key=rank)
    return tuple(
        Row(
            name,
            found[name],
            difference(task, labels, outputs[best], outputs[name], groups, metric),
            calibration(task, labels, outputs[name]),
            costs.get(name),
        )
        for name in sorted(outputs, key=lambda name: (-rank(name), name not in costs))
    )


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
