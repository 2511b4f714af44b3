"""Which emotion the voices in files show."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt

from reelpulse.errors import MediaError, ReelpulseError, at
from reelpulse.media import probe
from reelpulse.media.audio import SoundReader
from reelpulse.media.clocks import EPSILON
from reelpulse.speech.model import SpeechModel
from reelpulse.speech.sound import Samples
from reelpulse.speech.voice import ENOUGH, RATE, SECONDS, VoiceActivity, load_voice

log = logging.getLogger(__name__)

CLIP_SECONDS = 10.0
"""A file up to this long is one utterance, as a corpus has them; a longer one is cut in windows."""

STEP_SECONDS = 1.5

LEAST_VOICE = 0.1
"""Seconds of voice below which nothing is said of a short file: half a syllable."""

_DIGITS = 4

OnProgress = Callable[[int, int, str], None]
"""Called with how many files are done, of how many, and the one at hand."""


@dataclass(frozen=True)
class Window:
    """Some seconds of a long file; no label and no probabilities without a voice in them."""

    start: float
    end: float
    voice: float
    label: str | None
    probabilities: dict[str, float] | None


@dataclass(frozen=True)
class Prediction:
    """What the voice in a file shows.

    Parameters
    ----------
    file : str
        As it was given.
    label : str or None
        The likeliest class; None where there is no voice, or it failed.
    probabilities : dict of str to float, or None
        By class, summing to 1; of a long file, the mean over its windows with a voice.
    duration : float or None
        Seconds of sound.
    voice : float or None
        Share of the sound in which somebody speaks.
    windows : tuple of Window
        Of a file longer than `CLIP_SECONDS`; empty for others.
    error : str or None
        Why it failed.
    """

    file: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    duration: float | None = None
    voice: float | None = None
    windows: tuple[Window, ...] = ()
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what says nothing is left out, but for the label and its probabilities."""
        always = {"label": self.label, "probabilities": self.probabilities}
        further = {"duration": self.duration, "voice": self.voice, "error": self.error}
        given = {name: value for name, value in further.items() if value is not None}
        windows = {"windows": [vars(window) for window in self.windows]} if self.windows else {}
        return {"file": self.file, **always, **given, **windows}


def predict(
    files: Sequence[str | Path],
    model: SpeechModel,
    *,
    voice: VoiceActivity | None = None,
    audio_track: int = 0,
    progress: OnProgress | None = None,
) -> Iterator[Prediction]:
    """Hear files one after the other, past those that fail.

    Parameters
    ----------
    files : sequence of str or Path
        With sound, or videos.
    model : SpeechModel
    voice : VoiceActivity, optional
        Tells where somebody speaks; the best at hand without it.
    audio_track : int
        Which sound track of each, from 0.
    progress : callable, optional

    Yields
    ------
    Prediction
        In the order of `files`; `error` is set where one failed.
    """
    voice = voice or load_voice()
    for number, file in enumerate(files):
        if progress is not None:
            progress(number, len(files), Path(file).name)
        try:
            yield predict_file(file, model, voice, audio_track=audio_track)
        except ReelpulseError as error:
            yield Prediction(str(file), error=str(error))


def predict_file(
    file: str | Path, model: SpeechModel, voice: VoiceActivity, *, audio_track: int = 0
) -> Prediction:
    """Hear one file; see `predict`.

    Raises
    ------
    MediaError
        When the file cannot be read, has no such sound track, or nothing of it decodes.
    ModelError
        When a network fails.
    """
    facts = probe(file)
    if not facts.sound_tracks:
        raise MediaError(at(file, "has no sound track"))
    try:
        with closing(SoundReader(file, facts.start, audio_track, {RATE: CLIP_SECONDS})) as reader:
            head = reader.before(CLIP_SECONDS)[RATE]
            if reader.exhausted and np.isnan(head).all():
                raise MediaError(at(file, "its sound track is empty, or nothing of it decodes"))
            if reader.exhausted and reader.end <= CLIP_SECONDS + EPSILON:
                found = _clip(head[: round(reader.end * RATE)], model, voice)
            else:
                found = _long(_windows(head, reader), model, voice)
            if reader.damaged:
                problem = f"{reader.damaged} of {reader.packets} packets of its sound are damaged"
                log.warning("%s", at(file, f"{problem}; what else decodes was heard"))
            return replace(found, file=str(file), duration=round(reader.end, 3))
    except av.error.FFmpegError as error:
        raise MediaError(at(file, f"its sound does not decode ({error.strerror})")) from None


def _clip(sound: Samples, model: SpeechModel, voice: VoiceActivity) -> Prediction:
    share = float(voice.share(sound[None])[0])
    enough = share * len(sound) >= LEAST_VOICE * RATE
    label, shares = _named(model(sound, RATE), model) if enough else (None, None)
    return Prediction("", label, shares, voice=round(share, _DIGITS))


def _long(
    pieces: Iterator[tuple[float, float, Samples]], model: SpeechModel, voice: VoiceActivity
) -> Prediction:
    windows: list[Window] = []
    total = np.zeros(len(model.classes))
    spoken = 0
    for start, end, sound in pieces:
        share = float(voice.share(sound[None])[0])
        label, shares = None, None
        if share >= ENOUGH:
            found = model(sound, RATE)
            label, shares = _named(found, model)
            if label is not None:
                total, spoken = total + found, spoken + 1
        windows.append(Window(round(start, 3), round(end, 3), round(share, _DIGITS), label, shares))
    share = float(np.mean([window.voice for window in windows]))
    label, shares = _named(total / spoken, model) if spoken else (None, None)
    return Prediction("", label, shares, None, round(share, _DIGITS), tuple(windows))


def _windows(head: Samples, reader: SoundReader) -> Iterator[tuple[float, float, Samples]]:
    """Begin, end and sound of each window, to the first that reaches the sound's end."""
    length = round(SECONDS * RATE)
    for number in count():
        end = SECONDS + number * STEP_SECONDS
        if end <= CLIP_SECONDS:
            last = round(end * RATE)
            yield end - SECONDS, end, head[last - length : last]
        else:
            sound = reader.before(end)[RATE][-length:]
            yield end - SECONDS, min(end, reader.end), sound
            if reader.exhausted and reader.end <= end + EPSILON:
                return


def _named(
    found: npt.NDArray[Any], model: SpeechModel
) -> tuple[str | None, dict[str, float] | None]:
    """The likeliest class, and all by name; None of silence."""
    if np.isnan(found).any():
        return None, None
    shares = {name: round(float(p), _DIGITS) for name, p in zip(model.classes, found, strict=True)}
    return model.classes[int(found.argmax())], shares
