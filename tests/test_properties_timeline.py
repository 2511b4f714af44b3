"""Filling, steps and clocks: what holds for any timeline and any sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelpulse.errors import DataError
from reelpulse.media import Clock, EvenTicks, RegularTicks
from reelpulse.media.clocks import EPSILON, SEGMENT_SECONDS
from reelpulse.timeline import Timeline

some = settings(max_examples=60, deadline=None)
NAN = float("nan")
LINEAR = ("linear", "nearest")


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Up to 30 ticks, evenly spread or not, two columns with holes."""
    size = draw(st.integers(0, 30))
    if draw(st.booleans()):
        spaces = [draw(st.sampled_from([0.1, 0.5, 1.0]))] * size
    else:
        spaces = draw(st.lists(st.floats(0.01, 7), min_size=size, max_size=size))
    times = draw(st.sampled_from([0.0, 3.5, 40_000.0])) + np.cumsum(spaces)
    cells = st.one_of(st.just(NAN), st.floats(-1, 1, width=32))
    rows = [draw(st.lists(cells, min_size=size, max_size=size)) for _ in range(2)]
    return Timeline(times, np.array(rows, np.float32).reshape(2, size).T, ("valence", "arousal"))


# Filling


@some
@given(timelines(), st.floats(0, 12), st.sampled_from(LINEAR))
def test_filling_stays_between_its_neighbours(
    timeline: Timeline, max_gap: float, method: str
) -> None:
    filled = timeline.filled(max_gap, method).values  # type: ignore[arg-type]
    for column in range(2):
        measured = np.flatnonzero(timeline.valid[:, column])
        new = np.flatnonzero(np.isfinite(filled[:, column]) & ~timeline.valid[:, column])
        for tick in new:
            around = [*measured[measured < tick][-1:], *measured[measured > tick][:1]]
            near = timeline.values[around, column]
            assert near.min() - 1e-6 <= filled[tick, column] <= near.max() + 1e-6
            gap = timeline.times[around[-1]] - timeline.times[around[0]]
            assert gap <= max_gap + 1e-6
            if len(around) == 1:
                assert method == "nearest"


@some
@given(timelines(), st.floats(0, 12))
def test_filling_again_fills_nothing_more(timeline: Timeline, max_gap: float) -> None:
    once = timeline.filled(max_gap)
    np.testing.assert_array_equal(once.filled(max_gap).values, once.values)


@some
@given(timelines(), st.floats(0, 12), st.floats(0, 12), st.sampled_from(LINEAR))
def test_a_longer_gap_fills_at_least_as_much(
    timeline: Timeline, one: float, other: float, method: str
) -> None:
    less = timeline.filled(min(one, other), method)  # type: ignore[arg-type]
    more = timeline.filled(max(one, other), method)  # type: ignore[arg-type]
    assert (more.valid | ~less.valid).all()
    np.testing.assert_array_equal(more.values[less.valid], less.values[less.valid])


@some
@given(timelines(), st.floats(0, 12))
def test_a_column_is_filled_by_itself(timeline: Timeline, max_gap: float) -> None:
    whole = timeline.filled(max_gap)
    for name in timeline.columns:
        alone = timeline.select([name]).filled(max_gap)
        np.testing.assert_array_equal(alone.values[:, 0], whole.column(name))


@some
@given(timelines(), st.floats(0.1, 12))
def test_time_run_backwards_is_filled_alike(timeline: Timeline, max_gap: float) -> None:
    back = Timeline(-timeline.times[::-1], timeline.values[::-1], timeline.columns)
    np.testing.assert_allclose(
        back.filled(max_gap).values[::-1], timeline.filled(max_gap).values, atol=1e-5
    )


@pytest.mark.parametrize("max_gap", [-1.0, NAN])
def test_a_gap_that_is_no_length_is_refused(max_gap: float) -> None:
    timeline = Timeline([0, 1, 2], [[0.0], [NAN], [1.0]], ("a",))
    with pytest.raises(DataError, match="max_gap"):
        timeline.filled(max_gap)


# Steps


@some
@given(timelines(), st.floats(-3, 3), st.floats(-1, 1), st.floats(0, 0.9), st.integers(1, 40))
def test_a_straight_line_is_brought_to_steps_exactly(
    timeline: Timeline, slope: float, level: float, share: float, n: int
) -> None:
    if len(timeline) < 2:
        return
    first, last = float(timeline.times[0]), float(timeline.times[-1])
    line = Timeline(timeline.times, (level + slope * (timeline.times - first))[:, None], ("x",))
    start = first + share * (last - first) / 2
    end = last - share * (last - first) / 2
    at = start + (np.arange(n) + 0.5) * (end - start) / n
    steps = line.steps(start, end, n)
    assert steps.shape == (n, 1)
    size = max(1.0, abs(slope) * (last - first))
    np.testing.assert_allclose(steps[:, 0], level + slope * (at - first), atol=1e-5 * size)


@some
@given(timelines(), st.floats(-5, 30), st.floats(0.1, 30), st.integers(1, 40))
def test_a_later_clock_has_the_same_steps(
    timeline: Timeline, start: float, length: float, n: int
) -> None:
    begin = (float(timeline.times[0]) if len(timeline) else 0.0) + start
    later = Timeline(timeline.times + 64.0, timeline.values, timeline.columns)
    one = timeline.steps(begin, begin + length, n)
    other = later.steps(begin + 64.0, begin + 64.0 + length, n)
    # A step on the very edge of a tick may fall to either side.
    both = np.isfinite(one) & np.isfinite(other)
    np.testing.assert_allclose(one[both], other[both], atol=2e-4)
    edge = _near_a_tick(timeline, begin + (np.arange(n) + 0.5) * length / n)
    np.testing.assert_array_equal(np.isfinite(one)[~edge], np.isfinite(other)[~edge])


def _near_a_tick(timeline: Timeline, at: np.ndarray) -> np.ndarray:
    marks = timeline.times
    if len(timeline):
        ends = timeline.times[[0, -1]] + timeline.spacing * np.array([-1, 1])
        marks = np.concatenate([marks, ends])
    return np.array([bool((np.abs(marks - step) < 1e-6).any()) for step in at], bool)


@some
@given(timelines(), st.floats(-5, 30), st.floats(0.1, 30), st.integers(1, 40))
def test_a_step_is_missing_only_where_a_neighbour_is(
    timeline: Timeline, start: float, length: float, n: int
) -> None:
    begin = (float(timeline.times[0]) if len(timeline) else 0.0) + start
    steps = timeline.steps(begin, begin + length, n)
    at = begin + (np.arange(n) + 0.5) * length / n
    edge = _near_a_tick(timeline, at)
    for row in np.flatnonzero(~edge):
        before = np.flatnonzero(timeline.times < at[row])[-1:]
        after = np.flatnonzero(timeline.times > at[row])[:1]
        around = [*before, *after]
        near = bool(around) and np.abs(timeline.times[around] - at[row]).min() <= (
            timeline.spacing if len(around) == 1 else math.inf
        )
        known = timeline.valid[around].all(axis=0) if near else np.zeros(2, bool)
        np.testing.assert_array_equal(np.isfinite(steps[row]), known)
        low = np.nanmin(timeline.values[around], axis=0, initial=np.inf)
        high = np.nanmax(timeline.values[around], axis=0, initial=-np.inf)
        inside = (steps[row] >= low - 1e-6) & (steps[row] <= high + 1e-6)
        assert (inside | ~known).all()


# Clocks


def regular() -> st.SearchStrategy[Clock]:
    return st.builds(
        RegularTicks,
        st.one_of(st.sampled_from([2.0, 29.97, 1 / 3, 0.01, 120.0]), st.floats(0.01, 120)),
        st.floats(0, 5000),
    )


@st.composite
def even(draw: st.DrawFn) -> Clock:
    start = draw(st.floats(0, 5000))
    return EvenTicks(draw(st.integers(1, 400)), start, start + draw(st.floats(0.05, 2000)))


@st.composite
def bounded(draw: st.DrawFn) -> Clock:
    start = draw(st.floats(0, 500))
    fps = draw(st.sampled_from([0.3, 2.0, 7.0, 29.97]))
    return RegularTicks(fps, start, start + draw(st.floats(0.01, 200)))


clocks = st.one_of(regular(), even(), bounded())


def _ticks(clock: Clock, most: int = 400) -> list[int]:
    return [index for index in range(most) if clock.has(index)]


@some
@given(clocks)
def test_ticks_are_a_run_from_zero_and_increase(clock: Clock) -> None:
    ticks = _ticks(clock)
    assert ticks == list(range(len(ticks)))
    assert not clock.has(-1)
    times = np.array([clock.time(index) for index in ticks])
    assert (np.diff(times) > 0).all()
    if len(ticks):
        assert clock.start <= times[0]
        assert times[-1] < clock.end


@some
@given(clocks)
def test_every_tick_lies_in_one_segment_in_order(clock: Clock) -> None:
    ticks = _ticks(clock)
    segments = [clock.segment(index) for index in ticks]
    assert segments == sorted(segments)
    for index, segment in zip(ticks, segments, strict=True):
        since = clock.time(index) - clock.start
        assert segment * SEGMENT_SECONDS - 2 * EPSILON <= since
        assert since < (segment + 1) * SEGMENT_SECONDS + 2 * EPSILON


@some
@given(clocks, st.integers(1, 30))
def test_a_segment_begins_where_the_one_before_ends(clock: Clock, segment: int) -> None:
    first = clock.first_at(clock.start + SEGMENT_SECONDS * segment)
    if clock.has(first):
        assert clock.segment(first) >= segment
    if first > 0 and clock.has(first - 1):
        assert clock.segment(first - 1) < segment


@some
@given(clocks, st.floats(-10, 6000))
def test_the_first_tick_at_a_time_is_not_before_it(clock: Clock, time: float) -> None:
    index = clock.first_at(time)
    assert index >= 0
    if clock.has(index):
        assert clock.time(index) >= time - 2 * EPSILON
    if index > 0 and clock.has(index - 1):
        assert clock.time(index - 1) < time + EPSILON


@some
@given(clocks)
def test_a_ticks_own_time_finds_it_again(clock: Clock) -> None:
    for index in _ticks(clock):
        assert clock.first_at(clock.time(index)) == index


@some
@given(bounded())
def test_a_bounded_clock_counts_what_fits(clock: RegularTicks) -> None:
    ticks = _ticks(clock, 10_000)
    length = clock.end - clock.start
    assert abs(len(ticks) - math.ceil(length * clock.fps)) <= 1
    assert not clock.has(len(ticks))


@some
@given(even())
def test_even_ticks_are_as_many_as_asked_and_symmetric(clock: EvenTicks) -> None:
    times = np.array([clock.time(index) for index in range(clock.count)])
    assert clock.has(clock.count - 1)
    assert not clock.has(clock.count)
    mirrored = clock.start + clock.end - times[::-1]
    np.testing.assert_allclose(times, mirrored, atol=1e-7)
