"""A model slid over a timeline: every window as if it were alone, and a score a tick from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

pytest.importorskip("onnx", reason="onnx is not installed")

from fakes import calm, hidden, with_burst
from moment_models import write_moment_model
from reelpulse.errors import DataError
from reelpulse.moments import windows
from reelpulse.moments.lengths import LENGTHS, Shape
from reelpulse.moments.model import MomentModel, load_model
from reelpulse.moments.windows import Slider, Windows, laid, score_curve, window_scores
from reelpulse.timeline import FACE_COLUMNS, Timeline


@pytest.fixture
def model(tmp_path: Path) -> MomentModel:
    return load_model(write_moment_model(tmp_path / "sum.onnx", weights=(2.0, 2.0), bias=-3.0))


def stream() -> Timeline:
    """Two minutes with a laugh, and ten seconds without a face."""
    timeline = with_burst(calm(120), 60, 63)
    return hidden(timeline, FACE_COLUMNS, (timeline.times >= 90) & (timeline.times < 100))


def test_windows_lie_at_every_half_second_inside_the_bounds() -> None:
    starts, ends = laid((10.0, 18.0), (5, 6, 7), 0.5)
    lengths = ends - starts
    assert [int((lengths == length).sum()) for length in (5, 6, 7)] == [7, 5, 3]
    assert starts.min() == 10
    assert ends.max() == 18
    assert np.allclose(starts % 0.5, 0)


@pytest.mark.parametrize("length", [0.4, 3.0, 4.9])
def test_a_stretch_shorter_than_all_windows_is_one(length: float) -> None:
    starts, ends = laid((2.0, 2.0 + length), (5, 6, 7), 0.5)
    assert starts.tolist() == [2.0]
    assert ends.tolist() == [2.0 + length]
    assert all(len(edge) == 0 for edge in laid((2.0, 2.0), (5, 6, 7), 0.5))


@pytest.mark.parametrize("length", list(LENGTHS))
@pytest.mark.parametrize("baseline", ["none", "video"])
def test_sliding_equals_scoring_each_window_by_itself(
    model: MomentModel, length: str, baseline: str
) -> None:
    shape = Shape(length, 10 if "cut" in length else 15)
    model = replace(model, recipe=replace(model.recipe, shape=shape, baseline=baseline))
    timeline = stream()
    found = window_scores(timeline, model)
    slider = Slider(timeline, model)
    alone = [
        slider.scores(np.array([start]), np.array([end]))[0]
        for start, end in zip(found.starts, found.ends, strict=True)
    ]
    np.testing.assert_allclose(found.scores, alone, atol=1e-6)
    assert np.isfinite(found.scores).any()


def test_a_window_is_scored_as_a_clip_cut_from_the_video_is(model: MomentModel) -> None:
    timeline = stream()
    found = window_scores(timeline, model)
    for start, end in ((20.0, 25.0), (58.5, 64.5), (70.0, 77.0)):
        inside = (timeline.times >= start - 1) & (timeline.times <= end + 1)
        clip = Timeline(timeline.times[inside] - start, timeline.values[inside], timeline.columns)
        alone = Slider(clip, model).scores(np.array([0.0]), np.array([end - start]))
        place = np.flatnonzero((found.starts == start) & (found.ends == end))
        np.testing.assert_allclose(found.scores[place], alone, atol=1e-6)


def test_columns_are_chosen_by_name(model: MomentModel) -> None:
    timeline = stream()
    mixed = timeline.select(timeline.columns[::-1])
    there, other = (window_scores(made, model).scores for made in (timeline, mixed))
    np.testing.assert_array_equal(there, other)


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_blocks_and_threads_change_nothing(
    model: MomentModel, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    whole = window_scores(stream(), model).scores
    monkeypatch.setattr(windows, "_BLOCK", block)
    np.testing.assert_allclose(window_scores(stream(), model).scores, whole, atol=1e-6)


def test_two_runs_are_equal(model: MomentModel) -> None:
    one, two = (window_scores(stream(), model) for _ in range(2))
    np.testing.assert_array_equal(one.scores, two.scores)


def test_windows_that_lack_too_much_have_no_score(model: MomentModel) -> None:
    found = window_scores(stream(), model)
    lost = np.maximum(np.minimum(found.ends, 100) - np.maximum(found.starts, 89.5), 0)
    share = lost / (found.ends - found.starts)
    assert np.isnan(found.scores[share > 0.45]).all()
    assert np.isfinite(found.scores[share < 0.2]).all()


def test_what_the_model_does_not_look_at_may_be_missing(tmp_path: Path) -> None:
    one = write_moment_model(
        tmp_path / "loud.onnx", ("loudness",), weights=[1.0], mean=[0.0], std=[1.0]
    )
    found = window_scores(hidden(stream(), FACE_COLUMNS), load_model(one))
    assert np.isfinite(found.scores).all()


def test_a_column_that_is_not_there_is_named(model: MomentModel) -> None:
    with pytest.raises(DataError, match="valence"):
        window_scores(stream().select(["loudness"]), model)


def test_nothing_to_look_at_gives_nothing(model: MomentModel) -> None:
    nothing = calm(20)
    empty = Timeline(nothing.times[:0], nothing.values[:0], nothing.columns, nothing.meta)
    found = window_scores(empty, model)
    assert np.isnan(found.scores).all()
    assert len(score_curve(found, empty.times, (0.0, 20.0))) == 0
    unseen = hidden(nothing, nothing.columns)
    assert np.isnan(window_scores(unseen, model).scores).all()


# Embeddings


def test_a_model_may_look_at_face_embeddings(tmp_path: Path) -> None:
    weights = [0.0] * 8 + [10.0, 0.0]  # the mean of the one value of an embedding, and its spread
    path = write_moment_model(
        tmp_path / "faces.onnx",
        weights=weights,
        bias=-5.0,
        recipe={"form": "summary", "embeddings": 2},
    )
    model, timeline = load_model(path), calm(40)
    with pytest.raises(DataError, match="embeddings"):
        window_scores(timeline, model)
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["times"] = timeline.times
        file["faces/feature"] = (timeline.times >= 20).astype(np.float16)[:, None]
        file["faces/person"] = np.arange(len(timeline), dtype=np.int32)
    found = window_scores(timeline, model, features_path=tmp_path / "wide.h5")
    inside = np.clip(found.ends - np.maximum(found.starts, 20), 0, None)
    share = inside / (found.ends - found.starts)
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(5 - 10 * share)), atol=1e-4)


# A score a tick


def test_even_scores_give_an_even_curve() -> None:
    starts, ends = laid((0.0, 60.0), (5, 6, 7), 0.5)
    times = np.arange(0, 60, 0.5)
    curve = score_curve(Windows(starts, ends, np.full(len(starts), 0.7)), times, (0.0, 60.0))
    np.testing.assert_allclose(curve[(times >= 2.5) & (times <= 57.5)], 0.7, atol=1e-6)
    assert (np.diff(curve[times < 2.5]) > 0).all(), "it falls to 0 at the ends"
    assert curve[0] < 0.01


def test_a_single_window_speaks_for_its_middle() -> None:
    starts, ends = laid((0.0, 60.0), (5,), 0.5)
    times = np.arange(0, 60, 0.5)
    curve = score_curve(Windows(starts, ends, (starts == 30).astype(float)), times, (0.0, 60.0))
    assert times[np.argmax(curve)] == 32.5
    assert curve[(times < 30) | (times > 35)].max() == 0
    assert np.abs(np.diff(curve)).max() < 0.25 * curve.max(), "smooth"
    np.testing.assert_allclose(curve[np.abs(times - 31) < 0.1], curve[np.abs(times - 34) < 0.1])


def test_no_peak_stands_on_the_edge_of_what_was_measured() -> None:
    starts, ends = laid((0.0, 60.0), (5, 6, 7), 0.5)
    scores = np.where(starts >= 20, 0.8, np.nan)
    scores[(starts == 20) & (ends == 27)] = 1.0
    times = np.arange(0, 60, 0.5)
    curve = score_curve(Windows(starts, ends, scores), times, (0.0, 60.0))
    assert 22 <= times[np.argmax(curve)] <= 25
    assert (np.diff(curve[(times >= 20) & (times <= 22)]) > 0).all()
    assert curve[times <= 20].max() < 0.01


def test_ticks_outside_of_the_bounds_score_nothing() -> None:
    starts, ends = laid((0.0, 60.0), (5,), 0.5)
    times = np.arange(0, 60, 0.5)
    curve = score_curve(Windows(starts, ends, np.ones(len(starts))), times, (20.0, 40.0))
    assert (curve[(times < 20) | (times > 40)] == 0).all()
    assert (curve[(times >= 20) & (times <= 40)] == pytest.approx(1, abs=1e-6)) is True


@given(
    length=some.floats(0.3, 40),
    spacing=some.sampled_from([0.2, 0.5, 1.3]),
    data=some.data(),
)
def test_the_curve_lies_within_the_scores(length: float, spacing: float, data: Any) -> None:
    starts, ends = laid((0.0, length), (5, 6, 7), 0.5)
    values = some.one_of(some.floats(0, 1), some.just(np.nan))
    scores = np.array(data.draw(some.lists(values, min_size=len(starts), max_size=len(starts))))
    times = np.arange(0, length, spacing)
    curve = score_curve(Windows(starts, ends, scores), times, (0.0, length))
    assert np.isfinite(curve).all()
    assert (curve >= 0).all()
    assert curve.max(initial=0) <= np.nan_to_num(scores).max(initial=0) + 1e-9
    if (np.nan_to_num(scores) > 1e-6).all():
        assert curve.max(initial=0) > 0
