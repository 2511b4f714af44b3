"""A classifier that is fitted in a blink, in place of the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import ModelError
from reelpulse.learn.task import Task
from reelpulse.moments.training.networks import MOMENT_NETWORKS, Examples, Fitting, Network


@dataclass
class Lines:
    """One logistic regression an output, on the mean of each input; a score is the first's."""

    weights: np.ndarray
    task: Task

    def outputs(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        logits = inputs["input"] @ self.weights[:-1] + self.weights[-1]
        if self.task.kind == "classes":
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return (1 / (1 + np.exp(-logits))).astype(np.float32)

    def onnx(self) -> Any:
        from onnx import TensorProto, helper, numpy_helper

        last = "Softmax" if self.task.kind == "classes" else "Sigmoid"
        width = self.weights.shape[1]
        graph = helper.make_graph(
            [
                helper.make_node("Gemm", ["input", "w", "b"], ["logits"]),
                helper.make_node(last, ["logits"], ["output"]),
            ],
            "lines",
            [
                helper.make_tensor_value_info(
                    "input", TensorProto.FLOAT, ["n", len(self.weights) - 1]
                )
            ],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", width])],
            [
                numpy_helper.from_array(self.weights[:-1].astype(np.float32), "w"),
                numpy_helper.from_array(self.weights[-1].astype(np.float32), "b"),
            ],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def fit_lines(examples: Examples, held_back: np.ndarray, how: Fitting) -> Lines:
    """Ridge regression of ±2: near enough to a logistic one."""
    if how.params["strength"] > 90:
        raise ModelError("it is too strong")
    given = np.concatenate([examples.inputs["input"], np.ones((len(examples), 1))], axis=1)
    ridge = given.T @ given + (0.1 + how.params["strength"]) * np.eye(given.shape[1])
    weights = np.linalg.solve(ridge, given.T @ (4 * examples.targets - 2))
    return Lines(weights, how.task)


def fit_broken(examples: Examples, held_back: np.ndarray, how: Fitting) -> Lines:
    raise RuntimeError("no such\nlibrary")


def fit_diverged(examples: Examples, held_back: np.ndarray, how: Fitting) -> Lines:
    return Lines(
        np.full((examples.inputs["input"].shape[1] + 1, how.task.outputs), np.nan), how.task
    )


def space(trial: Any) -> dict[str, Any]:
    return {
        "jitter": trial.suggest_float("jitter", 0.0, 0.3),
        "batch": trial.suggest_categorical("batch", [16, 32]),
        "params": {"strength": trial.suggest_float("strength", 1e-3, 100.0, log=True)},
    }


def use_quick(monkeypatch: pytest.MonkeyPatch, **networks: Any) -> None:
    """Have these classifiers alone, each a fitting function."""
    for name in list(MOMENT_NETWORKS):
        monkeypatch.delitem(MOMENT_NETWORKS, name)
    for name, fit in networks.items():
        network = Network("summary", fit, "quick", space, {"strength": 1.0})
        monkeypatch.setitem(MOMENT_NETWORKS, name, network)
