"""Splits that do not let a model see what it is tested on, and warnings where they say little."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MissingExtra
from reelpulse.learn.metrics import FEWEST_GROUPS
from reelpulse.learn.task import Task

FEWEST_OF_A_CLASS = 20
"""With fewer examples of a class there is a warning."""

TWIN_SHARE = 0.1
"""Two examples are near-twins when their distance is under this share of that of two drawn at
random, over all values normalised. Of nine clips encoded again at .7 of their width and height,
three lay under it, three under 0.2, three above 0.38; of 240 clips of streams with the same few
faces none did, and two pairs lay under 0.15. So it finds copies, not every version of a clip."""

_TRIES = 20
"""How often groups are dealt anew until every fold has every class."""

_DIRECTIONS = 8
_NEIGHBOURS = 8
_RANDOM_PAIRS = 2000

Ints = npt.NDArray[np.intp]
Fold = tuple[Ints, Ints]


def strata(task: Task, labels: npt.ArrayLike) -> Ints:
    """What folds are balanced by, (N,): the classes; of scores, half the highest or more."""
    stored = np.asarray(labels)
    return np.asarray(task.is_positive(stored) if task.kind == "score" else stored).astype(int)


def grouped_folds(
    labels: npt.ArrayLike, groups: npt.ArrayLike, folds: int, seed: int, *, what: str = "videos"
) -> list[Fold]:
    """Deal examples to folds: groups stay together, classes are as even as groups let them be.

    Parameters
    ----------
    labels : array_like, shape (N,)
        Codes of classes; `strata` makes them from any labels.
    groups : array_like, shape (N,)
    folds : int
    seed : int
    what : str
        What a group is, for the message.

    Returns
    -------
    list of (ndarray, ndarray)
        Rows to train on and rows to test, of each fold; every example is tested once.

    Raises
    ------
    DataError
        When there are too few groups, of all or of a class, to have every class in every fold.
    MissingExtra
        When scikit-learn is not installed.
    """
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError:
        raise MissingExtra("train", "splitting into folds") from None

    codes, of_group = np.asarray(labels).astype(int), np.asarray(groups)
    for code in (None, *np.unique(codes)):
        found = len(np.unique(of_group[codes == code] if code is not None else of_group))
        if found < folds:
            raise DataError(_too_few(folds, found, what, of_class=code is not None))
    for attempt in range(_TRIES):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + attempt)
        with warnings.catch_warnings():
            # Of a class with fewer examples than folds: that was looked at above, by groups.
            warnings.simplefilter("ignore", UserWarning)
            dealt = list(splitter.split(codes, codes, of_group))
        if all(len(np.unique(codes[test])) == len(np.unique(codes)) for _, test in dealt):
            return dealt
    raise DataError(
        f"no {folds} folds that keep {what} apart have every class in each:"
        f" use fewer folds (--folds {max(2, folds - 2)}), or label more {what}"
    )


def _too_few(folds: int, found: int, what: str, *, of_class: bool) -> str:
    each = " of each class" if of_class else ""
    need = f"{folds} folds need clips{each} of at least {folds} {what}; there"
    there = f"is {found}" if found == 1 else f"are {found}"
    fewer = f"use --folds {found}, or " if found > 1 else ""
    return (
        f"{need} {there}: {fewer}label more {what},"
        " or name the one that each is of in the column `source`"
    )


def clip_groups(
    sources: Sequence[Any] | npt.NDArray[Any],
    persons: Sequence[Any] | npt.NDArray[Any],
    *,
    fewest: int = 5,
) -> tuple[Ints, list[str]]:
    """Find which clips must stay on one side of a split.

    Clips of one source belong together, and so do clips of one person; whoever shares a source with
    somebody drags their clips along. A source or person that is empty is unknown, and ties nothing.

    Parameters
    ----------
    sources, persons : sequence of str, length N
    fewest : int
        With fewer groups than this, persons are left out of it.

    Returns
    -------
    groups : ndarray of int, shape (N,)
        Numbers from 0 on.
    notes : list of str
        What was left out, and why it matters.
    """
    by_source = _joined(sources)
    both = _joined(sources, persons)
    count, wide = int(both.max(initial=-1)) + 1, int(by_source.max(initial=-1)) + 1
    if count >= min(fewest, wide):
        return both, []
    people = "1 group" if count == 1 else f"{count} groups"
    return by_source, [
        f"clips are apart by source alone: by person too there would be {people}, and at least"
        f" {fewest} are needed; so figures speak of new videos of these people, not of new people"
    ]


def _joined(*facts: Sequence[Any] | npt.NDArray[Any]) -> Ints:
    """Number the parts that clips fall into when those with an equal fact are tied."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    clips = len(facts[0])
    ties, nodes = [], clips
    for values in facts:
        names = np.array([str(value) for value in values], dtype=object)
        known = np.flatnonzero(names != "")
        if len(known):
            number = np.unique(names[known].astype(str), return_inverse=True)[1]
            ties.append((known, nodes + number))
            nodes += int(number.max()) + 1
    rows = np.concatenate([tie[0] for tie in ties]) if ties else np.zeros(0, int)
    columns = np.concatenate([tie[1] for tie in ties]) if ties else np.zeros(0, int)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(nodes, nodes))
    parts = connected_components(graph, directed=False)[1][:clips]
    return np.asarray(np.unique(parts, return_inverse=True)[1], np.intp)


def near_twins(values: npt.ArrayLike, groups: npt.ArrayLike) -> Ints:
    """Find examples that nearly equal one of another group: one clip under two names.

    Neighbours are looked for along the main directions of all values, which takes a second for
    20,000 examples, and then compared in full; of each example, the eight nearest.

    Parameters
    ----------
    values : array_like, shape (N, ...)
        Features; NaN counts as the mean.
    groups : array_like, shape (N,)

    Returns
    -------
    ndarray of int, shape (P, 2)
        Pairs of rows, the smaller first, each pair once.
    """
    from scipy.spatial import cKDTree

    of_group = np.asarray(groups)
    count = len(of_group)
    none = np.zeros((0, 2), np.intp)
    if count < 3:
        return none
    flat = np.asarray(values, np.float32).reshape(count, -1)
    known = np.isfinite(flat)
    total = np.maximum(known.sum(axis=0), 1)
    away = np.where(known, flat - np.where(known, flat, 0).sum(axis=0) / total, 0)
    spread = np.sqrt(np.square(away).sum(axis=0) / total)
    away = away[:, spread > 0] / spread[spread > 0]
    if not away.shape[1]:
        return none
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, count, (2, _RANDOM_PAIRS))
    apart = one != other
    usual = float(np.median(np.linalg.norm(away[one[apart]] - away[other[apart]], axis=1)))
    reach = TWIN_SHARE * usual
    # A projection only brings examples closer: none that is near is missed.
    directions = np.linalg.eigh(away.T @ away)[1][:, -_DIRECTIONS:]
    placed = away @ directions
    near = cKDTree(placed).query(placed, _NEIGHBOURS + 1, distance_upper_bound=reach)[1]
    rows, ranks = np.nonzero(near < count)
    pairs = np.stack([rows, near[rows, ranks]], axis=1)
    pairs = pairs[of_group[pairs[:, 0]] != of_group[pairs[:, 1]]]
    truly = np.linalg.norm(away[pairs[:, 0]] - away[pairs[:, 1]], axis=1) <= reach
    return np.asarray(np.unique(np.sort(pairs[truly], axis=1), axis=0), np.intp)


def split_warnings(
    task: Task,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    values: npt.ArrayLike | None = None,
    names: Sequence[Any] | npt.NDArray[Any] | None = None,
    *,
    what: str = "videos",
) -> list[str]:
    """Say what makes figures of a cross-validation less sure than they look.

    Parameters
    ----------
    task : Task
    labels, groups : array_like, shape (N,)
    values : array_like, shape (N, ...), optional
        Features, in which near-twins are looked for.
    names : sequence, optional
        What to call the examples.
    what : str
        What a group is.

    Returns
    -------
    list of str
        A line each: too few groups, a class of too few examples, near-twins on both sides.
    """
    found = []
    count = len(np.unique(np.asarray(groups)))
    if count < FEWEST_GROUPS:
        found.append(
            f"the clips come from {count} {what} only: intervals are then over clips, and say"
            f" little of new {what}; {FEWEST_GROUPS} or more would"
        )
    codes = strata(task, labels)
    for code, name in enumerate(task.classes or ("below half", "half the highest or more")):
        clips = int((codes == code).sum())
        if clips < FEWEST_OF_A_CLASS:
            found.append(
                f"{clips} clips are {name!r}: with under {FEWEST_OF_A_CLASS} of a class, figures"
                " jump from one draw to the next"
            )
    pairs = np.zeros((0, 2), np.intp) if values is None else near_twins(values, groups)
    if len(pairs):
        twins = len(np.unique(pairs))
        one, other = (row if names is None else names[row] for row in pairs[0])
        found.append(
            f"{twins} clips nearly equal one of other {what} (such as {one} and {other}): one clip"
            " under two names makes figures too good; give both the same `source`"
        )
    return found
