"""From a face in a picture to the crop that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import ModelError
from reelpulse.faces.detectors import POINTS, Face, Image

ARCFACE_TEMPLATE = (
    np.array(
        [
            [38.2946, 51.6963],
            [73.5318, 51.5014],
            [56.0252, 71.7366],
            [41.5493, 92.3655],
            [70.7299, 92.2041],
        ]
    )
    / 112
)
"""The five points in the 112-pixel crop of ArcFace (Deng et al. 2019), in shares of the crop."""


@dataclass(frozen=True)
class CropSpec:
    """The crop a face model wants, as its metadata says.

    Parameters
    ----------
    geometry : {"points", "box"}
        ``points``: turned and scaled so that the five points fall on `template`; ``box``: the
        detector's box, widened by `margin`, stretched to the model's size.
    template : ndarray, shape (5, 2)
        The five points in shares of the crop's side; for ``points``.
    margin : float
        Share of the box's side added on each side; for ``box``.
    side : int
        Pixels the model wants.
    """

    geometry: str = "box"
    template: npt.NDArray[np.float64] = field(default_factory=lambda: ARCFACE_TEMPLATE)
    margin: float = 0.0
    side: int = 112

    @classmethod
    def from_metadata(cls, crop: dict[str, Any], side: int) -> CropSpec:
        """Read a model's ``crop`` metadata.

        Raises
        ------
        ModelError
            When it describes no crop that is known.
        """
        geometry = crop.get("geometry", "box")
        template = np.asarray(crop.get("template", ARCFACE_TEMPLATE), float)
        if geometry not in ("points", "box") or template.shape != (POINTS, 2):
            raise ModelError(f"a face model asks for a crop that is not known: {crop}")
        return cls(geometry, template, float(crop.get("margin", 0.0)), side)


def similarity(
    source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Least-squares turn, scale and shift that takes points to points (Umeyama 1991).

    Parameters
    ----------
    source, target : ndarray, shape (N, 2)
        At least two points each.

    Returns
    -------
    ndarray, shape (2, 3)
        Affine matrix; never a mirror image.
    """
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - from_mean, target - to_mean
    # In the plane the best turn and scale are one complex number.
    x = np.vdot(a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]) / max(float(np.sum(a * a)), 1e-12)
    turn = np.array([[x.real, -x.imag], [x.imag, x.real]])
    return np.column_stack([turn, to_mean - turn @ from_mean])


def crop(image: Image, face: Face, spec: CropSpec) -> Image:
    """Cut a face out of a picture, as RGB uint8 and square, with edges repeated outside.

    A large face is averaged down to between one and two times `spec.side`, never sampled.
    """
    known = np.isfinite(face.points).all(axis=1)
    if spec.geometry == "points" and known.sum() >= 2:
        matrix = similarity(face.points[known], spec.template[known])
        native = 1 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-9)
    else:
        low = face.box[:2] - spec.margin * face.box[2:]
        span = np.maximum(face.box[2:] * (1 + 2 * spec.margin), 1.0)
        matrix = np.column_stack([np.diag(1 / span), -low / span])
        native = float(span.max())
    shrink = max(1, int(native // spec.side))
    side = spec.side * (2 if native / shrink > spec.side else 1)
    # Pixel centres: unit coordinates u lie at pixel u * side - 1/2.
    scaled = matrix * side
    scaled[:, 2] += scaled[:, :2] @ np.array([0.5, 0.5]) - 0.5
    part, shift = _part(image, scaled, side)
    scaled[:, 2] += scaled[:, :2] @ shift
    if shrink > 1:
        height, width = part.shape[:2]
        size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        ratio = np.array([width / size[0], height / size[1]])
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        scaled[:, 2] += scaled[:, :2] @ (ratio / 2 - 0.5)
        scaled[:, :2] *= ratio
    edges = cv2.BORDER_REPLICATE
    warped = cv2.warpAffine(part, scaled, (side, side), flags=cv2.INTER_LINEAR, borderMode=edges)
    return np.asarray(warped, np.uint8)


def _part(
    image: Image, matrix: npt.NDArray[np.float64], side: int
) -> tuple[Image, npt.NDArray[np.float64]]:
    """The part of a picture that a crop reads: OpenCV warps at most 32,767 pixels a side."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ inverse.T
    height, width = image.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, low + 1, [width, height])
    return np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]), low.astype(float)
