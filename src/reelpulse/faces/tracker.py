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
        pairs = sorted(
            (cost, t, f)
            for t, track in enumerate(self.tracks)
            for f in free
            if (cost := _distance(track, faces[f], time)) < 1
        )
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


def _distance(track: Track, face: Face, time: float) -> float:
    """Distance in units of what a face may move since the track was last seen; 1 is too far."""
    ratio = face.size / track.face.size
    if not 1 / _MAX_GROWTH <= ratio <= _MAX_GROWTH:
        return float("inf")
    size = np.sqrt(face.size * track.face.size)
    reach = _REACH_SIZES * size * max(1.0, np.sqrt((time - track.time) / _REACH_SECONDS))
    moved = float(np.linalg.norm(face.center - track.face.center))
    return float(moved / reach + 0.25 * abs(np.log2(ratio)))
