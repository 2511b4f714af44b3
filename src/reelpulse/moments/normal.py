"""What is usual for this person around a time: a running median and spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

WINDOW_SECONDS = 300.0
_STEP_SECONDS = 10.0
_MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""


@dataclass(frozen=True)
class Normal:
    """A running normal at each tick.

    Parameters
    ----------
    median, spread : ndarray, shape (T, P)
        Median and scaled median absolute deviation of the measured ticks nearest to the tick; NaN
        for a column that was nowhere measured.
    """

    median: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


def running_normal(
    times: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    window: float = WINDOW_SECONDS,
) -> Normal:
    """Median and spread of each column over the measured ticks around a tick.

    The window counts measured ticks, not time: a face that comes back after an hour is compared
    with what it was before, and what is not measured, inside or at the ends, changes nothing. Near
    the ends the window stays whole and leans inwards.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Seconds, increasing.
    values : ndarray, shape (T, P)
        NaN where nothing was measured.
    window : float
        Seconds of measured ticks; computed every 10 s of them and interpolated between.

    Returns
    -------
    Normal
    """
    normal = np.full((2, *values.shape), np.nan)
    wide, step = _ticks(times, window), _ticks(times, _STEP_SECONDS)
    for column, signal in enumerate(values.T):
        measured = np.flatnonzero(np.isfinite(signal))
        if not len(measured):
            continue
        anchors = np.unique(np.append(np.arange(0, len(measured), step), len(measured) - 1))
        windows = sliding_window_view(signal[measured], min(wide, len(measured)))
        near = windows[_first(anchors, wide, len(measured))]
        median = np.median(near, axis=1)
        spread = np.median(np.abs(near - median[:, None]), axis=1) * _MAD_TO_SIGMA
        for which, values in enumerate((median, spread)):
            normal[which, :, column] = np.interp(times, times[measured[anchors]], values)
    return Normal(*normal)


def coverage(
    times: npt.NDArray[np.float64],
    measured: npt.NDArray[np.bool_],
    window: float = WINDOW_SECONDS,
) -> npt.NDArray[np.float64]:
    """Share of the ticks around each tick that were measured.

    Parameters
    ----------
    times : ndarray, shape (T,)
    measured : ndarray of bool, shape (T, P)
    window : float
        Seconds; at the ends the window stays whole and leans inwards.

    Returns
    -------
    ndarray, shape (T, P)
        In [0, 1].
    """
    count, wide = len(times), _ticks(times, window)
    sums = np.concatenate([np.zeros((1, measured.shape[1])), np.cumsum(measured, axis=0)])
    first = _first(np.arange(count), wide, count)
    last = np.minimum(first + wide, count)
    return np.asarray((sums[last] - sums[first]) / np.maximum(last - first, 1)[:, None])


def _ticks(times: npt.NDArray[np.float64], seconds: float) -> int:
    """How many ticks so many seconds hold."""
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else seconds
    return max(1, round(seconds / spacing))


def _first(centers: npt.NDArray[np.int64], wide: int, count: int) -> npt.NDArray[np.int64]:
    """Where windows of `wide` of `count` values begin."""
    return np.clip(centers - wide // 2, 0, max(0, count - wide))
