"""Ranges of a timeline taken as clips: their steps, and how much of them was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError
from reelpulse.moments.inputs import Steps
from reelpulse.moments.lengths import Shape, sampled
from reelpulse.moments.sampling import Sampler
from reelpulse.moments.tension import tension
from reelpulse.settings import ClipSettings
from reelpulse.timeline import FACE_COLUMNS, Timeline, embedding_summary

Range = tuple[float, float]


@dataclass(frozen=True)
class Taken:
    """Clips as they are stored, with facts of their measuring.

    Parameters
    ----------
    steps : Steps
    missing, filled : ndarray of float64, shape (N,)
        Shares of a clip's steps that were not measured, and of those that only filling gave.
    tension : ndarray of float64, shape (N,)
        The highest in each clip.
    lacks : tuple of str, length N
        What was missing most, for people; empty where all was measured.
    """

    steps: Steps
    missing: npt.NDArray[np.float64]
    filled: npt.NDArray[np.float64]
    tension: npt.NDArray[np.float64]
    lacks: tuple[str, ...]


class Taker:
    """Takes clips from one timeline.

    Parameters
    ----------
    timeline : Timeline
        Whole, with all its columns.
    columns : sequence of str
        To keep.
    shape : Shape
    settings : ClipSettings

    Raises
    ------
    DataError
        When the timeline lacks a column.
    """

    def __init__(
        self,
        timeline: Timeline,
        columns: Sequence[str],
        shape: Shape,
        settings: ClipSettings,
    ) -> None:
        self._timeline, self._shape, self._settings = timeline, shape, settings
        self._kept = timeline.select(columns)
        self._sampler = Sampler(self._kept, shape, max_gap=settings.max_gap)
        self._judged = self._sampler.judged
        self._tension = tension(timeline)

    def __call__(self, ranges: Sequence[Range]) -> Taken:
        """Take clips by their ranges, in seconds.

        Raises
        ------
        DataError
            When embeddings are wanted and the timeline keeps none.
        """
        starts, ends = np.array(ranges, np.float64).T
        steps = self._sampler(starts, ends)
        there = np.isfinite(steps.times)
        seen = np.isfinite(sampled(self._kept, starts, ends, self._shape)[0])
        measured = steps.measured
        known = np.isfinite(steps.values[..., self._judged]).all(axis=2)
        count = np.maximum(there.sum(axis=1), 1)
        if self._settings.embeddings:
            wide = embedding_summary(self._file(), ranges).astype(np.float16)
            steps = replace(steps, embeddings=wide)
        return Taken(
            steps,
            missing=(there & ~measured).sum(axis=1) / count,
            filled=(there & ~measured & known).sum(axis=1) / count,
            tension=np.array([self._highest(start, end) for start, end in ranges]),
            lacks=tuple(self._lacks(seen[row], there[row]) for row in range(len(seen))),
        )

    def _file(self) -> str:
        try:
            return str(self._timeline.meta["file"])
        except KeyError:
            raise DataError("was not kept, and embeddings are read from the file") from None

    def _highest(self, start: float, end: float) -> float:
        times = self._timeline.times
        if not len(times):
            return 0.0
        inside = self._tension[np.searchsorted(times, start) : np.searchsorted(times, end)]
        middle = np.interp((start + end) / 2, times, self._tension)
        return float(max(inside.max(initial=0.0), middle))

    def _lacks(self, seen: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_]) -> str:
        """Name what was missing most; the face's columns as one."""
        gaps = 1 - seen[there].mean(axis=0)
        worst = max(gaps[place] for place in self._judged)
        names = [self._kept.columns[p] for p in self._judged if 0 < gaps[p] >= worst / 2]
        return ", ".join(dict.fromkeys("face" if n in FACE_COLUMNS else n for n in names))
