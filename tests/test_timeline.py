"""Timeline: what it promises in memory, and filling and steps on any clock."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import calm, hidden
from reelpulse.errors import DataError
from reelpulse.media import EvenTicks
from reelpulse.timeline import EMOTIONS, Timeline, assemble

TWELVE = [
    *("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    *("valence", "arousal", "loudness", "loudness_change"),
]
NAN = float("nan")
light = settings(max_examples=60, deadline=None)


def line(times: list[float], values: list[float]) -> Timeline:
    return Timeline(np.array(times), np.array(values, np.float32)[:, None], ("motion",))


@st.composite
def gappy(draw: st.DrawFn) -> Timeline:
    """A timeline with uneven times and any ticks missing."""
    spaces = draw(st.lists(st.floats(0.05, 4), min_size=1, max_size=25))
    start = draw(st.floats(-5, 100))
    times = start + np.cumsum(spaces)
    size = len(times)
    cells = st.one_of(st.just(NAN), st.floats(-1, 1, width=32))
    first = draw(st.lists(cells, min_size=size, max_size=size))
    second = draw(st.lists(cells, min_size=size, max_size=size))
    return Timeline(times, np.array([first, second], np.float32).T, ("valence", "arousal"))


def test_shapes_types_and_what_was_measured() -> None:
    timeline = Timeline([0, 0.5, 1.25], [[1, NAN], [NAN, NAN], [0, -1]], ["a", "b"])
    assert timeline.times.shape == (3,)
    assert timeline.times.dtype == np.float64
    assert timeline.values.shape == (3, 2)
    assert timeline.values.dtype == np.float32
    assert timeline.columns == ("a", "b")
    assert timeline.meta == {}
    assert len(timeline) == 3
    assert timeline.valid.dtype == bool
    assert timeline.valid.tolist() == [[True, False], [False, False], [True, True]]
    np.testing.assert_array_equal(timeline.column("a"), [1, NAN, 0])
    assert np.isnan(timeline.column("laughter")).all()


@pytest.mark.parametrize(
    ("times", "values", "columns"),
    [
        ([0, 1], [[0.0]], ["a"]),
        ([0, 1], [[0.0], [1.0]], ["a", "b"]),
        ([[0, 1]], [[0.0], [1.0]], ["a"]),
        ([0, 0], [[0.0], [1.0]], ["a"]),
        ([1, 0.5], [[0.0], [1.0]], ["a"]),
        ([0, NAN], [[0.0], [1.0]], ["a"]),
        ([0, 1], [[0.0, 0.0], [1.0, 1.0]], ["a", "a"]),
    ],
    ids=["rows", "columns", "times", "twice", "backwards", "nan time", "one name twice"],
)
def test_what_does_not_fit_together_is_refused(times: list, values: list, columns: list) -> None:
    with pytest.raises(DataError):
        Timeline(np.array(times, float), np.array(values), tuple(columns))


def test_the_first_twelve_columns_and_those_after_them() -> None:
    times = np.arange(3) / 2
    assert assemble(times, {}, {}).columns == tuple(TWELVE)
    assert not assemble(times, {}, {}).valid.any()
    extra = {
        "speech": (["speech_anger", "speech_fear"], np.full((3, 2), 2, np.float32)),
        "laughter": (["laughter"], np.full((3, 1), 1, np.float32)),
        "loudness": (["loudness", "loudness_change"], np.full((3, 2), 0.5, np.float32)),
    }
    timeline = assemble(times, extra, {"a": 1})
    assert timeline.columns == (*TWELVE, "laughter", "speech_anger", "speech_fear")
    assert timeline.meta == {"a": 1}
    assert (timeline.column("laughter") == 1).all()
    assert (timeline.column("speech_fear") == 2).all()
    assert (timeline.column("loudness") == 0.5).all()
    assert not timeline.valid[:, :10].any()


def test_columns_are_chosen_by_name() -> None:
    timeline = calm(10)
    chosen = timeline.select(["loudness", "anger"])
    assert chosen.columns == ("loudness", "anger")
    np.testing.assert_array_equal(chosen.values[:, 0], timeline.column("loudness"))
    np.testing.assert_array_equal(chosen.values[:, 1], timeline.column("anger"))
    np.testing.assert_array_equal(chosen.times, timeline.times)
    with pytest.raises(DataError, match=r"laughter.*motion"):
        timeline.select(["laughter", "anger", "motion"])


def test_linear_filling_bridges_up_to_the_gap_and_no_further() -> None:
    timeline = line([0, 1, 2.5, 5, 6, 11.5, 12], [NAN, 0, NAN, NAN, 10, NAN, 3])
    filled = timeline.filled()  # 5 s by default: 1 → 6 is bridged, 6 → 12 is not
    np.testing.assert_allclose(filled.values[:, 0], [NAN, 0, 3, 8, 10, NAN, 3], rtol=1e-6)
    assert timeline.filled(max_gap=4.9).valid[:, 0].sum() == 3
    wide = timeline.filled(max_gap=6)
    assert wide.values[5, 0] == pytest.approx(10 - 7 * 5.5 / 6)
    assert np.isnan(timeline.values[2, 0]), "the timeline itself must stay as it was"


def test_filled_emotions_still_sum_to_one() -> None:
    timeline = hidden(calm(20), EMOTIONS, slice(10, 16))
    sums = timeline.filled().select(EMOTIONS).values.sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_nearest_filling_takes_the_nearer_tick() -> None:
    timeline = line([0, 1, 2, 3, 9, 15], [1, NAN, NAN, 4, NAN, 7])
    filled = timeline.filled(method="nearest")
    np.testing.assert_array_equal(filled.values[:, 0], [1, 1, 4, 4, NAN, 7])


def test_zero_filling_leaves_the_mask_to_valid() -> None:
    timeline = line([0, 1, 100], [NAN, 2, NAN])
    filled = timeline.filled(method="zero")
    assert filled.values[:, 0].tolist() == [0, 2, 0]
    assert timeline.valid[:, 0].tolist() == [False, True, False]


def test_an_unknown_filling_is_named() -> None:
    with pytest.raises(DataError, match="cubic"):
        calm(2).filled(method="cubic")  # type: ignore[arg-type]


def test_a_column_never_measured_stays_so() -> None:
    empty = line([0, 1], [NAN, NAN])
    for method in ("linear", "nearest"):
        assert not empty.filled(method=method).valid.any()  # type: ignore[arg-type]


@light
@given(gappy(), st.floats(0.1, 12), st.sampled_from(["linear", "nearest", "zero"]))
def test_filling_never_changes_what_was_measured(
    timeline: Timeline, max_gap: float, method: str
) -> None:
    filled = timeline.filled(max_gap, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(filled.values[timeline.valid], timeline.values[timeline.valid])
    np.testing.assert_array_equal(filled.times, timeline.times)
    assert filled.columns == timeline.columns


@light
@given(gappy(), st.floats(0.1, 12))
def test_filling_is_linear_within_the_gap_and_nothing_across_longer_ones(
    timeline: Timeline, max_gap: float
) -> None:
    filled = timeline.filled(max_gap).values
    for column in range(2):
        measured = np.flatnonzero(timeline.valid[:, column])
        for tick in np.flatnonzero(~timeline.valid[:, column]):
            before, after = measured[measured < tick], measured[measured > tick]
            if not len(before) or not len(after):
                assert np.isnan(filled[tick, column])
                continue
            left, right = before[-1], after[0]
            gap = timeline.times[right] - timeline.times[left]
            if abs(gap - max_gap) < 1e-6:
                continue
            if gap > max_gap:
                assert np.isnan(filled[tick, column])
                continue
            share = (timeline.times[tick] - timeline.times[left]) / gap
            low, high = timeline.values[left, column], timeline.values[right, column]
            expected = low * (1 - share) + high * share
            assert filled[tick, column] == pytest.approx(expected, abs=1e-5)


@light
@given(gappy(), st.floats(0, 1), st.floats(0, 1), st.integers(1, 30))
def test_steps_are_linear_interpolation_on_the_times(
    timeline: Timeline, one: float, other: float, n: int
) -> None:
    timeline = timeline.filled(method="zero")
    first, last = timeline.times[0], timeline.times[-1]
    start, end = first + min(one, other) * (last - first), first + max(one, other) * (last - first)
    if end - start < 1e-3:
        return
    steps = timeline.steps(start, end, n)
    at = start + (np.arange(n) + 0.5) * (end - start) / n
    for column in range(2):
        expected = np.interp(at, timeline.times, timeline.values[:, column])
        np.testing.assert_allclose(steps[:, column], expected, atol=1e-5)


def test_steps_lie_in_the_middle_of_even_parts() -> None:
    ramp = line([0, 1, 4, 10], [0, 1, 4, 10])
    steps = ramp.steps(1, 8.5)
    assert steps.shape == (15, 1)
    assert steps.dtype == np.float32
    np.testing.assert_allclose(steps[:, 0], 1.25 + 0.5 * np.arange(15), rtol=1e-6)


def test_steps_of_a_clip_sampled_by_itself_are_its_ticks() -> None:
    clock = EvenTicks(15, 120.0, 126.5)
    times = np.array([clock.time(i) for i in range(15)])
    clip = Timeline(times, np.random.default_rng(1).random((15, 3)), ("a", "b", "c"))
    np.testing.assert_allclose(clip.steps(120.0, 126.5, 15), clip.values, atol=1e-5)


def test_steps_do_not_reach_over_ticks_not_measured() -> None:
    timeline = line([0, 1, 2, 3, 4], [0, 1, NAN, 3, 4])
    steps = timeline.steps(0, 4, 8)[:, 0]  # at 0.25, 0.75, … 3.75
    np.testing.assert_allclose(steps, [0.25, 0.75, NAN, NAN, NAN, NAN, 3.25, 3.75], atol=1e-6)
    # On a measured tick its neighbour is not asked.
    exact = timeline.steps(0.5, 3.5, 3)[:, 0]  # at 1, 2, 3
    np.testing.assert_allclose(exact, [1, NAN, 3], atol=1e-6)


def test_steps_far_outside_are_not_made_up() -> None:
    timeline = line([10, 10.5, 11, 11.5], [1, 2, 3, 4])
    steps = timeline.steps(0, 30, 30)[:, 0]  # at 0.5, 1.5, … 29.5
    assert np.isnan(steps[:9]).all()
    assert steps[10] == pytest.approx(2)
    assert np.isnan(steps[13:]).all()
    assert np.isnan(Timeline([], np.zeros((0, 1)), ("a",)).steps(0, 5)).all()


@pytest.mark.parametrize(("start", "end", "n"), [(5, 5, 15), (5, 4, 15), (0, 5, 0)])
def test_a_window_without_length_or_steps_is_refused(start: float, end: float, n: int) -> None:
    with pytest.raises(DataError):
        calm(10).steps(start, end, n)


def test_csv_round_trip(tmp_path: Path) -> None:
    timeline = hidden(calm(5, spacing=1 / 3), ["anger"], [2])
    path = tmp_path / "표.csv"
    timeline.to_csv(path)
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["time", *timeline.columns]
    assert rows[2][1] == "", "what was not measured is an empty field"
    back = np.array([[float(cell) if cell else NAN for cell in row] for row in rows])
    np.testing.assert_allclose(back[:, 0], timeline.times, atol=1e-6)
    np.testing.assert_allclose(back[:, 1:], timeline.values, rtol=1e-5)


def test_npz_round_trip(tmp_path: Path) -> None:
    timeline = hidden(calm(5), ["anger"], [2])
    timeline.to_npz(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["times"], timeline.times)
        np.testing.assert_array_equal(arrays["values"], timeline.values)
        np.testing.assert_array_equal(arrays["valid"], timeline.valid)
        assert tuple(arrays["columns"].tolist()) == timeline.columns
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]
