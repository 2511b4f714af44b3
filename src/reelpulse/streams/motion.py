"""How much moves on screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.genre.cuts import CUT, frame_change
from reelpulse.genre.motion import FlowSpec, flow, magnitude
from reelpulse.media import Tick
from reelpulse.media.video import SMALL_WIDTH
from reelpulse.settings import AnalyzeSettings

FILM_SECONDS = 1 / 24
"""From one frame of a film to the next: motion is counted in such steps, whatever the video's."""

STILL_SECONDS = 0.25
"""A frame that has stayed for longer stands still: recorders of screens leave out frames in which
nothing changes."""

_SHORTEST_SECONDS = 1 / 250
"""Frames closer to each other than this were stamped by a clock that jitters."""


class MotionStream:
    """``motion``: how far the picture moves in a 24th of a second, as a share of its size.

    The magnitude of the optical flow (`reelpulse.genre.motion`) from the frame before the one on
    screen to that one, divided by the time between them. 0 where a frame stays. Not measured at the
    first frame, without pictures, and on the first frame after a cut, where nothing has moved.
    """

    name = "motion"
    columns = ("motion",)
    wants_pictures = True
    needs_previous_frame = True
    sound: Mapping[int, float] = {}

    def __init__(self) -> None:
        self._spec = FlowSpec(width=SMALL_WIDTH)
        self.settings: dict[str, Any] = {
            **self._spec.as_dict(),
            "cut": CUT,
            "step": FILM_SECONDS,
            "still": STILL_SECONDS,
            "version": 1,
        }

    @classmethod
    def from_settings(cls, settings: AnalyzeSettings) -> MotionStream:
        """Make the stream; no setting changes it."""
        return cls()

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def process(self, ticks: Sequence[Tick]) -> npt.NDArray[np.float32]:
        """Measure ticks; see `Stream`."""
        values = [self._motion(tick) for tick in ticks]
        return np.array(values, np.float32).reshape(-1, 1)

    def _motion(self, tick: Tick) -> float:
        now, before = tick.picture, tick.previous
        if now is None:
            return math.nan
        if tick.time - now.time > STILL_SECONDS:
            return 0.0
        if before is None:
            return math.nan
        if before.small.shape != now.small.shape or frame_change(before.small, now.small) >= CUT:
            return math.nan
        # After a still, when the first thing moved is not known: not slowly over all of it.
        apart = min(max(now.time - before.time, _SHORTEST_SECONDS), STILL_SECONDS)
        return magnitude(flow(before.small, now.small, self._spec)) * FILM_SECONDS / apart
