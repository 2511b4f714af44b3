"""Measurements: one a file, each made from the ticks of a segment, looking only at the past.

To add one, write a class with `Stream`'s members in a file of this folder and a line in `STREAMS`.
"""

from __future__ import annotations

from collections.abc import Callable

from reelpulse.settings import AnalyzeSettings
from reelpulse.streams.base import Stream
from reelpulse.streams.face import FaceStream
from reelpulse.streams.loudness import LoudnessStream

STREAMS: dict[str, Callable[[AnalyzeSettings], Stream]] = {
    "face": FaceStream.from_settings,
    "loudness": LoudnessStream.from_settings,
}

__all__ = ["STREAMS", "FaceStream", "LoudnessStream", "Stream"]
