"""Laughter in the sound, whoever laughs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import MissingExtra, ModelError, at
from reelpulse.files import digest
from reelpulse.media import Tick
from reelpulse.media.mel import MelSpec, mel
from reelpulse.settings import AnalyzeSettings

MEL = MelSpec(rate=16_000, window=400, hop=160, fft=512, bands=64, low=125.0, high=7500.0)
FLOOR = 1e-3
FRAMES = 96
PATCH = MEL.window + (FRAMES - 1) * MEL.hop
"""What a network looks at: 0.975 s. The front end is that of YAMNet (AudioSet's), log(mel + floor),
for the built-in network too."""

STEP_SECONDS = 0.48
SECONDS = PATCH / MEL.rate

LAUGHS = [13, 15, 16, 17, 18]
"""AudioSet's laughter, giggle, snicker, belly laugh, chuckle, in YAMNet's order of 521 classes."""

YAMNET_HALF = 0.08
"""YAMNet's own scores of laughter are low; what it scores so becomes 1/2. Laughing clips of ESC-50
score 0.1 to 0.6, others below 0.03, but for a few of crying."""

_PREFERENCE = ("yamnet", "builtin_laughter")

Patches = npt.NDArray[np.float32]
Network = Callable[[Patches], npt.NDArray[np.float32]]


class LaughterModel:
    """Hears laughter; see `load_laughter`.

    Attributes
    ----------
    name : str
    settings : dict
        Name and checksum, to be kept with what it measured.
    """

    def __init__(self, name: str, checksum: str, network: Network) -> None:
        self.name, self._network = name, network
        self.settings: dict[str, Any] = {"laughter": name, "checksum": checksum}

    def __call__(self, samples: npt.ArrayLike, rate: int) -> npt.NDArray[np.float32]:
        """Score a sound.

        Parameters
        ----------
        samples : array_like of float32, shape (N,)
            Mono, in [-1, 1].
        rate : int
            Samples a second; resampled to 16 kHz where it is another.

        Returns
        -------
        ndarray of float32, shape (P,)
            Probability of laughter in each 0.975 s, in [0, 1], a value every 0.48 s; one value for
            a sound that is shorter. Value i begins at ``0.48 i`` seconds.
        """
        sound = np.nan_to_num(np.asarray(samples, np.float32))
        if sound.ndim != 1 or rate <= 0:
            raise ModelError(f"laughter is heard in mono sound, not in {sound.shape} at {rate} Hz")
        if rate != MEL.rate:
            from scipy.signal import resample_poly

            factor = np.gcd(MEL.rate, rate)
            sound = resample_poly(sound, MEL.rate // factor, rate // factor).astype(np.float32)
        sound = np.pad(sound, (0, max(0, PATCH - len(sound))))
        spectrum = np.log(mel(sound, MEL) + FLOOR)
        starts = range(0, len(spectrum) - FRAMES + 1, round(STEP_SECONDS * MEL.rate / MEL.hop))
        return self._network(np.stack([spectrum[at : at + FRAMES] for at in starts]))

    def heard(self, pieces: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Score pieces of `PATCH` samples at 16 kHz, (N, PATCH) to (N,)."""
        return self._network(np.stack([np.log(mel(piece, MEL) + FLOOR) for piece in pieces]))


class LaughterStream:
    """``laughter``: probability that somebody laughed in the second before the tick.

    Anybody: the person followed, a friend on the call, an audience, the game. Not measured where
    there is no sound track, or less than half of the second is there.
    """

    name = "laughter"
    columns = ("laughter",)
    wants_pictures = False
    needs_previous_frame = False

    def __init__(self, model: LaughterModel, track: int = 0) -> None:
        self.sound = {MEL.rate: SECONDS}
        self._model = model
        self.settings: dict[str, Any] = {**model.settings, "audio_track": track, "version": 1}

    @classmethod
    def from_settings(cls, settings: AnalyzeSettings) -> LaughterStream:
        """Make the stream that the settings ask for."""
        return cls(load_laughter(settings.laughter), settings.audio_track)

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def process(self, ticks: Sequence[Tick]) -> npt.NDArray[np.float32]:
        """Measure ticks; see `Stream`."""
        out = np.full((len(ticks), 1), np.nan, np.float32)
        pieces = [tick.sound(MEL.rate, SECONDS) for tick in ticks]
        there = [i for i, piece in enumerate(pieces) if np.isfinite(piece).mean() >= 0.5]
        if there:
            out[there, 0] = self._model.heard(np.nan_to_num(np.stack([pieces[i] for i in there])))
        return out


def load_laughter(name: str | Path = "auto") -> LaughterModel:
    """Load a laughter detector.

    Parameters
    ----------
    name : str or Path
        ``yamnet`` (a TFLite file, run by the extra ``laughter``); ``builtin``; ``auto`` for the
        best at hand; or an ONNX file like the built-in one.

    Returns
    -------
    LaughterModel
        A callable: (float32 mono samples, rate) → probabilities, one every 0.48 s.

    Raises
    ------
    ModelError
        When it cannot be had or opened, or is a model of something else.
    MissingExtra
        When YAMNet is asked for and nothing is there to run it.
    """
    if name == "auto":
        runs = importlib.util.find_spec("ai_edge_litert") is not None
        name = hub.best_at_hand("laughter", _PREFERENCE if runs else _PREFERENCE[1:]) or "builtin"
    name = str(name)
    path = hub.obtain("builtin_laughter" if name == "builtin" else name)
    if path.suffix == ".tflite":
        return LaughterModel(name, digest(path), _yamnet(path))
    return LaughterModel(name.removesuffix("_laughter"), *_onnx(path))


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what a library writes past Python to stderr, on making its delegate, off the console."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _onnx(path: Path) -> tuple[str, Network]:
    model = hub.open_onnx(path)
    if model.metadata.get("kind") != "laughter" or model.metadata.get("frames") != FRAMES:
        raise ModelError(at(path, "is not a laughter model such as the built-in one"))
    name = model.session.get_inputs()[0].name

    def run(patches: Patches) -> npt.NDArray[np.float32]:
        return np.asarray(model.session.run(None, {name: patches})[0], np.float32).reshape(-1)

    return model.checksum, run


def _yamnet(path: Path) -> Network:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise MissingExtra("laughter", "hearing laughter with YAMNet") from None
    try:
        with _quietly():
            interpreter = Interpreter(str(path), num_threads=1)
            interpreter.allocate_tensors()
        given, got = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        if tuple(given["shape"]) != (1, FRAMES, MEL.bands) or got["shape"][-1] <= max(LAUGHS):
            raise ValueError(f"it takes {given['shape']} and gives {got['shape']}")
    except (ValueError, RuntimeError) as error:
        raise ModelError(at(path, f"is not YAMNet as it is known here ({error})")) from None

    def run(patches: Patches) -> npt.NDArray[np.float32]:
        out = np.empty(len(patches), np.float32)
        for row, patch in enumerate(patches):
            interpreter.set_tensor(given["index"], patch[None])
            interpreter.invoke()
            out[row] = interpreter.get_tensor(got["index"])[0, LAUGHS].max()
        return out / (out + YAMNET_HALF)

    return run
