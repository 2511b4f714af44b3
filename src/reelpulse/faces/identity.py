"""Who is who: face embeddings, and the photos of the person to follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import MissingExtra, ModelError, PersonError, at
from reelpulse.faces.align import ARCFACE_TEMPLATE, CropSpec, crop
from reelpulse.faces.detectors import Detector, Face, Image, dlib_model, quiet_opencv
from reelpulse.files import digest

Embeddings = npt.NDArray[np.float32]

_BACKGROUND = 3.0
"""In a photo, a face this many times smaller than the largest is one in the background."""

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


class Identity(Protocol):
    """Turns faces into vectors whose cosine says how alike two faces are.

    `strict` is the similarity above which two faces are one person; `loose` the one down to which
    they may be, where nothing better is there.
    """

    name: str
    dimensions: int
    strict: float
    loose: float
    settings: dict[str, Any]

    def __call__(self, image: Image, faces: Sequence[Face]) -> Embeddings:
        """Embed faces of one RGB picture: float32 (N, dimensions), rows of unit length."""
        ...


class MobileFaceNet:
    """MobileFaceNet: 112-pixel crops aligned by five points, 128 values."""

    name = "mobilefacenet"
    dimensions = 128
    strict, loose = 0.45, 0.3

    def __init__(self, weights: str | Path = "mobilefacenet") -> None:
        path = hub.obtain(weights)
        self._model = hub.open_onnx(path)
        self._input = self._model.session.get_inputs()[0]
        if list(self._input.shape[1:]) != [3, 112, 112]:
            raise ModelError(
                at(path, f"is no face identity model: it wants {self._input.shape}, not 3x112x112")
            )
        self._spec = CropSpec("points", ARCFACE_TEMPLATE, side=112)
        self.settings = {"identity": self.name, "checksum": self._model.checksum}

    def __call__(self, image: Image, faces: Sequence[Face]) -> Embeddings:
        """Embed faces; see `Identity`."""
        out = np.zeros((len(faces), self.dimensions), np.float32)
        for row, face in zip(out, faces, strict=True):
            picture = cv2.resize(
                crop(image, face, self._spec), (112, 112), interpolation=cv2.INTER_AREA
            )
            values = (picture.astype(np.float32) / 255 - _IMAGENET_MEAN) / _IMAGENET_STD
            batch = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
            row[:] = self._model.session.run(None, {self._input.name: batch})[0][0]
        return _unit(out)


class SFace:
    """OpenCV's FaceRecognizerSF (SFace): 128 values; one person above 0.363, as OpenCV says."""

    name = "sface"
    dimensions = 128
    strict, loose = 0.363, 0.25

    def __init__(self, weights: str | Path = "sface") -> None:
        path = hub.obtain(weights)
        quiet_opencv()
        try:
            self._model = cv2.FaceRecognizerSF.create(str(path), "")
        except cv2.error:
            raise ModelError(at(path, "is not an SFace model that OpenCV can read")) from None
        self._spec = CropSpec("points", ARCFACE_TEMPLATE, side=112)
        self.settings = {"identity": self.name, "checksum": digest(path)}

    def __call__(self, image: Image, faces: Sequence[Face]) -> Embeddings:
        """Embed faces; see `Identity`."""
        out = np.zeros((len(faces), self.dimensions), np.float32)
        for row, face in zip(out, faces, strict=True):
            picture = cv2.resize(
                crop(image, face, self._spec), (112, 112), interpolation=cv2.INTER_AREA
            )
            row[:] = self._model.feature(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[0]
        return _unit(out)


class DlibResNet:
    """dlib's face recognition network from `face_recognition_models`: 128 values, 60 ms a face.

    Its vectors all point much the same way: unrelated people have a cosine of 0.83. dlib calls two
    faces one person below a distance of 0.6, which is a cosine of 0.92 at the vectors' usual length
    of 1.5; among nine people 1 % of pairs of one person fell below 0.937 and 1 % of pairs of two
    people rose above 0.944.
    """

    name = "dlib"
    dimensions = 128
    strict, loose = 0.945, 0.92

    def __init__(self) -> None:
        import dlib

        weights = dlib_model("dlib_face_recognition_resnet_model_v1.dat")
        predictor = dlib_model("shape_predictor_5_face_landmarks.dat")
        if weights is None or predictor is None:
            raise MissingExtra("offline", "the identity model dlib")
        self._dlib = dlib
        self._predictor = dlib.shape_predictor(str(predictor))
        self._model = dlib.face_recognition_model_v1(str(weights))
        self.settings = {"identity": self.name, "checksum": digest(weights)}

    def __call__(self, image: Image, faces: Sequence[Face]) -> Embeddings:
        """Embed faces; see `Identity`."""
        image = np.ascontiguousarray(image)
        out = np.zeros((len(faces), self.dimensions), np.float32)
        for row, face in zip(out, faces, strict=True):
            x, y, width, height = (round(float(v)) for v in face.box)
            shape = self._predictor(image, self._dlib.rectangle(x, y, x + width, y + height))
            row[:] = np.array(self._model.compute_face_descriptor(image, shape))
        return _unit(out)


IDENTITIES: dict[str, Callable[[], Identity]] = {
    "mobilefacenet": MobileFaceNet,
    "sface": SFace,
    "dlib": DlibResNet,
}


def load_identity(name: str) -> Identity:
    """Make an identity model by name, or from an ONNX file of MobileFaceNet's shape.

    Raises
    ------
    ModelError
        On an unknown name, or when its weights are missing.
    """
    if name in IDENTITIES:
        return IDENTITIES[name]()
    if Path(name).suffix == ".onnx":
        return MobileFaceNet(name)
    raise ModelError(
        f"no identity model is named {name!r}: use auto, none, {', '.join(IDENTITIES)}, or an .onnx"
    )


def _unit(vectors: npt.NDArray[np.float32]) -> Embeddings:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), np.float32)


def read_photo(path: str | Path) -> Image:
    """Read a picture file as RGB, turned as its EXIF data says.

    Raises
    ------
    PersonError
        When it is missing or no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise PersonError(at(path, "no such photo"))
    # By bytes: OpenCV opens no Korean names on Windows.
    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise PersonError(at(path, "is not a picture that can be read; give a JPEG or PNG"))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def embed_photos(paths: Sequence[str | Path], detector: Detector, identity: Identity) -> Embeddings:
    """Embed the one face of each photo.

    Returns
    -------
    ndarray of float32, shape (P, dimensions)

    Raises
    ------
    PersonError
        When a photo has no face, or more than one that could be meant.
    """
    rows = []
    for path in paths:
        image = read_photo(path)
        faces = detector(image)
        sure = [face for face in faces if face.score >= detector.strict] or faces[:1]
        if not sure:
            raise PersonError(at(path, "shows no face; give a photo that does, from the front"))
        largest = max(face.size for face in sure)
        sure = [face for face in sure if face.size * _BACKGROUND > largest]
        if len(sure) > 1:
            raise PersonError(
                at(path, f"shows {len(sure)} faces; cut it so that only the person's own is left")
            )
        rows.append(identity(image, sure)[0])
    return np.stack(rows) if rows else np.zeros((0, identity.dimensions), np.float32)
