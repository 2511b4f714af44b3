"""Measurements: one a file, each made from the ticks of a segment, looking only at the past.

To add one, write a class with `Stream`'s members in a file of this folder and a line in `STREAMS`.
"""

from __future__ import annotations

from collections.abc import Callable

from reelpulse.errors import SettingsError
from reelpulse.settings import AnalyzeSettings
from reelpulse.streams.base import Stream
from reelpulse.streams.face import FaceStream
from reelpulse.streams.laughter import LaughterStream, load_laughter
from reelpulse.streams.loudness import LoudnessStream
from reelpulse.streams.motion import MotionStream
from reelpulse.streams.speech import SpeechStream

STREAMS: dict[str, Callable[[AnalyzeSettings], Stream]] = {
    "face": FaceStream.from_settings,
    "loudness": LoudnessStream.from_settings,
    "laughter": LaughterStream.from_settings,
    "speech": SpeechStream.from_settings,
    "motion": MotionStream.from_settings,
}

PART_OF = {"embedding": "face"}
"""What is measured in one go with another stream, on request."""


def stream_names(settings: AnalyzeSettings) -> list[str]:
    """Which streams to run: those named; the default ones too, unless one of them is named.

    Raises
    ------
    SettingsError
        On an unknown name.
    """
    for name in settings.stream:
        if name not in STREAMS and name not in PART_OF:
            known = ", ".join([*STREAMS, *PART_OF])
            raise SettingsError(f"no stream is named {name!r}: use {known}")
    default = AnalyzeSettings().stream
    always = () if set(default) & set(settings.stream) else default
    return list(dict.fromkeys(PART_OF.get(name, name) for name in (*always, *settings.stream)))


__all__ = [
    "PART_OF",
    "STREAMS",
    "FaceStream",
    "LaughterStream",
    "LoudnessStream",
    "MotionStream",
    "SpeechStream",
    "Stream",
    "load_laughter",
    "stream_names",
]
