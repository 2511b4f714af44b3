"""Moments that were found beside those that are true, and which of them match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IOUS = (0.3, 0.5)
"""Overlaps (intersection over union) from which on a moment counts as a true range found."""

TINY = 1e-9

Range = tuple[float, float]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A video, what was found in it and what is true.

    Parameters
    ----------
    name : str
    found : tuple of (start, end)
        Seconds; best first.
    truth : tuple of (start, end)
        In order and apart.
    start, end : float
        What of the video was looked at.
    scores : ndarray, shape (S,)
        The score of each stretch of `step` seconds from `start` on.
    step : float
    """

    name: str
    found: tuple[Range, ...]
    truth: tuple[Range, ...]
    start: float
    end: float
    scores: Floats
    step: float = 1.0

    @property
    def is_true(self) -> npt.NDArray[np.bool_]:
        """Which stretches are true: their middles lie in a range, or they hold a short one's."""
        middles = self.start + (np.arange(len(self.scores)) + 0.5) * self.step
        true = np.zeros(len(middles), bool)
        for start, end in self.truth:
            true |= (middles >= start) & (middles < end)
            holds = int(((start + end) / 2 - self.start) / self.step)
            true[holds : holds + 1] = True
        return true


def match_events(
    found: Sequence[Range], truth: Sequence[Range], iou: float = IOUS[0]
) -> list[int | None]:
    """Match found ranges to true ones, each to one at most.

    Parameters
    ----------
    found : sequence of (start, end)
        Best first: the first to come takes, of the ranges not yet taken, the one it overlaps most.
    truth : sequence of (start, end)
    iou : float
        Least intersection over union.

    Returns
    -------
    list of int or None
        Of each found range, the place of its match in `truth`.
    """
    return matched(overlaps_of(found, truth), iou)


def overlaps_of(found: Sequence[Range], truth: Sequence[Range]) -> Floats:
    """Intersection over union of each with each, (found, truth)."""
    ours, theirs = (np.asarray(x, np.float64).reshape(-1, 2) for x in (found, truth))
    ends = np.minimum(ours[:, None, 1], theirs[None, :, 1])
    shared = np.maximum(ends - np.maximum(ours[:, None, 0], theirs[None, :, 0]), 0)
    whole = np.diff(ours)[:, None, 0] + np.diff(theirs)[None, :, 0] - shared
    return np.asarray(shared / np.maximum(whole, TINY))


def matched(overlaps: Floats, iou: float) -> list[int | None]:
    """Do what `match_events` does, given the overlaps (found, truth)."""
    matches: list[int | None] = [None] * len(overlaps)
    if not overlaps.size:
        return matches
    near = overlaps >= iou - TINY
    taken: set[int] = set()
    for place in np.flatnonzero(near.any(axis=1)).tolist():
        free = [other for other in np.flatnonzero(near[place]).tolist() if other not in taken]
        if free:
            best = max(free, key=lambda other: float(overlaps[place, other]))
            matches[place] = best
            taken.add(best)
    return matches


def highest_each(
    times: npt.ArrayLike, score: npt.ArrayLike, start: float, step: float, count: int
) -> Floats:
    """The highest score within each stretch of `step` seconds; that of the tick before in none.

    Parameters
    ----------
    times, score : array_like, shape (T,)
    start, step : float
        Seconds.
    count : int
        Of the stretches.

    Returns
    -------
    ndarray of float64, shape (count,)
    """
    at, values = np.asarray(times, np.float64), np.nan_to_num(np.asarray(score, np.float64))
    if not len(at):
        return np.zeros(count)
    edges = start + np.arange(count) * step
    before = np.clip(np.searchsorted(at, edges, side="right") - 1, 0, len(at) - 1)
    inside = ((at - start) // step).astype(np.intp)
    keep = (inside >= 0) & (inside < count)
    there = np.full(count, -np.inf)
    np.maximum.at(there, inside[keep], values[keep])
    return np.asarray(np.where(np.isfinite(there), there, values[before]))
