"""Motion between two frames: dense optical flow, and one magnitude of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, ModelError, SettingsError

Picture = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]

METHODS = ("dis", "farneback")
WIDTHS = (64, 1024)
"""Narrowest and widest picture that is looked at."""

_LEAST_WIDTH, _LEAST_HEIGHT = WIDTHS[0], 32
"""A smaller picture is stretched to this: in OpenCV the coarsest picture that DIS begins with would
be smaller than one of its patches (8 × 8), and it reads beyond it."""

_CONTRAST = 2.0
_NEAR = 17
"""Standard deviation of light, of 255, within a 17th of the picture's width, below which nothing is
there to be followed. In frames near black, and where a sky fades in, a flow is of noise alone, and
faster than any film: up to 0.08 in magnitude."""


@dataclass(frozen=True)
class FlowSpec:
    """How motion is looked for; a model keeps it.

    Parameters
    ----------
    method : {"dis", "farneback"}
        Dense inverse search (Kroeger et al. 2016) in OpenCV's preset "fast", or Farnebäck's (2003),
        which takes eight times as long. On real frames moved and enlarged by a known amount, DIS
        gives .92 to .98 of the true magnitude in the median, and Farnebäck .8.
    width : int
        Pixels that a wider picture is reduced to.
    """

    method: str = "dis"
    width: int = 256

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"there is no flow {self.method!r}: use {' or '.join(METHODS)}")
        low, high = WIDTHS
        if not low <= self.width <= high:
            raise SettingsError(f"flow is looked for in a width of {low} to {high}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a model's file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> FlowSpec:
        """Read `as_dict`; raises `ModelError` where it is none that is known here."""
        try:
            return cls(str(value["method"]), int(value["width"]))
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise ModelError(
                f"looks for motion in a way unknown here ({error}): upgrade reelpulse"
            ) from None


def flow(first: Picture, second: Picture, spec: FlowSpec | None = None) -> Flow:
    """Where each point of a frame has gone to in the next.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (H, W, 3) or (H, W)
        RGB or grey, of one size.
    spec : FlowSpec, optional

    Returns
    -------
    ndarray of float32, shape (h, w, 2)
        Pixels to the right and down, of the picture looked at: w is the width of the spec, or W
        where that is less (but 64 × 32 at least). Zeros where the picture stays, and where it is
        too even for motion to be seen.

    Raises
    ------
    DataError
        When the two are not of one size.
    """
    spec = spec or FlowSpec()
    if first.shape[:2] != second.shape[:2]:
        one, other = (f"{p.shape[1]}×{p.shape[0]}" for p in (first, second))
        raise DataError(f"two frames of one film have one size: these have {one} and {other}")
    before, after = _looked_at(first, spec.width), _looked_at(second, spec.width)
    if spec.method == "dis":
        # One for each call: it keeps buffers, which threads must not share.
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        found: Any = search.calc(before, after, None)  # type: ignore[call-overload]
    else:
        found = cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]
            before,
            after,
            None,
            pyr_scale=0.5,
            levels=5,
            winsize=15,
            iterations=3,
            poly_n=5,
            poly_sigma=1.2,
            flags=0,
        )
    vectors = np.asarray(found, np.float32)
    vectors[np.maximum(_contrast(before), _contrast(after)) < _CONTRAST] = 0
    return vectors


def magnitude(vectors: Flow) -> float:
    """How much moves, as a share of the picture.

    The mean over k of sqrt((M_k / H) · (M_k / W)), where M_k is the length of vector k and H, W the
    size of the picture that the vectors are counted in: the mean length over sqrt(H · W).

    Parameters
    ----------
    vectors : ndarray of float, shape (H, W, 2)
        From `flow`.

    Returns
    -------
    float
        0 for still pictures; it does not grow with the picture's size. Frames a 24th of a second
        apart give 0.0001 where only noise moves, 0.001 to 0.01 where people or the camera do.
    """
    height, width = vectors.shape[:2]
    lengths = np.hypot(vectors[..., 0], vectors[..., 1])
    return float(lengths.mean(dtype=np.float64) / np.sqrt(height * width))


def _contrast(grey: Picture) -> Flow:
    """Standard deviation of light around each point."""
    side = grey.shape[1] // _NEAR | 1
    mean, square = (
        cv2.blur(light, (side, side))
        for light in (grey.astype(np.float32), np.square(grey, dtype=np.float32))
    )
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), np.float32)


def _looked_at(picture: Picture, width: int) -> Picture:
    """A grey picture of the width looked at; of its own where that is less."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    high, wide = grey.shape
    scale = min(1.0, width / wide)
    size = max(_LEAST_WIDTH, round(wide * scale)), max(_LEAST_HEIGHT, round(high * scale))
    if size == (wide, high):
        return np.asarray(grey, np.uint8)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
