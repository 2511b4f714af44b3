"""Fewer points to draw, with every peak still there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

MOST_A_BUCKET = 5


def min_max(times: npt.ArrayLike, values: npt.ArrayLike, buckets: int = 2000) -> Indices:
    """Choose the points that a plot of `buckets` pixel columns needs.

    Of each bucket (an equal share of the time) the first, the smallest, the largest and the last
    measured value are kept, each at its own time, and the first one not measured. What is drawn
    is then the same as with all points, except for gaps narrower than a bucket.

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing.
    values : array_like, shape (T,)
        NaN where nothing was measured.
    buckets : int
        How many, at least 1.

    Returns
    -------
    ndarray of int64
        Increasing indices of the points to keep: at most ``5 * buckets``, and all of them where
        there are no more than that.
    """
    times, values = np.asarray(times, np.float64), np.asarray(values, np.float64)
    count = len(times)
    if count <= MOST_A_BUCKET * buckets:
        return np.arange(count)
    share = (times - times[0]) / (times[-1] - times[0])
    bucket = np.minimum((share * buckets).astype(np.int64), buckets - 1)
    measured = np.isfinite(values)
    kept = [_firsts(bucket, np.flatnonzero(~measured))]
    index = np.flatnonzero(measured)
    kept += [_firsts(bucket, index), _firsts(bucket, index[::-1])]
    # Stable sorts: of equal values the first is kept.
    by_value = index[np.argsort(values[index], kind="stable")]
    kept.append(_firsts(bucket, by_value))
    by_value = index[np.argsort(-values[index], kind="stable")]
    kept.append(_firsts(bucket, by_value))
    return np.unique(np.concatenate(kept))


def _firsts(bucket: Indices, order: Indices) -> Indices:
    """The first of each bucket's indices in the order given."""
    _, place = np.unique(bucket[order], return_index=True)
    return order[place]


def stretches(
    times: npt.ArrayLike, flags: npt.ArrayLike, spacing: float, nearest: float = 0.0
) -> Iterator[tuple[float, float]]:
    """Join the ticks where a flag is set to stretches of time.

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing.
    flags : array_like of bool, shape (T,)
    spacing : float
        Seconds that a tick stands for, where no other follows sooner.
    nearest : float
        Stretches no further apart than these seconds become one: a pixel's worth.

    Yields
    ------
    tuple of float
        Start and end in seconds.
    """
    times, flags = np.asarray(times, np.float64), np.asarray(flags, bool)
    begins = times[flags]
    ends = np.minimum(np.append(times[1:], np.inf), times + spacing)[flags]
    start = end = None
    for begin, stop in zip(begins.tolist(), ends.tolist(), strict=True):
        if end is not None and begin - end <= nearest + 1e-6:
            end = stop
            continue
        if start is not None and end is not None:
            yield start, end
        start, end = begin, stop
    if start is not None and end is not None:
        yield start, end
