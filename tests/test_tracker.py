"""Following faces from tick to tick by place and size."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fakes import face
from reelpulse.faces.detectors import Face
from reelpulse.faces.tracker import Tracker


def followed(ticks: Sequence[Sequence[Face]], spacing: float = 0.5) -> list[list[int | None]]:
    """Track numbers of the faces of each tick."""
    tracker = Tracker(0.9)
    found = [tracker.update(k * spacing, faces) for k, faces in enumerate(ticks)]
    return [[track.id if track else None for track in tracks] for tracks in found]


def test_a_moving_face_keeps_its_track() -> None:
    ticks = [[face(10 + 12 * k, 20 + 3 * k, 20 + k)] for k in range(12)]
    numbers = {number for tracks in followed(ticks) for number in tracks}
    assert len(numbers) == 1
    assert None not in numbers


def test_faces_far_apart_are_two_whatever_their_order() -> None:
    left, right = face(10), face(150)
    first, second, third = followed([[left, right], [right, left], [left, right]])
    assert first == third == second[::-1]
    assert first[0] != first[1]


def test_two_faces_that_pass_each_other_stay_two() -> None:
    ticks = [[face(10 + 10 * k, 20), face(130 - 10 * k, 45)] for k in range(13)]
    for tracks in followed(ticks):
        assert len(set(tracks)) == 2
    first, *_, last = followed(ticks)
    assert first == last, "they pass at different heights, so each goes on"


def test_a_jump_or_another_size_is_somebody_else() -> None:
    (one,), (other,) = followed([[face(10)], [face(150)]])
    assert one != other
    (one,), (other,) = followed([[face(10, size=20)], [face(10, size=80)]])
    assert one != other


@pytest.mark.parametrize(("seconds", "same"), [(0.5, True), (1.5, True), (2.0, True), (2.5, False)])
def test_a_track_that_is_not_seen_for_more_than_two_seconds_ends(
    seconds: float, same: bool
) -> None:
    tracker = Tracker(0.9)
    (before,) = tracker.update(10, [face(50)])
    tracker.update(10.25, [])
    (after,) = tracker.update(10 + seconds, [face(50)])
    assert before is not None
    assert after is not None
    assert (before.id == after.id) == same


def test_a_doubtful_face_starts_no_track_beside_a_sure_one() -> None:
    sure, doubtful = face(10), face(150, score=0.75)
    assert followed([[sure, doubtful]])[0][1] is None
    assert followed([[doubtful]])[0][0] is not None, "alone it stands in"


def test_a_doubtful_face_goes_on_a_track() -> None:
    ticks = [[face(10), face(150)], [face(10), face(150, score=0.75)], [face(10), face(150)]]
    first, second, third = followed(ticks)
    assert first == second == third
    assert None not in first


def test_numbers_are_never_given_twice() -> None:
    ticks = [[face(10 + 60 * (k % 3), score=0.95)] if k % 9 == 0 else [] for k in range(60)]
    numbers = [number for tracks in followed(ticks) for number in tracks]
    assert len(numbers) == len(set(numbers)) > 5


def test_seen_and_sure_are_kept() -> None:
    tracker = Tracker(0.9)
    (track,) = tracker.update(0, [face(10, score=0.8)])
    assert track is not None
    assert (track.seen, track.sure) == (1, False)
    tracker.update(0.5, [face(11)])
    tracker.update(1.0, [face(12, score=0.8)])
    assert (track.seen, track.sure) == (3, True)


def test_a_split_track_ends_and_its_last_face_begins_another() -> None:
    tracker = Tracker(0.9)
    (old,) = tracker.update(0, [face(10)])
    assert old is not None
    new = tracker.split(old)
    assert new.id != old.id
    assert new.mean is None
    (found,) = tracker.update(0.5, [face(11)])
    assert found is new
