"""The faces of each tick: found, tracked, told apart, and what they show."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import ModelError, SettingsError
from reelpulse.faces.align import crop
from reelpulse.faces.detectors import Detector, Face, Image
from reelpulse.faces.emotion import EmotionModel
from reelpulse.faces.identity import Embeddings, Identity
from reelpulse.faces.tracker import Track, Tracker
from reelpulse.media import Tick
from reelpulse.settings import AnalyzeSettings
from reelpulse.timeline import FACE_COLUMNS, Faces, Features

log = logging.getLogger(__name__)

MOST_FACES = 2
"""Faces measured a tick: the person, and one who might turn out to be."""

_EMBED_SECONDS = 2.0
_SAME_LOOK = 0.75
_LOOK_SIDE = 16
"""A face on a track is embedded this often, and whenever its aligned crop, as a small grey picture,
correlates less than this with that of the tick before: a cut to somebody else in the same place.
Of 42,000 pairs of faces of different people 99 % correlated less than 0.69; half of the faces of
one person half a second apart more than 0.85."""

_MOST_NEW = 8
"""New faces compared with the photos a tick, when a crowd comes on screen."""


@dataclass(frozen=True)
class Region:
    """A part of the picture: x, y, width, height in pixels, or in shares if all are at most 1."""

    x: float
    y: float
    width: float
    height: float

    def holds(
        self, center: npt.NDArray[np.float64], size: tuple[int, int]
    ) -> npt.NDArray[np.bool_]:
        """Whether points (..., 2) in pixels of a picture of (width, height) lie inside."""
        scale = np.array(
            size if max(self.x, self.y, self.width, self.height) <= 1 else (1, 1), float
        )
        low = np.array([self.x, self.y]) * scale
        high = low + np.array([self.width, self.height]) * scale
        return np.asarray(((center >= low) & (center <= high)).all(axis=-1))


def parse_region(text: str | None) -> Region | None:
    """Read ``x,y,w,h``.

    Raises
    ------
    SettingsError
        When it is not four numbers of a part of a picture.
    """
    if text is None:
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = -1.0
    finite = all(math.isfinite(value) for value in (x, y, width, height))
    if not finite or min(x, y) < 0 or min(width, height) <= 0:
        raise SettingsError(
            f"{text!r} is not a region: write x,y,w,h in pixels (1400,700,500,380) or shares of 1"
        )
    return Region(x, y, width, height)


@dataclass(frozen=True)
class Focus:
    """Whom to measure first where more faces are on screen than are measured.

    Parameters
    ----------
    photos : ndarray, shape (P, D)
        Embeddings of the person's photos; empty without photos.
    region : Region or None
        Where the person is.
    key : str
        Names the photos and the region, to tell one focus from another.
    """

    photos: Embeddings = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    region: Region | None = None
    key: str = ""


class FaceStream:
    """Measure up to two faces a tick.

    Faces above the detector's strict score are taken; fainter ones go on a track, or stand in where
    a tick has nothing better. Of more than two, those that fit the focus come first, then those
    followed for longest, then the largest.

    Parameters
    ----------
    detector : Detector
    emotion : EmotionModel
    identity : Identity or None
        None: tracks are told apart by position alone.
    focus : Focus
    features : bool
        Also keep the emotion network's own embedding of each face.

    Raises
    ------
    ModelError
        When embeddings are asked of a network that does not give them.
    """

    name = "face"
    columns = FACE_COLUMNS
    wants_pictures = True
    needs_previous_frame = False

    def __init__(
        self,
        detector: Detector,
        emotion: EmotionModel,
        identity: Identity | None = None,
        focus: Focus | None = None,
        *,
        features: bool = False,
    ) -> None:
        self.sound: dict[int, float] = {}
        if features and not emotion.features:
            raise ModelError(
                f"the face emotion model {emotion.name} has no output `embedding`; give one with"
                " --emotion FILE.onnx, such as `reelpulse models convert` makes"
            )
        self._features = features
        self.detector, self.emotion, self.identity = detector, emotion, identity
        self.focus = focus or Focus()
        self._tracker = Tracker(detector.strict)
        self._tracks = 0

    @classmethod
    def from_settings(cls, settings: AnalyzeSettings) -> FaceStream:
        """Make the stream that the settings ask for; ``auto`` takes the best at hand."""
        from reelpulse.streams.choice import load_face_models

        detector, emotion, identity = load_face_models(settings)
        return cls(detector, emotion, identity)

    @property
    def settings(self) -> dict[str, Any]:
        """What the values depend on, a model's own settings under its role."""
        wide = {"features": self.emotion.features} if self._features else {}
        return {
            **wide,
            "detector": self.detector.settings,
            "identity": self._identity_settings(),
            "emotion": self.emotion.settings,
            "checksum": self.emotion.settings["checksum"],
            "focus": self.focus.key,
            "strict": self.detector.strict,
            "loose": self.detector.loose,
            "version": 1,
        }

    def _identity_settings(self) -> dict[str, Any]:
        if self.identity is None:
            return {"identity": "none"}
        pair = {"strict": self.identity.strict, "loose": self.identity.loose}
        return {**self.identity.settings, **pair}

    def reset(self) -> None:
        """Forget the tracks: a new segment begins."""
        self._tracker = Tracker(self.detector.strict)

    def process(self, ticks: Sequence[Tick]) -> Faces:
        """Measure ticks; track numbers go on within a segment."""
        rows: list[_Row] = []
        table = Faces.empty(len(ticks), self.identity.dimensions if self.identity else 0)
        for number, tick in enumerate(ticks):
            image = tick.image
            if image is None:
                continue
            faces = self.detector(image)
            chosen = self._chosen(tick.time, image, faces)
            sure = sum(face.score >= self.detector.strict for face in faces)
            table.seen[number] = max(sure, len(chosen))
            rows += self._measured(number, tick.time, image, chosen)
        if self._features:
            table.features = Features.of(np.zeros((0, self.emotion.features), np.float16))
        if not rows:
            return table
        table.tick = np.array([row.tick for row in rows], np.int32)
        table.box = np.array([row.face.box for row in rows], np.float32)
        table.score = np.array([row.face.score for row in rows], np.float32)
        table.track = np.array([row.track for row in rows], np.int32)
        table.embedding = np.stack([row.embedding for row in rows]).astype(np.float16)
        crops = [row.crop for row in rows]
        if self._features:
            table.values, features = self.emotion.with_features(crops)
            table.features = Features.of(features)
        else:
            table.values = self.emotion(crops)
        return table

    def _chosen(self, time: float, image: Image, faces: list[Face]) -> list[tuple[Face, Track]]:
        """Take the faces to measure, with their tracks."""
        tracked = [
            (face, track)
            for face, track in zip(faces, self._tracker.update(time, faces), strict=True)
            if track is not None
        ]
        if self.identity is not None and len(tracked) > MOST_FACES and len(self.focus.photos):
            new = [pair for pair in tracked if pair[1].mean is None][:_MOST_NEW]
            vectors = self.identity(image, [face for face, _ in new])
            for (_, track), vector in zip(new, vectors, strict=True):
                track.likeness = self._likeness(vector)
        size = (image.shape[1], image.shape[0])
        region = self.focus.region
        tracked.sort(
            key=lambda pair: (
                -int(region is not None and bool(region.holds(pair[0].center, size))),
                -int(self.identity is not None and pair[1].likeness >= self.identity.loose),
                -pair[1].seen,
                -pair[0].size,
            )
        )
        return tracked[:MOST_FACES]

    def _likeness(self, vector: npt.NDArray[np.float32]) -> float:
        return float((self.focus.photos @ vector).max()) if len(self.focus.photos) else 0.0

    def _measured(
        self, number: int, time: float, image: Image, chosen: list[tuple[Face, Track]]
    ) -> list[_Row]:
        """Cut the faces out, and embed those whose identity is not plain from the tick before."""
        crops = [crop(image, face, self.emotion.crop) for face, _ in chosen]
        nobody = np.full(self.identity.dimensions if self.identity else 0, np.nan, np.float32)
        vectors = [nobody] * len(chosen)
        tracks = [track for _, track in chosen]
        if self.identity is not None:
            looks = [_look(picture) for picture in crops]
            asked = [i for i, track in enumerate(tracks) if _is_open(track, time, looks[i])]
            embedded = self.identity(image, [chosen[i][0] for i in asked])
            for i, vector in zip(asked, embedded, strict=True):
                vectors[i] = vector
                alike = tracks[i].similarity(vector)
                if alike is not None and alike < self.identity.loose:
                    # Somebody else in the same place: a cut, or one passing before another.
                    tracks[i] = self._tracker.split(tracks[i])
                tracks[i].add(vector)
                tracks[i].embedded = time
                tracks[i].likeness = max(tracks[i].likeness, self._likeness(vector))
            for track, look in zip(tracks, looks, strict=True):
                track.look = look
        return [
            _Row(number, face, track.id, vector, picture)
            for (face, _), track, vector, picture in zip(
                chosen, tracks, vectors, crops, strict=True
            )
        ]


@dataclass(frozen=True)
class _Row:
    """One measured face before its emotion is known."""

    tick: int
    face: Face
    track: int
    embedding: npt.NDArray[np.float32]
    crop: Image


def _look(picture: Image) -> npt.NDArray[np.float32]:
    """A face's crop as a small grey picture of zero mean and unit length."""
    small = cv2.resize(picture, (_LOOK_SIDE, _LOOK_SIDE), interpolation=cv2.INTER_AREA)
    values = small.mean(axis=2, dtype=np.float32).ravel()
    values -= values.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)


def _is_open(track: Track, time: float, look: npt.NDArray[np.float32]) -> bool:
    """Whether a track's identity must be looked at: new, long ago, or the face looks different."""
    if track.mean is None or track.look is None or time - track.embedded >= _EMBED_SECONDS:
        return True
    return float(track.look @ look) < _SAME_LOOK
