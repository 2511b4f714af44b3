"""Join the faces of consecutive ticks into tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.faces.detectors import Face

MAX_GAP_SECONDS = 2.0
"""A track that is not seen for this long has ended."""

_REACH_SIZES = 1.0
"""A face moves at most this many of its sizes in half a second."""

_REACH_SECONDS = 0.5
_MAX_GROWTH = 2.0
"""A face's size changes at most by this factor between two looks."""


@dataclass
class Track:
    """One face followed without a break.

    `id` is unique within a segment; `seen` counts its ticks; `mean` adds up its embeddings, the
    last made at `embedded` seconds; `look` is what its face looked like in its last tick, and
    `likeness` the best similarity to the photos in focus.
    """

    id: int
    face: Face
    time: float
    seen: int = 1
    sure: bool = False
    mean: npt.NDArray[np.float32] | None = None
    likeness: float = 0.0
    embedded: float = 0.0
    look: npt.NDArray[np.float32] | None = None

    def similarity(self, embedding: npt.NDArray[np.float32]) -> float | None:
        """Cosine with the track's mean; None before there is one."""
        if self.mean is None:
            return None
        length = float(np.linalg.norm(self.mean))
        return float(self.mean @ embedding) / max(length, 1e-9)

    def add(self, embedding: npt.NDArray[np.float32]) -> None:
        """Take an embedding into the running sum."""
        self.mean = embedding.copy() if self.mean is None else self.mean + embedding


class Tracker:
    """Joins by position and size; the caller splits a track whose face is somebody else's.

    Parameters
    ----------
    strict : float
        The detector's strict score: a face below it goes on a track, but starts one only in a tick
        that has no strict face.
    """

    def __init__(self, strict: float) -> None:
        self.strict = strict
        self.tracks: list[Track] = []
        self._next = 0

    def update(self, time: float, faces: Sequence[Face]) -> list[Track | None]:
        """Give each face of a tick its track; None where it is too doubtful to start one."""
        self.tracks = [track for track in self.tracks if time - track.time <= MAX_GAP_SECONDS]
        found: list[Track | None] = [None] * len(faces)
        free = list(range(len(faces)))
        # Greedy from the nearest pair on: with a few faces that hardly overlap this is the best
        # assignment, and a solver's import would cost half a second at every start.
        cost = _distances(self.tracks, faces, time)
        near = np.nonzero(cost < 1)
        pairs = sorted(zip(cost[near].tolist(), *(index.tolist() for index in near), strict=True))
        used: set[int] = set()
        for _, t, f in pairs:
            if t in used or found[f] is not None:
                continue
            track = self.tracks[t]
            track.face, track.time, track.seen = faces[f], time, track.seen + 1
            track.sure = track.sure or faces[f].score >= self.strict
            found[f] = track
            used.add(t)
        any_sure = any(face.score >= self.strict for face in faces)
        for f in free:
            if found[f] is None and (faces[f].score >= self.strict or not any_sure):
                found[f] = self.start(time, faces[f])
        return found

    def start(self, time: float, face: Face) -> Track:
        """Begin a track."""
        track = Track(self._next, face, time, sure=face.score >= self.strict)
        self._next += 1
        self.tracks.append(track)
        return track

    def split(self, track: Track) -> Track:
        """End a track before its last face, which begins a new one."""
        self.tracks.remove(track)
        return self.start(track.time, track.face)


def _distances(
    tracks: Sequence[Track], faces: Sequence[Face], time: float
) -> npt.NDArray[np.float64]:
    """Distance of each track to each face, (tracks, faces): a crowd has a thousand of both.

    In units of what a face may move since the track was last seen; 1 is too far.
    """
    if not tracks or not faces:
        return np.zeros((len(tracks), len(faces)))
    before = np.array([track.face.size for track in tracks], float)[:, None]
    now = np.array([face.size for face in faces], float)
    unseen = np.array([time - track.time for track in tracks])[:, None]
    reach = _REACH_SIZES * np.sqrt(now * before) * np.sqrt(np.maximum(1, unseen / _REACH_SECONDS))
    places = np.array([track.face.center for track in tracks])[:, None]
    moved = np.linalg.norm(np.array([face.center for face in faces]) - places, axis=2)
    ratio = now / before
    cost = moved / reach + 0.25 * np.abs(np.log2(ratio))
    fits = (ratio >= 1 / _MAX_GROWTH) & (ratio <= _MAX_GROWTH)
    return np.where(fits, cost, np.inf)
