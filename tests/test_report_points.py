"""Fewer points with the peaks still there, stretches of time, and turning points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelpulse.export.report.downsample import MOST_A_BUCKET, min_max, stretches
from reelpulse.moments.turns import emotion_shares, leading, turning_points
from reelpulse.timeline import EMOTIONS, Timeline

VALUES = st.lists(
    st.one_of(st.floats(-1e3, 1e3, width=32), st.just(float("nan"))), min_size=1, max_size=400
)


@given(VALUES, st.integers(1, 20), st.integers(0, 10))
@settings(max_examples=150, deadline=None)
def test_few_points_keep_order_extremes_and_gaps(
    values: list[float], buckets: int, seed: int
) -> None:
    array = np.array(values)
    times = np.cumsum(np.random.default_rng(seed).uniform(0.1, 1, len(array)))
    kept = min_max(times, array, buckets)
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= MOST_A_BUCKET * buckets
    measured = np.flatnonzero(np.isfinite(array))
    if len(measured):
        assert np.nanmax(array[kept]) == np.nanmax(array)
        assert np.nanmin(array[kept]) == np.nanmin(array)
        assert {measured[0], measured[-1]} <= set(kept.tolist())
    width = (times[-1] - times[0]) / buckets
    finite = [i for i in kept if np.isfinite(array[i])]
    for left, right in itertools.pairwise(finite):
        lost = ~np.isfinite(array[left:right])
        bridged = not any(left < i < right for i in kept)
        if bridged and lost.any():  # the gap was left out: narrower than a column
            gap = times[left:right][lost]
            assert gap[-1] - gap[0] <= width + 1e-9


def test_little_is_kept_whole() -> None:
    assert min_max(np.arange(9), np.arange(9), 2000).tolist() == list(range(9))
    assert min_max([], [], 5).tolist() == []


def test_a_spike_of_one_tick_stays_in_six_hours() -> None:
    values = np.zeros(43_200)
    values[31_415] = 1
    assert 31_415 in min_max(np.arange(43_200) / 2, values)


def test_stretches_are_joined_ticks() -> None:
    flags = [False, True, True, False, True, False, False, True]
    assert list(stretches(np.arange(8) / 2, flags, 0.5)) == [(0.5, 1.5), (2.0, 2.5), (3.5, 4.0)]
    assert list(stretches(np.arange(8) / 2, flags, 0.5, nearest=0.5)) == [(0.5, 2.5), (3.5, 4.0)]
    assert list(stretches([], [], 0.5)) == []


def shown(names: Sequence[str | None], lead: float = 0.6, spacing: float = 0.5) -> Timeline:
    """Somebody whose leading emotion at each tick is given; None where there is no face."""
    values = np.full((len(names), 8), (1 - lead) / 7, np.float32)
    for row, name in zip(values, names, strict=True):
        if name is None:
            row[:] = np.nan
        else:
            row[EMOTIONS.index(name)] = lead
    return Timeline(np.arange(len(names)) * spacing, values, EMOTIONS)


def test_neutral_then_happy_then_surprised() -> None:
    found = turning_points(shown(["neutral"] * 6 + ["happiness"] * 4 + ["surprise"] * 5))
    assert [(t.time, t.before, t.after) for t in found.turns] == [
        (3.0, "neutral", "happiness"),
        (5.0, "happiness", "surprise"),
    ]
    assert found.matrix.sum() == 2
    assert found.matrix[EMOTIONS.index("neutral"), EMOTIONS.index("happiness")] == 1
    assert [EMOTIONS[i] for i in found.held[[5, 6, 9, 10]]] == [
        "neutral",
        "happiness",
        "happiness",
        "surprise",
    ]


def test_a_flicker_is_no_turn() -> None:
    names = ["neutral", "neutral", "happiness", "neutral", "surprise", "happiness"] * 20
    found = turning_points(shown(names))
    assert found.turns == []
    assert not found.matrix.any()


def test_noise_between_two_that_are_level_gives_no_turn() -> None:
    random = np.random.default_rng(3)
    values = np.full((2000, 8), 0.05, np.float32)
    values[:, [4, 5]] = 0.35 + random.uniform(-0.045, 0.045, (2000, 2))
    assert turning_points(Timeline(np.arange(2000) / 2, values, EMOTIONS)).turns == []


def test_a_long_gap_breaks_the_chain_and_a_short_one_does_not() -> None:
    def turned(gap: int) -> int:
        names = ["neutral"] * 5 + [None] * gap + ["happiness"] * 5
        return len(turning_points(shown(names)).turns)

    assert [turned(0), turned(9), turned(11), turned(40)] == [1, 1, 0, 0]


def test_holding_and_margin_are_settings() -> None:
    timeline = shown(["neutral"] * 6 + ["fear"] * 4 + ["neutral"] * 6, lead=0.3)
    assert len(turning_points(timeline).turns) == 2
    assert turning_points(timeline, hold=3).turns == []
    assert turning_points(timeline, margin=0.3).turns == []


def test_at_wide_ticks_two_are_needed() -> None:
    assert turning_points(shown(["neutral", "fear", "neutral"], spacing=3)).turns == []
    assert len(turning_points(shown(["neutral", "fear", "fear"], spacing=3)).turns) == 1


def test_nothing_measured_turns_nowhere() -> None:
    timeline = shown([None] * 5)
    found = turning_points(timeline)
    assert found.turns == []
    assert (found.held == -1).all()
    assert (leading(timeline) == -1).all()
    assert emotion_shares(timeline) == {}


def test_shares_are_of_the_ticks_with_a_face() -> None:
    timeline = shown(["happiness", None, "neutral", "happiness", None, "fear"])
    assert emotion_shares(timeline) == pytest.approx(
        {"happiness": 0.5, "fear": 0.25, "neutral": 0.25}
    )
