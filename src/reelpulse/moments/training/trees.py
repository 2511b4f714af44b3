"""Boosted trees and random forest on summaries of clips: blind to the order of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import MissingExtra
from reelpulse.learn.onnx_file import from_trees, joined
from reelpulse.learn.task import Task
from reelpulse.moments.training.projection import Projection, constant, projected

Array = npt.NDArray[np.float32]

_PATIENCE = 20
"""Stop boosting when this many trees bring nothing better on the clips held back."""


@dataclass(frozen=True)
class Trees:
    """A fitted forest or boosted trees."""

    forest: Any
    task: Task
    projection: Projection | None
    width: int

    def outputs(self, inputs: Mapping[str, Array]) -> Array:
        """Give probabilities, (N, outputs), for ``input`` (N, width)."""
        values = inputs["input"]
        if not len(values):
            return np.zeros((0, self.task.outputs), np.float32)
        seen = values if self.projection is None else self.projection(values)
        if self.task.kind == "score":
            return np.asarray(np.clip(self.forest.predict(seen), 0, 1)[:, None], np.float32)
        found = np.asarray(self.forest.predict_proba(seen), np.float32)
        return found if self.task.kind == "classes" else found[:, 1:]

    def onnx(self) -> Any:
        """Make an ONNX model, from ``input`` to ``output``."""
        from onnx import helper

        parts, given = projected(self.projection)
        whole = self.task.kind == "classes"
        parts.append(from_trees(self.forest, given, "output" if whole else "answers"))
        if self.task.kind == "score":
            limits = [("zero", 0.0), ("one", 1.0)]
            clip = helper.make_node("Clip", ["answers", "zero", "one"], ["output"])
            parts.append(([clip], [constant(name, value) for name, value in limits]))
        elif not whole:
            last = helper.make_node("Gather", ["answers", "last"], ["output"], axis=1)
            parts.append(([last], [constant("last", np.array([1]))]))
        return joined(parts, self.width, self.task.outputs)


def fit_forest(
    values: Array,
    targets: Array,
    weights: Array,
    task: Task,
    params: Mapping[str, Any],
    components: int,
    seed: int,
) -> Trees:
    """Fit a random forest.

    Parameters
    ----------
    values : ndarray, shape (N, F)
    targets : ndarray, shape (N, outputs)
    weights : ndarray, shape (N,)
    task : Task
    params : mapping
        ``trees``, and ``leaf``, the fewest clips in a leaf.
    components : int
        Principal components; 0 for none.
    seed : int
    """
    try:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    except ImportError:
        raise MissingExtra("train", "training a random forest") from None
    projection = Projection.fitted(values, components)
    seen = values if projection is None else projection(values)
    kind = RandomForestRegressor if task.kind == "score" else RandomForestClassifier
    forest = kind(
        int(params["trees"]),
        min_samples_leaf=int(params["leaf"]),
        max_features="sqrt",
        random_state=seed,
        n_jobs=1,
    )
    forest.fit(seen, _answers(targets, task), sample_weight=weights)
    return Trees(forest, task, projection, values.shape[1])


def fit_boosted(
    values: Array,
    targets: Array,
    weights: Array,
    held_back: npt.NDArray[np.bool_],
    task: Task,
    params: Mapping[str, Any],
    components: int,
    seed: int,
) -> Trees:
    """Fit boosted trees: how many, by the clips held back; then on all clips.

    Parameters
    ----------
    values : ndarray, shape (N, F)
    targets : ndarray, shape (N, outputs)
    weights : ndarray, shape (N,)
    held_back : ndarray of bool, shape (N,)
        None of them: as many trees as allowed.
    task : Task
    params : mapping
        ``trees`` (at most), ``depth``, ``eta`` (the share of each tree that counts).
    components : int
        Principal components; 0 for none.
    seed : int
    """
    try:
        from xgboost import XGBClassifier, XGBRegressor
    except ImportError:
        raise MissingExtra("train", "training boosted trees") from None
    answers, trees = _answers(targets, task), int(params["trees"])
    kind = XGBRegressor if task.kind == "score" else XGBClassifier
    how = {
        "max_depth": int(params["depth"]),
        "learning_rate": float(params["eta"]),
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "random_state": seed,
        "n_jobs": 1,
    }
    if held_back.any():
        rest = ~held_back
        inner = Projection.fitted(values[rest], components)
        seen = values if inner is None else inner(values)
        trial = kind(n_estimators=trees, early_stopping_rounds=_PATIENCE, **how).fit(
            seen[rest],
            answers[rest],
            sample_weight=weights[rest],
            eval_set=[(seen[held_back], answers[held_back])],
            sample_weight_eval_set=[weights[held_back]],
            verbose=False,
        )
        trees = int(trial.best_iteration) + 1
    projection = Projection.fitted(values, components)
    seen = values if projection is None else projection(values)
    boosted = kind(n_estimators=trees, **how).fit(seen, answers, sample_weight=weights)
    return Trees(boosted, task, projection, values.shape[1])


def _answers(targets: Array, task: Task) -> npt.NDArray[Any]:
    """Targets as these libraries want them, (N,): codes of classes, or shares of the highest."""
    if task.kind == "score":
        return targets[:, 0]
    if task.kind == "classes":
        return np.asarray(targets.argmax(axis=1))
    return (targets[:, 0] > 0.5).astype(int)
