"""Face detectors: one protocol, one registry.

To add one, write a class with `Detector`'s members and a line in `DETECTORS`; its weights, if it
has any, go into `reelpulse.hub`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import ModelError
from reelpulse.files import digest

Image = npt.NDArray[np.uint8]

POINTS = 5
"""Right eye, left eye, nose tip, right and left corner of the mouth: the person's right, so the
first of each pair lies on the picture's left when the face looks at the camera."""

_DLIB_BOX_POINTS = np.array(
    [[0.296, 0.284], [0.724, 0.280], [0.515, 0.537], [0.334, 0.727], [0.693, 0.724]]
)
"""Where the five points lie in a box of dlib's HOG detector, in shares of the box: the median of
YuNet's points over 149 faces of nine people, spread (one standard deviation) 0.04."""


@dataclass(frozen=True)
class Face:
    """A face found in a picture.

    Parameters
    ----------
    box : ndarray, shape (4,)
        x, y, width, height in pixels of the picture searched; may reach over its border.
    score : float
        Confidence on the detector's own scale.
    points : ndarray, shape (5, 2)
        The five points in pixels, NaN rows where the detector does not know them.
    """

    box: npt.NDArray[np.float64]
    score: float
    points: npt.NDArray[np.float64]

    @property
    def center(self) -> npt.NDArray[np.float64]:
        """Middle of the box."""
        return self.box[:2] + self.box[2:] / 2

    @property
    def size(self) -> float:
        """Geometric mean of the box's sides, in pixels."""
        return float(np.sqrt(max(self.box[2] * self.box[3], 1e-9)))


class Detector(Protocol):
    """Finds faces.

    `strict` is the score above which a face is taken for sure; `loose` the score down to which it
    is taken where nothing better is there. They mean what 0.9 and 0.7 mean for MTCNN.
    """

    name: str
    strict: float
    loose: float
    settings: dict[str, Any]

    def __call__(self, image: Image) -> list[Face]:
        """Find the faces that score at least `loose` in an RGB uint8 picture, best first."""
        ...


def shrink(image: Image, longer_side: int) -> tuple[Image, float]:
    """Scale a picture down (never up) so that its longer side has this many pixels.

    Returns
    -------
    tuple
        The picture and the factor by which coordinates in it grow to those of the original.
    """
    height, width = image.shape[:2]
    factor = max(height, width) / longer_side
    if factor <= 1:
        return image, 1.0
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small: npt.NDArray[Any] = image
    # By halves, which OpenCV averages quickly, and the rest, less than a half, between pixels.
    while min(small.shape[1] / size[0], small.shape[0] / size[1]) >= 2:
        half = (small.shape[1] // 2, small.shape[0] // 2)
        small = cv2.resize(small, half, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8), factor


class YuNet:
    """OpenCV's FaceDetectorYN (YuNet): boxes, five points, 5 to 9 ms at 640 pixels on one core."""

    name = "yunet"
    strict, loose = 0.9, 0.7

    def __init__(self, size: int = 640, weights: str | Path = "yunet") -> None:
        path = hub.obtain(weights)
        quiet_opencv()
        try:
            self._model = cv2.FaceDetectorYN.create(str(path), "", (320, 320), self.loose, 0.3, 500)
        except cv2.error:
            raise ModelError(f"{path}: is not a YuNet model that OpenCV can read") from None
        self._size = size
        self.settings = {"detector": self.name, "detect_size": size, "checksum": digest(path)}

    def __call__(self, image: Image) -> list[Face]:
        """Find faces; see `Detector`."""
        small, factor = shrink(image, self._size)
        self._model.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._model.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        rows = np.asarray(rows, np.float64)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2] > 0) & (rows[:, 3] > 0)]
        faces = [Face(r[:4] * factor, float(r[14]), r[4:14].reshape(5, 2) * factor) for r in rows]
        return sorted(faces, key=lambda face: -face.score)


class DlibHog:
    """dlib's HOG detector: needs no download; misses small and turned faces.

    Boxes only, and points where `face_recognition_models` (extra `offline`) brings a predictor of
    eye corners; else the points are put where they lie on average in such a box.
    """

    name = "dlib"
    strict, loose = 0.3, 0.0

    def __init__(self, size: int = 640) -> None:
        import dlib

        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        predictor = dlib_model("shape_predictor_5_face_landmarks.dat")
        self._predictor = dlib.shape_predictor(str(predictor)) if predictor else None
        self._size = size
        self.settings = {
            "detector": self.name,
            "detect_size": size,
            "points": "eyes" if predictor else "box",
        }

    def __call__(self, image: Image) -> list[Face]:
        """Find faces; see `Detector`."""
        small, factor = shrink(image, self._size)
        small = np.ascontiguousarray(small)
        # One step of enlarging finds faces from 40 pixels on instead of 80.
        boxes, scores, _ = self._detector.run(small, 1, self.loose)
        faces = []
        for rectangle, score in zip(boxes, scores, strict=True):
            box = np.array(
                [rectangle.left(), rectangle.top(), rectangle.width(), rectangle.height()], float
            )
            points = self._eyes(small, rectangle)
            if points is None:
                points = box[:2] + _DLIB_BOX_POINTS * box[2:]
            faces.append(Face(box * factor, float(score), points * factor))
        return sorted(faces, key=lambda face: -face.score)

    def _eyes(self, image: Image, rectangle: Any) -> npt.NDArray[np.float64] | None:
        if self._predictor is None:
            return None
        shape = self._predictor(image, rectangle)
        corners = np.array([[p.x, p.y] for p in shape.parts()], float)
        points = np.full((POINTS, 2), np.nan)
        points[0] = corners[2:4].mean(axis=0)
        points[1] = corners[0:2].mean(axis=0)
        return points


class Mtcnn:
    """MTCNN of facenet-pytorch, where a user installed it."""

    name = "mtcnn"
    strict, loose = 0.9, 0.7

    def __init__(self, size: int = 640) -> None:
        try:
            from facenet_pytorch import MTCNN
        except ImportError as error:
            raise ModelError(
                f"the detector mtcnn needs facenet-pytorch ({error.name or error} is missing):"
                " `pip install 'reelpulse[train]' && pip install --no-deps facenet-pytorch`"
                " (its own pins would pull in an old torch)"
            ) from None
        self._model = MTCNN(keep_all=True, device="cpu", thresholds=[0.6, 0.7, self.loose])
        self._size = size
        self.settings = {"detector": self.name, "detect_size": size}

    def __call__(self, image: Image) -> list[Face]:
        """Find faces; see `Detector`."""
        small, factor = shrink(image, self._size)
        if min(small.shape[:2]) < self._model.min_face_size:
            return []  # its pyramid would have no step, which it does not expect
        boxes, scores, points = self._model.detect(np.ascontiguousarray(small), landmarks=True)
        if boxes is None:
            return []
        faces = []
        for corners, score, five in zip(boxes, scores, points, strict=True):
            box = np.array([*corners[:2], *(corners[2:] - corners[:2])], float)
            if score >= self.loose and (box[2:] > 0).all():
                faces.append(Face(box * factor, float(score), np.asarray(five, float) * factor))
        return sorted(faces, key=lambda face: -face.score)


DETECTORS: dict[str, Callable[[int], Detector]] = {
    "yunet": YuNet,
    "dlib": DlibHog,
    "mtcnn": Mtcnn,
}


def quiet_opencv() -> None:
    """Let OpenCV log errors only: OpenCV 5 warns of a default target at every load of a model."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def load_detector(name: str, size: int = 640) -> Detector:
    """Make a detector by name.

    Raises
    ------
    ModelError
        On an unknown name, or when its weights or package are missing.
    """
    if name not in DETECTORS:
        raise ModelError(f"no face detector is named {name!r}: use auto, {', '.join(DETECTORS)}")
    return DETECTORS[name](size)


def dlib_model(file: str) -> Path | None:
    """Find a file of `face_recognition_models`, whose own import needs a vanished module."""
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "models" / file
        if path.exists():
            return path
    return None
