"""How well classes were told apart: figures with intervals, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.metrics import FEWEST_GROUPS, Score
from reelpulse.media.lettering import write

FIGURES = ("macro_f1", "precision", "recall", "uar", "war")
"""Macro F1, macro precision and recall, unweighted and weighted average recall; recall and UAR are
two names of one figure, under which different fields look for it."""

_CELL, _HEAD, _SIDE, _GAP = 64, 30, 120, 6

Floats = npt.NDArray[np.float64]


def figures_of(matrix: npt.ArrayLike) -> dict[str, float]:
    """Work out `FIGURES` of a matrix that `reelpulse.learn.metrics.confusion` counted.

    Means are over the classes that there are examples of; a class that nothing was taken for has a
    precision of 0.

    Parameters
    ----------
    matrix : array_like, shape (K, K)
        Examples by their class (rows) and the one predicted.
    """
    found = _figures(np.asarray(matrix, np.float64)[None])
    return {name: float(values[0]) for name, values in found.items()}


def scores_of(
    labels: npt.ArrayLike,
    predicted: npt.ArrayLike,
    groups: npt.ArrayLike,
    classes: int,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Work out `FIGURES` with 95 % intervals from a bootstrap.

    Whole groups (all of a speaker, of a film) are drawn; with fewer than ten, examples within each
    class, which says nothing of other groups.

    Parameters
    ----------
    labels, predicted : array_like of int, shape (N,)
    groups : array_like, shape (N,)
    classes : int
    draws, seed : int
    """
    each = matrices(labels, predicted, groups, classes)
    rows = _figures(_drawn(each, draws, seed))
    whole = figures_of(each.sum(axis=0))
    return {name: _score(whole[name], rows[name]) for name in FIGURES}


def ahead_by(
    labels: npt.ArrayLike,
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    groups: npt.ArrayLike,
    classes: int,
    figure: str = "macro_f1",
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Score:
    """By how much one figure of `one` exceeds that of `other`, on the same draws.

    An interval that holds 0 is a difference within noise. With fewer than ten groups, single
    examples are drawn.
    """
    codes = np.asarray(labels).astype(int)
    drawn_by: npt.NDArray[Any] = np.asarray(groups)
    if len(np.unique(drawn_by)) < FEWEST_GROUPS:
        drawn_by = np.arange(len(codes))
    pair = [matrices(codes, guessed, drawn_by, classes) for guessed in (one, other)]
    weights = _weights(len(pair[0]), draws, seed)
    drawn, whole = (
        [_figures(np.tensordot(given, each, 1))[figure] for each in pair]
        for given in (weights, np.ones((1, len(pair[0]))))
    )
    return _score(float(whole[0][0] - whole[1][0]), drawn[0] - drawn[1])


def matrices(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, groups: npt.ArrayLike, classes: int
) -> Floats:
    """Count a confusion matrix for each group, in their order, (G, K, K)."""
    names, of_group = np.unique(np.asarray(groups), return_inverse=True)
    cells = np.asarray(labels).astype(int) * classes + np.asarray(predicted).astype(int)
    counts = np.bincount(of_group * classes**2 + cells, minlength=len(names) * classes**2)
    return counts.reshape(len(names), classes, classes).astype(np.float64)


def confusion_picture(matrix: npt.ArrayLike, names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draw a confusion matrix: counts, on a ground by the share of their row.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(names) * _CELL
    sheet = np.full((_HEAD + size, _SIDE + size, 3), 255, np.uint8)
    for row, name in enumerate(names):
        top = _HEAD + row * _CELL
        write(sheet, name, _GAP, top + _CELL // 2, widest=_SIDE - 2 * _GAP)
        write(sheet, name, _SIDE + row * _CELL + 2, _HEAD - 10, widest=_CELL - 4)
        for column in range(len(names)):
            left = _SIDE + column * _CELL
            share = float(shares[row, column])
            sheet[top : top + _CELL, left : left + _CELL] = 255 - np.rint(
                share * np.array([175, 120, 40])
            )
            write(sheet, str(int(counts[row, column])), left + 12, top + _CELL // 2)
    return sheet


def _figures(matrix: Floats) -> dict[str, Floats]:
    """`FIGURES` of matrices (draws, K, K), (draws,) each."""
    right = np.diagonal(matrix, axis1=1, axis2=2)
    actual, guessed = matrix.sum(axis=2), matrix.sum(axis=1)
    there = actual > 0
    recall = _mean(_share(right, actual), there)
    return {
        "macro_f1": _mean(_share(2 * right, actual + guessed), there),
        "precision": _mean(_share(right, guessed), there),
        "recall": recall,
        "uar": recall,
        "war": _share(right.sum(axis=1), actual.sum(axis=1)),
    }


def _drawn(each: Floats, draws: int, seed: int) -> Floats:
    """Matrices of draws of groups, or of examples within each class, (draws, K, K)."""
    if len(each) >= FEWEST_GROUPS:
        return np.tensordot(_weights(len(each), draws, seed), each, 1)
    rng = np.random.default_rng(seed)
    whole = each.sum(axis=0)
    rows = [
        rng.multinomial(int(row.sum()), row / max(row.sum(), 1), draws)
        if row.sum()
        else np.zeros((draws, len(row)))
        for row in whole
    ]
    return np.stack(rows, axis=1).astype(np.float64)


def _weights(things: int, draws: int, seed: int) -> Floats:
    """How often each of some things is drawn, when as many are drawn as there are."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(things, np.full(things, 1 / things), draws).astype(np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0))


def _mean(values: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    return np.asarray((values * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def _score(value: float, drawn: Floats) -> Score:
    if not len(drawn):
        return Score(value, math.nan, math.nan)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Score(value, float(low), float(high))


def rounded_classes(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Figures of each class (`reelpulse.learn.metrics.by_class`) with four decimals, for JSON."""
    return {
        name: {part: round(value, 4) for part, value in row.items()}
        for name, row in figures.items()
    }
