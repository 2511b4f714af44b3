"""What is usual for this person around a time: a running median and spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WINDOW_SECONDS = 180.0
_STEP_SECONDS = 10.0
_MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""


@dataclass(frozen=True)
class Normal:
    """A running normal at each tick.

    Parameters
    ----------
    median, spread : ndarray, shape (T, P)
        Median and scaled median absolute deviation of the window around the tick; NaN for a
        column that was nowhere measured.
    coverage : ndarray, shape (T, P)
        Share of the window's ticks that were measured, in [0, 1].
    """

    median: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]


def running_normal(
    times: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    window: float = WINDOW_SECONDS,
) -> Normal:
    """Median and spread over a centred window, of what was measured in it.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Seconds, increasing.
    values : ndarray, shape (T, P)
        NaN where nothing was measured.
    window : float
        Seconds; computed every 10 s and interpolated between.

    Returns
    -------
    Normal
    """
    count, parts = values.shape
    anchors = np.arange(times[0], times[-1] + _STEP_SECONDS, _STEP_SECONDS)
    low = np.searchsorted(times, anchors - window / 2)
    high = np.searchsorted(times, anchors + window / 2, side="right")
    out = np.full((3, len(anchors), parts), np.nan)
    for row, (first, last) in enumerate(zip(low, high, strict=True)):
        part = values[first:last]
        measured = np.isfinite(part).sum(axis=0)
        middle = _median(part, measured)
        out[0, row] = middle
        out[1, row] = _median(np.abs(part - middle), measured) * _MAD_TO_SIGMA
        out[2, row] = measured / max(1, last - first)
    normal = np.full((3, count, parts), np.nan)
    for which in range(3):
        for column in range(parts):
            known = np.isfinite(out[which, :, column])
            if known.any():
                normal[which, :, column] = np.interp(
                    times, anchors[known], out[which, known, column]
                )
    return Normal(*normal)


def _median(
    part: npt.NDArray[np.float64], measured: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Column medians that pass over NaN, which sorting puts last."""
    ordered = np.sort(part, axis=0)
    columns = np.arange(part.shape[1])
    low = ordered[np.maximum((measured - 1) // 2, 0), columns]
    high = ordered[np.minimum(measured // 2, np.maximum(measured - 1, 0)), columns]
    return np.where(measured > 0, (low + high) / 2, np.nan)
