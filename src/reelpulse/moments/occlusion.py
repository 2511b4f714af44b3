"""Why a model took a moment: what its score loses when a part of the window is made usual.

Occlusion, after Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks":
here not of a patch of a picture but of a group of columns, and not by grey but by what is usual for
the video around the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reelpulse.moments.inputs import Steps
from reelpulse.moments.normal import WINDOW_SECONDS
from reelpulse.moments.reasons import Scene, told
from reelpulse.moments.windows import Slider, Windows
from reelpulse.timeline import EMOTIONS, LOUDNESS_COLUMNS, Reason, Timeline

PATTERN = "pattern"
"""The part that is named where no group of columns moves the score by itself."""

_TINY = 1e-6
_SURE = 1e-4
"""Scores nearer to 0 or 1 than this are told apart no further."""

_LEAST_MOVED = 0.1
"""Log odds: a score that moves less, with all as usual, is moved by nothing."""

_EMBEDDINGS = "face"
_USUAL_WINDOWS = 16
"""Windows around a moment whose embeddings are the usual ones."""


def groups(columns: Sequence[str]) -> dict[str, list[int]]:
    """Columns that are told of together: name of the part to their places."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(columns):
        part = "speech" if name.startswith("speech_") else name
        if name in LOUDNESS_COLUMNS:
            part = "loudness"
        elif name in EMOTIONS:
            part = "expression"
        found.setdefault(part, []).append(place)
    return found


def occlusion_reasons(
    timeline: Timeline, slider: Slider, windows: Windows, found: Sequence[tuple[float, float]]
) -> list[tuple[Reason, ...]]:
    """Name the parts that raised a model's score at peaks, the strongest first.

    Each group of columns in turn is replaced, over the window that says most at the peak, by its
    median over five minutes of the video around it; then all of them. What the score loses with a
    group, in log odds, is the group's share of what it loses with all; where the losses add up to
    more than that, of their sum. (Log odds, since where several parts speak for a moment, a score
    near 1 hardly falls with any one of them.) A group that was not measured stays so.

    Parameters
    ----------
    timeline : Timeline
        With all its columns, for what is said of each part.
    slider : Slider
        Of the same timeline.
    windows : Windows
        Of the same timeline.
    found : sequence of (start, peak)
        Of the moments, in seconds.

    Returns
    -------
    list of tuple of Reason
        One a moment; ``pattern over time`` where no group moves the score by itself.
    """
    strongest = _Strongest(windows)
    why = []
    for start, peak in found:
        near = _cut(timeline, peak)
        low, high = strongest(peak)
        parts, steps = _occluded(slider, low, high, _median(_cut(slider.timeline, peak).values))
        odds = _odds(slider.model.scores(steps))
        drops = np.maximum(odds[0] - odds[2:], 0)
        shares = drops / max(odds[0] - odds[1], drops.sum(), _LEAST_MOVED)
        emotions = near.select(EMOTIONS).values
        scene = Scene(
            near,
            start,
            around=(near.times >= low) & (near.times <= high),
            usual=dict(zip(near.columns, _median(near.values).tolist(), strict=True)),
            away=np.abs(emotions - _median(emotions)).sum(axis=1),
            rises=False,
        )
        named = told(scene, dict(zip(parts, shares.tolist(), strict=True)))
        why.append(named or (Reason(PATTERN, "pattern over time", 1.0),))
    return why


def _cut(timeline: Timeline, time: float) -> Timeline:
    """What tells what is usual around a time."""
    edges = [time - WINDOW_SECONDS / 2, time + WINDOW_SECONDS / 2]
    inside = slice(*np.searchsorted(timeline.times, edges).tolist())
    return Timeline(timeline.times[inside], timeline.values[inside], timeline.columns)


class _Strongest:
    """Finds the window that gives most to the score at a time."""

    def __init__(self, windows: Windows) -> None:
        known = np.flatnonzero(windows.scores > 0)
        order = known[np.argsort(windows.middles[known], kind="stable")]
        self._starts, self._ends = windows.starts[order], windows.ends[order]
        self._middles, self._scores = windows.middles[order], windows.scores[order]
        self._half = (self._ends - self._starts) / 2
        self._reach = float(self._half.max(initial=0.0)) + _TINY

    def __call__(self, time: float) -> tuple[float, float]:
        edges = [time - self._reach, time + self._reach]
        near = slice(*np.searchsorted(self._middles, edges).tolist())
        away = np.abs(time - self._middles[near]) / self._half[near]
        best = near.start + int(np.argmax(np.maximum(1 - away, _TINY) * self._scores[near]))
        return float(self._starts[best]), float(self._ends[best])


def _occluded(
    slider: Slider, low: float, high: float, usual: npt.NDArray[np.float32]
) -> tuple[list[str], Steps]:
    """The window as it is, with all parts as usual, and once for each part with that as usual."""
    one = slider.steps(np.array([low]), np.array([high]))
    parts = groups(slider.model.recipe.columns)
    count = 2 + len(parts) + (one.embeddings is not None)
    steps = one[np.zeros(count, int)]
    for row, places in enumerate(parts.values(), 2):
        seen = steps.values[row][:, places]
        changed = np.where(np.isfinite(seen), usual[places], seen)
        steps.values[row][:, places] = steps.values[1][:, places] = changed
    if steps.embeddings is None:
        return list(parts), steps
    length = high - low
    starts = low + np.linspace(-0.5, 0.5, _USUAL_WINDOWS) * WINDOW_SECONDS
    around = slider.steps(starts, starts + length).embeddings
    assert around is not None
    wide = np.array(steps.embeddings)
    wide[1] = wide[-1] = _median(around)
    return [*parts, _EMBEDDINGS], replace(steps, embeddings=wide)


def _odds(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    sure = np.clip(scores.astype(np.float64), _SURE, 1 - _SURE)
    return np.asarray(np.log(sure / (1 - sure)))


def _median(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of each column, over what was measured; NaN where nothing was."""
    out = np.full(rows.shape[1], np.nan, np.float32)
    seen = np.isfinite(rows).any(axis=0)
    out[seen] = np.nanmedian(rows[:, seen], axis=0)
    return out
