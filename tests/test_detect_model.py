"""Moments by a trained model: found, explained, kept, shown; from the library and the shell."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

import reelpulse
from fakes import calm, hidden, with_burst
from moment_models import COLUMNS, write_moment_model
from reelpulse.errors import ModelError, SettingsError
from reelpulse.moments.detect import detect, find_moments
from reelpulse.moments.model import MomentModel, load_model
from reelpulse.settings import MomentSettings
from reelpulse.timeline import (
    EMOTIONS,
    LOUDNESS_COLUMNS,
    Timeline,
    assemble,
)
from test_model import POINTS

WIDE = (*EMOTIONS, *COLUMNS, "arousal")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_moment_model(tmp_path / "웃음.onnx", bias=-8.0)


@pytest.fixture
def model(path: Path) -> MomentModel:
    return load_model(path)


def parts(reasons: Any) -> dict[str, str]:
    return {reason.part: str(reason) for reason in reasons}


# Found


@pytest.mark.parametrize("at", [30, 600, 1190])
def test_a_planted_event_is_found(model: MomentModel, at: float) -> None:
    found = detect(with_burst(calm(1200), at, at + 3), model=model)
    best = found.moments[0]
    assert best.start <= at
    assert best.end >= at + 3
    assert best.score > 0.5
    assert found.by == "웃음.onnx"
    assert found.score.shape == found.times.shape
    assert found.warnings == []
    assert all(second.score < 0.2 for second in found.moments[1:])


def test_as_many_as_an_hour_of_them_gives(model: MomentModel) -> None:
    timeline = calm(1800)
    for start in range(60, 1800, 120):
        timeline = with_burst(timeline, start, start + 3)
    for per_hour, count in ((2, 1), (0.01, 1), (12, 6), (24, 12)):
        found = detect(timeline, MomentSettings(per_hour=per_hour), model)
        assert len(found.moments) == count
        assert found.settings["threshold"] == found.moments[-1].score
        assert found.settings["per_hour"] == per_hour
    assert len(find_moments(timeline, model=model, top=3)) == 3
    assert len(find_moments(timeline, model=model, top=30)) == 6
    high = find_moments(timeline, model=model, per_hour=100, min_score=0.3)
    assert len(high) == 15
    assert all(moment.score >= 0.3 for moment in high)


def test_moments_lie_apart_and_last_as_long_as_asked_for(model: MomentModel) -> None:
    timeline = with_burst(with_burst(calm(300), 100, 103), 107, 109)
    found = find_moments(timeline, model=model, per_hour=200)
    spans = sorted((moment.start, moment.end) for moment in found)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(5 <= round(end - start, 3) <= 7 for start, end in spans)
    assert find_moments(timeline, model=model, shortest=3, longest=3)[0].duration == 3


def test_a_precision_takes_the_threshold_that_reached_it(tmp_path: Path) -> None:
    path = write_moment_model(tmp_path / "a.onnx", bias=-8.0, metadata={"operating": POINTS})
    timeline = with_burst(calm(600), 300, 303)
    found = detect(timeline, MomentSettings(precision=0.8, per_hour=3600), load_model(path))
    assert found.settings["threshold"] == 0.6
    assert [moment.score >= 0.6 for moment in found.moments] == [True]
    with pytest.raises(ModelError, match="at best"):
        find_moments(timeline, model=path, precision=0.99)
    with pytest.raises(SettingsError, match="--model"):
        find_moments(timeline, precision=0.8)


def test_silence_and_black_around_change_nothing(model: MomentModel) -> None:
    timeline = with_burst(calm(240), 3, 6)
    for start in (120, 180, 236):
        timeline = with_burst(timeline, start, start + 3)
    found = find_moments(timeline, model=model, top=4, per_hour=3600)
    blank = np.full((120, len(timeline.columns)), np.nan, np.float32)
    blank[:, [timeline.columns.index(name) for name in LOUDNESS_COLUMNS]] = 0
    values = np.concatenate([blank, timeline.values, blank])
    times = np.arange(len(values)) / 2
    meta = {"video": {"duration": len(values) / 2}}
    padded = Timeline(times, values, timeline.columns, meta)
    there = find_moments(padded, model=model, top=4, per_hour=3600)
    for one, other in zip(found, there, strict=True):
        assert other.peak == one.peak + 60
        assert other.start == one.start + 60
        assert other.clip_end == one.clip_end + 60
        assert other.score == pytest.approx(one.score, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.4, 1.0, 5.0, 6.5])
def test_short_videos(model: MomentModel, seconds: float) -> None:
    timeline = with_burst(calm(seconds), 0, seconds)
    (moment,) = find_moments(timeline, model=model)
    assert moment.start >= 0
    assert moment.end <= seconds
    assert moment.score > 0.3
    assert find_moments(timeline, model=model)[0].reasons


def test_nothing_measured_gives_no_moments_and_says_why(model: MomentModel) -> None:
    timeline = calm(60)
    found = detect(hidden(timeline, timeline.columns), model=model)
    assert found.moments == []
    assert (found.score == 0).all()
    (warning,) = found.warnings
    assert "lacks something that 웃음.onnx looks at (loudness, valence)" in warning


def test_columns_in_another_order_and_more_of_them(model: MomentModel) -> None:
    timeline = with_burst(calm(300), 100, 103)
    wide = assemble(
        timeline.times,
        {
            "face": (timeline.columns[:10], timeline.values[:, :10]),
            "loudness": (timeline.columns[10:], timeline.values[:, 10:]),
            "motion": (("motion",), np.zeros((len(timeline), 1), np.float32)),
        },
        timeline.meta,
    ).select((*timeline.columns[::-1], "motion"))
    assert find_moments(wide, model=model) == find_moments(timeline, model=model)


def test_a_model_is_given_by_its_path_too(model: MomentModel, path: Path) -> None:
    timeline = with_burst(calm(300), 100, 103)
    assert find_moments(timeline, model=path) == find_moments(timeline, model=model)
    assert reelpulse.find_moments(timeline, model=reelpulse.load_model(path))
    assert reelpulse.detect(timeline).by == "tension"


def test_tension_is_as_it_was() -> None:
    timeline = with_burst(calm(300), 100, 103)
    found = detect(timeline)
    assert found.moments == find_moments(timeline)
    assert found.by == "tension"
    assert "model" not in found.settings


# Explained


def explained(tmp_path: Path, weights: list[float], **more: Any) -> Any:
    spread = [0.2] * 8 + [0.1, 0.3, 0.3]
    made = {"weights": weights, "mean": [0.1] * 11, "std": spread, **more}
    model = load_model(write_moment_model(tmp_path / "why.onnx", WIDE, **made))
    return find_moments(with_burst(calm(600), 300, 303), model=model)[0].reasons


def test_the_reasons_are_what_the_model_looks_at(tmp_path: Path) -> None:
    happy = [0.0] * 11
    happy[WIDE.index("happiness")] = 2.0
    found = explained(tmp_path, happy, bias=-4.0)
    assert parts(found) == {"expression": "neutral → happiness"}
    loud = [0.0] * 11
    loud[WIDE.index("loudness")] = 3.0
    assert parts(explained(tmp_path, loud, bias=-4.0)).keys() == {"loudness"}
    assert parts(explained(tmp_path, loud, bias=-4.0))["loudness"].startswith(("loudness ×4", "×5"))


def test_shares_add_up_to_no_more_than_all(tmp_path: Path) -> None:
    found = explained(tmp_path, [0.5] * 11, bias=-9.0)
    shares = [reason.share for reason in found]
    assert len(shares) >= 3
    assert sum(shares) <= 1.002
    assert shares == sorted(shares, reverse=True)


def test_where_nothing_moves_the_score_the_pattern_is_named(tmp_path: Path) -> None:
    found = explained(tmp_path, [0.0] * 11, bias=1.0)
    assert parts(found) == {"pattern": "pattern over time"}


def test_what_was_not_measured_is_no_reason(tmp_path: Path) -> None:
    """Putting a face where there was none must not count as taking it away."""
    path = write_moment_model(tmp_path / "a.onnx", weights=(3.0, 0.3), bias=-8.0, mean=(0.05, 9.0))
    timeline = with_burst(calm(300), 294, 297)
    found = find_moments(hidden(timeline, ["valence"], timeline.times >= 299), model=path)[0]
    assert parts(found.reasons).keys() == {"loudness"}


def test_a_fall_is_told_as_one(tmp_path: Path) -> None:
    recipe = {"mean": [0.05, 0.05], "std": [0.1, 0.3]}
    path = write_moment_model(tmp_path / "a.onnx", weights=(0.0, -9.0), bias=0.0, recipe=recipe)
    timeline = calm(300)
    values = timeline.values.copy()
    inside = (timeline.times >= 97) & (timeline.times < 107)
    values[inside, timeline.columns.index("valence")] -= 0.6
    found = find_moments(replace(timeline, values=values), model=path)[0]
    assert parts(found.reasons) == {"valence": "valence −0.6"}
