"""Tension: how far a person moves from their own running normal. No training.

The formula, and the measurements its parts were chosen by, stand in docs/tension.md. In short: five
signals (loudness as it is felt, laughter, arousal, valence, expression) are compared with their
running median and spread; what lies beyond the usual gives a tension r in [0, 1) a signal; the
score adds sound, face and both at once:

    score = 0.3 S + 0.3 F + 0.4 √(S F)
    S = (loudness + laughter) / 2,   F = (arousal + 2 valence + 2 expression) / 5

with S, F the tensions of sound and face, smoothed over about a second. Rises of loudness, laughter
and arousal count, falls do not; valence counts in both directions; expression, unless it only turns
neutral.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.moments.normal import coverage, running_normal
from reelpulse.settings import WEIGHTS
from reelpulse.timeline import EMOTIONS, Timeline

_SIGNALS = ("loudness", "laughter", "arousal", "valence", "expression")
_SOUND, _FACE = slice(0, 2), slice(2, 5)
_VALENCE = _SIGNALS.index("valence")

FLOORS = {"loudness": 0.02, "laughter": 0.1, "arousal": 0.1, "valence": 0.15, "expression": 0.1}
"""Smallest spread taken for usual, in each signal's units. Below these lies the noise of measuring,
which a calm person must not be judged by."""

_FELT = 0.6
"""Stevens 1955: loudness grows as the 0.6th power of sound pressure."""

_LOUDNESS_FLOOR_SHARE = 0.23
"""Felt loudness also spreads by at least this share of its median: 3 dB."""

SILENCE = 1e-3
"""Loudness below which there is nothing to hear (-60 dB): it tells nothing about what is usual."""

_HALF_AT = 2.0
_SMOOTH_SECONDS = 0.75
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
    extent : tuple of float
        From the first to the last tick that says anything, in seconds: what silence and black
        before and after are not part of.
    """

    score: npt.NDArray[np.float64]
    shares: dict[str, npt.NDArray[np.float64]]
    normals: dict[str, npt.NDArray[np.float64]]
    extent: tuple[float, float]


def tension(timeline: Timeline) -> npt.NDArray[np.float64]:
    """Score each tick of a timeline.

    Returns
    -------
    ndarray of float64, shape (T,)
        In [0, 1]; 0 where nothing was measured.
    """
    return tension_parts(timeline).score


def tension_parts(timeline: Timeline, weights: Mapping[str, float] = WEIGHTS) -> Tension:
    """Score each tick, and say how much each part gave; see the module's text for the formula.

    Parameters
    ----------
    timeline : Timeline
    weights : mapping
        Each part of `WEIGHTS` to its weight, at least 0; only their ratios matter.
    """
    count = len(timeline)
    filled = timeline.filled(_BRIDGE_SECONDS)
    shares = {name: np.zeros(count) for name in WEIGHTS}
    normals = {name: np.full(count, np.nan) for name in _SIGNALS}
    inside = _telling(timeline)
    times = timeline.times[inside]
    if not len(times):
        return Tension(np.zeros(count), shares, normals, timeline.bounds)
    signals, usual = _signals(times, filled, inside)
    normal = running_normal(times, np.where(usual, signals, np.nan))
    raised = _smoothed(times, _raised(signals, normal.median, normal.spread))
    parts = _parts(raised, coverage(times, usual), np.array([weights[name] for name in WEIGHTS]))
    for name, values in zip(WEIGHTS, parts.T, strict=True):
        shares[name][inside] = values
    for name, values in zip(_SIGNALS, normal.median.T, strict=True):
        normals[name][inside] = values ** (1 / _FELT) if name == "loudness" else values
    score = np.clip(np.sum(list(shares.values()), axis=0), 0, 1)
    return Tension(score, shares, normals, extent(timeline))


def extent(timeline: Timeline) -> tuple[float, float]:
    """From the first to the last tick that says anything, in seconds; all where none does.

    Silence and black before and after say nothing.
    """
    low, high = timeline.bounds
    times = timeline.times[_telling(timeline)]
    if not len(times):
        return low, high
    return max(low, float(times[0])), min(high, float(times[-1]) + timeline.spacing)


def _telling(timeline: Timeline) -> slice:
    """The ticks of `extent`; none where none says anything."""
    tells = np.isfinite(_stacked(timeline, EMOTIONS)).any(axis=1)
    tells |= timeline.column("loudness") > SILENCE
    told = np.flatnonzero(tells)
    return slice(told[0], told[-1] + 1) if len(told) else slice(0, 0)


def _signals(
    times: npt.NDArray[np.float64], timeline: Timeline, inside: slice
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The five signals (T, 5), and which of their values tell what is usual."""
    plain = _stacked(timeline, ("loudness", "laughter", "arousal", "valence"))[inside]
    emotions = _stacked(timeline, EMOTIONS)[inside]
    expression = _away(emotions, running_normal(times, emotions).median)
    signals = np.concatenate([plain, expression[:, None]], axis=1)
    signals[:, 0] **= _FELT
    tells = np.isfinite(signals)
    # Silence says nothing about what is usual, of loudness or of laughter.
    tells[:, _SOUND] &= plain[:, :1] > SILENCE
    return signals, tells


def _stacked(timeline: Timeline, columns: Sequence[str]) -> npt.NDArray[np.float64]:
    """Columns side by side (T, C); NaN where the timeline lacks one."""
    return np.stack([timeline.column(name) for name in columns], axis=1).astype(np.float64)


def _away(
    shares: npt.NDArray[np.float64], usual: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Hellinger distance from the usual expression, in [0, 1]; 0 where it only turns neutral."""
    usual = usual / np.maximum(usual.sum(axis=1, keepdims=True), 1e-9)
    squares = np.square(np.sqrt(shares) - np.sqrt(usual)).sum(axis=1)
    neutral = EMOTIONS.index("neutral")
    calmer = shares[:, neutral] > usual[:, neutral] + FLOORS["expression"]
    return np.asarray(np.where(calmer, 0.0, np.sqrt(squares / 2)))


def _raised(
    signals: npt.NDArray[np.float64],
    median: npt.NDArray[np.float64],
    spread: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Tension of each signal, in [0, 1): 0 up to one spread above the usual, 1/2 at three."""
    floors = np.tile([FLOORS[name] for name in _SIGNALS], (len(signals), 1))
    floors[:, 0] = np.fmax(floors[:, 0], _LOUDNESS_FLOOR_SHARE * median[:, 0])
    with np.errstate(invalid="ignore"):
        z = (signals - median) / np.fmax(spread, floors)
        z[:, _VALENCE] = np.abs(z[:, _VALENCE])
        beyond = np.square(np.clip(z - 1, 0, None))
    return np.asarray(np.nan_to_num(beyond / (beyond + _HALF_AT**2)))


def _parts(
    raised: npt.NDArray[np.float64],
    measured: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Each part's contribution (T, 6), weighted by how much sound and face there is to judge by."""
    there = measured * weights[:-1]
    means = [
        (raised[:, part] * there[:, part]).sum(axis=1)
        / np.maximum(there[:, part].sum(axis=1), 1e-9)
        for part in (_SOUND, _FACE)
    ]
    together = np.sqrt(means[0] * means[1])
    both = np.minimum(measured[:, _SOUND].max(axis=1), measured[:, _FACE].max(axis=1))
    there = np.concatenate([there, both[:, None] * weights[-1]], axis=1)
    total = np.maximum(there.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.concatenate([raised, together[:, None]], axis=1) * there / total)


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
