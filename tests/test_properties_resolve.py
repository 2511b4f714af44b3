"""Whom to follow, for any faces: one row a tick, people apart, and no say for numbers and order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import PEOPLE, observed, table, vector
from reelpulse.resolve import Thresholds, join_tracks, people_as_tracks, resolve
from reelpulse.streams.face import Focus, Region
from reelpulse.timeline import Faces

some = settings(max_examples=60, deadline=None)
THRESHOLDS = Thresholds(sure_score=0.9, strict=0.5, loose=0.3)
TICKS = 24


@st.composite
def faces(draw: st.DrawFn) -> Faces:
    """Up to eight tracks, at most two faces a tick, with or without embeddings."""
    dimensions = draw(st.sampled_from([2 * PEOPLE, 0]))
    room = np.zeros(TICKS, int)
    rows = []
    for track in range(draw(st.integers(0, 8))):
        person = draw(st.integers(0, PEOPLE - 1))
        likeness = draw(st.sampled_from([1.0, 0.9, 0.6, 0.4]))
        start, length = draw(st.integers(0, TICKS - 1)), draw(st.integers(1, 12))
        size = draw(st.sampled_from([10, 20, 35]))
        box = (draw(st.integers(0, 150)), draw(st.integers(0, 60)), size, size)
        score = draw(st.sampled_from([0.95, 0.95, 0.8]))
        for tick in range(start, min(TICKS, start + length)):
            if room[tick] < 2:
                room[tick] += 1
                named = vector(person, likeness) if draw(st.integers(0, 3)) else np.full(8, np.nan)
                rows.append((tick, track, box, named if dimensions else None, score))
    return table(rows, TICKS, dimensions)


@st.composite
def focuses(draw: st.DrawFn) -> Focus:
    photos = [vector(person) for person in draw(st.sampled_from([[], [0], [1], [0, 2]]))]
    region = draw(st.sampled_from([None, Region(0, 0, 1, 1), Region(0, 0, 0.5, 1)]))
    if photos:
        return Focus(np.array(photos, np.float32), region)
    return Focus(region=region)


def chosen(found: Faces, focus: Focus) -> np.ndarray:
    """The timeline's face values, a row a tick."""
    return resolve(observed(found), focus, THRESHOLDS).values[:, :10]


@some
@given(faces(), focuses())
def test_a_tick_has_the_values_of_one_face_of_it_or_none(found: Faces, focus: Focus) -> None:
    timeline = resolve(observed(found), focus, THRESHOLDS)
    values = timeline.values[:, :10]
    for tick in range(TICKS):
        if np.isnan(values[tick]).all():
            continue
        own = found.values[found.tick == tick]
        assert (own == values[tick]).all(axis=1).any()
    person = timeline.meta["person"]
    assert person["ticks"] == np.isfinite(values[:, 0]).sum()
    assert 0 <= person["share"] <= person["any_face"] <= 1


@some
@given(faces())
def test_two_faces_of_a_tick_are_two_people(found: Faces) -> None:
    people = join_tracks(found, np.arange(len(found)), THRESHOLDS)
    tracks = [track for person in people for track in person.tracks]
    assert sorted(tracks) == np.unique(found.track).tolist()
    for person in people:
        mine = found.tick[np.isin(found.track, person.tracks)]
        assert len(np.unique(mine)) == len(mine)
        assert set(mine.tolist()) == person.ticks
    assert [len(p.ticks) for p in people] == sorted((len(p.ticks) for p in people), reverse=True)


@some
@given(faces(), focuses(), st.sampled_from([1, 3, 1000]), st.integers(0, 2**20))
def test_what_tracks_are_numbered_does_not_matter(
    found: Faces, focus: Focus, factor: int, offset: int
) -> None:
    renamed = replace(found, track=(found.track * factor + offset).astype(np.int32))
    np.testing.assert_array_equal(chosen(renamed, focus), chosen(found, focus))
    one = people_as_tracks(found, THRESHOLDS).track
    np.testing.assert_array_equal(people_as_tracks(renamed, THRESHOLDS).track, one)


@some
@given(faces(), focuses())
def test_the_order_of_faces_within_a_tick_does_not_matter(found: Faces, focus: Focus) -> None:
    order = np.lexsort((-np.arange(len(found)), found.tick))
    turned = replace(found, **{name: getattr(found, name)[order] for name in Faces.ROWS})
    np.testing.assert_array_equal(chosen(turned, focus), chosen(found, focus))


@some
@given(faces(), focuses(), st.integers(1, 30))
def test_ticks_without_faces_around_change_nothing(found: Faces, focus: Focus, more: int) -> None:
    none = np.zeros(more, np.int32)
    later = replace(
        found,
        tick=(found.tick + more).astype(np.int32),
        seen=np.concatenate([none, found.seen, none]),
    )
    values = chosen(later, focus)
    assert np.isnan(values[:more]).all()
    assert np.isnan(values[TICKS + more :]).all()
    np.testing.assert_array_equal(values[more : TICKS + more], chosen(found, focus))


@some
@given(faces())
def test_people_known_once_stay_the_same_people(found: Faces) -> None:
    known = people_as_tracks(found, THRESHOLDS)
    again = people_as_tracks(known, THRESHOLDS)
    for number in np.unique(known.track):
        assert len(np.unique(found.tick[known.track == number])) == (known.track == number).sum()
    assert len(np.unique(again.track)) <= len(np.unique(known.track))


@some
@given(faces(), st.sampled_from([0, 1, 2]))
def test_who_is_asked_for_by_photo_is_like_it(found: Faces, person: int) -> None:
    focus = Focus(vector(person)[None])
    timeline = resolve(observed(found), focus, THRESHOLDS)
    facts = timeline.meta["person"]
    if facts["how"] == "photo" and facts["ticks"]:
        assert facts["similarity"] >= -1
        assert facts["similarity"] <= 1 + 1e-3
    wider = resolve(observed(found), Focus(focus.photos, Region(0, 0, 1, 1)), THRESHOLDS)
    np.testing.assert_array_equal(wider.values, timeline.values)
