"""Loudness of the half second before a tick, and its change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.media import Tick, rms
from reelpulse.settings import AnalyzeSettings
from reelpulse.timeline import LOUDNESS_COLUMNS

RATE = 22_050
WINDOW_SECONDS = 0.5
FLOOR = 0.01
"""Loudness below which a change is not a multiple of it: -40 dB."""


class LoudnessStream:
    """``loudness``: RMS of the 0.5 s before the tick, in [0, 1], whatever the spacing of ticks.

    ``loudness_change``: (l - l₋) / max(l₋, 0.01), where l₋ is the loudness half a second earlier.
    Not measured where there is no sound track, or less than half of the window is there.
    """

    name = "loudness"
    columns = LOUDNESS_COLUMNS
    wants_pictures = False
    needs_previous_frame = False

    def __init__(self, track: int = 0) -> None:
        self.sound = {RATE: 2 * WINDOW_SECONDS}
        self.settings: dict[str, Any] = {
            "rate": RATE,
            "window": WINDOW_SECONDS,
            "floor": FLOOR,
            "audio_track": track,
            "version": 1,
        }

    @classmethod
    def from_settings(cls, settings: AnalyzeSettings) -> LoudnessStream:
        """Make the stream that the settings ask for."""
        return cls(settings.audio_track)

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def process(self, ticks: Sequence[Tick]) -> npt.NDArray[np.float32]:
        """Measure ticks; see `Stream`."""
        out = np.full((len(ticks), 2), np.nan, np.float32)
        half = round(RATE * WINDOW_SECONDS)
        for row, tick in zip(out, ticks, strict=True):
            samples = tick.sound(RATE, 2 * WINDOW_SECONDS)
            now, before = rms(samples[-half:]), rms(samples[:-half])
            row[:] = now, (now - before) / max(before, FLOOR)
        return out
