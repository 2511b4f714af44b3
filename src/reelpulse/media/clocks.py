"""When to look: the two samplers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

SEGMENT_SECONDS = 60.0
"""Measuring forgets everything this often, so that a segment can be measured by itself."""

EPSILON = 1e-6
"""Seconds within which two times are one: below a tick of any container's clock."""


class Clock(Protocol):
    """Tick times in seconds from the start of the video, increasing without end or to `count`."""

    @property
    def start(self) -> float:
        """Where the clock begins."""
        ...

    @property
    def end(self) -> float:
        """Where it ends; infinite for a whole video."""
        ...

    def time(self, index: int) -> float:
        """Time of a tick."""
        ...

    def first_at(self, time: float) -> int:
        """Index of the first tick at or after a time."""
        ...

    def has(self, index: int) -> bool:
        """Whether the clock has such a tick."""
        ...

    def segment(self, index: int) -> int:
        """The 60 s segment a tick belongs to."""
        ...


@dataclass(frozen=True)
class RegularTicks:
    """A tick every ``1 / fps`` seconds: ``start + index / fps``, before `end`."""

    fps: float = 2.0
    start: float = 0.0
    end: float = math.inf

    def time(self, index: int) -> float:
        """Time of a tick."""
        return self.start + index / self.fps

    def first_at(self, time: float) -> int:
        """Index of the first tick at or after a time."""
        return max(0, math.ceil((time - self.start - EPSILON) * self.fps))

    def has(self, index: int) -> bool:
        """Whether the clock has such a tick."""
        return index >= 0 and self.time(index) < self.end - EPSILON

    def segment(self, index: int) -> int:
        """The 60 s segment a tick belongs to."""
        return int((index / self.fps + EPSILON) // SEGMENT_SECONDS)


@dataclass(frozen=True)
class EvenTicks:
    """`count` ticks spread evenly: tick i at ``start + (i + 1/2) * (end - start) / count``."""

    count: int
    start: float
    end: float

    def time(self, index: int) -> float:
        """Time of a tick."""
        return self.start + (index + 0.5) * (self.end - self.start) / self.count

    def first_at(self, time: float) -> int:
        """Index of the first tick at or after a time."""
        step = (self.end - self.start) / self.count
        return min(self.count, max(0, math.ceil((time - self.start - EPSILON) / step - 0.5)))

    def has(self, index: int) -> bool:
        """Whether the clock has such a tick."""
        return 0 <= index < self.count

    def segment(self, index: int) -> int:
        """The 60 s segment a tick belongs to."""
        return int((self.time(index) - self.start + EPSILON) // SEGMENT_SECONDS)
