"""Tension: what raises it, and what must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import Command
from fakes import calm, hidden, with_burst
from reelpulse.errors import SettingsError
from reelpulse.moments.detect import find_moments
from reelpulse.moments.normal import coverage, running_normal
from reelpulse.moments.tension import tension, tension_parts
from reelpulse.settings import WEIGHTS, parse_weights
from reelpulse.timeline import EMOTIONS, FACE_COLUMNS, LOUDNESS_COLUMNS, Timeline


def at(timeline: Timeline, start: float, end: float) -> np.ndarray:
    return (timeline.times >= start) & (timeline.times < end)


def only(timeline: Timeline, calm_ones: Timeline, names: tuple[str, ...]) -> Timeline:
    """`calm_ones`, with just these columns as in `timeline`."""
    values = calm_ones.values.copy()
    for name in names:
        values[:, timeline.columns.index(name)] = timeline.column(name)
    return replace(timeline, values=values)


def test_weights_add_up_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_shares_add_up_to_the_score() -> None:
    parts = tension_parts(with_burst(calm(300), 200, 203))
    np.testing.assert_allclose(sum(parts.shares.values()), parts.score, atol=1e-9)
    assert set(parts.shares) == set(WEIGHTS)


def test_face_and_sound_at_once_are_more_than_one_after_the_other() -> None:
    burst, still = with_burst(calm(300), 200, 203), calm(300)
    later = with_burst(calm(300), 100, 103)
    values = burst.values.copy()
    for name in LOUDNESS_COLUMNS:
        values[:, burst.columns.index(name)] = later.column(name)
    apart = replace(burst, values=values)
    both, one, other = (tension(t).max() for t in (burst, apart, still))
    assert both > 1.5 * one > other
    reasons = find_moments(burst)[0].reasons
    assert "together" in {reason.part for reason in reasons}
    assert sum(reason.share for reason in reasons) == pytest.approx(1, abs=0.1)


def test_falls_of_loudness_and_arousal_are_no_tension() -> None:
    timeline = calm(300)
    values = timeline.values.copy()
    inside = at(timeline, 200, 203)
    values[inside, timeline.columns.index("arousal")] = -0.9
    values[inside, timeline.columns.index("loudness")] *= 0.1
    assert tension(replace(timeline, values=values))[inside].max() < 0.02


def test_a_smiling_person_who_turns_neutral_is_no_tension() -> None:
    smiling = calm(300)
    values = smiling.values.copy()
    happy, neutral = (smiling.columns.index(name) for name in ("happiness", "neutral"))
    values[:, [happy, neutral]] = values[:, [neutral, happy]]
    inside = at(smiling, 200, 203)
    values[np.ix_(inside, [happy, neutral])] = values[np.ix_(inside, [neutral, happy])]
    parts = tension_parts(replace(smiling, values=values))
    assert parts.shares["expression"][inside].max() < 0.01


@pytest.mark.parametrize("gone", [5, 60, 900])
def test_a_face_that_comes_back_is_no_spike(gone: float) -> None:
    timeline = calm(1800)
    away = hidden(timeline, FACE_COLUMNS, slice(600, 600 + int(2 * gone)))
    assert find_moments(away) == []
    after = at(away, 300 + gone, 330 + gone)
    assert tension(away)[after].max() < tension(timeline).max() + 0.05


def test_a_cut_to_another_angle_is_no_spike() -> None:
    """Shots of half a minute read a little differently each; where one ends, nothing happens."""
    timeline = calm(900)
    random = np.random.default_rng(3)
    values = timeline.values.astype(float)
    for start in range(0, 1800, 60):
        shot = slice(start, start + 60)
        values[shot, 8:10] += random.normal(0, 0.08, 2)
        values[shot, :8] *= np.exp(random.normal(0, 0.3, 8))
    values[:, :8] /= values[:, :8].sum(axis=1, keepdims=True)
    assert find_moments(replace(timeline, values=values)) == []


def test_the_normal_counts_what_was_measured() -> None:
    times = np.arange(0, 3600, 0.5)
    values = np.where(times < 600, 1.0, np.where(times < 3000, np.nan, 3.0))[:, None]
    normal = running_normal(times, values, window=300)
    assert normal.median[100] == 1.0
    assert normal.median[-1] == 3.0
    # Back after forty minutes: still compared with before.
    assert normal.median[np.searchsorted(times, 3000), 0] == pytest.approx(2, abs=0.5)


def test_the_normal_is_a_median_and_its_scaled_spread() -> None:
    random = np.random.default_rng(0)
    values = random.normal(5, 2, (600, 1))
    normal = running_normal(np.arange(600) / 2, values, window=1e9)
    np.testing.assert_allclose(normal.median, np.median(values))
    assert normal.spread[0, 0] == pytest.approx(2, rel=0.1)


def test_coverage_is_the_share_around_a_tick() -> None:
    times = np.arange(0, 100, 0.5)
    measured = (times < 50)[:, None]
    shares = coverage(times, measured, window=20)
    assert shares[0, 0] == 1
    assert shares[-1, 0] == 0
    assert shares[100, 0] == pytest.approx(0.5, abs=0.03)


def test_a_video_without_a_face_is_judged_by_its_sound() -> None:
    burst = with_burst(calm(300), 200, 203)
    heard = hidden(burst, FACE_COLUMNS)
    (moment,) = find_moments(heard)
    assert [reason.part for reason in moment.reasons] == ["loudness"]
    assert moment.score > 2 * tension(only(burst, calm(300), LOUDNESS_COLUMNS)).max()


def test_weights_can_be_changed() -> None:
    burst, still = with_burst(calm(300), 200, 203), calm(300)
    loud = only(burst, still, LOUDNESS_COLUMNS)
    assert find_moments(loud, weight=["loudness=0", "together=0"]) == []
    more = find_moments(loud, weight=["loudness=2"])[0].score
    assert more > find_moments(loud, min_score=0.01)[0].score


def test_weights_are_read() -> None:
    assert parse_weights() == WEIGHTS
    assert parse_weights(["loudness=0", "together=.5"]) == {
        **WEIGHTS,
        "loudness": 0.0,
        "together": 0.5,
    }


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["loudnes=1"], "did you mean loudness?"),
        (["loudness"], "PART=NUMBER"),
        (["arousal=-1"], "from 0 up"),
        (["valence=nan"], "from 0 up"),
        ([f"{part}=0" for part in WEIGHTS], "all be 0"),
    ],
)
def test_bad_weights_are_named(texts: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_weights(texts)


def test_bad_weights_stop_before_the_video_is_read(run: Command, tmp_path: Path) -> None:
    run("analyze", "none.mp4", "--weight", "loud=1").one_line("loud", "did you mean loudness?")


def test_emotions_alone_are_a_face() -> None:
    """Values and columns by name: a timeline without valence and arousal is judged by the rest."""
    burst = with_burst(calm(300), 200, 203).select(EMOTIONS)
    assert 200 <= find_moments(burst)[0].peak <= 203
