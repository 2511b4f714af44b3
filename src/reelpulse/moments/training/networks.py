"""The classifiers of moments, by name: another is a function and a line in `MOMENT_NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reelpulse.errors import SettingsError
from reelpulse.learn.task import Task
from reelpulse.moments.inputs import Form
from reelpulse.moments.training import neural, trees, vectors
from reelpulse.settings import TrainSettings, one_of

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """What a network learns from.

    Parameters
    ----------
    inputs : dict of str to ndarray of float32
        As `Recipe` makes them; first axes N.
    targets : ndarray of float32, shape (N, outputs)
    weights : ndarray of float32, shape (N,)
    groups : ndarray of int, shape (N,), optional
        Clips that must stay on one side of a split.
    """

    inputs: dict[str, Array]
    targets: Array
    weights: Array
    groups: npt.NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, rows: Any) -> Examples:
        inputs = {name: value[rows] for name, value in self.inputs.items()}
        groups = None if self.groups is None else self.groups[rows]
        return Examples(inputs, self.targets[rows], self.weights[rows], groups)

    def arrays(self) -> dict[str, Array]:
        """Inputs, ``targets`` and ``weights`` in one."""
        return {**self.inputs, "targets": self.targets, "weights": self.weights}


@dataclass(frozen=True)
class Fitting:
    """How a network is fitted.

    Parameters
    ----------
    task : Task
    settings : TrainSettings
    params : mapping
        Numbers of the network itself, all of them.
    seed : int
    logs : Path, optional
        Folder for TensorBoard.
    tick : callable, optional
        Told which share of the fit is done.
    """

    task: Task
    settings: TrainSettings
    params: Mapping[str, Any]
    seed: int
    logs: Path | None = None
    tick: Callable[[float], None] | None = None


class Fitted(Protocol):
    """A fitted network."""

    def outputs(self, inputs: Mapping[str, Array]) -> Array:
        """Give probabilities, (N, task.outputs), of what the recipe made."""

    def onnx(self) -> Any:
        """Make an ``onnx.ModelProto``: ``input`` (and ``mask``) to ``output``, any batch size."""


@dataclass(frozen=True)
class Network:
    """A kind of classifier.

    Parameters
    ----------
    form : {"steps", "summary"}
        What it is given.
    fit : callable
        ``fit(examples, held_back, fitting)`` gives a `Fitted`; `held_back`, (N,) of bool, are those
        by which it may tell when to stop.
    about : str
        A line for people.
    space : callable
        ``space(trial)`` draws, for an Optuna trial, settings by the names of `TrainSettings`, and
        under ``params`` numbers of the network itself.
    params : mapping
        Those numbers' defaults.
    """

    form: Form
    fit: Callable[[Examples, npt.NDArray[np.bool_], Fitting], Fitted]
    about: str
    space: Callable[[Any], dict[str, Any]]
    params: Mapping[str, Any] = field(default_factory=dict)

    def with_defaults(self, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Fill in the numbers that are not given.

        Raises
        ------
        SettingsError
            On an unknown name (the nearest is named), or what is no number.
        """
        given = dict(params or {})
        for name, value in given.items():
            if not self.params:
                raise SettingsError(f"this network has no setting {name!r}")
            one_of("param", name, tuple(self.params))
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise SettingsError(f"`param` {name} wants a number from 0 up, not {value!r}")
            if isinstance(self.params[name], int) and not isinstance(value, int):
                raise SettingsError(f"`param` {name} wants a whole number, not {value!r}")
        return {**self.params, **given}


def _fit_neural(
    build: Callable[[int, int, int, Mapping[str, Any]], Any],
    examples: Examples,
    held_back: npt.NDArray[np.bool_],
    how: Fitting,
) -> Fitted:
    watched = examples[held_back].arrays() if held_back.any() else None
    return neural.fit_neural(
        build, examples[~held_back].arrays(), watched, how.task, how.settings, how.params,
        how.seed, how.logs, how.tick,
    )  # fmt: skip


def _fit_forest(examples: Examples, held_back: npt.NDArray[np.bool_], how: Fitting) -> Fitted:
    return trees.fit_forest(
        examples.inputs["input"], examples.targets, examples.weights, how.task, how.params,
        how.settings.pca, how.seed,
    )  # fmt: skip


def _fit_boosted(examples: Examples, held_back: npt.NDArray[np.bool_], how: Fitting) -> Fitted:
    return trees.fit_boosted(
        examples.inputs["input"], examples.targets, examples.weights, held_back, how.task,
        how.params, how.settings.pca, how.seed,
    )  # fmt: skip


def _fit_vectors(examples: Examples, held_back: npt.NDArray[np.bool_], how: Fitting) -> Fitted:
    return vectors.fit_support_vectors(
        examples.inputs["input"], examples.targets, examples.weights, examples.groups, how.task,
        how.params, how.settings.pca, how.seed,
    )  # fmt: skip


def _neural_space(hidden: bool, trial: Any) -> dict[str, Any]:
    """What is worth searching in a neural network."""
    params = {"dropout": trial.suggest_float("dropout", 0.0, 0.5)}
    if hidden:
        params["hidden"] = trial.suggest_int("hidden", 32, 64, step=16)
    return {
        "rate": trial.suggest_float("rate", 3e-4, 1e-2, log=True),
        "decay": trial.suggest_float("decay", 1e-4, 1e-1, log=True),
        "mixup": trial.suggest_float("mixup", 0.0, 0.4),
        "jitter": trial.suggest_float("jitter", 0.0, 0.3),
        "batch": trial.suggest_categorical("batch", [16, 32, 64]),
        "params": params,
    }


def _forest_space(trial: Any) -> dict[str, Any]:
    return {"params": {"leaf": trial.suggest_int("leaf", 1, 10)}}


def _boosted_space(trial: Any) -> dict[str, Any]:
    return {
        "params": {
            "depth": trial.suggest_int("depth", 1, 6),
            "eta": trial.suggest_float("eta", 0.02, 0.3, log=True),
        }
    }


def _vectors_space(trial: Any) -> dict[str, Any]:
    return {
        "params": {
            "c": trial.suggest_float("c", 0.1, 30.0, log=True),
            "gamma": trial.suggest_float("gamma", 0.1, 10.0, log=True),
        }
    }


def _neural(build: Callable[..., Any], about: str, **params: float) -> Network:
    space = partial(_neural_space, "hidden" in params)
    return Network("steps", partial(_fit_neural, build), about, space, params)


MOMENT_NETWORKS: dict[str, Network] = {
    "conv1d": _neural(
        neural.conv1d,
        "64 and 32 filters of three steps, the strongest answer of each",
        dropout=0.0,
    ),
    "lstm": _neural(
        partial(neural.recurrent, "lstm", False),
        "one recurrent layer, its state after the last step",
        hidden=32,
        dropout=0.2,
    ),
    "gru": _neural(
        partial(neural.recurrent, "gru", False),
        "the same of gated recurrent units",
        hidden=32,
        dropout=0.2,
    ),
    "conv1d_lstm": _neural(
        partial(neural.recurrent, "lstm", True),
        "64 filters of three steps, then a recurrent layer",
        hidden=32,
        dropout=0.2,
    ),
    "mlp": _neural(
        neural.mlp,
        "all steps side by side, two hidden layers",
        hidden=64,
        dropout=0.3,
    ),
    "xgboost": Network(
        "summary",
        _fit_boosted,
        "boosted trees on mean, spread, maximum and minimum of each column",
        _boosted_space,
        {"trees": 300, "depth": 3, "eta": 0.1},
    ),
    "random_forest": Network(
        "summary",
        _fit_forest,
        "random forest on the same",
        _forest_space,
        {"trees": 300, "leaf": 2},
    ),
    "svm": Network(
        "summary",
        _fit_vectors,
        "support vectors on the same",
        _vectors_space,
        {"c": 1.0, "gamma": 1.0},
    ),
}
