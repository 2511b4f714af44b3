"""Every way to bring a clip to steps: of clips that are short, right and long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelpulse.errors import DataError, SettingsError
from reelpulse.media import EvenTicks, RegularTicks
from reelpulse.moments.lengths import CUT_SECONDS, LENGTHS, Shape, sampled, step_times
from reelpulse.settings import ClipSettings, changed
from reelpulse.timeline import Timeline

NAN = float("nan")
DURATIONS = (0.4, 2.0, 3.3, 5.0, 6.0, 6.75, 7.0, 9.5, 30.0)


def shape_of(length: str, **more: object) -> Shape:
    return Shape.from_settings(changed(ClipSettings(), {"length": length, **more}))


def ramp(seconds: float, *, rate: float = 2.0, start: float = 0.0) -> Timeline:
    """A timeline whose one value is the time."""
    times = start + np.arange(0, seconds, 1 / rate)
    return Timeline(times, times[:, None].astype(np.float32), ("time",))


# What holds for every way


@pytest.mark.parametrize("short", ["pad", "repeat"])
@pytest.mark.parametrize("length", LENGTHS)
def test_steps_lie_within_the_clip(length: str, short: str) -> None:
    shape = shape_of(length, short=short)
    times = step_times(DURATIONS, shape)
    assert times.shape == (len(DURATIONS), shape.steps)
    for at, lasting in zip(times, DURATIONS, strict=True):
        there = at[np.isfinite(at)]
        assert len(there)
        assert there.min() >= 0
        assert there.max() < lasting


@pytest.mark.parametrize("length", LENGTHS)
def test_a_clip_does_not_depend_on_those_beside_it(length: str) -> None:
    shape = shape_of(length)
    together = step_times(DURATIONS, shape)
    for row, lasting in zip(together, DURATIONS, strict=True):
        assert np.array_equal(row, step_times([lasting], shape)[0], equal_nan=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_ranges_of_a_timeline_are_looked_at_then(length: str) -> None:
    shape, timeline = shape_of(length), ramp(100)
    starts = np.array([0.0, 10.3, 40.0])
    ends = starts + np.array([6.0, 3.1, 8.5])
    values, times = sampled(timeline, starts, ends, shape)
    assert values.shape == (3, shape.steps, 1)
    assert values.dtype == times.dtype == np.float32
    assert np.array_equal(times, step_times(ends - starts, shape).astype(np.float32), True)
    assert values[..., 0] == pytest.approx(starts[:, None] + times, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_shape_comes_back_from_a_file(length: str) -> None:
    shape = shape_of(length, rate=3.0)
    assert Shape.from_dict(shape.as_dict()) == shape


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("lasting", [0, -1, NAN, float("inf")])
def test_a_clip_that_does_not_last_is_refused(length: str, lasting: float) -> None:
    with pytest.raises(DataError, match="longer than 0"):
        step_times([6.0, lasting], shape_of(length))


# Each way


@pytest.mark.parametrize("length", ["even", "linear"])
@pytest.mark.parametrize("lasting", DURATIONS)
def test_even_steps_are_where_a_clip_of_its_own_is_measured(length: str, lasting: float) -> None:
    clock = EvenTicks(15, 0, lasting)
    expected = [clock.time(step) for step in range(15)]
    assert step_times([lasting], shape_of(length))[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    start=st.floats(0, 40_000),
    lasting=st.floats(0.5, 60),
    hidden=st.lists(st.booleans(), min_size=15, max_size=15),
)
def test_a_gap_beside_an_even_step_does_not_take_it_along(
    start: float, lasting: float, hidden: list[bool]
) -> None:
    clock = EvenTicks(15, start, start + lasting)
    times = np.array([clock.time(step) for step in range(15)])
    values = np.where(hidden, NAN, np.arange(15)).astype(np.float32)
    timeline = Timeline(times, values[:, None], ("a",))
    found = sampled(timeline, [start], [start + lasting], Shape())[0][0, :, 0]
    assert found == pytest.approx(values, abs=1e-3, nan_ok=True)


def regular(lasting: float) -> list[float]:
    """When a clip is measured at two ticks a second."""
    clock, out = RegularTicks(2.0, 0, lasting), []
    while clock.has(len(out)):
        out.append(clock.time(len(out)))
    return out


@pytest.mark.parametrize("lasting", DURATIONS)
def test_padding_follows_or_precedes_the_ticks(lasting: float) -> None:
    ticks = regular(lasting)[:14]
    none = [NAN] * (14 - len(ticks))
    assert step_times([lasting], shape_of("pad"))[0] == pytest.approx([*ticks, *none], nan_ok=True)
    assert step_times([lasting], shape_of("pad-front"))[0] == pytest.approx(
        [*none, *ticks], nan_ok=True
    )


@pytest.mark.parametrize(
    ("length", "first"), [("cut-head", 2.5), ("cut-tail", 0.0), ("cut-both", 1.25)]
)
def test_cutting_leaves_five_seconds(length: str, first: float) -> None:
    times = step_times([7.5], shape_of(length))[0]
    assert times == pytest.approx(first + np.arange(10) / 2)


@pytest.mark.parametrize("length", ["cut-head", "cut-tail", "cut-both"])
def test_a_clip_shorter_than_the_cut_is_padded_or_repeated(length: str) -> None:
    padded = step_times([3.2, CUT_SECONDS], shape_of(length))
    expected = [0, 0.5, 1, 1.5, 2, 2.5, 3, NAN, NAN, NAN]
    assert padded[0] == pytest.approx(expected, nan_ok=True)
    assert padded[1] == pytest.approx(np.arange(10) / 2)
    repeated = step_times([3.2, CUT_SECONDS], shape_of(length, short="repeat"))
    assert repeated[0] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 0, 0.5, 1])
    assert repeated[1] == pytest.approx(np.arange(10) / 2)


@pytest.mark.parametrize(
    ("length", "rate", "steps"),
    [
        ("even", 2.0, 15),
        ("linear", 4.0, 15),
        ("pad", 2.0, 14),
        ("pad_front", 4.0, 28),
        ("cut_head", 2.0, 10),
        ("cut_both", 3.0, 15),
    ],
)
def test_steps_where_none_are_asked_for(length: str, rate: float, steps: int) -> None:
    assert shape_of(length, rate=rate).steps == steps
    assert shape_of(length, rate=rate, steps=8).steps == 8


def test_only_even_steps_are_measured_at_once() -> None:
    assert [name for name in LENGTHS if shape_of(name).spreads] == ["even"]


def test_an_unknown_way_is_named() -> None:
    with pytest.raises(SettingsError, match="did you mean `pad_front`"):
        shape_of("pad-frnt")


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"length": "odd", "steps": 15, "rate": 2.0, "short": "pad"},
        {"length": "even", "steps": 0, "rate": 2.0, "short": "pad"},
        {"length": "even", "steps": 15, "rate": 0.0, "short": "pad"},
        {"length": "even", "steps": "many", "rate": 2.0, "short": "pad"},
    ],
)
def test_a_shape_from_a_file_that_is_none(value: object) -> None:
    with pytest.raises(DataError):
        Shape.from_dict(value)
