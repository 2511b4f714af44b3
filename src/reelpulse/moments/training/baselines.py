"""What a trained network has to beat: the classes' shares, loudness alone, tension."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.splits import Fold, clip_groups, grouped_folds, strata
from reelpulse.learn.task import Task
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.settings import TrainSettings

Array = npt.NDArray[np.float32]


def baselines(
    clips: ClipSet,
    rows: npt.NDArray[Any] | None = None,
    folds: list[Fold] | None = None,
    settings: TrainSettings | None = None,
) -> dict[str, Array]:
    """Predict without a network, out of fold.

    ``majority`` says of every clip how frequent the classes are (of scores, their mean).
    ``loudness`` knows the clip's highest loudness alone, ``tension`` its highest tension: a
    logistic regression of that one value (of scores, a line) is fitted on the training part of each
    fold, so that they are judged by the same figures as a network.

    Parameters
    ----------
    clips : ClipSet
    rows : ndarray of int, shape (N,), optional
        Which clips; all of them without it.
    folds : list, optional
        Places in `rows`, as `grouped_folds` gives them; dealt here without it.
    settings : TrainSettings, optional
        `folds`, `seed` and `balance` are used.

    Returns
    -------
    dict of str to ndarray of float32, shape (N, task.outputs)
        ``loudness`` only where the clips have that column.
    """
    chosen = settings or TrainSettings()
    which = np.arange(len(clips)) if rows is None else np.asarray(rows)
    task, labels = clips.task, clips.labels[which]
    if folds is None:
        groups, _ = clip_groups(
            clips.facts["source"][which], clips.facts["person"][which], fewest=chosen.folds
        )
        folds = grouped_folds(strata(task, labels), groups, chosen.folds, chosen.seed)
    targets = task.targets(labels)
    shares = targets.mean(axis=0, dtype=np.float64)
    found = {"majority": np.tile(shares, (len(which), 1)).astype(np.float32)}
    if "loudness" in clips.columns:
        place = clips.columns.index("loudness")
        loudest = [
            np.nan_to_num(steps.values[:, :, place], nan=0.0).max(axis=1)
            for _, steps in clips.batches(rows=which)
        ]
        found["loudness"] = _fitted(task, np.concatenate(loudest), labels, folds, chosen.balance)
    tension = np.nan_to_num(clips.facts["tension"][which])
    found["tension"] = _fitted(task, tension, labels, folds, chosen.balance)
    return found


def _fitted(
    task: Task, values: npt.NDArray[Any], labels: Array, folds: list[Fold], balance: bool
) -> Array:
    """Out-of-fold outputs of a model of one value."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    outputs = np.zeros((len(labels), task.outputs), np.float32)
    for train, test in folds:
        spread = max(float(values[train].std()), 1e-6)
        given = ((values - values[train].mean()) / spread)[:, None]
        if task.kind == "score":
            line = LinearRegression().fit(given[train], labels[train] / task.highest)
            outputs[test, 0] = np.clip(line.predict(given[test]), 0, 1)
            continue
        weight = "balanced" if balance else None
        model = LogisticRegression(class_weight=weight).fit(given[train], labels[train].astype(int))
        found = model.predict_proba(given[test])
        if task.kind == "binary":
            outputs[test] = found[:, 1:]
        else:
            outputs[np.ix_(test, model.classes_)] = found
    return outputs
