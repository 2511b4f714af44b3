"""What a face shows: eight emotions, valence and arousal from a crop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import ModelError, at
from reelpulse.faces.align import CropSpec
from reelpulse.faces.detectors import Image
from reelpulse.timeline import EMOTIONS, FACE_COLUMNS

log = logging.getLogger(__name__)

EMOTION_PREFERENCE = ("enet_b0_8_va_mtl", "builtin")
"""Best first, for `auto`."""

BATCH = 2
"""Faces a run of the network. On a core, EfficientNet-B0 takes 6.3 ms a face by twos, 7.5 by
sixteens and 8.8 by thirty-twos, whose activations fit no cache and take 400 MB more."""

_HSEMOTION: dict[str, Any] = {
    "outputs": list(FACE_COLUMNS),
    "input": {
        "size": [224, 224],
        "colour": "rgb",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    "crop": {"geometry": "box", "margin": 0.0},
}
"""What enet_b0_8_va_mtl of HSEmotion / EmotiEffLib wants and gives; its file does not say."""


class EmotionModel:
    """An ONNX network from face crops to ten values; see `load_emotion`.

    Attributes
    ----------
    name : str
    crop : CropSpec
        How to cut a face out of a picture for this model.
    settings : dict
        Name, checksum and version, to be kept with what it measured.
    features : int
        Width of the network's own embedding of a face, an output named ``embedding``; 0 without.
    """

    columns = FACE_COLUMNS

    def __init__(self, path: Path, name: str, *, threads: int = 1) -> None:
        self.name = name
        model = hub.open_onnx(path, threads=threads)
        self._session = model.session
        described = model.metadata
        if not described:
            described = _HSEMOTION
            if name != "enet_b0_8_va_mtl":
                log.warning(
                    "%s does not describe itself: taken to be like enet_b0_8_va_mtl",
                    path,
                )
        self._input = self._session.get_inputs()[0]
        self._check(path, described)
        wanted = described["input"]
        self._height, self._width = (int(side) for side in wanted["size"])
        self._grey = wanted["colour"] == "grey"
        self._mean = np.array(wanted["mean"], np.float32)
        self._std = np.array(wanted["std"], np.float32)
        self._order = [described["outputs"].index(name) for name in FACE_COLUMNS]
        outputs = self._session.get_outputs()
        widths = {out.name: out.shape[1] for out in outputs if len(out.shape) == 2}
        self._values = outputs[0].name
        self.features = widths["embedding"] if isinstance(widths.get("embedding"), int) else 0
        fixed = self._input.shape[0]
        self._batch = fixed if isinstance(fixed, int) else BATCH
        try:
            self.crop = CropSpec.from_metadata(described.get("crop", {}), self._height)
        except (ModelError, TypeError, ValueError) as error:
            raise ModelError(at(path, str(error))) from None
        self.settings: dict[str, Any] = {"emotion": name, "checksum": model.checksum}

    def _check(self, path: Path, described: dict[str, Any]) -> None:
        """Refuse a network that cannot give the ten values."""
        if described.get("kind", "face_emotion") != "face_emotion":
            raise ModelError(at(path, f"is a model of {described['kind']}, not of face emotion"))
        try:
            channels = {"grey": 1, "rgb": 3}[described["input"]["colour"]]
            height, width = (int(side) for side in described["input"]["size"])
            mean, std = (np.array(described["input"][k], float) for k in ("mean", "std"))
            names = list(described["outputs"])
            sound = mean.shape == std.shape and mean.shape in ((1,), (channels,)) and min(std) > 0
        except (KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise ModelError(at(path, "does not say rightly what input and outputs it has"))
        expected = [channels, height, width]
        shape = list(self._input.shape)
        fits = len(shape) == 4 and all(
            not isinstance(have, int) or have == want
            for have, want in zip(shape[1:], expected, strict=True)
        )
        if not fits:
            raise ModelError(
                at(path, f"is no face emotion model: it wants {shape}, not N x {expected}")
            )
        outputs = self._session.get_outputs()[0].shape
        if len(outputs) != 2 or outputs[1] not in (len(names), None) or len(names) != 10:
            raise ModelError(at(path, f"gives {outputs}, not the ten values of a face"))
        missing = [name for name in FACE_COLUMNS if name not in names]
        if missing:
            raise ModelError(at(path, f"does not give {', '.join(missing)}"))

    def __call__(self, crops: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Measure faces.

        Parameters
        ----------
        crops : sequence of ndarray
            RGB uint8 pictures (H, W, 3) of any size, one face each.

        Returns
        -------
        ndarray of float32, shape (N, 10)
            Eight probabilities in alphabetical order of the emotions, summing to 1; valence and
            arousal in [-1, 1].
        """
        return self._run(crops, [self._values])[0]

    def with_features(
        self, crops: Sequence[Image]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Measure faces, and give the network's own embedding of each, (N, `features`)."""
        values, features = self._run(crops, [self._values, "embedding"])
        return values, features

    def _run(
        self, crops: Sequence[Image], outputs: list[str]
    ) -> tuple[npt.NDArray[np.float32], ...]:
        widths = (len(FACE_COLUMNS), self.features)
        out = tuple(np.zeros((len(crops), width), np.float32) for width in widths[: len(outputs)])
        for start in range(0, len(crops), self._batch):
            part = [self._prepared(crop) for crop in crops[start : start + self._batch]]
            used = len(part)
            part += [part[-1]] * (
                self._batch - used if isinstance(self._input.shape[0], int) else 0
            )
            raw = self._session.run(outputs, {self._input.name: np.stack(part)})
            for kept, given in zip(out, raw, strict=True):
                done = given[:used]
                kept[start : start + used] = (
                    _values(done[:, self._order]) if kept is out[0] else done
                )
        return out

    def _prepared(self, crop: Image) -> npt.NDArray[np.float32]:
        crop = np.asarray(crop)
        if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or crop.size == 0:
            raise ModelError(
                f"a face crop must be an RGB uint8 picture (H, W, 3), not {crop.dtype} {crop.shape}"
            )
        picture: npt.NDArray[Any] = np.ascontiguousarray(crop)
        if self._grey:
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        # Averaged where it shrinks, in either direction; enlarged where it must grow.
        size = (min(picture.shape[1], self._width), min(picture.shape[0], self._height))
        if size != picture.shape[1::-1]:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        if size != (self._width, self._height):
            picture = cv2.resize(picture, (self._width, self._height))
        values = picture.astype(np.float32).reshape(self._height, self._width, -1) / 255
        return np.ascontiguousarray(((values - self._mean) / self._std).transpose(2, 0, 1))


def _values(raw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Softmax over the emotions' logits; valence and arousal kept in range."""
    count = len(EMOTIONS)
    logits = raw[:, :count].astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.concatenate([shares, np.clip(raw[:, count:], -1, 1)], axis=1).astype(np.float32)


def load_emotion(name: str | Path = "auto", *, threads: int = 1) -> EmotionModel:
    """Load a face emotion model.

    Parameters
    ----------
    name : str or Path
        ``builtin``; ``enet_b0_8_va_mtl``; ``auto`` for the best at hand; or an ONNX file whose
        metadata (key ``reelpulse``) says what it wants and gives.
    threads : int
        Cores that ONNX Runtime may use.

    Returns
    -------
    EmotionModel
        A callable: list of RGB uint8 crops of any size → float32 (N, 10).

    Raises
    ------
    ModelError
        When it cannot be had, or does not give the ten values.
    """
    if name == "auto":
        name = hub.best_at_hand("emotion", EMOTION_PREFERENCE) or "builtin"
    path = hub.obtain(name)
    return EmotionModel(path, str(name), threads=threads)
