"""One network fitted on clips, and cross-validated on folds of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, MissingExtra
from reelpulse.files import atomic_path
from reelpulse.learn.splits import Fold, grouped_folds, strata
from reelpulse.learn.task import Task
from reelpulse.moments.inputs import Recipe, Steps
from reelpulse.moments.lengths import Shape
from reelpulse.moments.training.networks import MOMENT_NETWORKS, Examples, Fitted, Fitting
from reelpulse.settings import TrainSettings, as_dict, one_of, parse_numbers

Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

OnProgress = Callable[[float, int], None]
"""Called with fits done, that at work counted by its share, and fits in all."""

_PARTS = 6
"""One part of so many is held back, to tell when to stop."""


@dataclass(frozen=True)
class Trained:
    """A network fitted on clips.

    Parameters
    ----------
    name : str
        Key of `MOMENT_NETWORKS`.
    task : Task
    recipe : Recipe
    fitted : Fitted
    places : tuple of int
        Where the recipe's columns lie among those of the clips.
    """

    name: str
    task: Task
    recipe: Recipe
    fitted: Fitted
    places: tuple[int, ...]

    def inputs(self, steps: Steps) -> dict[str, Array]:
        """What the network is given for clips of all the columns that it was fitted on."""
        return self.recipe(steps.columns(self.places))

    def outputs(self, steps: Steps) -> Array:
        """Give probabilities, (N, task.outputs), of clips with all those columns."""
        return self.fitted.outputs(self.inputs(steps))


@dataclass(frozen=True)
class CrossValidation:
    """What a network says of clips that it was not fitted on.

    Parameters
    ----------
    name : str
    outputs : ndarray of float32, shape (N, task.outputs)
    folds : ndarray of int, shape (N,)
        In which fold each clip was tested.
    train_seconds : float
        Of all fits together.
    warnings : tuple of str
    """

    name: str
    outputs: Array
    folds: npt.NDArray[np.intp]
    train_seconds: float
    warnings: tuple[str, ...] = ()


def fit_network(
    steps: Steps,
    labels: npt.ArrayLike,
    task: Task,
    columns: Sequence[str],
    shape: Shape,
    settings: TrainSettings,
    *,
    groups: npt.ArrayLike | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int | None = None,
    logs: str | Path | None = None,
    tick: Callable[[float], None] | None = None,
) -> Trained:
    """Fit a network on clips: the recipe, principal components and weights see these alone.

    Of these clips a part is held back, to tell when to stop, from videos of its own where there are
    enough.

    Parameters
    ----------
    steps : Steps
        Of all `columns`; the recipe takes those that `settings.inputs` names.
    labels : array_like, shape (N,)
        As stored: codes of classes, or scores.
    task : Task
    columns : sequence of str
    shape : Shape
    settings : TrainSettings
        `network` names the network.
    groups : array_like of int, shape (N,), optional
        Clips that belong together.
    params : mapping, optional
        Numbers of the network itself, in place of its own.
    seed : int, optional
        In place of `settings.seed`.
    logs : path, optional
        Folder for TensorBoard, of neural networks.
    tick : callable, optional
        Told which share of the fit is done, at most. It may raise to end the fit.

    Raises
    ------
    DataError
        When a class is missing, or labels or values are impossible.
    SettingsError
        On an unknown network, column or number of a network.
    MissingExtra
        When the libraries of training are not installed.
    """
    one_of("network", settings.network, tuple(MOMENT_NETWORKS))
    network = MOMENT_NETWORKS[settings.network]
    stored = checked_labels(labels, task)
    recipe = Recipe.from_settings(columns, shape, network.form, settings, steps)
    places = tuple(list(columns).index(name) for name in recipe.columns)
    given = steps.columns(places)
    if np.isinf(given.values).any():
        raise DataError("the clips hold infinite values: build the dataset again")
    recipe = recipe.fitted(given)
    together = None if groups is None else np.asarray(groups, np.intp)
    drawn = settings.seed if seed is None else seed
    examples = Examples(
        recipe(given), task.targets(stored), _weights(stored, task, settings), together
    )
    fitting = Fitting(
        task,
        settings,
        network.with_defaults({**parse_numbers(settings.param), **(params or {})}),
        drawn,
        None if logs is None else Path(logs),
        tick,
    )
    fitted = network.fit(examples, _held_back(strata(task, stored), together, drawn), fitting)
    return Trained(settings.network, task, recipe, fitted, places)


def checked_labels(labels: npt.ArrayLike, task: Task) -> Array:
    """Check labels that are to be learnt.

    Raises
    ------
    DataError
        When one is impossible, or all are of one class.
    """
    stored = np.asarray(labels, np.float32)
    most = task.highest if task.kind == "score" else len(task.classes) - 1
    wrong = ~(np.isfinite(stored) & (stored >= 0) & (stored <= most))
    if task.kind != "score":
        wrong |= stored != np.round(np.where(wrong, 0, stored))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"clip {row} is labelled {stored[row]}, which is not between 0 and {most:g}"
        )
    found = np.unique(stored)
    if task.kind != "score":
        lacking = [name for code, name in enumerate(task.classes) if code not in found]
        if lacking:
            raise DataError(f"no clip is labelled {' or '.join(lacking)}: label some of each class")
    elif len(found) < 2:
        raise DataError("all clips have the same score: label some with others")
    return stored


def _weights(labels: Array, task: Task, settings: TrainSettings) -> Array:
    """What each clip weighs, (N,), 1 on average."""
    if task.kind == "score" or not settings.balance:
        return np.ones(len(labels), np.float32)
    codes = labels.astype(int)
    counts = np.bincount(codes, minlength=len(task.classes))
    return np.asarray(len(codes) / (len(counts) * counts[codes]), np.float32)


def _held_back(
    codes: npt.NDArray[np.intp], groups: npt.NDArray[np.intp] | None, seed: int
) -> Bools:
    """Choose clips to tell by when to stop, (N,): by group where each part can have every class.

    None where there are too few clips to spare any.
    """
    held = np.zeros(len(codes), bool)
    by_clip = np.arange(len(codes))
    for together in (by_clip,) if groups is None else (groups, by_clip):
        for parts in (_PARTS, 4, 3):
            try:
                held[grouped_folds(codes, together, parts, seed)[0][1]] = True
            except MissingExtra:
                raise
            except DataError:
                continue
            return held
    return held


def cross_validate(
    steps: Steps,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    task: Task,
    columns: Sequence[str],
    shape: Shape,
    settings: TrainSettings,
    *,
    folds: Sequence[Fold],
    params: Mapping[str, Any] | None = None,
    progress: OnProgress | None = None,
    folder: str | Path | None = None,
    logs: str | Path | None = None,
) -> CrossValidation:
    """Fit a network once a fold, and ask it about the clips left out.

    Parameters
    ----------
    steps, labels, groups, task, columns, shape, settings, params
        See `fit_network`.
    folds : sequence of (ndarray, ndarray)
        Rows to fit on and rows to test, of each fold.
    progress : callable, optional
        See `OnProgress`.
    folder : path, optional
        Finished folds are kept there, and not fitted again when the same is asked for; it is up to
        the caller to remove it.
    logs : path, optional
        Folder for TensorBoard: one within it a fold.

    Raises
    ------
    DataError, SettingsError, MissingExtra
        See `fit_network`.
    """
    stored, together = checked_labels(labels, task), np.asarray(groups)
    outputs = np.full((len(stored), task.outputs), np.nan, np.float32)
    tested = np.full(len(stored), -1, np.intp)
    seconds = 0.0
    plan = "" if folder is None else _plan(steps, stored, together, task, columns, settings, params)
    for number, (train, test) in enumerate(folds):

        def tick(share: float, before: int = number) -> None:
            if progress is not None:
                progress(before + share, len(folds))

        tick(0.0)
        kept = None if folder is None else Path(folder) / f"fold{number}.npz"
        found = None if kept is None else _read(kept, plan, test, task)
        if found is None:
            begun = time.perf_counter()
            trained = fit_network(
                steps[train],
                stored[train],
                task,
                columns,
                shape,
                settings,
                groups=together[train],
                params=params,
                logs=None if logs is None else Path(logs) / f"fold{number}",
                tick=tick,
            )
            found = trained.outputs(steps[test]), time.perf_counter() - begun
            if kept is not None:
                _write(kept, plan, test, *found)
        outputs[test], took = found
        tested[test] = number
        seconds += took
        tick(1.0)
    return CrossValidation(settings.network, outputs, tested, seconds)


def _plan(
    steps: Steps,
    labels: Array,
    groups: npt.NDArray[Any],
    task: Task,
    columns: Sequence[str],
    settings: TrainSettings,
    params: Mapping[str, Any] | None,
) -> str:
    """Name what is fitted, and how: another name, and nothing that was kept is of use."""
    told = [reelpulse.__version__, task.as_dict(), list(columns), as_dict(settings), params or {}]
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for values in (steps.values, steps.times, steps.measured, steps.usual, labels, groups):
        found.update(np.ascontiguousarray(values).tobytes())
    if settings.embeddings and steps.embeddings is not None:
        found.update(np.ascontiguousarray(steps.embeddings).tobytes())
    return found.hexdigest()


def _write(path: Path, plan: str, test: npt.NDArray[Any], outputs: Array, seconds: float) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, plan=plan, test=test, outputs=outputs, seconds=seconds)


def _read(path: Path, plan: str, test: npt.NDArray[Any], task: Task) -> tuple[Array, float] | None:
    """A finished fold; None where there is none of this very plan."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["plan"]) != plan or not np.array_equal(kept["test"], test):
                return None
            outputs = np.asarray(kept["outputs"], np.float32)
            if outputs.shape != (len(test), task.outputs):
                return None
            return outputs, float(kept["seconds"])
    except (OSError, ValueError, KeyError, EOFError):
        return None
    except Exception as error:  # zipfile's and zlib's own, of a file half there
        if type(error).__module__ not in ("zipfile", "zlib"):
            raise
        return None
