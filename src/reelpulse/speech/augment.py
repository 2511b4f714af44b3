"""Pictures of sound, varied anew each time they are trained on.

Pictures are NumPy arrays or torch tensors, on any device, of values in [0, 1] before they are
normalised: what is taken out becomes 0, the floor, which is silence. What a batch gets is drawn at
once; it is then filled in by slices, a few hundred small writes, where masks over the whole batch
would pass through all of its memory again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import SettingsError
from reelpulse.settings import setting

_FLOOR = 0.0
_MOST_OBLONG = 3.3
"""Sides of an erased box, as shares of the picture's: at most so unlike (Zhong et al., 2020)."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Augment:
    """How pictures are varied in training; each kind is left out by a 0.

    Raises
    ------
    SettingsError
        Where a value is impossible.
    """

    time_masks: int = setting(1, "Stretches of time silenced in each picture.")
    time_mask: float = setting(0.15, "The longest such stretch, as a share of the width.")
    frequency_masks: int = setting(1, "Ranges of frequency silenced in each picture.")
    frequency_mask: float = setting(0.15, "The widest such range, as a share of the height.")
    shift: float = setting(0.02, "Move pictures by up to this share of each side.")
    shift_share: float = setting(0.5, "Share of the pictures that are moved.")
    erase_smallest: float = setting(0.02, "Erase a box of at least this share of the picture,")
    erase_largest: float = setting(0.08, "and at most of this.")
    erase_share: float = setting(0.25, "Share of the pictures of which a box is erased.")
    mixup: float = setting(0.0, "Blend pairs of pictures, by this alpha of the beta distribution.")

    def __post_init__(self) -> None:
        shares = ("time_mask", "frequency_mask", "shift", "shift_share", "erase_share")
        wrong = [name for name in shares if not 0 <= getattr(self, name) <= 1]
        wrong += [n for n in ("time_masks", "frequency_masks") if getattr(self, n) < 0]
        if not 0 <= self.erase_smallest <= self.erase_largest <= 1 / _MOST_OBLONG:
            wrong.append("erase_smallest")
        if not 0 <= self.mixup < float("inf"):
            wrong.append("mixup")
        if wrong:
            raise SettingsError(f"{wrong[0]}={getattr(self, wrong[0])} is out of range")


NO_AUGMENT = Augment(time_masks=0, frequency_masks=0, shift_share=0.0, erase_share=0.0)


def augment(pictures: Any, settings: Augment, rng: np.random.Generator) -> Any:
    """Vary a batch of pictures: moved, boxes erased, stretches and ranges silenced.

    Blending is apart, because it blends the labels too: `mixup`.

    Parameters
    ----------
    pictures : ndarray or torch.Tensor, shape (N, height, width)
        Left as they are.
    settings : Augment
    rng : numpy.random.Generator
        The same state gives the same pictures.

    Returns
    -------
    ndarray or torch.Tensor, shape (N, height, width)
        Another array, of the same type, on the same device.
    """
    out = pictures.clone() if hasattr(pictures, "clone") else pictures.copy()
    _vary(_memory(out), _memory(pictures), settings, rng)
    return out


def _memory(array: Any) -> Any:
    """The same memory as NumPy's where it is a tensor on the CPU: small writes cost less so."""
    on_cpu = hasattr(array, "device") and getattr(array.device, "type", None) == "cpu"
    return array.numpy() if on_cpu else array


def _vary(out: Any, pictures: Any, settings: Augment, rng: np.random.Generator) -> None:
    count, height, width = pictures.shape
    _shift(out, pictures, settings, rng)
    for row, top, bottom, left, right in _boxes(count, height, width, settings, rng):
        out[row, top:bottom, left:right] = _FLOOR
    for first, last in _spans(count, width, settings.time_masks, settings.time_mask, rng):
        for row in range(count):
            out[row, :, first[row] : last[row]] = _FLOOR
    for first, last in _spans(
        count, height, settings.frequency_masks, settings.frequency_mask, rng
    ):
        for row in range(count):
            out[row, first[row] : last[row]] = _FLOOR


def mixup(pictures: Any, targets: Any, alpha: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Blend each picture, and its target, with another's of the batch (Zhang et al., ICLR 2018).

    Parameters
    ----------
    pictures : ndarray or torch.Tensor of float, shape (N, height, width)
    targets : ndarray or torch.Tensor of float, shape (N, classes)
        Probabilities; of the pictures' type.
    alpha : float
        Of the beta distribution that gives the shares; each picture keeps at least half. 0 blends
        nothing.
    rng : numpy.random.Generator

    Returns
    -------
    pictures, targets
        Other arrays, of the same shapes.
    """
    count = len(pictures)
    other = rng.permutation(count)
    drawn = rng.beta(alpha, alpha, count) if alpha else np.ones(count)
    share = np.maximum(drawn, 1 - drawn)
    keep, keep_target = _like(pictures, share[:, None, None]), _like(targets, share[:, None])
    mixed = pictures * keep + pictures[other] * (1 - keep)
    return mixed, targets * keep_target + targets[other] * (1 - keep_target)


def _like(array: Any, values: npt.NDArray[np.float64]) -> Any:
    """Values as an array of the same type, on the same device."""
    return values.astype(array.dtype) if isinstance(array, np.ndarray) else array.new_tensor(values)


def _shift(out: Any, pictures: Any, settings: Augment, rng: np.random.Generator) -> None:
    """Write pictures moved by whole points; where nothing moves in, there is floor."""
    count, height, width = pictures.shape
    moved = rng.random(count) < settings.shift_share
    farthest = np.array([int(settings.shift * height), int(settings.shift * width)])
    by = rng.integers(-farthest, farthest + 1, (count, 2)) * moved[:, None]
    for row in np.flatnonzero(by.any(axis=1)):
        down, right = (int(step) for step in by[row])
        out[row] = _FLOOR
        out[row, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = (
            pictures[
                row, max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
            ]
        )


def _boxes(
    count: int, height: int, width: int, settings: Augment, rng: np.random.Generator
) -> Ints:
    """Row, top, bottom, left and right of each box to be erased, (boxes, 5)."""
    erased = rng.random(count) < settings.erase_share
    area = rng.uniform(settings.erase_smallest, settings.erase_largest, count)
    oblong = _MOST_OBLONG ** rng.uniform(-1, 1, count)
    tall = np.rint(np.sqrt(area * oblong) * height).astype(int).clip(1, height)
    # The width makes up for what the height was rounded by, and keeps the area within its bounds.
    points = height * width / tall
    least, most = np.ceil(settings.erase_smallest * points), settings.erase_largest * points // 1
    wide = np.rint(area * points).clip(least, most).clip(1, width).astype(int)
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    boxes = np.stack([np.arange(count), top, top + tall, left, left + wide], axis=1)
    return np.asarray(boxes[erased], np.int64)


def _spans(
    count: int, length: int, masks: int, longest: float, rng: np.random.Generator
) -> list[tuple[Ints, Ints]]:
    """First and last points, for each picture, of so many masks (SpecAugment, Park et al. 2019)."""
    spans = []
    for _ in range(masks):
        long = rng.integers(0, int(longest * length) + 1, count)
        first = rng.integers(0, length - long + 1)
        spans.append((first, first + long))
    return spans
