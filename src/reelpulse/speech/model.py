"""A trained model of speech emotion: one ONNX file, and what it hears in sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import ModelError, at
from reelpulse.learn.onnx_file import odd_model, open_trained, probabilities_of
from reelpulse.speech.picture import Picture, PictureSpec, normalised, picture
from reelpulse.speech.sound import Samples, finite, trimmed

KIND, VERSION = "speech", 1

_PREFERENCE = ("builtin_speech",)
_BATCH = 32
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SpeechModel:
    """Says which emotion a voice shows; see `load_speech`.

    Parameters
    ----------
    path : Path
    name : str
        ``builtin``, or the file's name.
    checksum : str
        Sixteen digits of the file's SHA-256.
    classes : tuple of str
        What it tells apart, in the order of its probabilities.
    spec : PictureSpec
        How a sound is drawn for it.
    description : dict
        All that stands in the file.
    """

    path: Path
    name: str
    checksum: str
    classes: tuple[str, ...]
    spec: PictureSpec
    description: dict[str, Any]
    session: Any

    @property
    def settings(self) -> dict[str, Any]:
        """Name and checksum, to be kept with what it measured."""
        return {"speech": self.name, "checksum": self.checksum}

    @property
    def rate(self) -> int:
        """Samples a second of the sound that it is given."""
        return self.spec.mel.rate

    def __call__(self, samples: npt.ArrayLike, rate: int) -> Probabilities:
        """Hear a sound.

        Parameters
        ----------
        samples : array_like of float32, shape (N,)
            Mono, in [-1, 1]; what is not finite counts as silence.
        rate : int
            Samples a second; resampled where the model takes another rate.

        Returns
        -------
        ndarray of float32, shape (len(classes),)
            As `heard`.

        Raises
        ------
        ModelError
            Where the sound is not mono, or the network fails.
        """
        sound = finite(samples)
        if sound.ndim != 1 or rate <= 0:
            raise ModelError(f"a voice is heard in mono sound, not in {sound.shape} at {rate} Hz")
        return np.asarray(self.heard([_at_rate(sound, rate, self.rate)])[0])

    def heard(self, pieces: Sequence[Samples] | Samples) -> Probabilities:
        """Hear pieces of sound, each by itself, in batches.

        Silent ends are cut off. Where the model looks at so many seconds at a time and the rest is
        longer, it is heard in windows that overlap by half, and their mean is given.

        Parameters
        ----------
        pieces : sequence of ndarray of float32, N arrays of any lengths
            Mono at `rate`, in [-1, 1].

        Returns
        -------
        ndarray of float32, shape (N, len(classes))
            Probabilities; NaN where all is silence.
        """
        windows = [_windows(piece, self.spec) for piece in pieces]
        drawn = np.empty((sum(map(len, windows)), *self.spec.size), np.float32)
        for row, window in zip(drawn, chain.from_iterable(windows), strict=True):
            row[:] = picture(window, self.spec)
        found = self.of_pictures(drawn)
        out = np.full((len(windows), len(self.classes)), np.nan, np.float32)
        first = 0
        for row, own in zip(out, windows, strict=True):
            if own:
                row[:] = found[first : first + len(own)].mean(axis=0)
            first += len(own)
        return out

    def of_pictures(self, pictures: Picture) -> Probabilities:
        """Probabilities of pictures (N, height, width) that `spec` drew, (N, len(classes)).

        Raises
        ------
        ModelError
            When the network fails, or gives no probabilities.
        """
        parts = [np.empty((0, len(self.classes)), np.float32)]
        for first in range(0, len(pictures), _BATCH):
            given = normalised(pictures[first : first + _BATCH], self.spec)
            inputs = {"input": np.asarray(given, np.float32)}
            parts.append(probabilities_of(self.path, self.session, inputs, len(self.classes)))
        return np.concatenate(parts)


def load_speech(name: str | Path = "auto", *, threads: int = 1) -> SpeechModel:
    """Load a model of speech emotion.

    Parameters
    ----------
    name : str or Path
        ``builtin``; ``auto`` for the best at hand, which is the built-in one; or an ``.onnx`` file
        that ``reelpulse speech train`` wrote.
    threads : int
        Threads for one run of the network.

    Returns
    -------
    SpeechModel
        A callable: (float32 mono samples, rate) → probabilities.

    Raises
    ------
    ModelError
        When it cannot be had or opened, is of a newer version, or a model of something else.
    """
    if name == "auto":
        name = hub.best_at_hand("speech", _PREFERENCE) or "builtin"
    path = hub.obtain("builtin_speech" if name == "builtin" else name)
    opened = open_trained(path, KIND, VERSION, threads=threads)
    said = opened.metadata
    try:
        classes, spec = _classes(said.get("classes")), PictureSpec.from_dict(said.get("picture"))
        if not spec.mean:
            raise ModelError("does not say how its pictures are normalised")
    except ModelError as error:
        raise ModelError(at(path, f"{error}: train it again")) from None
    known = str(name) in ("builtin", *_PREFERENCE)
    model = SpeechModel(
        path=opened.path,
        name="builtin" if known else opened.path.name,
        checksum=opened.checksum,
        classes=classes,
        spec=spec,
        description=said,
        session=opened.session,
    )
    ends = [item.name for item in opened.session.get_inputs()]
    if ends != ["input"]:
        raise odd_model(model.path, f"takes {', '.join(ends)}, not `input`")
    model.of_pictures(np.zeros((2, *spec.size), np.float32))
    return model


def _classes(said: Any) -> tuple[str, ...]:
    named = isinstance(said, list) and all(isinstance(name, str) and name for name in said)
    if not named or not said or len(set(said)) < len(said):
        raise ModelError("does not name the classes that it tells apart")
    return tuple(said)


def _at_rate(sound: Samples, rate: int, wanted: int) -> Samples:
    if rate == wanted:
        return sound
    from scipy.signal import resample_poly

    factor = int(np.gcd(rate, wanted))
    return np.asarray(resample_poly(sound, wanted // factor, rate // factor), np.float32)


def _windows(piece: Samples, spec: PictureSpec) -> list[Samples]:
    """The windows that a piece is heard in; none of silence."""
    rate = spec.mel.rate
    heard = trimmed(piece, rate)[0]
    if not len(heard):
        return []
    # Of what training saw: ends that it kept are kept here.
    sound = finite(piece) if spec.trim_db is None else trimmed(piece, rate, spec.trim_db)[0]
    length = len(sound) if spec.seconds is None else round(spec.seconds * rate)
    spare = len(sound) - length
    if spare <= 0:
        return [sound]
    count = 1 + math.ceil(spare / (length / 2))
    starts = np.linspace(0, spare, count).astype(int)
    return [sound[start : start + length] for start in starts]
