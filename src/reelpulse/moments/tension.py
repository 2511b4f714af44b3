"""Tension: how far a person moves from their own running normal. No training.

Four parts are looked at, each a signal x of one value a tick:

- ``loudness``: loudness to the power of 0.6, which is how it is felt (Stevens 1955: loudness grows
  as the 0.6th power of sound pressure); only what is louder than usual counts;
- ``arousal`` and ``valence``: as measured; both directions count;
- ``expression``: the Hellinger distance of the eight emotions to their running median.

For each, the deviation is z = (x - median) / max(spread, floor), with the median and the scaled
median absolute deviation of the three minutes around the tick (`running_normal`). What lies within
one spread is usual; beyond it the part's tension is r = d² / (d² + 4), d = |z| - 1, which is 1/2 at
z = 3. The score is the mean of the r, weighted by `WEIGHTS` and by the share of the window in which
the part was measured: a video without a face, or without sound, is judged by what it has, and a
face that is gone for a while neither raises nor lowers the rest. It is smoothed over half a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.moments.normal import running_normal
from reelpulse.timeline import EMOTIONS, Timeline

WEIGHTS = {"loudness": 0.35, "arousal": 0.25, "valence": 0.2, "expression": 0.2}
"""Share of each part where all are measured; sound and face in balance, with the face ahead."""

FLOORS = {"loudness": 0.02, "arousal": 0.1, "valence": 0.15, "expression": 0.1}
"""Smallest spread taken for usual, in each signal's units. Below these lies the noise of measuring,
which a calm person must not be judged by."""

_FELT = 0.6
_LOUDNESS_FLOOR_SHARE = 0.23
"""Felt loudness also spreads by at least this share of its median: 3 dB."""

SILENCE = 1e-3
"""Loudness below which there is nothing to hear (-60 dB): it tells nothing about what is usual."""

_HALF_AT = 2.0
_SMOOTH_SECONDS = 0.5
_BRIDGE_SECONDS = 2.0
"""A face lost for less than this is taken to have gone on as it came back."""


@dataclass(frozen=True)
class Tension:
    """Tension and where it comes from.

    Parameters
    ----------
    score : ndarray, shape (T,)
        In [0, 1].
    shares : dict of str to ndarray, shape (T,)
        Each part's contribution; they add up to the score.
    normals : dict of str to ndarray, shape (T,)
        The running median of each signal in the units of its column; of ``expression``, the
        distance to the usual expression.
    """

    score: npt.NDArray[np.float64]
    shares: dict[str, npt.NDArray[np.float64]]
    normals: dict[str, npt.NDArray[np.float64]]


def tension(timeline: Timeline) -> npt.NDArray[np.float64]:
    """Score each tick of a timeline.

    Returns
    -------
    ndarray of float64, shape (T,)
        In [0, 1]; 0 where nothing was measured.
    """
    return tension_parts(timeline).score


def tension_parts(timeline: Timeline) -> Tension:
    """Score each tick, and say how much each part gave; see the module's text for the formula."""
    count = len(timeline)
    names = list(WEIGHTS)
    if count == 0:
        empty = np.zeros(0)
        return Tension(empty, dict.fromkeys(names, empty), dict.fromkeys(names, empty))
    filled = timeline.filled(_BRIDGE_SECONDS)
    signals, heard = _signals(timeline.times, filled)
    normal = running_normal(timeline.times, np.where(heard, signals, np.nan))
    floors = np.tile([FLOORS[name] for name in names], (count, 1))
    floors[:, 0] = np.fmax(floors[:, 0], _LOUDNESS_FLOOR_SHARE * normal.median[:, 0])
    with np.errstate(invalid="ignore"):
        z = (signals - normal.median) / np.maximum(normal.spread, floors)
        z[:, names.index("arousal")] = np.abs(z[:, names.index("arousal")])
        z[:, names.index("valence")] = np.abs(z[:, names.index("valence")])
        beyond = np.square(np.clip(z - 1, 0, None))
    raised = np.nan_to_num(beyond / (beyond + _HALF_AT**2))
    weights = np.array([WEIGHTS[name] for name in names]) * np.nan_to_num(normal.coverage)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    usual_loudness = normal.median[:, 0] ** (1 / _FELT)
    parts = _smoothed(timeline.times, raised * weights / total)
    return Tension(
        np.clip(parts.sum(axis=1), 0, 1),
        dict(zip(names, parts.T, strict=True)),
        {**dict(zip(names, normal.median.T, strict=True)), "loudness": usual_loudness},
    )


def _signals(
    times: npt.NDArray[np.float64], timeline: Timeline
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The four signals (T, 4), and which of their values tell what is usual."""
    loudness = timeline.column("loudness").astype(np.float64)
    emotions = np.stack([timeline.column(name) for name in EMOTIONS], axis=1).astype(np.float64)
    signals = np.stack(
        [
            loudness**_FELT,
            timeline.column("arousal").astype(np.float64),
            timeline.column("valence").astype(np.float64),
            _hellinger(emotions, running_normal(times, emotions).median),
        ],
        axis=1,
    )
    tells = np.isfinite(signals)
    tells[:, 0] &= loudness > SILENCE
    return signals, tells


def _hellinger(
    shares: npt.NDArray[np.float64], usual: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Hellinger distance of distributions, in [0, 1]."""
    usual = usual / np.maximum(usual.sum(axis=1, keepdims=True), 1e-9)
    squares = np.square(np.sqrt(shares) - np.sqrt(usual)).sum(axis=1)
    return np.asarray(np.sqrt(squares / 2))


def _smoothed(
    times: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Gaussian mean over the neighbouring ticks, by their distance in time."""
    total, weight = values.copy(), np.ones(len(times))
    for shift in range(1, len(times)):
        near = np.exp(-0.5 * np.square((times[shift:] - times[:-shift]) / _SMOOTH_SECONDS))
        if near.max() < 1e-3:
            break
        total[shift:] += near[:, None] * values[:-shift]
        total[:-shift] += near[:, None] * values[shift:]
        weight[shift:] += near
        weight[:-shift] += near
    return np.asarray(total / weight[:, None])
