"""Figures of found moments against the truth: what they are for cases that can be worked out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelpulse.errors import DataError
from reelpulse.learn.metrics import Score
from reelpulse.moments.judging.evaluate import evaluate, expected_precision
from reelpulse.moments.judging.figures import Units, figures_of, precision_recall
from reelpulse.moments.judging.matching import Judged, Range, highest_each, match_events

SHARES = (
    "average_precision",
    *(f"{figure}_iou_{iou}" for figure in ("precision", "recall", "f1") for iou in (0.3, 0.5)),
    *(f"{figure}_at_{most}" for figure in ("hit", "precision") for most in (1, 5, 10)),
)
ASIDE = ("false_alarms_an_hour", "start_distance")


def judged(
    found: Sequence[Range],
    truth: Sequence[Range],
    *,
    end: float = 600.0,
    name: str = "a",
    scores: np.ndarray | None = None,
) -> Judged:
    """A video; its scores are 1 in what was found and 0 elsewhere."""
    if scores is None:
        at = np.arange(int(end)) + 0.5
        inside = [(at >= start) & (at < stop) for start, stop in found]
        scores = np.any([np.zeros(len(at), bool), *inside], axis=0).astype(float)
    return Judged(name, tuple(found), tuple(truth), 0.0, end, scores)


def apart(rng: np.random.Generator, count: int, end: float = 600.0) -> list[Range]:
    """Ranges of 5 to 7 s on a grid of 10 s, in random order."""
    cells = rng.choice(int(end // 10), count, replace=False) * 10.0
    return [(float(cell), float(cell + rng.uniform(5, 7))) for cell in cells]


def figures(*videos: Judged) -> dict[str, float]:
    """Values alone, without intervals and luck."""
    ones = np.ones((1, Units(videos).count))
    return {name: float(figure(ones)[0]) for name, figure in figures_of(videos).items()}


# Matching


def test_a_moment_takes_the_truth_that_it_overlaps_most_and_each_is_taken_once() -> None:
    truth = [(0.0, 6.0), (5.0, 11.0), (50.0, 56.0)]
    assert match_events([(4.0, 10.0), (5.0, 11.0), (51.0, 57.0)], truth) == [1, None, 2]
    assert match_events([(5.0, 11.0), (2.0, 8.0)], truth) == [1, 0]
    assert match_events([], truth) == []
    assert match_events([(0.0, 6.0)], []) == [None]


@pytest.mark.parametrize(("shift", "overlap"), [(0, 1.0), (2, 0.5), (3, 1 / 3), (6, 0.0)])
def test_overlap_is_intersection_over_union(shift: float, overlap: float) -> None:
    for iou in (0.3, 0.34, 0.5, 0.51, 1.0):
        matched = match_events([(10.0 + shift, 16.0 + shift)], [(10.0, 16.0)], iou) == [0]
        assert matched == (overlap >= iou)


RANGES = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0.5, 20)).map(lambda x: (x[0], x[0] + x[1])), max_size=8
)


@given(found=RANGES, truth=RANGES, iou=st.floats(0.05, 1))
def test_matches_are_one_to_one_and_overlap_enough(
    found: list[Range], truth: list[Range], iou: float
) -> None:
    matches = match_events(found, truth, iou)
    taken = [match for match in matches if match is not None]
    assert len(taken) == len(set(taken))
    for (start, end), match in zip(found, matches, strict=True):
        if match is not None:
            low, high = truth[match]
            shared = min(end, high) - max(start, low)
            assert shared >= iou * (max(end, high) - min(start, low)) - 1e-6
    looser = match_events(found, truth, iou / 2)
    assert len([m for m in looser if m is not None]) >= 1 or not taken


# Figures


@pytest.mark.parametrize("videos", [1, 2, 6])
def test_perfect_detection_reaches_one_everywhere(videos: int) -> None:
    rng = np.random.default_rng(videos)
    row = []
    for number in range(videos):
        truth = sorted((start, start + 6.0) for start, _ in apart(rng, 12))
        row.append(judged(rng.permutation(truth).tolist(), truth, name=str(number)))
    found = evaluate(row, draws=50).figures["found"]
    assert {name: found[name].value for name in SHARES} == dict.fromkeys(SHARES, 1.0)
    assert [found[name].value for name in ASIDE] == [0.0, 0.0]
    assert all(
        (found[name].low, found[name].high) == (1.0, 1.0)
        for name in SHARES
        if math.isfinite(found[name].low)
    )


def test_nothing_right_gives_nothing() -> None:
    found = figures(judged([(100.0, 106.0)], [(200.0, 206.0)]))
    wrong = [name for name in SHARES if name != "average_precision"]
    assert [found[name] for name in wrong] == [0.0] * len(wrong)
    assert found["false_alarms_an_hour"] == pytest.approx(6)
    assert math.isnan(found["start_distance"])


def test_figures_by_hand() -> None:
    """Three moments, best first: right by 1 s, false, right by 3 s; two of three truths found."""
    truth = [(10.0, 16.0), (100.0, 106.0), (300.0, 306.0)]
    found = figures(judged([(101.0, 107.0), (200.0, 206.0), (13.0, 19.0)], truth))
    assert found["precision_iou_0.3"] == pytest.approx(2 / 3)
    assert found["recall_iou_0.3"] == pytest.approx(2 / 3)
    assert found["f1_iou_0.3"] == pytest.approx(2 / 3)
    assert found["precision_iou_0.5"] == pytest.approx(1 / 3)
    assert found["hit_at_1"] == 1
    assert found["precision_at_1"] == 1
    assert found["precision_at_5"] == pytest.approx(2 / 3)
    assert found["false_alarms_an_hour"] == pytest.approx(6)
    assert found["start_distance"] == pytest.approx(2)


def test_hits_count_videos_with_something_true_and_alarms_count_all() -> None:
    hit = judged([(10.0, 16.0)], [(10.0, 16.0)], name="a")
    late = judged([(50.0, 56.0), (10.0, 16.0)], [(10.0, 16.0)], name="b")
    plain = judged([(10.0, 16.0)], [], name="c")
    found = figures(hit, late, plain)
    assert found["hit_at_1"] == pytest.approx(1 / 2)
    assert found["hit_at_5"] == 1
    assert found["precision_at_1"] == pytest.approx(1 / 3)
    assert found["false_alarms_an_hour"] == pytest.approx(2 / 0.5)


def test_average_precision_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    videos = [
        judged([], apart(rng, 5), name=str(number), scores=rng.integers(0, 30, 600) / 30)
        for number in range(3)
    ]
    videos = [replace(video, truth=tuple(sorted(video.truth))) for video in videos]
    labels = np.concatenate([video.is_true for video in videos])
    scores = np.concatenate([video.scores for video in videos])
    wanted = metrics.average_precision_score(labels, np.round(scores, 4))
    assert figures(*videos)["average_precision"] == pytest.approx(wanted)
    recall, precision, share = precision_recall(videos)
    assert np.sum(np.diff(recall, prepend=0) * precision) == pytest.approx(wanted)
    assert share == pytest.approx(labels.mean())


def test_a_second_is_true_where_its_middle_is_and_a_short_range_has_one() -> None:
    video = judged([], [(1.4, 3.6), (7.1, 7.3)], end=10)
    assert np.flatnonzero(video.is_true).tolist() == [1, 2, 3, 7]


def test_the_order_of_videos_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    videos = [
        judged(apart(rng, 4 + number), sorted(apart(rng, 5)), name=str(number))
        for number in range(4)
    ]
    ways = [evaluate(order, draws=100) for order in list(permutations(videos))[::7]]
    assert all(repr(way) == repr(ways[0]) for way in ways)


def test_the_same_seed_gives_the_same_intervals() -> None:
    rng = np.random.default_rng(4)
    videos = [judged(apart(rng, 9), sorted(apart(rng, 5)), name=str(n)) for n in range(5)]
    same, other = (evaluate(videos, seed=seed).figures["found"] for seed in (0, 1))
    assert repr(same) == repr(evaluate(videos, seed=0).figures["found"])
    assert repr(same) != repr(other)


# Luck


def test_random_moments_reach_what_is_expected_of_them() -> None:
    rng = np.random.default_rng(5)
    truth = sorted(apart(rng, 15))
    rows = []
    for _ in range(300):
        start = rng.uniform(0, 594, 1)[0]
        rows.append(figures(judged([(start, start + 6)], truth)))
    luck = evaluate([judged([(0.0, 6.0)], truth)], draws=0).figures["random"]
    for name in ("precision_iou_0.3", "recall_iou_0.5", "hit_at_1", "false_alarms_an_hour"):
        values = np.array([row[name] for row in rows])
        slack = 4 * (values.std() + 1e-3) * math.sqrt(1 / 300 + 1 / 200)
        assert abs(values.mean() - luck[name].value) < slack, name


def test_luck_is_what_geometry_says() -> None:
    """A start within 6.46 s of 594 gives 6 s an overlap of .3 with 6 s, and so for each truth."""
    truth = [(start, start + 6.0) for start in np.arange(50.0, 550, 50)]
    rng = np.random.default_rng(0)
    found = [(start, start + 6.0) for start in np.sort(rng.choice(60, 10, replace=False)) * 10.0]
    luck = evaluate([judged(found, truth)], draws=0).figures["random"]["precision_iou_0.3"]
    wanted = 10 * (12 - 2 * 12 * 0.3 / 1.3) / 594
    assert luck.value == pytest.approx(wanted, abs=0.03)


def test_random_scores_reach_the_expected_average_precision() -> None:
    rng = np.random.default_rng(6)
    true = np.arange(200) < 30
    reached = [
        figures(judged([], [(0.0, 30.0)], end=200, scores=np.round(rng.random(200), 4)))
        for _ in range(300)
    ]
    mean = np.mean([row["average_precision"] for row in reached])
    assert mean == pytest.approx(expected_precision(200, int(true.sum())), abs=0.01)


@pytest.mark.parametrize(("count", "true", "wanted"), [(1, 1, 1.0), (2, 1, 0.75), (5, 5, 1.0)])
def test_expected_average_precision_of_few(count: int, true: int, wanted: float) -> None:
    assert expected_precision(count, true) == pytest.approx(wanted)


# Edges


def test_nothing_true_anywhere_counts_false_alarms_alone() -> None:
    result = evaluate([judged([(10.0, 16.0)], [])])
    found = result.figures["found"]
    assert found["false_alarms_an_hour"].value == pytest.approx(6)
    undefined = ("average_precision", "recall_iou_0.3", "hit_at_1")
    assert all(math.isnan(found[name].value) for name in undefined)
    assert any("nothing true" in warning for warning in result.warnings)


def test_nothing_found_is_no_error() -> None:
    found = figures(judged([], [(10.0, 16.0)]), judged([], [], name="b"))
    assert found["recall_iou_0.3"] == 0
    assert found["hit_at_10"] == 0
    assert math.isnan(found["precision_iou_0.3"])


def test_a_video_of_a_second_and_one_without_scores() -> None:
    figures(judged([(0.0, 0.5)], [(0.0, 0.5)], end=1))
    figures(Judged("a", (), (), 0.0, 0.4, np.zeros(0)))


def test_no_video_and_other_videos_are_refused() -> None:
    with pytest.raises(DataError, match="no video"):
        evaluate([])
    one, other = judged([], [(1.0, 7.0)]), judged([], [(2.0, 8.0)])
    with pytest.raises(DataError, match="tension was not tried on the same videos"):
        evaluate([one], {"tension": [other]})


def test_a_rival_that_finds_the_same_is_level_and_one_that_finds_nothing_is_beaten() -> None:
    rng = np.random.default_rng(7)
    truth = [sorted(apart(rng, 8)) for _ in range(6)]
    good = [judged(ranges[:6], ranges, name=str(n)) for n, ranges in enumerate(truth)]
    bad = [replace(video, found=(), scores=np.zeros(600)) for video in good]
    ahead = evaluate(good, {"same": good, "silent": bad}).ahead
    assert ahead["same"]["f1_iou_0.3"] == Score(0.0, 0.0, 0.0)
    assert ahead["silent"]["average_precision"].low > 0


def test_few_videos_and_truths_that_no_moment_can_match_are_warned_of() -> None:
    truth = [(10.0, 40.0), (100.0, 106.0), (200.0, 200.5)]
    videos = [judged([(100.0, 106.0)], truth, name=name) for name in "ab"]
    warnings = evaluate(videos).warnings
    assert any("2 videos only" in warning for warning in warnings)
    assert any(warning.startswith("4 of 6 true ranges") for warning in warnings)


def test_the_highest_of_each_second() -> None:
    times, score = np.arange(0, 4, 0.5), np.array([0, 1, 5, 2, np.nan, 3, 4, 0])
    assert highest_each(times, score, 0, 1, 5).tolist() == [1, 5, 3, 4, 0]
    assert highest_each([0.0, 2.5], [1.0, 2.0], 0, 1, 4).tolist() == [1, 1, 2, 2]
    assert highest_each([], [], 0, 1, 2).tolist() == [0, 0]
