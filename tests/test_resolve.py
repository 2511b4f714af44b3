"""Whom to follow: people from tracks, and one person's ticks, from faces made by hand."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest

from fakes import blocks, observed, table, vector
from reelpulse.resolve import Thresholds, resolve
from reelpulse.streams.face import Focus, Region
from reelpulse.timeline import Faces, Observations, Timeline

THRESHOLDS = Thresholds(sure_score=0.9, strict=0.5, loose=0.3)
LEFT, MIDDLE, RIGHT = (10, 30, 20, 20), (90, 30, 20, 20), (160, 30, 20, 20)

Row = tuple[int, int, Sequence[float], np.ndarray | None, float]


def track(
    number: int,
    ticks: Sequence[int],
    box: Sequence[float] = LEFT,
    embedding: np.ndarray | None = None,
    *,
    score: float = 0.95,
    wobble: float = 0,
) -> list[Row]:
    """One track; `wobble` moves it to and fro by so many pixels."""
    x, y, *size = box
    return [
        (t, number, (x + wobble * (-1) ** k, y, *size), embedding, score)
        for k, t in enumerate(ticks)
    ]


def follow(
    rows: Sequence[Row],
    ticks: int,
    *,
    photos: Sequence[np.ndarray] = (),
    region: Region | None = None,
    dimensions: int | None = None,
) -> Timeline:
    faces = table(rows, ticks) if dimensions is None else table(rows, ticks, dimensions)
    focus = Focus(np.array(photos, np.float32), region) if len(photos) else Focus(region=region)
    return resolve(observed(faces), focus, THRESHOLDS)


def tracks_at(timeline: Timeline) -> list[int | None]:
    """Which track each tick's values are of: valence tells it."""
    found = timeline.column("valence")
    return [None if np.isnan(value) else round(float(value) * 100) for value in found]


def unlike(number: int) -> np.ndarray:
    """Embeddings of people who have nothing in common."""
    return vector(number)


def test_values_of_the_person_and_nan_elsewhere() -> None:
    timeline = follow(track(3, [1, 2, 4], embedding=vector(0)), 6)
    assert tracks_at(timeline) == [None, 3, 3, None, 3, None]
    assert timeline.columns[8] == "valence"
    person = timeline.meta["person"]
    assert person["ticks"] == 3
    assert person["share"] == 0.5
    np.testing.assert_array_equal(timeline.times, np.arange(6) / 2)


def test_most_ticks_come_first_however_large_and_steady_the_other() -> None:
    rows = track(0, range(20), LEFT, unlike(0), wobble=8)
    rows += track(1, range(8), (100, 0, 90, 90), unlike(1))
    assert set(tracks_at(follow(rows, 20))) == {0}


def test_a_few_ticks_more_are_more() -> None:
    rows = track(0, range(12), LEFT, unlike(0), wobble=8)
    rows += track(1, range(10), (100, 0, 90, 90), unlike(1))
    assert tracks_at(follow(rows, 12)) == [0] * 12


def test_of_equal_ticks_the_steadier_comes_first_however_large_the_other() -> None:
    rows = track(0, range(10), LEFT, unlike(0))
    rows += track(1, range(10), (100, 0, 60, 60), unlike(1), wobble=40)
    assert tracks_at(follow(rows, 10)) == [0] * 10


@pytest.mark.parametrize("larger", [0, 1])
def test_of_equal_ticks_and_rest_the_larger_comes_first(larger: int) -> None:
    boxes = [(10, 30, 20, 20), (100, 0, 60, 60)]
    rows = track(larger, range(10), boxes[1], unlike(larger))
    rows += track(1 - larger, range(10), boxes[0], unlike(1 - larger))
    assert tracks_at(follow(rows, 10)) == [larger] * 10


def test_ticks_of_all_a_persons_tracks_count_together() -> None:
    rows = track(0, range(7), LEFT, unlike(0))
    rows += track(1, range(7, 12), MIDDLE, unlike(1)) + track(2, range(12, 17), RIGHT, unlike(1))
    assert tracks_at(follow(rows, 17)) == [None] * 7 + [1] * 5 + [2] * 5


def test_photos_choose_the_person_who_is_like_them() -> None:
    rows = track(0, range(10), LEFT, unlike(0)) + track(1, range(3, 6), RIGHT, unlike(1))
    timeline = follow(rows, 10, photos=[unlike(1)])
    assert tracks_at(timeline) == [None] * 3 + [1] * 3 + [None] * 4
    assert timeline.meta["person"]["how"] == "photo"
    assert timeline.meta["person"]["similarity"] == pytest.approx(1, abs=0.01)


def test_the_best_of_several_photos_counts() -> None:
    rows = track(0, range(4), LEFT, vector(0))
    mean_is_too_low = [vector(0, 0.6), vector(2), vector(3)]
    assert tracks_at(follow(rows, 4, photos=mean_is_too_low)) == [0] * 4


def test_nobody_like_the_photos_means_nobody_followed() -> None:
    rows = track(0, range(10), LEFT, unlike(0))
    timeline = follow(rows, 10, photos=[vector(0, 0.25)])
    assert tracks_at(timeline) == [None] * 10
    assert timeline.meta["person"]["similarity"] == pytest.approx(0.25, abs=0.01)


def test_photos_are_compared_with_a_track_and_not_with_a_tick() -> None:
    turned = track(0, [0, 1, 3, 4], LEFT, vector(0, 0.9)) + track(0, [2], LEFT, unlike(2))
    # Somebody else looks like the photo for a moment only.
    other = track(1, [5, 6, 8, 9], RIGHT, unlike(1)) + track(1, [7], RIGHT, vector(0, 0.9))
    timeline = follow(turned + other, 10, photos=[vector(0)])
    assert tracks_at(timeline) == [0] * 5 + [None] * 5


def test_loose_likeness_serves_only_where_nothing_strict_is_on_screen() -> None:
    photo = vector(0)
    rows = track(0, range(5), LEFT, vector(0, 0.8))
    rows += track(1, range(3, 8), RIGHT, vector(0, -0.4) * -1)  # 0.4: between loose and strict
    rows += track(2, range(10), MIDDLE, vector(0, 0.2))
    assert tracks_at(follow(rows, 10, photos=[photo])) == [0] * 5 + [1] * 3 + [None] * 2


@pytest.mark.parametrize(
    "region", [Region(80, 20, 60, 50), Region(0.4, 0.2, 0.3, 0.5)], ids=["pixels", "shares"]
)
def test_a_region_takes_the_face_inside_it(region: Region) -> None:
    rows = track(0, range(10), LEFT, unlike(0)) + track(1, range(4), MIDDLE, unlike(1))
    timeline = follow(rows, 10, region=region)
    assert tracks_at(timeline) == [1] * 4 + [None] * 6
    assert timeline.meta["person"]["how"] == "region"


def test_a_region_without_faces_means_nobody() -> None:
    timeline = follow(track(0, range(4), LEFT, unlike(0)), 4, region=Region(0.8, 0.8, 0.2, 0.2))
    assert tracks_at(timeline) == [None] * 4


def test_two_faces_in_one_tick_are_never_one_person() -> None:
    same = vector(0)
    rows = track(0, range(10), LEFT, same) + track(1, range(6), RIGHT, same)
    timeline = follow(rows, 10)
    assert tracks_at(timeline) == [0] * 10
    assert timeline.meta["person"]["people"] == 2
    # One tick together is enough to keep two tracks apart for the whole video.
    rows = track(0, range(6), LEFT, same) + track(1, range(5, 9), RIGHT, same)
    assert tracks_at(follow(rows, 9)) == [0] * 6 + [None] * 3


def test_tracks_of_different_segments_are_joined_by_embedding() -> None:
    rows = track(0, range(4), LEFT, vector(0, 0.9)) + track(1, range(4, 8), RIGHT, vector(0))
    rows += track(2, range(8, 11), LEFT, unlike(1))  # somebody else in the old place
    timeline = follow(rows, 11)
    assert tracks_at(timeline) == [0] * 4 + [1] * 4 + [None] * 3
    assert timeline.meta["person"]["people"] == 2


NOT_ASKED = np.full(len(vector(0)), np.nan)
"""In place of an embedding where the face was plainly that of the tick before."""


def test_ticks_that_were_not_embedded_are_passed_over() -> None:
    rows = track(0, [0], LEFT, vector(0)) + track(0, range(1, 5), LEFT, NOT_ASKED)
    rows += track(1, [5], RIGHT, vector(0, 0.9)) + track(1, range(6, 8), RIGHT, NOT_ASKED)
    rows += track(2, range(8, 11), LEFT, unlike(1))
    assert tracks_at(follow(rows, 11)) == [0] * 5 + [1] * 3 + [None] * 3
    assert tracks_at(follow(rows, 11, photos=[vector(0)])) == [0] * 5 + [1] * 3 + [None] * 3
    nobody = track(0, range(5), LEFT, NOT_ASKED)
    assert tracks_at(follow(nobody, 5)) == [0] * 5
    assert tracks_at(follow(nobody, 5, photos=[vector(0)])) == [None] * 5


@pytest.mark.parametrize("photos", [[], [vector(0)]], ids=["most seen", "photo"])
def test_who_comes_into_the_region_is_known_from_before(photos: list[np.ndarray]) -> None:
    rows = track(0, [0], LEFT, vector(0)) + track(0, range(1, 5), RIGHT, NOT_ASKED)
    rows += track(1, [5], LEFT, vector(0)) + track(1, range(6, 9), RIGHT, NOT_ASKED)
    timeline = follow(rows, 9, photos=photos, region=Region(140, 0, 60, 100))
    assert tracks_at(timeline) == [None, 0, 0, 0, 0, None, 1, 1, 1]


def test_without_embeddings_tracks_are_joined_by_position() -> None:
    rows = track(0, range(4), LEFT) + track(1, range(4, 8), (13, 31, 20, 20))
    rows += track(2, range(8, 11), RIGHT)
    timeline = follow(rows, 11, dimensions=0)
    assert tracks_at(timeline) == [0] * 4 + [1] * 4 + [None] * 3


def test_people_seen_only_doubtfully_are_not_followed() -> None:
    rows = track(0, range(10), LEFT, unlike(0), score=0.8)
    assert tracks_at(follow(rows, 12)) == [None] * 12
    rows += track(1, range(3), RIGHT, unlike(1))
    assert tracks_at(follow(rows, 12)) == [1] * 3 + [None] * 9
    # Faint ticks of somebody who is also seen clearly are kept.
    rows += track(1, range(3, 6), RIGHT, unlike(1), score=0.75)
    assert tracks_at(follow(rows, 12)) == [1] * 6 + [None] * 6


def busy() -> Observations:
    """Two people over two segments, tracks cut in several places, and sound."""
    rows = track(0, range(9), LEFT, vector(0, 0.9)) + track(1, range(2, 14), RIGHT, unlike(1))
    rows += track(2, range(9, 15), (14, 30, 22, 22), vector(0)) + track(3, [16], MIDDLE, None)
    rows += track(4, range(17, 20), LEFT, vector(0, 0.4), score=0.75)
    found = observed(table(rows, 20), warnings=["w"])
    found.blocks = blocks(found.times)
    return found


@pytest.mark.parametrize(
    "focus", [Focus(), Focus(vector(1)[None]), Focus(region=Region(0, 0, 1, 1))]
)
def test_resolving_is_a_pure_function(focus: Focus) -> None:
    found = busy()
    before = copy.deepcopy(found)
    first, second = resolve(found, focus, THRESHOLDS), resolve(found, focus, THRESHOLDS)
    np.testing.assert_array_equal(first.values, second.values)
    assert first.meta == second.meta
    assert found.meta == before.meta
    assert found.faces is not None
    assert before.faces is not None
    for name in (*Faces.ROWS, "seen"):
        np.testing.assert_array_equal(getattr(found.faces, name), getattr(before.faces, name))
    np.testing.assert_array_equal(found.blocks["loudness"].values, before.blocks["loudness"].values)
    first.values[:] = 0
    np.testing.assert_array_equal(resolve(found, focus, THRESHOLDS).values, second.values)


@pytest.mark.parametrize("count", range(21))
def test_any_prefix_of_the_observations_resolves(count: int) -> None:
    found = busy()
    faces = found.faces
    assert faces is not None
    early = faces.tick < count
    part = Faces(
        **{name: getattr(faces, name)[early] for name in Faces.ROWS}, seen=faces.seen[:count]
    )
    found.times, found.faces = found.times[:count], part
    found.blocks["loudness"].values = found.blocks["loudness"].values[:count]
    for focus in (Focus(), Focus(vector(1)[None])):
        timeline = resolve(found, focus, THRESHOLDS)
        assert timeline.values.shape == (count, 12)
        followed = np.flatnonzero(timeline.valid[:, 0])
        assert set(followed) <= set(part.tick.tolist())
        assert timeline.meta["person"]["ticks"] == len(followed)
    if count > 2:
        assert timeline.valid[2, 0], "the person of the photo is on screen from tick 2 on"


def test_without_the_size_of_the_picture_there_is_still_a_timeline() -> None:
    found = observed(table(track(0, range(4), LEFT, unlike(0)), 4))
    found.meta = {}
    assert tracks_at(resolve(found, None, THRESHOLDS)) == [0] * 4


def test_sound_alone_and_nothing_at_all() -> None:
    times = np.arange(5) / 2
    timeline = resolve(Observations(times, blocks=blocks(times)))
    assert "person" not in timeline.meta
    assert not timeline.valid[:, :10].any()
    np.testing.assert_array_equal(timeline.values[:, 10:], blocks(times)["loudness"].values)
    assert resolve(Observations(np.zeros(0))).values.shape == (0, 12)
    assert tracks_at(follow([], 5)) == [None] * 5
