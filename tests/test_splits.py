"""Folds keep groups apart, and say where they cannot; twins on both sides are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reelpulse.errors import DataError
from reelpulse.learn.splits import (
    clip_groups,
    grouped_folds,
    near_twins,
    split_warnings,
    strata,
)
from reelpulse.learn.task import BINARY, LEVELS, SCORE

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 120), st.integers(5, 30), st.integers(2, 5), st.integers(0, 1000))
def test_folds_part_groups_and_test_each_example_once(
    count: int, groups: int, folds: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels, of_group = rng.integers(0, 2, count), rng.integers(0, groups, count)
    try:
        dealt = grouped_folds(labels, of_group, folds, seed)
    except DataError:
        assume(False)
    tested = np.concatenate([test for _, test in dealt])
    assert sorted(tested) == list(range(count))
    for train, test in dealt:
        assert not set(of_group[train]) & set(of_group[test])
        assert len(train) + len(test) == count
        assert set(labels[train]) == set(labels[test]) == set(labels)


def test_folds_are_balanced_and_repeatable() -> None:
    labels = np.repeat([0, 1], [160, 40])
    groups = np.tile(np.arange(40), 5)
    dealt = grouped_folds(labels, groups, 4, 3)
    shares = [labels[test].mean() for _, test in dealt]
    assert max(shares) - min(shares) < 0.15
    again = grouped_folds(labels, groups, 4, 3)
    assert all((one[1] == other[1]).all() for one, other in zip(dealt, again, strict=True))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, 1, 2] * 4, "at least 5 videos; there are 3: use --folds 3"),
        ([0] * 12, "there is 1: label more videos"),
        ([*range(9), 9, 9, 10], "of each class of at least 5 videos; there are 2: use --folds 2"),
    ],
)
def test_too_few_groups_are_said_in_a_line(groups: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        grouped_folds([0] * 9 + [1] * 3, groups, 5, 0)
    assert "\n" not in str(caught.value)


def test_a_fold_without_a_class_is_refused() -> None:
    """Class 1 fills two groups, and one of them holds nearly everything."""
    labels = np.array([1] * 50 + [0] * 50 + [0, 1, 0])
    groups = np.array([0] * 100 + [1, 1, 2])
    with pytest.raises(DataError, match="at least 3 videos"):
        grouped_folds(labels, groups, 3, 0)


def test_scores_are_dealt_by_half_the_highest() -> None:
    assert strata(SCORE, [0, 4.9, 5, 10]).tolist() == [0, 0, 1, 1]
    assert strata(LEVELS, np.float32([0, 1, 2])).tolist() == [0, 1, 2]


def test_clips_of_one_source_or_person_belong_together() -> None:
    sources = ["a", "a", "b", "b", "c", "d", "e"]
    persons = ["Kim", "", "Kim", "", "Lee", "", ""]
    groups, notes = clip_groups(sources, persons, fewest=3)
    assert groups.tolist() == [0, 0, 0, 0, 1, 2, 3]
    assert notes == []


def test_persons_are_left_out_where_they_leave_too_few_groups() -> None:
    sources = np.array(["a", "a", "b", "c", "d", "e"], object)
    groups, notes = clip_groups(sources, ["김철수"] * 6, fewest=5)
    assert groups.tolist() == [0, 0, 1, 2, 3, 4]
    assert len(notes) == 1
    assert "1 group" in notes[0]


def test_where_nothing_is_known_every_clip_is_alone() -> None:
    groups, notes = clip_groups([""] * 4, [""] * 4)
    assert groups.tolist() == [0, 1, 2, 3]
    assert notes == []
    assert clip_groups([], [])[0].tolist() == []


def test_a_source_is_no_person_of_the_same_name() -> None:
    assert clip_groups(["x", "y"], ["y", ""], fewest=1)[0].tolist() == [0, 1]


def test_twins_are_found_across_groups_alone() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 15, 13)).astype(np.float32)
    values[40] = values[7] + 0.02 * rng.normal(size=(15, 13))
    values[41] = values[8]
    values[10, 3] = np.nan
    groups = np.arange(60)
    groups[41] = groups[8]
    assert near_twins(values, groups).tolist() == [[7, 40]]


def test_twins_are_found_among_many_alike_of_their_own_group() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(50, 8))
    values[:6] = values[0]
    groups = np.arange(50)
    groups[:5] = 0
    found = near_twins(values, groups)
    assert found.tolist() == [[row, 5] for row in range(5)]


@pytest.mark.parametrize(
    "values", [np.zeros((5, 3)), np.full((5, 3), np.nan), np.ones((2, 3)), np.zeros((0, 3))]
)
def test_where_nothing_tells_clips_apart_none_is_a_twin(values: np.ndarray) -> None:
    assert near_twins(values, np.arange(len(values))).shape == (0, 2)


def test_warnings_name_what_makes_figures_unsure() -> None:
    labels = np.repeat([0, 1], [30, 12])
    rng = np.random.default_rng(0)
    values = rng.normal(size=(42, 20))
    values[41] = values[0]
    names = [f"clip{row}.mp4" for row in range(42)]
    found = split_warnings(BINARY, labels, np.arange(42) % 6, values, names)
    assert len(found) == 3
    assert found[0].startswith("the clips come from 6 videos only")
    assert found[1].startswith("12 clips are 'funny'")
    assert "clip0.mp4 and clip41.mp4" in found[2]


def test_enough_clips_of_enough_videos_bring_no_warning() -> None:
    labels, values = np.arange(60) % 2, np.random.default_rng(0).normal(size=(60, 20))
    assert split_warnings(BINARY, labels, np.arange(60) // 3, values) == []
    scored = split_warnings(SCORE, np.full(30, 9.0), np.arange(30))
    assert scored == [
        "0 clips are 'below half': with under 20 of a class, figures jump from one draw to the next"
    ]
