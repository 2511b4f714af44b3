"""Which emotion the voice shows, whoever speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.media import Tick
from reelpulse.settings import AnalyzeSettings
from reelpulse.speech.model import SpeechModel, load_speech
from reelpulse.speech.voice import ENOUGH, RATE, SECONDS, VoiceActivity, load_voice


class SpeechStream:
    """``speech_anger`` and so on: probabilities of the emotions in the 3 s before the tick.

    Anybody's voice: that of the person followed, a friend's on the call, the game's. Not measured
    where there is no sound track, or a voice in less than 30 % of those seconds.
    """

    name = "speech"
    wants_pictures = False
    needs_previous_frame = False

    def __init__(self, model: SpeechModel, voice: VoiceActivity, track: int = 0) -> None:
        self.sound = {RATE: SECONDS, model.rate: SECONDS}
        self.columns = tuple(f"{self.name}_{label}" for label in model.classes)
        self._model, self._voice = model, voice
        self.settings: dict[str, Any] = {
            **model.settings,
            **voice.settings,
            "seconds": SECONDS,
            "voice_share": ENOUGH,
            "audio_track": track,
            "version": 1,
        }

    @classmethod
    def from_settings(cls, settings: AnalyzeSettings) -> SpeechStream:
        """Make the stream that the settings ask for."""
        return cls(load_speech(settings.speech), load_voice(), settings.audio_track)

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def process(self, ticks: Sequence[Tick]) -> npt.NDArray[np.float32]:
        """Measure ticks; see `Stream`."""
        out = np.full((len(ticks), len(self.columns)), np.nan, np.float32)
        if not ticks:
            return out
        pieces = np.stack([tick.sound(RATE, SECONDS) for tick in ticks])
        spoken = np.flatnonzero(self._voice.share(pieces) >= ENOUGH).tolist()
        if spoken:
            given = [ticks[row].sound(self._model.rate, SECONDS) for row in spoken]
            out[spoken] = self._model.heard(given)
        return out
