"""Tension and moments: what is far from a person's usual, and the seconds around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reelpulse
from fakes import calm, hidden, observed, table, with_burst
from reelpulse.moments.detect import find_moments
from reelpulse.moments.tension import tension
from reelpulse.settings import WEIGHTS
from reelpulse.timeline import (
    EMOTIONS,
    FACE_COLUMNS,
    LOUDNESS_COLUMNS,
    Block,
    Moment,
    Timeline,
    write_timeline,
)

ROUNDED = 2e-3
"""Moments are written to a thousandth of a second."""


def first(count: int) -> Timeline:
    """The first ticks of a calm recording."""
    whole = calm(60)
    return Timeline(whole.times[:count], whole.values[:count], whole.columns)


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_burst(calm(120), 60, 63),
        lambda: hidden(with_burst(calm(120), 60, 63), LOUDNESS_COLUMNS),
        lambda: hidden(with_burst(calm(120), 60, 63), FACE_COLUMNS),
        lambda: hidden(calm(120), (*FACE_COLUMNS, *LOUDNESS_COLUMNS)),
        lambda: Timeline(np.arange(5.0), np.zeros((5, 0)), ()),
        lambda: calm(120).select(["arousal"]),
        lambda: calm(120).select(["loudness"]),
        lambda: hidden(calm(120), FACE_COLUMNS, slice(30, 90)),
        lambda: first(2),
        lambda: first(1),
        lambda: first(0),
    ],
    ids=[
        *("all", "face only", "sound only", "all NaN", "no columns", "arousal", "loudness"),
        *("face hidden", "two ticks", "one tick", "no tick"),
    ],
)
def test_tension_of_whatever_there_is_lies_between_0_and_1(make: Callable[[], Timeline]) -> None:
    timeline = make()
    before = timeline.values.copy()
    score = tension(timeline)
    assert score.shape == (len(timeline),)
    assert np.isfinite(score).all()
    assert ((score >= 0) & (score <= 1)).all()
    np.testing.assert_array_equal(timeline.values, before)
    for moment in find_moments(timeline):
        assert 0 <= moment.start < moment.end <= timeline.duration + ROUNDED


@pytest.mark.parametrize("missing", [(), LOUDNESS_COLUMNS, FACE_COLUMNS], ids=len)
def test_a_planted_burst_is_the_top_moment(missing: tuple[str, ...]) -> None:
    timeline = hidden(with_burst(calm(300), 200, 203), missing)
    top, *others = find_moments(timeline)
    assert 200 <= top.peak <= 203
    assert top.start <= 200.5
    assert top.end >= 202.5
    assert 5 - ROUNDED <= top.duration <= 7 + ROUNDED
    assert all(other.score < top.score / 2 for other in others)
    parts = {reason.part for reason in top.reasons}
    assert "loudness" not in parts if missing == LOUDNESS_COLUMNS else "loudness" in parts
    assert ("arousal" in parts) == (missing != FACE_COLUMNS)


def test_reasons_say_what_happened() -> None:
    top = find_moments(with_burst(calm(300), 200, 203))[0]
    texts = {reason.part: str(reason) for reason in top.reasons}
    assert texts["loudness"] == "loudness ×4"
    assert texts["arousal"] == "arousal +0.5"
    assert texts["valence"] == "valence +0.6"
    assert texts["expression"] == "neutral → happiness"
    shares = [reason.share for reason in top.reasons]
    assert shares == sorted(shares, reverse=True)
    assert 0.95 < sum(shares) <= 1.005  # each is rounded


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.5, 2.0])
def test_a_brief_laugh_is_named_as_what_it_was(seconds: float) -> None:
    top = find_moments(with_burst(calm(300), 200, 200 + seconds))[0]
    texts = {reason.part: str(reason) for reason in top.reasons}
    assert texts["expression"] == "neutral → happiness"


def test_every_part_raises_tension_by_itself() -> None:
    burst = with_burst(calm(300), 200, 203)
    still = calm(300)
    weights = [WEIGHTS[part] for part in ("loudness", "arousal", "valence", "expression")]
    parts = (["loudness"], ["arousal"], ["valence"], EMOTIONS)
    for names, weight in zip(parts, weights, strict=True):
        values = still.values.copy()
        for name in names:
            values[:, still.columns.index(name)] = burst.column(name)
        score = tension(replace(still, values=values))
        inside = (still.times >= 200) & (still.times < 203)
        assert score[inside].mean() > weight / 2 + score[~inside].mean(), names


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("min_score", [0.25, 0.0])
def test_where_nothing_changes_there_is_no_moment(value: float, min_score: float) -> None:
    timeline = calm(120)
    still = replace(timeline, values=np.full_like(timeline.values, value))
    assert find_moments(still, min_score=min_score) == []


def test_a_calm_recording_has_no_moment() -> None:
    assert find_moments(calm(600, seed=4)) == []


def lively(seconds: float) -> Timeline:
    """Somebody who is always loud and all over the place."""
    timeline = calm(seconds)
    random = np.random.default_rng(8)
    values = timeline.values.copy()
    column = {name: i for i, name in enumerate(timeline.columns)}
    count = len(timeline)
    values[:, column["arousal"]] = np.clip(random.normal(0.3, 0.3, count), -1, 1)
    values[:, column["valence"]] = np.clip(random.normal(0.1, 0.3, count), -1, 1)
    values[:, column["loudness"]] = np.clip(0.15 * np.exp(random.normal(0, 0.7, count)), 0, 1)
    values[:, :8] = random.dirichlet(np.full(8, 0.5), count)
    return replace(timeline, values=values)


def test_a_lively_persons_usual_does_not_outscore_a_calm_persons_burst() -> None:
    burst = tension(with_burst(calm(600), 300, 303))
    usual = tension(lively(600))
    assert usual.max() < burst[600:606].max()
    assert np.median(usual) < 0.1
    # One after the other on one clock, each is judged by their own usual.
    both = with_burst(calm(1200), 900, 903)
    values = both.values.copy()
    values[:1200] = lively(600).values
    top = find_moments(replace(both, values=values))[0]
    assert 900 <= top.peak <= 903


def test_the_microphones_gain_does_not_matter() -> None:
    timeline = with_burst(calm(300), 200, 203)
    louder = timeline.values.copy()
    louder[:, timeline.columns.index("loudness")] *= 3
    np.testing.assert_allclose(
        tension(replace(timeline, values=louder)), tension(timeline), atol=1e-5
    )


def test_a_face_that_is_gone_for_a_while_is_no_moment() -> None:
    timeline = hidden(calm(300), FACE_COLUMNS, slice(200, 260))
    assert find_moments(timeline) == []


def test_two_bursts_are_two_moments_and_top_takes_the_better() -> None:
    timeline = with_burst(with_burst(calm(300), 100, 103), 200, 202)
    peaks = sorted(moment.peak for moment in find_moments(timeline)[:2])
    assert 100 <= peaks[0] <= 103
    assert 200 <= peaks[1] <= 202
    assert find_moments(timeline, top=1) == find_moments(timeline)[:1]


def test_the_pre_roll_moves_the_clip_and_not_what_was_scored() -> None:
    timeline = with_burst(with_burst(calm(300), 1, 4), 200, 203)
    short, long = find_moments(timeline, pre_roll=0), find_moments(timeline, pre_roll=20)

    def scored(moments: list[Moment]) -> list[tuple[float, float, float, float]]:
        return [(m.start, m.end, m.peak, m.score) for m in moments]

    assert scored(short) == scored(long) == scored(find_moments(timeline))
    assert [m.clip_start for m in short] == [m.start for m in short]
    for moment in long:
        assert moment.clip_start == pytest.approx(max(0, moment.start - 20), abs=ROUNDED)
    assert all(m.clip_start < m.start or m.start == 0 for m in find_moments(timeline))


def test_a_moment_goes_on_while_the_score_stays_high() -> None:
    longer = find_moments(with_burst(calm(300), 200, 206.5))[0]
    shorter = find_moments(with_burst(calm(300), 200, 201))[0]
    assert longer.duration > shorter.duration
    assert shorter.duration == pytest.approx(5, abs=ROUNDED)
    assert find_moments(with_burst(calm(300), 200, 215))[0].duration <= 7 + ROUNDED


@pytest.mark.parametrize("seconds", [2.5, 3.0, 4.5])
def test_a_video_shorter_than_a_moment_is_one(seconds: float) -> None:
    long = with_burst(calm(60), 30, 31)
    some = (long.times >= 30.5 - seconds / 2) & (long.times < 30.5 + seconds / 2)
    timeline = Timeline(
        long.times[some] - long.times[some][0],
        long.values[some],
        long.columns,
        {"video": {"duration": seconds}},
    )
    (moment,) = find_moments(timeline, min_score=0.01)
    assert (moment.start, moment.end) == (0, seconds)
    assert (moment.clip_start, moment.clip_end) == (0, seconds)


@st.composite
def recordings(draw: st.DrawFn) -> Timeline:
    """Recordings with bursts of any strength at any time, and holes."""
    seconds = draw(st.floats(1, 150))
    spacing = draw(st.sampled_from([0.1, 0.33, 0.5, 2.0]))
    timeline = calm(seconds, spacing=spacing, seed=draw(st.integers(0, 50)))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.floats(-3, seconds))
        timeline = with_burst(timeline, start, start + draw(st.floats(0.1, 20)))
    if draw(st.booleans()):
        low = draw(st.integers(0, len(timeline)))
        rows = slice(low, low + draw(st.integers(0, 40)))
        timeline = hidden(timeline, draw(st.sampled_from([FACE_COLUMNS, LOUDNESS_COLUMNS])), rows)
    return timeline


@settings(max_examples=60, deadline=None)
@given(recordings(), st.integers(1, 12), st.sampled_from([0.0, 0.1, 0.25]), st.floats(0, 30))
def test_moments_keep_their_promises(
    timeline: Timeline, top: int, min_score: float, pre_roll: float
) -> None:
    duration = timeline.duration
    moments = find_moments(timeline, top=top, min_score=min_score, pre_roll=pre_roll)
    assert len(moments) <= top
    assert [m.score for m in moments] == sorted((m.score for m in moments), reverse=True)
    for moment in moments:
        assert min_score - 1e-4 <= moment.score <= 1
        assert -ROUNDED <= moment.start <= moment.peak <= moment.end <= duration + ROUNDED
        assert min(5, duration) - ROUNDED <= moment.duration <= 7 + ROUNDED
        assert 0 <= moment.clip_start <= moment.start
        assert moment.end <= moment.clip_end + ROUNDED
        assert moment.clip_end <= duration + ROUNDED
        assert moment.peak in np.round(timeline.times, 3)
    inorder = sorted(moments, key=lambda m: m.start)
    for one, other in pairwise(inorder):
        assert one.end <= other.start + ROUNDED


def test_moments_of_a_path_are_those_of_its_timeline(tmp_path: Path) -> None:
    timeline = with_burst(calm(120), 60, 63)
    sound = hidden(timeline, FACE_COLUMNS)
    seen = observed(table([], len(sound)))
    seen.blocks["loudness"] = Block(LOUDNESS_COLUMNS, sound.select(LOUDNESS_COLUMNS).values)
    write_timeline(tmp_path / "x.h5", sound, seen)
    expected = find_moments(sound)
    assert expected
    assert find_moments(tmp_path / "x.h5") == expected
    assert reelpulse.find_moments(str(tmp_path / "x.h5")) == expected


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(reelpulse.ReelpulseError, match="min_score"):
        find_moments(calm(5), min_scor=0.5)
