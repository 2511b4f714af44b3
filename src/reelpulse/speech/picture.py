"""A sound as a picture: the one function that training and inference both draw with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.media.mel import MelSpec, mel
from reelpulse.speech.sound import Samples, finite, trimmed

Picture = npt.NDArray[np.float32]

MEL = MelSpec(
    rate=16_000, window=400, hop=160, fft=1024, bands=128, low=50, high=8000, htk=False, power=2.0
)
"""25 ms every 10 ms. The transform is longer than the window: no narrow low band stays empty."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMALISATIONS = ("corpus", "imagenet")

_BLOCK_FRAMES = 1000
"""Frames are windows that overlap: only so many at once are held apart in memory."""

_AFTERWARDS = frozenset({"channels", "normalise", "mean", "std"})
"""What a picture is not drawn with; see `normalised`."""


@dataclass(frozen=True)
class PictureSpec:
    """How a sound becomes a picture; a model keeps it.

    Parameters
    ----------
    mel : MelSpec
        The spectrogram.
    floor_db : float
        What is fainter, below the loudest point of the spectrogram, is the floor.
    trim_db : float, optional
        Cut head and tail that are fainter than the loudest 20 ms by this; None cuts nothing.
    margin : int, optional
        Rows and columns kept of a border that is all floor; None keeps the border whole.
    size : (int, int)
        Height and width.
    seconds : float, optional
        The picture's width stands for so many seconds: the middle of a longer sound, floor on both
        sides of a shorter one. None stretches each sound to the width.
    channels : int
        How often a network is given the picture, one above the other.
    normalise : {"corpus", "imagenet"}
        With the mean and deviation of the corpus trained on, or ImageNet's.
    mean, std : tuple of float
        One number, or one a channel; of a corpus, empty until measured (`PictureSet.statistics`).

    Raises
    ------
    SettingsError
        Where a value is impossible.
    """

    mel: MelSpec = MEL
    floor_db: float = -80.0
    trim_db: float | None = 30.0
    margin: int | None = 2
    size: tuple[int, int] = (224, 224)
    seconds: float | None = None
    channels: int = 3
    normalise: str = "corpus"
    mean: tuple[float, ...] = field(default=())
    std: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.normalise == "imagenet":
            object.__setattr__(self, "mean", IMAGENET_MEAN)
            object.__setattr__(self, "std", IMAGENET_STD)
        for wrong, what in (
            (not -math.inf < self.floor_db < 0, "floor_db must be below 0"),
            (self.trim_db is not None and not self.trim_db > 0, "trim_db must be above 0"),
            (self.margin is not None and self.margin < 0, "margin must be 0 or more"),
            (len(self.size) != 2 or min(self.size) < 1, "size must be a height and a width"),
            (self.seconds is not None and not self.seconds > 0, "seconds must be above 0"),
            (self.channels < 1, "channels must be 1 or more"),
            (self.normalise not in NORMALISATIONS, f"normalise is {' or '.join(NORMALISATIONS)}"),
            (
                len(self.mean) not in (0, 1, self.channels),
                "mean must be one number, or one a channel",
            ),
            (len(self.mean) != len(self.std), "mean and std must be as many"),
            (not all(value > 0 for value in self.std), "std must be above 0"),
        ):
            if wrong:
                raise SettingsError(f"a picture's {what}")

    def with_statistics(self, mean: float, std: float) -> PictureSpec:
        """The same, with what was measured on the training pictures; ImageNet's stay."""
        return self if self.normalise == "imagenet" else replace(self, mean=(mean,), std=(std,))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {**asdict(self), "size": [*self.size], "mean": [*self.mean], "std": [*self.std]}

    def drawing(self) -> dict[str, Any]:
        """Those of `as_dict` that change what is drawn, not only what is made of it afterwards."""
        return {name: value for name, value in self.as_dict().items() if name not in _AFTERWARDS}

    @classmethod
    def from_dict(cls, value: Any) -> PictureSpec:
        """Read `as_dict`.

        Raises
        ------
        ModelError
            Where it says something else.
        """
        try:
            given: Mapping[str, Any] = dict(value)
            unknown = given.keys() - {item.name for item in fields(cls)}
            if unknown:
                raise ValueError(f"{min(unknown)} is unknown here")
            tuples = {name: tuple(given[name]) for name in ("size", "mean", "std")}
            return cls(**{**given, **tuples, "mel": MelSpec(**given["mel"])})
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise ModelError(f"does not say how its pictures are drawn ({error})") from None


def picture(samples: npt.ArrayLike, spec: PictureSpec) -> Picture:
    """Draw a sound: time from left to right, low frequencies at the bottom, brighter is louder.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Mono, in [-1, 1], at ``spec.mel.rate``. What is not finite counts as silence.
    spec : PictureSpec

    Returns
    -------
    ndarray of float32, shape `spec.size`
        0 is the floor, 1 the loudest point of the sound. Silence, and a sound of no length, are a
        picture all of floor and no error: a voice pauses in the middle of a recording.

    Raises
    ------
    DataError
        Where the samples are not mono.
    """
    sound = finite(samples)
    if sound.ndim != 1:
        raise DataError(f"a picture is drawn of mono sound, not of an array of shape {sound.shape}")
    if spec.trim_db is not None:
        sound = trimmed(sound, spec.mel.rate, spec.trim_db)[0]
    if spec.seconds is not None:
        sound = _middle(sound, round(spec.seconds * spec.mel.rate))
    drawn = _decibels(sound, spec)
    if not drawn.any():
        return np.zeros(spec.size, np.float32)
    if spec.margin is not None:
        drawn = _cropped(drawn, spec.margin)
    if spec.seconds is not None:
        drawn = _widened(drawn, spec.mel.frames(round(spec.seconds * spec.mel.rate)))
    return np.ascontiguousarray(_resized(drawn, spec.size)[::-1])


def normalised(pictures: Any, spec: PictureSpec) -> Any:
    """Bring pictures to what a network is given.

    Parameters
    ----------
    pictures : ndarray of float32 or torch.Tensor, shape (N, height, width)
        In [0, 1].
    spec : PictureSpec

    Returns
    -------
    ndarray of float32 or torch.Tensor, shape (N, channels, height, width)
        On the device where the pictures are.

    Raises
    ------
    DataError
        Where the corpus' mean and deviation were not measured yet.
    """
    if not spec.mean:
        raise DataError("the pictures' mean and deviation are not known: measure them in training")
    mean, std = (
        np.broadcast_to(np.array(values, np.float32)[:, None, None], (spec.channels, 1, 1))
        for values in (spec.mean, spec.std)
    )
    if isinstance(pictures, np.ndarray):
        return (pictures[:, None] - mean) / std
    return (pictures[:, None] - pictures.new_tensor(mean)) / pictures.new_tensor(std)


def _middle(sound: Samples, length: int) -> Samples:
    start = max(0, (len(sound) - length) // 2)
    return sound[start : start + length]


def _decibels(sound: Samples, spec: PictureSpec) -> Picture:
    """Mel bands in dB below the loudest point as shares of the floor, (bands, frames) in [0, 1]."""
    short = max(0, spec.mel.window - len(sound))
    sound = np.pad(sound, (short // 2, short - short // 2))
    count = spec.mel.frames(len(sound))
    energy = np.empty((count, spec.mel.bands), np.float32)
    for first in range(0, count, _BLOCK_FRAMES):
        block = energy[first : first + _BLOCK_FRAMES]
        start = first * spec.mel.hop
        block[:] = mel(
            sound[start : start + (len(block) - 1) * spec.mel.hop + spec.mel.window], spec.mel
        )
    loudest = float(energy.max())
    if not loudest > 0:
        return np.zeros(energy.T.shape, np.float32)
    floor = np.float32(10 ** (spec.floor_db * spec.mel.power / 20))
    energy /= np.float32(loudest)
    below = energy <= floor
    np.log10(np.maximum(energy, floor, out=energy), out=energy)
    shares = np.subtract(1, energy / np.log10(floor), out=energy)
    shares[below] = 0  # to the bit: the border is found by it
    return np.asarray(np.clip(shares, 0, 1, out=shares).T, np.float32)


def _cropped(drawn: Picture, margin: int) -> Picture:
    """Cut off the border that is all floor, but for a margin."""
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    return drawn[
        max(0, rows[0] - margin) : rows[-1] + margin + 1,
        max(0, columns[0] - margin) : columns[-1] + margin + 1,
    ]


def _widened(drawn: Picture, frames: int) -> Picture:
    missing = max(0, frames - drawn.shape[1])
    return np.pad(drawn, ((0, 0), (missing // 2, missing - missing // 2)))


def _resized(drawn: Picture, size: tuple[int, int]) -> Picture:
    """Bring to a height and width, each axis by itself: the mean over an area where it shrinks."""
    height, width = size
    for shape in ((drawn.shape[0], width), (height, width)):
        if shape != drawn.shape:
            shrinks = shape[0] * shape[1] < drawn.size
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            drawn = np.asarray(cv2.resize(drawn, shape[::-1], interpolation=how), np.float32)
    return drawn
