"""Support vectors on summaries of clips, their decisions made probabilities by Platt's sigmoid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import MissingExtra
from reelpulse.learn.onnx_file import joined
from reelpulse.learn.task import Task
from reelpulse.moments.training.projection import Projection, constant, projected

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

_FOLDS = 5
"""In which decisions are made of clips that a machine was not fitted on."""

_LEAST_SLOPE = 0.1
"""Of a decision's sigmoid: a few clips must not turn the order round."""


@dataclass(frozen=True)
class Machine:
    """Support vectors of one class against the others: a sum of kernels, and its sigmoid.

    Parameters
    ----------
    vectors : ndarray of float32, shape (V, F)
    coefficients : ndarray of float32, shape (V,)
    intercept, gamma : float
    slope, offset : float
        The probability is ``sigmoid(slope * decision + offset)``; of a score, the share of the
        highest is ``slope * decision + offset``.
    """

    vectors: Array
    coefficients: Array
    intercept: float
    gamma: float
    slope: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class SupportVectors:
    """A fitted machine, or one a class."""

    models: tuple[Any, ...]
    machines: tuple[Machine, ...]
    task: Task
    projection: Projection | None
    width: int

    def outputs(self, inputs: Mapping[str, Array]) -> Array:
        """Give probabilities, (N, outputs), for ``input`` (N, width)."""
        from scipy.special import expit

        values = inputs["input"]
        if not len(values):
            return np.zeros((0, self.task.outputs), np.float32)
        seen = values if self.projection is None else self.projection(values)
        found = np.stack(
            [
                machine.slope * _decision(model, seen) + machine.offset
                for model, machine in zip(self.models, self.machines, strict=True)
            ],
            axis=1,
        )
        if self.task.kind == "score":
            return np.clip(found, 0, 1).astype(np.float32)
        chances = expit(found)
        if self.task.kind == "classes":
            chances /= chances.sum(axis=1, keepdims=True)
        return np.asarray(chances, np.float32)

    def onnx(self) -> Any:
        """Make an ONNX model, from ``input`` to ``output``.

        Written node by node: the usual converter turns a support vector classifier's own
        probabilities into others.
        """
        from onnx import helper

        parts, given = projected(self.projection)
        for index, machine in enumerate(self.machines):
            kernel = helper.make_node(
                "SVMRegressor",
                [given],
                [f"decision{index}"],
                domain="ai.onnx.ml",
                kernel_type="RBF",
                kernel_params=[machine.gamma, 0.0, 3.0],
                n_supports=len(machine.vectors),
                support_vectors=machine.vectors.ravel().tolist(),
                coefficients=machine.coefficients.tolist(),
                rho=[machine.intercept],
                post_transform="NONE",
                one_class=0,
            )
            parts.append(([kernel], []))
        decisions = [f"decision{index}" for index in range(len(self.machines))]
        constants = {
            "slopes": np.array([[machine.slope for machine in self.machines]], np.float32),
            "offsets": np.array([[machine.offset for machine in self.machines]], np.float32),
        }
        nodes = [
            helper.make_node("Concat", decisions, ["decisions"], axis=1),
            helper.make_node("Mul", ["decisions", "slopes"], ["sloped"]),
            helper.make_node("Add", ["sloped", "offsets"], ["moved"]),
        ]
        if self.task.kind == "score":
            constants |= {"zero": np.float32(0), "one": np.float32(1)}  # type: ignore[dict-item]
            nodes.append(helper.make_node("Clip", ["moved", "zero", "one"], ["output"]))
        elif self.task.kind == "binary":
            nodes.append(helper.make_node("Sigmoid", ["moved"], ["output"]))
        else:
            constants["across"] = np.array([1])
            nodes += [
                helper.make_node("Sigmoid", ["moved"], ["chances"]),
                helper.make_node("ReduceSum", ["chances", "across"], ["all"], keepdims=1),
                helper.make_node("Div", ["chances", "all"], ["output"]),
            ]
        parts.append((nodes, [constant(name, value) for name, value in constants.items()]))
        return joined(parts, self.width, self.task.outputs)


def _decision(model: Any, values: Array) -> npt.NDArray[np.float64]:
    """What a machine decides, (N,): above 0 for the class; of a score, the score."""
    answer = model.decision_function if hasattr(model, "decision_function") else model.predict
    return np.asarray(answer(values), np.float64)


# Fitting


def fit_support_vectors(
    values: Array,
    targets: Array,
    weights: Array,
    groups: Ints | None,
    task: Task,
    params: Mapping[str, Any],
    components: int,
    seed: int,
) -> SupportVectors:
    """Fit one machine, or for several classes one a class against the others.

    Parameters
    ----------
    values : ndarray, shape (N, F)
    targets : ndarray, shape (N, outputs)
    weights : ndarray, shape (N,)
    groups : ndarray of int, shape (N,), optional
        Clips that belong together.
    task : Task
    params : mapping
        ``c``, the price of an error, and ``gamma``, the kernel's width, as a multiple of
        1 / (F x variance).
    components : int
        Principal components; 0 for none.
    seed : int
    """
    try:
        from sklearn.svm import SVC, SVR
    except ImportError:
        raise MissingExtra("train", "training support vectors") from None
    projection = Projection.fitted(values, components)
    seen = values if projection is None else projection(values)
    gamma = float(params["gamma"]) / (seen.shape[1] * max(float(seen.var()), 1e-12))
    models, machines = [], []
    for column in range(task.outputs):
        if task.kind == "score":
            model = SVR(C=float(params["c"]), gamma=gamma, epsilon=0.05)
            line = (1.0, 0.0)
            model.fit(seen, targets[:, column], sample_weight=weights)
        else:
            model = SVC(C=float(params["c"]), gamma=gamma)
            line = _platt(model, seen, targets[:, column] > 0.5, weights, groups, seed)
            model.fit(seen, targets[:, column] > 0.5, sample_weight=weights)
        models.append(model)
        machines.append(_machine(model, gamma, *line))
    return SupportVectors(tuple(models), tuple(machines), task, projection, values.shape[1])


def _machine(model: Any, gamma: float, slope: float, offset: float) -> Machine:
    return Machine(
        np.asarray(model.support_vectors_, np.float32),
        np.asarray(model.dual_coef_[0], np.float32),
        float(model.intercept_[0]),
        gamma,
        slope,
        offset,
    )


def _platt(
    model: Any,
    values: Array,
    positive: npt.NDArray[np.bool_],
    weights: Array,
    groups: Ints | None,
    seed: int,
) -> tuple[float, float]:
    """Find the sigmoid of decisions that clips got from machines not fitted on them.

    As in Platt, "Probabilistic Outputs for Support Vector Machines" (1999): the targets are a
    little off 0 and 1, by how few examples there are.
    """
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    decisions = np.full(len(values), np.nan)
    for train, test in _inner_folds(positive, groups, seed):
        if positive[train].all() or not positive[train].any():
            continue
        apart = clone(model).fit(values[train], positive[train], sample_weight=weights[train])
        decisions[test] = apart.decision_function(values[test])
    told = np.isfinite(decisions)
    yes, no = int(positive[told].sum()), int((~positive[told]).sum())
    if not yes or not no:
        return 1.0, 0.0
    sure = np.where(positive[told], (yes + 1) / (yes + 2), 1 / (no + 2))
    # Each clip twice, as one of the class and as one of the others: a soft target.
    logistic = LogisticRegression(C=1e3).fit(
        np.tile(decisions[told], 2)[:, None],
        np.repeat([1, 0], len(sure)),
        sample_weight=np.concatenate([sure, 1 - sure]) * np.tile(weights[told], 2),
    )
    slope = max(float(logistic.coef_[0, 0]), _LEAST_SLOPE)
    return slope, float(logistic.intercept_[0])


def _inner_folds(
    positive: npt.NDArray[np.bool_], groups: Ints | None, seed: int
) -> list[tuple[Ints, Ints]]:
    """Folds within the clips to train on: by group where there are enough, else by clip."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    few = int(min(positive.sum(), (~positive).sum()))
    if groups is not None and len(np.unique(groups)) >= _FOLDS:
        folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
        return list(folds.split(np.zeros(len(positive)), positive, groups))
    if few < 2:
        return []
    plain = StratifiedKFold(min(_FOLDS, few), shuffle=True, random_state=seed)
    return list(plain.split(np.zeros(len(positive)), positive))
