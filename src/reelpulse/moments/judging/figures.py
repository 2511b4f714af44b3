"""Figures of how well found moments agree with true ones, for any resampling of them.

Every figure is a sum over units, or follows from such sums, so that a bootstrap is a matrix of how
often each unit is drawn. Units are the videos; of a single video its minutes, which tells how much
luck there was in this video, and nothing of others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reelpulse.moments.judging.matching import (
    IOUS,
    TINY,
    Floats,
    Judged,
    Range,
    matched,
    overlaps_of,
)

BEST = (1, 5, 10)
"""How many of a video's best moments are looked at."""

_MINUTE = 60.0
_DIGITS = 4
"""Decimals of a score that tell: as many as a file of moments keeps."""

_AT_ONCE = 100
"""Draws worked on at once."""

Figure = Callable[[Floats], Floats]
"""From how often each unit is drawn (draws, units) to the figure of each draw (draws,)."""


class Units:
    """What the bootstrap draws: videos, or the minutes of a single one."""

    def __init__(self, videos: Sequence[Judged]) -> None:
        self._minutes = len(videos) == 1
        self._start = videos[0].start
        lasting = videos[0].end - self._start
        self.count = max(math.ceil(lasting / _MINUTE), 1) if self._minutes else len(videos)

    def of(self, place: int, times: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """The unit of each time in the video at that place."""
        at = np.asarray(times, np.float64)
        if not self._minutes:
            return np.full(len(at), place, np.intp)
        return np.clip((at - self._start) // _MINUTE, 0, self.count - 1).astype(np.intp)

    def hours(self, videos: Sequence[Judged]) -> Floats:
        """Of each unit."""
        lasting = np.array([video.end - video.start for video in videos])
        if self._minutes:
            lasting = np.minimum(lasting[0] - np.arange(self.count) * _MINUTE, _MINUTE)
        return np.asarray(lasting / 3600)


def figures_of(videos: Sequence[Judged], *, ranking: bool = True) -> dict[str, Figure]:
    """Every figure; without `ranking` those of the moments alone."""
    units = Units(videos)
    overlaps = [overlaps_of(video.found, video.truth) for video in videos]
    middles = [[_middles(side) for side in (video.found, video.truth)] for video in videos]

    def counted(which: int, keep: Sequence[Sequence[int]] | None = None) -> Floats:
        """How many found (0) or true (1) ranges each unit has; of those to keep."""
        total = np.zeros(units.count)
        for place, sides in enumerate(middles):
            at = sides[which] if keep is None else sides[which][list(keep[place])]
            np.add.at(total, units.of(place, at), 1)
        return total

    found, true = counted(0), counted(1)
    figures: dict[str, Figure] = {}
    if ranking:
        figures["average_precision"] = _average_precision(videos, units)
    for iou in IOUS:
        matches = [matched(table, iou) for table in overlaps]
        right = counted(0, [[i for i, m in enumerate(row) if m is not None] for row in matches])
        met = counted(1, [[m for m in row if m is not None] for row in matches])
        figures[f"precision_iou_{iou}"] = _ratio(right, found)
        figures[f"recall_iou_{iou}"] = _ratio(met, true)
        figures[f"f1_iou_{iou}"] = _ratio(right + met, found + true)
        if iou == IOUS[0]:
            figures |= _best(videos, matches, units)
            wrong, hours = found - right, units.hours(videos)
            starts = _start_distances(videos, matches, units)
    return figures | {"false_alarms_an_hour": _ratio(wrong, hours), "start_distance": starts}


def _middles(ranges: Sequence[Range]) -> Floats:
    return np.asarray(np.asarray(ranges, np.float64).reshape(-1, 2).mean(axis=1))


def _ratio(part: Floats, whole: Floats) -> Figure:
    def figure(weights: Floats) -> Floats:
        total = weights @ whole
        return np.asarray(np.where(total > 0, weights @ part / np.maximum(total, TINY), np.nan))

    return figure


def _best(
    videos: Sequence[Judged], matches: Sequence[Sequence[int | None]], units: Units
) -> dict[str, Figure]:
    """Figures of each video's best moments; without an interval for a single video."""
    figures: dict[str, Figure] = {}
    for most in BEST:
        right = np.array([sum(m is not None for m in row[:most]) for row in matches], float)
        there = np.array([len(row[:most]) for row in matches], float)
        hits = np.where([bool(video.truth) for video in videos], right > 0, np.nan)
        shares = np.where(there > 0, right / np.maximum(there, 1), np.nan)
        figures[f"hit_at_{most}"] = _mean(hits, units)
        figures[f"precision_at_{most}"] = _mean(shares, units)
    return figures


def _mean(values: Floats, units: Units) -> Figure:
    """Mean over the videos that have a value."""
    known = np.isfinite(values)
    if len(values) == units.count:
        return _ratio(np.where(known, values, 0), known.astype(float))
    only = float(values[0])
    return lambda weights: np.array([only, *[math.nan] * (len(weights) - 1)])


def _start_distances(
    videos: Sequence[Judged], matches: Sequence[Sequence[int | None]], units: Units
) -> Figure:
    """Median seconds between the starts of what was matched."""
    rows: list[tuple[float, int]] = []
    for place, (video, row) in enumerate(zip(videos, matches, strict=True)):
        for found, match in zip(video.found, row, strict=True):
            if match is not None:
                unit = int(units.of(place, [(found[0] + found[1]) / 2])[0])
                rows.append((abs(found[0] - video.truth[match][0]), unit))
    rows.sort()
    far = np.array([distance for distance, _ in rows])
    of_unit = np.array([unit for _, unit in rows], np.intp)

    def figure(weights: Floats) -> Floats:
        if not len(far):
            return np.full(len(weights), np.nan)
        passed = np.cumsum(weights[:, of_unit], axis=1)
        half = passed[:, -1:] / 2
        middle = (far[(passed >= half).argmax(axis=1)] + far[(passed > half).argmax(axis=1)]) / 2
        return np.where(half[:, 0] > 0, middle, np.nan)

    return figure


def _average_precision(videos: Sequence[Judged], units: Units) -> Figure:
    """Of the seconds by their scores, all videos' together; seconds that tie count at once."""
    scores = np.concatenate([np.round(np.nan_to_num(video.scores), _DIGITS) for video in videos])
    true = np.concatenate([video.is_true for video in videos])
    of_unit = np.concatenate(
        [
            units.of(place, video.start + np.arange(len(video.scores)) * video.step)
            for place, video in enumerate(videos)
        ]
    )
    levels, level = np.unique(-scores, return_inverse=True)
    shape = (len(levels), units.count)
    right, every = (
        sparse.csr_array((values.astype(float), (level, of_unit)), shape=shape)
        for values in (true, np.ones(len(true)))
    )

    def figure(weights: Floats) -> Floats:
        parts = [
            _area((right @ some.T).T, (every @ some.T).T)
            for some in np.array_split(weights, math.ceil(len(weights) / _AT_ONCE))
        ]
        return np.concatenate(parts)

    return figure


def _area(right: Floats, every: Floats) -> Floats:
    """Sum of precision times the recall gained at each level, (draws, levels) to (draws,)."""
    precision = np.cumsum(right, axis=1) / np.maximum(np.cumsum(every, axis=1), 1)
    total = right.sum(axis=1)
    area = (right * precision).sum(axis=1) / np.maximum(total, 1)
    return np.asarray(np.where(total > 0, area, np.nan))


def precision_recall(videos: Sequence[Judged]) -> tuple[Floats, Floats, float]:
    """Precision and recall of the seconds at each score that a true one has, the highest first.

    Returns
    -------
    recall, precision : ndarray, shape (scores,)
        The area below is the average precision. Empty where nothing is true.
    share : float
        Of the seconds that are true: the precision of luck.
    """
    scores = np.concatenate([np.round(np.nan_to_num(video.scores), _DIGITS) for video in videos])
    true = np.concatenate([video.is_true for video in videos])
    if not true.any():
        return np.zeros(0), np.zeros(0), 0.0
    _, level = np.unique(-scores, return_inverse=True)
    gained = np.bincount(level, true)
    right, every = np.cumsum(gained)[gained > 0], np.cumsum(np.bincount(level))[gained > 0]
    return right / right[-1], right / every, float(true.mean())
