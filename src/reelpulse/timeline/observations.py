"""What was seen and heard, before anybody is chosen and anything is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.timeline.features import Features
from reelpulse.timeline.model import FACE_COLUMNS

VALUES = len(FACE_COLUMNS)


@dataclass
class Faces:
    """The faces measured, at most two a tick: a table of F rows in order of ticks.

    Parameters
    ----------
    tick : ndarray of int32, shape (F,)
        Index of the tick.
    box : ndarray of float32, shape (F, 4)
        x, y, width, height in pixels of the picture as shown.
    score : ndarray of float32, shape (F,)
        The detector's confidence, on the detector's own scale.
    track : ndarray of int32, shape (F,)
        Faces of one track are one person seen without a break; tracks end with their segment.
    embedding : ndarray of float16, shape (F, D)
        Identity, of unit length; NaN where it was plain from the tick before; D is 0 with no
        identity model.
    values : ndarray of float32, shape (F, 10)
        Eight emotion probabilities, valence, arousal.
    seen : ndarray of int32, shape (T,)
        How many faces were found in each tick, measured or not.
    features : Features or None
        The emotion network's own embedding of each face, where it was asked for.
    """

    tick: npt.NDArray[np.int32]
    box: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    track: npt.NDArray[np.int32]
    embedding: npt.NDArray[np.float16]
    values: npt.NDArray[np.float32]
    seen: npt.NDArray[np.int32]
    features: Features | None = None

    ROWS = ("tick", "box", "score", "track", "embedding", "values")

    @classmethod
    def empty(cls, ticks: int = 0, dimensions: int = 0) -> Faces:
        """A table without rows."""
        return cls(
            np.zeros(0, np.int32),
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int32),
            np.zeros((0, dimensions), np.float16),
            np.zeros((0, VALUES), np.float32),
            np.zeros(ticks, np.int32),
        )

    def __len__(self) -> int:
        return len(self.tick)

    @staticmethod
    def joined(parts: Sequence[Faces], *, same_tracks: bool = False) -> Faces:
        """Join tables of consecutive ticks, and number the ticks on.

        Tracks are numbered on too, as those of different segments are; with `same_tracks` they are
        left, as those of blocks within one segment are.
        """
        if not parts:
            return Faces.empty()
        ticks = tracks = 0
        moved = []
        features = [part.features for part in parts if part.features is not None]
        for part in parts:
            moved.append((part.tick + ticks, part.track + tracks))
            ticks += len(part.seen)
            if len(part) and not same_tracks:
                tracks += int(part.track.max()) + 1
        return Faces(
            np.concatenate([tick for tick, _ in moved]).astype(np.int32),
            np.concatenate([part.box for part in parts]),
            np.concatenate([part.score for part in parts]),
            np.concatenate([track for _, track in moved]).astype(np.int32),
            np.concatenate([part.embedding for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.seen for part in parts]),
            Features.joined(features) if features else None,
        )


@dataclass
class Block:
    """One stream's values a tick: ``values (T, C)`` float32, NaN where nothing was measured."""

    columns: tuple[str, ...]
    values: npt.NDArray[np.float32]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Observations:
    """Everything measured in a video, or in the part of a live stream there is so far.

    Parameters
    ----------
    times : ndarray of float64, shape (T,)
        Seconds from the start of the video.
    faces : Faces or None
        None where the face stream was not asked for.
    face_settings : dict
        How the faces were measured.
    blocks : dict of str to Block
        The other streams, by name.
    meta : dict
        Facts of the video and of the sampling; warnings.
    """

    times: npt.NDArray[np.float64]
    faces: Faces | None = None
    face_settings: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def settings_of(self, stream: str) -> dict[str, Any] | None:
        """How a stream was measured; None when it was not."""
        if stream == "face":
            return self.face_settings if self.faces is not None else None
        block = self.blocks.get(stream)
        return block.settings if block is not None else None
