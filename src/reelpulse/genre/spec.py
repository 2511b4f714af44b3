"""What a network of genres is given of two pictures: one way, for training and for use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.genre.motion import FlowSpec, flow, magnitude

RGB = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]
Values = TypeVar("Values")
"""An array of NumPy, or a tensor of torch."""

INPUTS = ("frames", "flow", "magnitude")
"""What a network may be given, in the order in which it takes them."""

_HALF = (0.5, 0.5, 0.5)
_LEAST_SPREAD = 1e-6
_LONGEST_SIDE = 4096


@dataclass(frozen=True)
class PairSpec:
    """What a network is given; kept with the model.

    Parameters
    ----------
    size : (int, int)
        Height and width of the pictures.
    frames : {1, 2}
        The first picture alone, or both, one behind the other: RGBRGB.
    flow : bool
        Whether it is given the optical flow from the first to the second.
    magnitude : bool
        Whether it is given the flow's magnitude.
    mean, std : (float, float, float)
        Of red, green and blue in [0, 1], taken off and divided by.
    flow_spec : FlowSpec
        How the flow is looked for.
    magnitude_mean, magnitude_std : float
        Of the pairs trained on.
    """

    size: tuple[int, int] = (224, 224)
    frames: int = 1
    flow: bool = False
    magnitude: bool = False
    mean: tuple[float, float, float] = _HALF
    std: tuple[float, float, float] = _HALF
    flow_spec: FlowSpec = field(default_factory=FlowSpec)
    magnitude_mean: float = 0.0
    magnitude_std: float = 1.0

    def __post_init__(self) -> None:
        if not all(8 <= side <= _LONGEST_SIDE for side in self.size):
            height, width = self.size
            raise SettingsError(
                f"pictures of {height}x{width} cannot be given to a network: both sides must lie"
                f" between 8 and {_LONGEST_SIDE}"
            )
        if self.frames not in (1, 2):
            raise SettingsError(f"a network is given 1 or 2 frames, not {self.frames}")

    @property
    def single(self) -> bool:
        """Whether one picture is enough."""
        return self.frames == 1 and not self.moves

    @property
    def moves(self) -> bool:
        """Whether the flow has to be looked for."""
        return self.flow or self.magnitude

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what the network is given, in its order."""
        there = {"frames": True, "flow": self.flow, "magnitude": self.magnitude}
        return tuple(name for name in INPUTS if there[name])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input for one pair."""
        height, width = self.size
        every = {"frames": (3 * self.frames, height, width), "flow": (2, height, width)}
        return {name: every.get(name, (1,)) for name in self.inputs}

    def with_magnitudes(self, values: npt.ArrayLike) -> PairSpec:
        """The same, with the mean and deviation of the magnitudes of the pairs trained on."""
        found = np.asarray(values, np.float64)
        mean, spread = float(found.mean()), float(found.std())
        # Of pairs that all stand still, nothing is to be divided by 0.
        return replace(self, magnitude_mean=mean, magnitude_std=max(spread, _LEAST_SPREAD))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            **asdict(self),
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
            "flow_spec": self.flow_spec.as_dict(),
        }

    @classmethod
    def from_dict(cls, value: Any) -> PairSpec:
        """Read `as_dict`; raises `ModelError` where it is none."""
        try:
            height, width = (int(side) for side in value["size"])
            red, green, blue = (float(part) for part in value["mean"])
            spreads = tuple(float(part) for part in value["std"])
            numbers = [red, green, blue, *spreads]
            numbers += [float(value["magnitude_mean"]), float(value["magnitude_std"])]
            if len(spreads) != 3 or min(spreads) <= 0 or not np.isfinite(numbers).all():
                raise ValueError("its deviations must be above 0")
            if not numbers[-1] > 0:
                raise ValueError("its deviations must be above 0")
            return cls(
                (height, width),
                int(value["frames"]),
                bool(value["flow"]),
                bool(value["magnitude"]),
                (red, green, blue),
                (spreads[0], spreads[1], spreads[2]),
                FlowSpec.from_dict(value["flow_spec"]),
                numbers[-2],
                numbers[-1],
            )
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise ModelError(f"does not say what its network is given ({error})") from None


def drawn_pair(first: RGB, second: RGB | None, spec: PairSpec) -> dict[str, npt.NDArray[Any]]:
    """Look at two pictures as far as a network needs, in the types that are kept on disk.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (height, width, 3)
        RGB, of one size. No second is needed where `spec` is of single pictures.
    spec : PairSpec

    Returns
    -------
    dict
        ``frames`` uint8 (3 * frames, H, W), ``flow`` float16 (2, H, W) in shares of the picture's
        width and height, and ``magnitude`` float32 (1,): those in ``spec.inputs``.

    Raises
    ------
    DataError
        When a second picture is needed, and there is none, or it is of another size.
    """
    if second is None and not spec.single:
        raise DataError("needs two pictures, one right after the other, and was given one")
    pictures = [first] if spec.frames == 1 or second is None else [first, second]
    found: dict[str, npt.NDArray[Any]] = {
        "frames": np.concatenate([resized(one, spec.size) for one in pictures])
    }
    if spec.moves and second is not None:
        found |= drawn_motion(first, second, spec)
    return {name: found[name] for name in spec.inputs}


def resized(picture: RGB, size: tuple[int, int]) -> RGB:
    """Bring a picture (height, width, 3) to a size, whatever its own shape: (3, *size)."""
    smaller = picture.shape[0] > size[0] or picture.shape[1] > size[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    found = cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=how)
    return np.ascontiguousarray(found.transpose(2, 0, 1), np.uint8)


def drawn_motion(first: RGB, second: RGB, spec: PairSpec) -> dict[str, npt.NDArray[Any]]:
    """The flow from one picture to the other and its magnitude, as `drawn_pair` gives them."""
    if first.shape != second.shape:
        sizes = " and ".join(f"{one.shape[1]}x{one.shape[0]}" for one in (first, second))
        raise DataError(f"two pictures in a row must be of one size, not of {sizes}")
    vectors = flow(first, second, spec.flow_spec)
    found = {"magnitude": np.array([magnitude(vectors)], np.float32)}
    if spec.flow:
        height, width = vectors.shape[:2]
        shares = np.divide(vectors, (width, height), dtype=np.float32)
        smaller = height > spec.size[0] or width > spec.size[1]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        brought = cv2.resize(shares, spec.size[::-1], interpolation=how)
        return found | {"flow": brought.transpose(2, 0, 1).astype(np.float16)}
    return found


def normalised(drawn: Mapping[str, Values], spec: PairSpec) -> dict[str, Values]:
    """Turn what `drawn_pair` gave into what a network takes.

    Parameters
    ----------
    drawn : mapping of str to ndarray or Tensor
        With a first axis of N pairs.
    spec : PairSpec

    Returns
    -------
    dict of str to ndarray or Tensor
        float32, of the names in ``spec.inputs``, in that order.
    """
    std = np.tile(np.asarray(spec.std, np.float32), spec.frames)[:, None, None]
    mean = np.tile(np.asarray(spec.mean, np.float32), spec.frames)[:, None, None]
    scale: Array = np.divide(1, 255 * std, dtype=np.float32)
    shift: Array = np.divide(mean, std, dtype=np.float32)
    found: dict[str, Any] = {}
    for name in spec.inputs:
        given: Any = _floats(drawn[name])
        if name == "frames":
            given = given * _like(scale, given) - _like(shift, given)
        elif name == "magnitude":
            given = (given - spec.magnitude_mean) / spec.magnitude_std
        found[name] = given
    return found


def _floats(given: Any) -> Any:
    return given.astype(np.float32) if isinstance(given, np.ndarray) else given.float()


def _like(values: Array, given: Any) -> Any:
    return values if isinstance(given, np.ndarray) else given.new_tensor(values)


def prepare_pair(first: RGB, second: RGB | None, spec: PairSpec) -> dict[str, Array]:
    """Turn two pictures into what a network takes of them.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (height, width, 3)
        RGB, of any size, but one. No second is needed where `spec` is of single pictures.
    spec : PairSpec

    Returns
    -------
    dict of str to ndarray of float32
        ``frames`` (3 * frames, H, W), normalised; ``flow`` (2, H, W), in shares of the picture's
        width and height; ``magnitude`` (1,), normalised: those in ``spec.inputs``.

    Raises
    ------
    DataError
        When a second picture is needed, and there is none, or it is of another size.
    """
    drawn = {name: value[None] for name, value in drawn_pair(first, second, spec).items()}
    return {name: value[0] for name, value in normalised(drawn, spec).items()}
