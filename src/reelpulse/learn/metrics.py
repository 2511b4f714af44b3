"""How good predictions are, and how sure that is: figures with intervals from a bootstrap.

The bootstrap draws whole groups (all examples of a video, a speaker, a film), since examples of one
group are alike; with fewer than `FEWEST_GROUPS` groups it draws single examples within each class,
and then says nothing of other groups. A draw is a row of weights, and every figure is worked out
for all draws at once: a thousand calls of scikit-learn would take seconds a figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError
from reelpulse.learn.task import Task

FEWEST_GROUPS = 10
"""With fewer groups, single examples are drawn."""

BINS = 10
"""Of a calibration: as wide as each other, from 0 to 1."""

_MOST_CELLS = 4_000_000
"""Weights worked on at once: 32 MB."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """A figure with its 95 % interval; NaN where it is not defined.

    Parameters
    ----------
    value : float
        Of all examples.
    low, high : float
        The 2.5th and 97.5th percentile of the draws in which the figure is defined.
    """

    value: float
    low: float
    high: float

    @property
    def reaches_zero(self) -> bool:
        """Whether the interval of a difference that is no less than 0 holds 0."""
        return math.isfinite(self.low) and self.low <= 0

    def as_list(self) -> list[float | None]:
        """``[value, low, high]`` for JSON, with four decimals; None where not defined."""
        plain = (self.value, self.low, self.high)
        return [round(number, 4) if math.isfinite(number) else None for number in plain]


def scores(
    task: Task,
    labels: npt.ArrayLike,
    outputs: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Work out every figure of a task.

    Parameters
    ----------
    task : Task
    labels : array_like, shape (N,)
        Stored codes, or scores from 0 to `task.highest`.
    outputs : array_like, shape (N, task.outputs)
        Probabilities; of a score, its share of the highest.
    groups : array_like of int, shape (N,)
        Examples that are drawn together.
    threshold : float
        From which probability on an example counts as of the last class, with two classes; with
        more it is of its likeliest class.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to Score
        Two classes: ``roc_auc average_precision f1 accuracy ece``, F1 of the last class. Several:
        those, and ``macro_f1``, ``uar`` (unweighted average recall; ``accuracy`` is the weighted
        one), ROC-AUC and average precision of the last class. A score: ``mae rmse`` in its own
        unit, ``spearman``, and ROC-AUC and average precision of half the highest or more. ``ece``:
        see `calibration`.

    Raises
    ------
    DataError
        When the outputs are not finite.
    """
    figures = _figures(task, labels, outputs, threshold)
    whole = np.ones((1, len(np.asarray(labels))))
    rows = list(_draws(task, labels, groups, draws, seed))
    return {
        name: _score(figure(whole)[0], np.concatenate([figure(weights) for weights in rows]))
        for name, figure in figures.items()
    }


def score(task: Task, labels: npt.ArrayLike, outputs: npt.ArrayLike, metric: str) -> float:
    """Work out one figure of `scores`, without an interval; NaN where it is not defined."""
    figure = _figures(task, labels, outputs, 0.5)[metric]
    return float(figure(np.ones((1, len(np.asarray(labels)))))[0])


def difference(
    task: Task,
    labels: npt.ArrayLike,
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    groups: npt.ArrayLike,
    metric: str = "roc_auc",
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Score:
    """By how much one model's figure exceeds another's on the same examples.

    The bootstrap is paired: both are scored on the same draws, so that what makes a draw easy for
    both does not widen the interval. An interval that holds 0 is a difference within noise.

    Parameters
    ----------
    task, labels, groups, draws, seed
        As in `scores`.
    one, other : array_like, shape (N, task.outputs)
    metric : str
        A key of what `scores` gives.

    Returns
    -------
    Score
        The figure of `one` less that of `other`.
    """
    first, second = (_figures(task, labels, outputs, 0.5)[metric] for outputs in (one, other))
    whole = np.ones((1, len(np.asarray(labels))))
    rows = _draws(task, labels, groups, draws, seed)
    drawn = np.concatenate([first(weights) - second(weights) for weights in rows])
    return _score((first(whole) - second(whole))[0], drawn)


@dataclass(frozen=True)
class Calibration:
    """A reliability table: predictions sorted into `BINS` bins; empty bins are left out.

    Parameters
    ----------
    predicted, observed : tuple of float
        Of each bin, the mean prediction and the share that came true.
    counts : tuple of int
        Examples in each bin.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    counts: tuple[int, ...]


def calibration(task: Task, labels: npt.ArrayLike, outputs: npt.ArrayLike) -> Calibration:
    """Compare what was promised with what came true.

    With two classes: the probability of the last one, and the share of examples that are of it.
    With several: the probability of the likeliest class, and the share of examples that are of
    theirs. Of a score: its share of the highest, and that of the labels. ``ece`` of `scores` is the
    mean gap between the two over the bins, by their counts (expected calibration error: Naeini,
    Cooper and Hauskrecht, 2015); drawing examples again widens the gaps, so that its interval lies
    rather high.
    """
    predicted, observed = _promised(task, np.asarray(labels), _checked(outputs))
    inside = _binned(predicted)
    counts = inside.sum(axis=0)
    there = counts > 0
    means = [(values @ inside)[there] / counts[there] for values in (predicted, observed)]
    return Calibration(
        tuple(means[0].tolist()),
        tuple(means[1].tolist()),
        tuple(counts[there].astype(int).tolist()),
    )


def confusion(labels: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Ints:
    """Count examples by their class (rows) and the one predicted (columns): (K, K)."""
    cells = np.asarray(labels).astype(int) * classes + np.asarray(predicted).astype(int)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def by_class(matrix: npt.ArrayLike, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and count of each class of a `confusion` matrix; 0 for 0 of 0."""
    counts = np.asarray(matrix, float)
    right = np.diag(counts)
    actual, guessed = counts.sum(axis=1), counts.sum(axis=0)
    parts = {
        "precision": _share(right, guessed),
        "recall": _share(right, actual),
        "f1": _share(2 * right, actual + guessed),
        "count": actual,
    }
    return {
        name: {part: float(values[place]) for part, values in parts.items()}
        for place, name in enumerate(names)
    }


# Figures: each from weights (draws, N) to (draws,)

_Figure = Callable[[Floats], Floats]


def _figures(
    task: Task, labels: npt.ArrayLike, outputs: npt.ArrayLike, threshold: float
) -> dict[str, _Figure]:
    given, stored = _checked(outputs), np.asarray(labels)
    rank, positive = given[:, -1], task.is_positive(stored)
    found: dict[str, _Figure] = dict(_ranking(rank, positive))
    predicted, observed = _promised(task, stored, given)
    if task.kind == "score":
        error = task.highest * rank - stored
        found |= {
            "mae": lambda weights: _mean(weights, np.abs(error)),
            "rmse": lambda weights: np.sqrt(_mean(weights, error**2)),
            "spearman": _spearman(rank, stored),
        }
        return found
    guessed = given.argmax(axis=1) if task.kind == "classes" else (rank >= threshold).astype(int)
    count = len(task.classes)
    cells = np.eye(count * count)[stored.astype(int) * count + guessed]

    def matrix(weights: Floats) -> Floats:
        return np.asarray(weights @ cells).reshape(-1, count, count)

    found |= {
        "f1": lambda weights: _f1(matrix(weights))[:, -1],
        "accuracy": lambda weights: _mean(weights, stored == guessed),
        "ece": _ece(predicted, observed),
    }
    if task.kind == "classes":
        found |= {
            "macro_f1": lambda weights: _f1(matrix(weights)).mean(axis=1),
            "uar": lambda weights: _recall(matrix(weights)),
        }
    return found


def _promised(task: Task, labels: npt.NDArray[Any], outputs: Floats) -> tuple[Floats, Floats]:
    """What `calibration` compares, (N,) each."""
    if task.kind == "classes":
        return outputs.max(axis=1), (outputs.argmax(axis=1) == labels).astype(float)
    return outputs[:, -1], task.targets(labels)[:, -1].astype(float)


def _checked(outputs: npt.ArrayLike) -> Floats:
    given = np.asarray(outputs, np.float64)
    if not np.isfinite(given).all():
        raise DataError("predictions are not finite numbers: try a lower learning rate")
    return given


def _ranking(rank: Floats, positive: Bools) -> Iterator[tuple[str, _Figure]]:
    """ROC-AUC and average precision, as scikit-learn defines them, ties included."""
    order = np.argsort(-rank, kind="stable")
    last = np.append(np.flatnonzero(np.diff(rank[order])), len(rank) - 1)
    """Places at which the threshold passes a value."""
    hits = positive[order]

    def counted(weights: Floats) -> tuple[Floats, Floats]:
        drawn = weights[:, order]
        right, wrong = np.cumsum(drawn * hits, axis=1), np.cumsum(drawn * ~hits, axis=1)
        return right[:, last], wrong[:, last]

    def roc_auc(weights: Floats) -> Floats:
        right, wrong = counted(weights)
        gained = np.diff(wrong, axis=1, prepend=0)
        heights = right - np.diff(right, axis=1, prepend=0) / 2
        return _share((gained * heights).sum(axis=1), right[:, -1] * wrong[:, -1], math.nan)

    def average_precision(weights: Floats) -> Floats:
        right, wrong = counted(weights)
        gained = np.diff(right, axis=1, prepend=0)
        area = (gained * _share(right, right + wrong)).sum(axis=1)
        return _share(area, right[:, -1], math.nan)

    yield "roc_auc", roc_auc
    yield "average_precision", average_precision


def _ece(predicted: Floats, observed: Floats) -> _Figure:
    inside = _binned(predicted)
    gaps = inside * (predicted - observed)[:, None]
    return lambda weights: np.asarray(np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1))


def _binned(predicted: Floats) -> Floats:
    """The bin of each prediction as ones in its row, (N, BINS)."""
    places = np.clip((predicted * BINS).astype(int), 0, BINS - 1)
    return np.asarray(np.eye(BINS)[places])


def _spearman(one: Floats, other: npt.NDArray[Any]) -> _Figure:
    """Correlation of ranks; examples alike share the middle of their ranks."""
    tables = []
    for values in (one, other):
        order = np.argsort(values, kind="stable")
        place = np.unique(values, return_inverse=True)[1]
        tables.append((order, np.flatnonzero(np.diff(place[order], prepend=-1)), place))

    def ranked(weights: Floats, which: int) -> Floats:
        order, starts, place = tables[which]
        held = np.add.reduceat(weights[:, order], starts, axis=1)
        middle = (np.cumsum(held, axis=1) - held / 2)[:, place]
        return np.asarray(middle - _mean(weights, middle)[:, None])

    def correlation(weights: Floats) -> Floats:
        first, second = ranked(weights, 0), ranked(weights, 1)
        spread = np.sqrt(_mean(weights, first**2) * _mean(weights, second**2))
        return _share(_mean(weights, first * second), spread, math.nan)

    return correlation


def _f1(matrix: Floats) -> Floats:
    right = np.diagonal(matrix, axis1=1, axis2=2)
    return _share(2 * right, matrix.sum(axis=1) + matrix.sum(axis=2))


def _recall(matrix: Floats) -> Floats:
    """Mean over the classes that were drawn."""
    actual = matrix.sum(axis=2)
    recall = _share(np.diagonal(matrix, axis1=1, axis2=2), actual)
    return np.asarray(recall.sum(axis=1) / np.maximum((actual > 0).sum(axis=1), 1))


def _mean(weights: Floats, values: npt.NDArray[Any]) -> Floats:
    return np.asarray((weights * values).sum(axis=1) / weights.sum(axis=1))


def _share(part: Floats, whole: Floats, otherwise: float = 0.0) -> Floats:
    """Divide; `otherwise` where there is nothing to divide by."""
    there = whole > 0
    return np.asarray(np.where(there, part / np.where(there, whole, 1), otherwise))


# The bootstrap


def _draws(
    task: Task, labels: npt.ArrayLike, groups: npt.ArrayLike, draws: int, seed: int
) -> Iterator[Floats]:
    """How often each example is in each draw, some draws at a time: (some, N)."""
    rng = np.random.default_rng(seed)
    stored = np.asarray(labels)
    names, of_group = np.unique(np.asarray(groups), return_inverse=True)
    at_once = max(1, _MOST_CELLS // max(len(stored), 1))
    for start in range(0, draws, at_once):
        some = min(at_once, draws - start)
        if len(names) >= FEWEST_GROUPS:
            yield _counts(len(names), some, rng)[:, of_group]
            continue
        weights = np.zeros((some, len(stored)))
        strata = task.is_positive(stored) if task.kind == "score" else stored
        for code in np.unique(strata):
            inside = np.flatnonzero(strata == code)
            weights[:, inside] = _counts(len(inside), some, rng)
        yield weights


def _counts(things: int, draws: int, rng: np.random.Generator) -> Floats:
    """How often each of some things is drawn, when as many are drawn as there are."""
    drawn = rng.integers(0, things, (draws, things)) + things * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=things * draws).reshape(draws, things).astype(float)


def _score(value: float, drawn: Floats) -> Score:
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return Score(float(value), math.nan, math.nan)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Score(float(value), float(low), float(high))
