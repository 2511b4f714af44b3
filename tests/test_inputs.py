"""What a network is given: columns by name, normalised, with masks, time and summaries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.inputs import STATISTICS, Recipe, Steps, choose
from reelpulse.moments.lengths import Shape, step_times
from reelpulse.moments.sampling import Sampler
from reelpulse.settings import TrainSettings
from reelpulse.timeline import EMOTIONS, FACE_COLUMNS, LOUDNESS_COLUMNS, Timeline

COLUMNS = (*FACE_COLUMNS, *LOUDNESS_COLUMNS, "laughter")


def some_steps(count: int = 6, shape: Shape | None = None, seed: int = 0) -> Steps:
    rng = np.random.default_rng(seed)
    shape = shape or Shape()
    at = step_times(rng.uniform(5, 7, count), shape).astype(np.float32)
    values = rng.normal(3, 2, (*at.shape, len(COLUMNS))).astype(np.float32)
    values[np.isnan(at)] = np.nan
    usual = rng.normal(0, 1, (count, len(COLUMNS))).astype(np.float32)
    return Steps(values, at, np.isfinite(at), usual)


def recipe(steps: Steps, form: Any = "steps", shape: Shape | None = None, **changes: Any) -> Recipe:
    settings = replace(TrainSettings(baseline="none"), **changes)
    made = Recipe.from_settings(COLUMNS, shape or Shape(), form, settings, steps)
    return made.fitted(steps)


# Steps


def test_values_are_normalised_and_nothing_is_the_mean() -> None:
    steps = some_steps(50)
    steps.values[:, 3, 4] = np.nan
    given = recipe(steps)(steps)
    assert given["input"].shape == (50, 15, 13)
    assert given["input"].dtype == np.float32
    assert np.allclose(given["input"][:, 3, 4], 0)
    there = np.isfinite(steps.values)
    for column in range(13):
        values = given["input"][..., column][there[..., column]]
        assert abs(values.mean()) < 1e-4
        assert abs(values.std() - 1) < 1e-3
    assert (given["mask"] == 1).all()


def test_a_column_that_never_changes_stays_finite() -> None:
    steps = some_steps()
    steps.values[..., 0] = 0.25
    given = recipe(steps)(steps)["input"]
    assert np.isfinite(given).all()
    assert np.allclose(given[..., 0], 0)


def test_padding_is_masked_and_counts_for_nothing() -> None:
    shape = Shape("pad", 14)
    steps = some_steps(20, shape)
    made = recipe(steps, shape=shape)
    given = made(steps)
    there = np.isfinite(steps.times)
    assert np.array_equal(given["mask"] == 1, there)
    assert (given["input"][~there] == 0).all()
    twice = replace(steps, values=np.where(there[..., None], steps.values, 1e9))
    assert np.array_equal(made(twice)["input"], given["input"])
    assert made.mean == made.fitted(twice).mean


def test_the_baseline_takes_away_what_is_usual() -> None:
    steps = some_steps()
    shifted = replace(steps, values=steps.values + 5, usual=steps.usual + 5)
    made = recipe(steps, baseline="video")
    assert np.allclose(made(shifted)["input"], made(steps)["input"], atol=1e-4)
    assert recipe(steps, baseline="auto").baseline == "video", "every clip knows its own"
    steps.usual[2] = np.nan
    assert recipe(steps, baseline="auto").baseline == "none"
    with pytest.raises(SettingsError, match="1 of 6 clips"):
        recipe(steps, baseline="video")


@pytest.mark.parametrize(("time", "more"), [("none", 0), ("delta", 1), ("encoding", 4)])
def test_time_is_an_input(time: str, more: int) -> None:
    steps = some_steps()
    made = recipe(steps, time=time)
    given = made(steps)["input"]
    assert given.shape[2] == 13 + more == made.width
    if time == "delta":
        assert np.allclose(given[:, 0, -1], 0)
        assert np.allclose(given[:, 1:, -1], np.diff(steps.times, axis=1), atol=1e-6)
    if time == "encoding":
        angle = steps.times * np.pi / 7
        assert np.allclose(given[..., 13], np.sin(angle), atol=1e-6)
        assert np.allclose(given[..., 14], np.sin(2 * angle), atol=1e-6)
        assert np.allclose(given[..., 15], np.cos(angle), atol=1e-6)


def test_steps_not_measured_can_be_left_out_so_that_time_shows_the_gap() -> None:
    steps = some_steps(1)
    steps.measured[0, 4:8] = False
    given = recipe(steps, time="delta", missing="drop")(steps)
    assert given["mask"][0].tolist() == [1.0] * 11 + [0.0] * 4
    spacing = float(steps.times[0, 1] - steps.times[0, 0])
    delta = given["input"][0, :, -1]
    assert np.allclose(delta[1:4], spacing, atol=1e-6)
    assert np.isclose(delta[4], 5 * spacing, atol=1e-5), "four steps are missing"
    assert (given["input"][0, 11:] == 0).all()


# Summaries


def test_a_summary_is_four_statistics_a_column() -> None:
    steps = some_steps(30)
    steps.values[0, 5, 2] = np.nan
    made = recipe(steps, "summary")
    given = made(steps)
    assert set(given) == {"input"}
    assert given["input"].shape == (30, 4 * 13) == (30, made.width)
    values = (steps.values - np.float32(made.mean)) / np.float32(made.std)
    for place, name in enumerate(STATISTICS):
        part = given["input"][:, place * 13 : (place + 1) * 13]
        expected = getattr(np, f"nan{name}")(values, axis=1)
        assert np.allclose(part, expected, atol=1e-4), name


@pytest.mark.parametrize(("inputs", "width"), [(("face",), 40), (("face", "loudness"), 48)])
def test_widths_of_summaries(inputs: tuple[str, ...], width: int) -> None:
    assert recipe(some_steps(), "summary", inputs=inputs).width == width


def test_the_order_of_steps_is_nothing_to_a_summary() -> None:
    steps = some_steps(30)
    made = recipe(steps, "summary")
    turned = replace(steps, values=steps.values[:, ::-1])
    assert np.allclose(made(turned)["input"], made(steps)["input"], atol=1e-5)


def test_embeddings_come_after_the_statistics() -> None:
    steps = some_steps(5)
    wide = np.random.default_rng(1).normal(size=(5, 2560)).astype(np.float16)
    wide[0] = np.nan
    steps = replace(steps, embeddings=wide)
    made = recipe(steps, "summary", embeddings=True)
    given = made(steps)["input"]
    assert given.shape == (5, 52 + 2560)
    assert (given[0, 52:] == 0).all()
    assert np.allclose(given[1:, 52:], wide[1:])
    with pytest.raises(DataError, match="embeddings"):
        made(replace(steps, embeddings=None))
    with pytest.raises(SettingsError, match="--embeddings"):
        recipe(some_steps(), "summary", embeddings=True)


# Columns, files


def test_columns_are_chosen_by_name_and_group() -> None:
    assert choose(COLUMNS, ()) == COLUMNS
    assert choose(COLUMNS, ("emotions",)) == EMOTIONS
    assert choose(COLUMNS, ("sound",)) == (*LOUDNESS_COLUMNS, "laughter")
    assert choose(COLUMNS, ("valence", "face")) == FACE_COLUMNS
    assert choose((*COLUMNS, "speech_anger"), ("speech",)) == ("speech_anger",)
    for name in ("joy", "speech"):
        with pytest.raises(SettingsError, match=name):
            choose(COLUMNS, (name,))


def test_a_recipe_survives_its_file() -> None:
    for form in ("steps", "summary"):
        made = recipe(some_steps(), form, time="delta", baseline="video")
        assert Recipe.from_dict(made.as_dict()) == made


@pytest.mark.parametrize(
    "change",
    [
        {"columns": None},
        {"mean": [1.0]},
        {"std": [0.0] * 13},
        {"std": [float("nan")] * 13},
        {"form": "pictures"},
        {"time": "moon"},
        {"shape": {"length": "even"}},
        {"shape": {"length": "round", "steps": 15, "rate": 2, "short": "pad"}},
    ],
)
def test_a_recipe_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        Recipe.from_dict({**recipe(some_steps()).as_dict(), **change})


# The sampler


def a_timeline(seconds: float = 120, spacing: float = 0.5) -> Timeline:
    times = np.arange(0, seconds, spacing)
    values = np.stack([np.sin(times / 3), times / seconds], axis=1).astype(np.float32)
    return Timeline(times, values, ("loudness", "laughter"), {"video": {"duration": seconds}})


def test_a_range_is_interpolated_where_its_steps_lie() -> None:
    steps = Sampler(a_timeline(), Shape())([10.25, 50.0], [16.0, 55.0])
    assert steps.values.shape == (2, 15, 2)
    at = 10.25 + (np.arange(15) + 0.5) * 5.75 / 15
    assert np.allclose(steps.values[0, :, 0], np.sin(at / 3), atol=0.004)
    assert np.allclose(steps.values[0, :, 1], at / 120, atol=1e-6)
    assert np.array_equal(steps.values[0], a_timeline().steps(10.25, 16.0))
    assert steps.measured.all()


def test_a_gap_is_bridged_and_said() -> None:
    timeline = a_timeline()
    timeline.values[24:28, 0] = np.nan
    steps = Sampler(timeline, Shape())(10.0, 16.0)
    at = 10 + (np.arange(15) + 0.5) * 6 / 15
    assert np.isfinite(steps.values).all()
    assert np.array_equal(~steps.measured[0], (at > 11.5) & (at < 14.0))
    assert not np.isfinite(Sampler(timeline, Shape(), max_gap=1)(10.0, 16.0).values).all()


def test_the_usual_is_told_by_long_timelines_alone() -> None:
    assert np.isfinite(Sampler(a_timeline(), Shape())(10, 16).usual).all()
    assert np.isnan(Sampler(a_timeline(), Shape(), usual_from=None)(10, 16).usual).all()
    assert np.isnan(Sampler(a_timeline(20), Shape())(10, 16).usual).all()
    assert np.isfinite(Sampler(a_timeline(20), Shape(), usual_from=0)(10, 16).usual).all()


def test_where_nobody_speaks_is_no_lack() -> None:
    plain = a_timeline()
    silent = np.full((len(plain), 1), np.nan, np.float32)
    values = np.concatenate([plain.values, silent], axis=1)
    timeline = Timeline(plain.times, values, (*plain.columns, "speech_anger"), plain.meta)
    assert Sampler(timeline, Shape())(10.0, 16.0).measured.all()
    alone = Sampler(timeline.select(["speech_anger"]), Shape())(10.0, 16.0)
    assert not alone.measured.any()


# The task


def test_outputs_follow_the_labels() -> None:
    assert (BINARY.outputs, LEVELS.outputs, SCORE.outputs) == (1, 3, 1)
    assert BINARY.targets([0, 1]).tolist() == [[0], [1]]
    assert LEVELS.targets([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert np.allclose(SCORE.targets([0, 7, 10]), [[0], [0.7], [1]])
    assert LEVELS.positive([[0.5, 0.3, 0.2]]).tolist() == [np.float32(0.2)]
    assert LEVELS.is_positive([0, 1, 2]).tolist() == [False, False, True]
    assert SCORE.is_positive([4.9, 5]).tolist() == [False, True]
    for task in (BINARY, LEVELS, SCORE):
        assert Task.from_dict(task.as_dict()) == task
    with pytest.raises(ModelError):
        Task.from_dict({"kind": "binary", "classes": ["one"], "highest": 10})
