"""Choose the person, join tracks, put all on the clock: a pure function of the observations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.streams.face import Focus
from reelpulse.timeline import FACE_COLUMNS, Faces, Observations, Timeline, assemble

_SAME_PLACE_IOU = 0.3
"""Overlap of two tracks' usual boxes above which, with no embeddings, they are one person."""

_NEAR_PLACE_IOU = 0.2
"""Overlap that a similarity between loose and strict needs beside it."""

_AS_MANY_TICKS = 0.9
_AS_STEADY = 1.5
_STEADY_FLOOR = 0.1
"""Who has this share of the most ticks counts as seen as often; who moves at most this many times
as much as the steadiest (in sizes of the face, plus the floor) counts as steady."""


@dataclass
class Person:
    """Tracks taken to be of one person."""

    tracks: list[int]
    ticks: set[int]
    sum: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]
    sure: bool

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean embedding, of unit length."""
        return self.sum / max(float(np.linalg.norm(self.sum)), 1e-9)


@dataclass(frozen=True)
class Thresholds:
    """Of the detector and the identity model that measured.

    `joined` says that tracks are people already, as in a file that forgot its faces.
    """

    sure_score: float = 0.0
    strict: float = 0.5
    loose: float = 0.3
    joined: bool = False


@dataclass
class _Chosen:
    rows: npt.NDArray[np.int64]
    facts: dict[str, Any] = field(default_factory=dict)


def resolve(
    observations: Observations, focus: Focus | None = None, thresholds: Thresholds | None = None
) -> Timeline:
    """Make the timeline of one person.

    Parameters
    ----------
    observations : Observations
        All of a video, or what there is of a live stream so far.
    focus : Focus or None
        Photos and region of the person. Without: the person with the most ticks, then the
        steadiest position, then the largest face.
    thresholds : Thresholds or None

    Returns
    -------
    Timeline
        ``meta["person"]`` says who was followed and how sure that is; NaN rows where the person was
        not seen.
    """
    focus, thresholds = focus or Focus(), thresholds or Thresholds()
    meta = dict(observations.meta)
    streams: dict[str, Any] = {
        name: (block.columns, block.values) for name, block in observations.blocks.items()
    }
    faces = observations.faces
    if faces is not None:
        values = np.full((len(observations.times), len(FACE_COLUMNS)), np.nan, np.float32)
        chosen = _chosen(observations, faces, focus, thresholds)
        values[faces.tick[chosen.rows]] = faces.values[chosen.rows]
        streams["face"] = (FACE_COLUMNS, values)
        ticks = max(1, len(observations.times))
        meta["person"] = {
            **chosen.facts,
            "ticks": len(chosen.rows),
            "share": round(len(chosen.rows) / ticks, 4),
            "any_face": round(float(np.mean(faces.seen > 0)), 4) if len(faces.seen) else 0.0,
        }
    return assemble(observations.times, streams, meta)


def person_rows(
    observations: Observations, focus: Focus | None = None, thresholds: Thresholds | None = None
) -> npt.NDArray[np.int32]:
    """Find the row of the person `resolve` follows in the table of the faces' features, a tick.

    Returns
    -------
    ndarray of int32, shape (T,)
        -1 where the person was not seen, or no features were kept.
    """
    rows = np.full(len(observations.times), -1, np.int32)
    faces = observations.faces
    if faces is not None and faces.features is not None:
        found = _chosen(observations, faces, focus or Focus(), thresholds or Thresholds()).rows
        rows[faces.tick[found]] = found
    return rows


def _chosen(
    observations: Observations, faces: Faces, focus: Focus, thresholds: Thresholds
) -> _Chosen:
    video = observations.meta.get("video", {})
    size = (int(video.get("width", 1)), int(video.get("height", 1)))
    return _choose(_numbered(faces), focus, thresholds, size)


def _choose(faces: Faces, focus: Focus, thresholds: Thresholds, size: tuple[int, int]) -> _Chosen:
    rows = np.arange(len(faces))
    if focus.region is not None:
        rows = rows[focus.region.holds(faces.box[:, :2] + faces.box[:, 2:] / 2, size)]
    people = join_tracks(faces, rows, thresholds)
    if len(focus.photos) and faces.embedding.shape[1]:
        return _by_photo(faces, rows, people, focus, thresholds)
    how = "region" if focus.region is not None else "most seen"
    person = _most_seen(faces, people)
    facts = {"how": how, "people": sum(p.sure for p in people)}
    if person is None:
        return _Chosen(rows[:0], facts)
    return _Chosen(rows[np.isin(faces.track[rows], person.tracks)], facts)


def join_tracks(faces: Faces, rows: npt.NDArray[np.int64], thresholds: Thresholds) -> list[Person]:
    """Join tracks into people.

    Long tracks first: each joins the person it is most alike, unless both are on screen in one
    tick. A similarity between loose and strict is enough where the face is also in the same place.
    With no embeddings, the usual place alone joins tracks.

    Returns
    -------
    list of Person
        Most ticks first.
    """
    by_embedding = faces.embedding.shape[1] > 0
    sums = _embedding_sums(faces)
    order = rows[np.argsort(faces.track[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(faces.track[order], prepend=-1))
    groups = sorted(np.split(order, starts[1:]) if len(order) else [], key=len, reverse=True)
    people: list[Person] = []
    means = np.zeros((len(groups), faces.embedding.shape[1]))
    boxes = np.zeros((len(groups), 4))
    for group in groups:
        track = Person(
            [int(faces.track[group[0]])],
            set(faces.tick[group].tolist()),
            sums[faces.track[group[0]]].copy(),
            np.median(faces.box[group], axis=0),
            bool((faces.score[group] >= thresholds.sure_score).any()),
        )
        overlap = _iou(boxes[: len(people)], track.box)
        if thresholds.joined:
            alike, fits = overlap, np.zeros(len(people), bool)
        elif by_embedding:
            alike = means[: len(people)] @ track.mean
            fits = (alike >= thresholds.strict) | (
                (alike >= thresholds.loose) & (overlap >= _NEAR_PLACE_IOU)
            )
        else:
            alike, fits = overlap, overlap >= _SAME_PLACE_IOU
        for index in sorted(np.flatnonzero(fits).tolist(), key=lambda i: -float(alike[i])):
            person = people[index]
            if person.ticks.isdisjoint(track.ticks):
                share = len(track.ticks) / (len(track.ticks) + len(person.ticks))
                person.tracks += track.tracks
                person.ticks |= track.ticks
                person.sum += track.sum
                person.box = (1 - share) * person.box + share * track.box
                person.sure |= track.sure
                break
        else:
            index = len(people)
            people.append(track)
        means[index], boxes[index] = people[index].mean, people[index].box
    return sorted(people, key=lambda person: -len(person.ticks))


def people_as_tracks(faces: Faces, thresholds: Thresholds) -> Faces:
    """Number the tracks by person, so that who is who outlives the embeddings."""
    faces = _numbered(faces)
    numbers = np.zeros(int(faces.track.max()) + 1 if len(faces) else 0, np.int32)
    for number, person in enumerate(join_tracks(faces, np.arange(len(faces)), thresholds)):
        numbers[person.tracks] = number
    return replace(faces, track=numbers[faces.track])


def _numbered(faces: Faces) -> Faces:
    """Number the tracks from 0 on, none left out: a crowd starts far more than are measured."""
    tracks = np.unique(faces.track, return_inverse=True)[1]
    return replace(faces, track=tracks.astype(np.int32))


def _embedding_sums(faces: Faces) -> npt.NDArray[np.float64]:
    """Each track's embeddings added up, over all its faces: who enters a region is known before."""
    tracks = int(faces.track.max()) + 1 if len(faces) else 0
    sums = np.zeros((tracks, faces.embedding.shape[1]))
    np.add.at(sums, faces.track, np.nan_to_num(faces.embedding.astype(np.float64)))
    return sums


def _iou(boxes: npt.NDArray[np.float64], box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return np.asarray(shared / (np.prod(boxes[:, 2:], axis=1) + np.prod(box[2:]) - shared + 1e-9))


def _most_seen(faces: Faces, people: list[Person]) -> Person | None:
    """The rule without photos: most ticks, then steadiest position, then largest face."""
    sure = [person for person in people if person.sure]
    if not sure:
        return None
    most = max(len(person.ticks) for person in sure)
    often = [person for person in sure if len(person.ticks) >= _AS_MANY_TICKS * most]
    places = [_place(faces, person) for person in often]
    steadiest = min(unrest for unrest, _ in places)
    limit = _AS_STEADY * steadiest + _STEADY_FLOOR
    steady = [
        (area, person)
        for person, (unrest, area) in zip(often, places, strict=True)
        if unrest <= limit
    ]
    return max(steady, key=lambda pair: pair[0])[1]


def _place(faces: Faces, person: Person) -> tuple[float, float]:
    """How far a face strays from its usual place, in its own sizes; and its area in pixels."""
    box = faces.box[np.isin(faces.track, person.tracks)].astype(np.float64)
    center = box[:, :2] + box[:, 2:] / 2
    area = float(np.median(np.prod(box[:, 2:], axis=1)))
    strayed = np.linalg.norm(center - np.median(center, axis=0), axis=1)
    return float(np.median(strayed)) / max(np.sqrt(area), 1e-9), area


def _by_photo(
    faces: Faces,
    rows: npt.NDArray[np.int64],
    people: list[Person],
    focus: Focus,
    thresholds: Thresholds,
) -> _Chosen:
    """The tracks most like the photos; looser ones where no sure one is on screen.

    Decided for a track, by the best similarity over all photos of its mean embedding, and for a
    person all of whose tracks were joined: a turned head goes with its person.
    """
    photos = focus.photos.astype(np.float64)
    sums = _embedding_sums(faces)
    track_rows = {
        int(track): rows[faces.track[rows] == track] for track in np.unique(faces.track[rows])
    }
    ranked: list[tuple[float, int]] = []
    best = 0.0
    for person in people:
        whole = float((photos @ person.mean).max())
        for track in person.tracks:
            length = max(float(np.linalg.norm(sums[track])), 1e-9)
            own = float((photos @ sums[track]).max()) / length
            best = max(best, own)
            alike = max(own, whole)
            if alike >= thresholds.loose:
                ranked.append((alike, track))
    taken: list[npt.NDArray[np.int64]] = []
    busy: set[int] = set()
    for _, track in sorted(ranked, reverse=True):
        free = [row for row in track_rows[track] if int(faces.tick[row]) not in busy]
        busy.update(int(faces.tick[row]) for row in free)
        taken.append(np.array(free, np.int64))
    chosen = np.sort(np.concatenate(taken)) if taken else rows[:0]
    return _Chosen(
        chosen,
        {
            "how": "photo",
            "people": sum(p.sure for p in people),
            "similarity": round(best, 3),
            "needed": thresholds.loose,
        },
    )
