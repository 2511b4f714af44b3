"""Ranges of a timeline as steps, with what a network must know of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reelpulse.moments.inputs import Steps
from reelpulse.moments.lengths import Shape, sampled
from reelpulse.moments.normal import running_normal
from reelpulse.timeline import Timeline

MAX_GAP = 5.0
"""Seconds over which what was not measured is bridged, where nothing else is asked for."""

USUAL_SECONDS = 60.0
"""A timeline shorter than this does not tell what is usual: a clip is not its own normal."""

_NOT_JUDGED = ("loudness_change", "speech_")
"""What begins so is no lack where it was not measured: in a file's first second there is nothing
before it for loudness to have changed from, and a voice that says nothing has no emotion."""


class Sampler:
    """Looks at ranges of one timeline, in building and in detection alike.

    Parameters
    ----------
    timeline : Timeline
        Of just the columns wanted, in their order.
    shape : Shape
    max_gap : float
        Seconds over which what was not measured is bridged.
    usual_from : float or None
        Seconds of a timeline from which on it tells what is usual around a range; None where that
        is not wanted: finding it takes a while on hours.

    Attributes
    ----------
    judged : list of int
        Places of the columns by which a step counts as measured.
    """

    def __init__(
        self,
        timeline: Timeline,
        shape: Shape,
        *,
        max_gap: float = MAX_GAP,
        usual_from: float | None = USUAL_SECONDS,
    ) -> None:
        self.shape = shape
        self._times = timeline.times
        self._filled = timeline.filled(max_gap)
        columns = timeline.columns
        judged = [place for place, name in enumerate(columns) if not name.startswith(_NOT_JUDGED)]
        self.judged = judged or list(range(len(columns)))
        seen = timeline.valid[:, self.judged].all(axis=1)
        there = np.where(seen, 0.0, np.nan)[:, None]
        self._measured = Timeline(timeline.times, there.astype(np.float32), ("measured",))
        self._usual: npt.NDArray[np.float64] | None = None
        first, last = timeline.bounds
        if usual_from is not None and last - first >= usual_from and len(timeline):
            self._usual = running_normal(timeline.times, timeline.values.astype(float)).median

    def __call__(self, starts: npt.ArrayLike, ends: npt.ArrayLike) -> Steps:
        """Bring ranges, (N,) seconds each, to steps.

        Returns
        -------
        Steps
            Without embeddings; `usual` is NaN where it was not asked for or cannot be told.
        """
        first, last = (np.atleast_1d(np.asarray(x, np.float64)) for x in (starts, ends))
        values, times = sampled(self._filled, first, last, self.shape)
        measured = np.isfinite(sampled(self._measured, first, last, self.shape)[0][..., 0])
        usual = np.full((len(first), values.shape[2]), np.nan, np.float32)
        if self._usual is not None:
            middle = np.searchsorted(self._times, (first + last) / 2)
            usual = self._usual[np.minimum(middle, len(self._times) - 1)].astype(np.float32)
        return Steps(values, times, measured, usual)
