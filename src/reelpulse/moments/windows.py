"""A model slid over a timeline: windows and their scores, and from these a score a tick.

Windows of the lengths that the model was made for start every half second. Each is brought to the
model's steps as its training clips were. Those of which 30 % or more was not measured have no
score, as such clips are left out of training.

A window speaks for the seconds around its middle: at a tick, windows count with the weight
``1 - |tick - middle| / (length / 2)``, which falls to 0 at their edges. So the score of a tick is a
mean over windows of all lengths that lie around it, it changes smoothly, and its peak is where
windows centre on what the model looks for. Where fewer windows lie around a tick, at the ends of
the video and of what was measured, that mean is kept while they have 0.4 of the weight that they
have elsewhere (as far as there are middles of windows), and falls to 0 with it beyond: no peak
stands on the edge of a single window.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.moments.inputs import Steps
from reelpulse.moments.model import MomentModel
from reelpulse.moments.sampling import Sampler
from reelpulse.settings import ClipSettings
from reelpulse.timeline import Timeline, embedding_summary

MOST_MISSING = ClipSettings().most_missing
"""A window of which this share or more was not measured has no score."""

_BLOCK = 2048
"""Windows at once: few enough that what is made of them stays in a processor's cache."""

_MOST_THREADS = 4
_TINY = 1e-6
_EDGE = 1e-3
"""Weight of a window at its very edges: the one tick of a tiny video lies there."""

_ENOUGH = 0.4
"""Share of the weight that windows have elsewhere, with which they tell all of a tick's score."""

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of a timeline and how a model scores them.

    Parameters
    ----------
    starts, ends : ndarray of float64, shape (N,)
        Seconds.
    scores : ndarray of float64, shape (N,)
        In [0, 1]; NaN where too little was measured.
    """

    starts: Times
    ends: Times
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def middles(self) -> Times:
        """Seconds, (N,)."""
        return (self.starts + self.ends) / 2


def laid(bounds: tuple[float, float], lengths: Sequence[float], step: float) -> tuple[Times, Times]:
    """Lay windows over a stretch; one of the whole where it is shorter than all of them.

    Parameters
    ----------
    bounds : (start, end)
        Seconds.
    lengths : sequence of float
    step : float
        Between starts, in seconds.

    Returns
    -------
    starts, ends : ndarray of float64, shape (N,)
        Length by length; none where the stretch is empty.
    """
    low, high = bounds
    rows = [
        low + np.arange(np.floor((high - low - length) / step + _TINY) + 1) * step
        for length in lengths
        if length <= high - low + _TINY
    ]
    if not rows:
        there = high > low
        return np.array([low] * there, np.float64), np.array([high] * there, np.float64)
    fitting = [length for length in lengths if length <= high - low + _TINY]
    ends = [row + length for row, length in zip(rows, fitting, strict=True)]
    return np.concatenate(rows), np.concatenate(ends)


class Slider:
    """Brings any windows of one timeline to a model's steps, and scores them.

    Parameters
    ----------
    timeline : Timeline
        With the model's columns, in any order; see `check_timeline`.
    model : MomentModel
    features_path : str or Path, optional
        The ``.h5`` with the face embeddings, for a model that looks at them; by default where
        the timeline comes from.

    Raises
    ------
    DataError
        When a column is not there, or embeddings are wanted and no file is known.
    """

    def __init__(
        self,
        timeline: Timeline,
        model: MomentModel,
        features_path: str | os.PathLike[str] | None = None,
    ) -> None:
        recipe = model.recipe
        self.model, self.timeline = model, timeline.select(recipe.columns)
        # A short video is its own usual, for want of more; `check_timeline` warns of it.
        usual_from = 0.0 if recipe.baseline == "video" else None
        self._sample = Sampler(
            self.timeline, recipe.shape, max_gap=model.max_gap, usual_from=usual_from
        )
        self._file = features_path or timeline.meta.get("file")
        if recipe.embeddings and not self._file:
            problem = "looks at face embeddings, which are read from a timeline's file: give that"
            raise DataError(at(model.path, problem))

    def steps(self, starts: Times, ends: Times) -> Steps:
        """Bring windows, (N,) seconds each, to the model's steps."""
        steps = self._sample(starts, ends)
        if not self.model.recipe.embeddings:
            return steps
        ranges = list(zip(starts.tolist(), ends.tolist(), strict=True))
        return replace(steps, embeddings=embedding_summary(str(self._file), ranges))

    def scores(self, starts: Times, ends: Times) -> npt.NDArray[np.float64]:
        """Score windows, (N,) seconds each; NaN where too little was measured."""
        steps = self.steps(starts, ends)
        there = np.isfinite(steps.times)
        count = np.maximum(there.sum(axis=1), 1)
        missing = (there & ~steps.measured).sum(axis=1) / count
        told = missing < MOST_MISSING
        scores = np.full(len(steps), np.nan)
        scores[told] = self.model.scores(steps if told.all() else steps[told])
        return scores

    def slide(self, bounds: tuple[float, float] | None = None) -> Windows:
        """Score all windows between two times, in seconds; see `window_scores`."""
        stretch = self.timeline.bounds if bounds is None else bounds
        starts, ends = laid(stretch, *self.model.window)
        if not len(self.timeline):
            return Windows(starts, ends, np.full(len(starts), np.nan))

        def score(first: int) -> npt.NDArray[np.float64]:
            block = slice(first, first + _BLOCK)
            return self.scores(starts[block], ends[block])

        scores = [np.empty(0)]
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
            scores += pool.map(score, range(0, len(starts), _BLOCK))
        return Windows(starts, ends, np.concatenate(scores))


def window_scores(
    timeline: Timeline,
    model: MomentModel,
    *,
    bounds: tuple[float, float] | None = None,
    features_path: str | os.PathLike[str] | None = None,
) -> Windows:
    """Slide a model over a timeline, in bounded memory.

    Parameters
    ----------
    timeline : Timeline
        With the model's columns, in any order.
    model : MomentModel
    bounds : (start, end), optional
        Seconds; those of the timeline without it.
    features_path : str or Path, optional
        The ``.h5`` with the face embeddings, for a model that looks at them; by default where the
        timeline comes from.

    Returns
    -------
    Windows
        Length by length.

    Raises
    ------
    DataError
        When a column or embeddings are not there.
    ModelError
        When the network fails.
    """
    return Slider(timeline, model, features_path).slide(bounds)


def score_curve(windows: Windows, times: Times, bounds: tuple[float, float]) -> Times:
    """Score each tick by the windows around it; see the module's text for the weights.

    Parameters
    ----------
    windows : Windows
    times : ndarray, shape (T,)
        Seconds, increasing.
    bounds : (start, end)
        Seconds; a tick outside scores 0.

    Returns
    -------
    ndarray of float64, shape (T,)
        In [0, 1]; 0 where no window that has a score lies around.
    """
    half = (windows.ends - windows.starts) / 2
    known = np.isfinite(windows.scores)
    scores = np.where(known, windows.scores, 0.0)
    total, weight, full = np.zeros((3, len(times)))
    first = np.searchsorted(times, windows.starts - _TINY)
    last = np.searchsorted(times, windows.ends + _TINY)
    for shift in range(int((last - first).max(initial=0))):
        inside = np.flatnonzero(first + shift < last)
        tick = first[inside] + shift
        near = np.maximum(1 - np.abs(times[tick] - windows.middles[inside]) / half[inside], _EDGE)
        total += np.bincount(tick, near * scores[inside], len(times))
        weight += np.bincount(tick, near * known[inside], len(times))
        full += np.bincount(tick, near, len(times))
    enough = max(_ENOUGH * float(full.max(initial=0.0)), _TINY)
    score = total / np.maximum(weight, enough)
    score[(times < bounds[0] - _TINY) | (times > bounds[1] + _TINY)] = 0
    return score
