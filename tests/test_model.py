"""A trained model on the core install: what it gives, and which files are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

from fakes import calm, write_emotion_onnx
from moment_models import COLUMNS, write_moment_model
from reelpulse.errors import ModelError
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.inputs import Steps
from reelpulse.moments.model import analysis_for, check_timeline, load_model
from reelpulse.timeline import Timeline

POINTS = [
    {"threshold": 0.9, "precision": 0.9, "recall": 0.1},
    {"threshold": 0.3, "precision": 0.5, "recall": 0.8},
    {"threshold": 0.6, "precision": 0.8, "recall": 0.5},
]


def some_steps(count: int = 5) -> Steps:
    random = np.random.default_rng(0)
    values = random.random((count, 15, 2), np.float32)
    times = np.tile(np.arange(15, dtype=np.float32) / 3, (count, 1))
    return Steps(values, times, np.ones((count, 15), bool), np.full((count, 2), np.nan, np.float32))


@pytest.mark.parametrize("task", [BINARY, LEVELS, SCORE], ids=lambda task: task.kind)
def test_scores_are_what_the_network_and_its_recipe_say(tmp_path: Path, task: Task) -> None:
    model = load_model(write_moment_model(tmp_path / "내 모델.onnx", task=task))
    assert model.name == "내 모델.onnx"
    assert model.task == task
    assert len(model.checksum) == 16
    steps = some_steps()
    most = ((steps.values - [0.05, 0.05]) / [0.1, 0.3]).max(axis=1)
    expected = 1 / (1 + np.exp(6 - 4 * most.sum(axis=1)))
    np.testing.assert_allclose(model.scores(steps), expected, rtol=1e-4)
    outputs = model.outputs(steps)
    assert outputs.shape == (5, task.outputs)
    if task.kind == "classes":
        np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-6)


def test_many_windows_are_run_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(write_moment_model(tmp_path / "a.onnx"))
    whole = model.scores(some_steps(50))
    monkeypatch.setattr("reelpulse.moments.model._BATCH", 7)
    np.testing.assert_array_equal(model.scores(some_steps(50)), whole)
    assert model.scores(some_steps(0)).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metadata": {"kind": "laughter"}}, "laughter"),
        ({"metadata": {"kind": None}}, "no model of moments"),
        ({"metadata": {"version": 2}}, "upgrade"),
        ({"metadata": {"task": None}}, "what it learnt"),
        ({"metadata": {"task": {"kind": "binary", "classes": ["a"], "highest": 10}}}, "unknown"),
        ({"metadata": {"recipe": None}}, "what it takes"),
        ({"metadata": {"recipe": [1]}}, "what it takes"),
        ({"recipe": {"baseline": "moon"}}, "upgrade"),
        ({"recipe": {"std": [0.0, 1.0]}}, "upgrade"),
        ({"recipe": {"columns": ["a", "b", "c"], "mean": [0] * 3, "std": [1] * 3}}, "be run"),
        ({"metadata": {"window": None}}, "windows"),
        ({"metadata": {"window": {"seconds": [], "step": 0.5}}}, "windows"),
        ({"metadata": {"window": {"seconds": [5], "step": -1}}}, "windows"),
        ({"metadata": {"operating": [{"threshold": 1}]}}, "threshold"),
        ({"metadata": {"operating": 7}}, "threshold"),
        ({"metadata": {"task": LEVELS.as_dict()}}, "shape"),
        ({"bias": float("nan")}, "no number"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write_moment_model(tmp_path / "odd.onnx", **changes)
    with pytest.raises(ModelError, match=said) as refused:
        load_model(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_files_that_are_no_such_model_are_refused(tmp_path: Path) -> None:
    face, whole = tmp_path / "face.onnx", write_moment_model(tmp_path / "whole.onnx")
    write_emotion_onnx(face, {"kind": "face_emotion"}, size=16)
    (tmp_path / "cut.onnx").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "state.pt").write_bytes(b"PK\3\4 and more")
    for name, said in {
        "face.onnx": "face_emotion",
        "cut.onnx": "not a usable",
        "empty.onnx": "empty",
        "text.onnx": "not a usable",
        "state.pt": "pickle",
        "gone.onnx": "No such file",
    }.items():
        with pytest.raises(ModelError, match=said):
            load_model(tmp_path / name)


def test_the_lowest_threshold_that_is_right_often_enough(tmp_path: Path) -> None:
    path = write_moment_model(tmp_path / "a.onnx", metadata={"operating": POINTS})
    model = load_model(path)
    assert [model.threshold(wanted) for wanted in (0.4, 0.5, 0.7, 0.9)] == [0.3, 0.3, 0.6, 0.9]
    with pytest.raises(ModelError, match="at best"):
        model.threshold(0.95)
    with pytest.raises(ModelError, match="labelled videos"):
        load_model(write_moment_model(tmp_path / "b.onnx")).threshold(0.5)


def test_a_timeline_that_lacks_columns_is_refused_with_their_names(tmp_path: Path) -> None:
    columns = (*COLUMNS, "laughter", "motion")
    weights, spread = [1.0] * 4, [1.0] * 4
    path = write_moment_model(
        tmp_path / "a.onnx", columns, weights=weights, mean=weights, std=spread
    )
    with pytest.raises(ModelError, match=r"laughter, motion.*--stream laughter --stream motion"):
        check_timeline(load_model(path), calm(10))


@pytest.mark.parametrize(
    ("spacing", "sampling", "models", "said"),
    [
        (0.5, {"rate": 2.0}, {}, []),
        (0.25, {"rate": 2.0}, {}, ["2 ticks a second, here 4"]),
        (0.5, {"rate": 2.0, "models": {"emotion": "a"}}, {"emotion": "a", "identity": "x"}, []),
        (0.5, {"models": {"emotion": "a"}}, {"emotion": "b"}, ["emotion by a, here by b"]),
        (0.25, {"rate": 2.0, "models": {"emotion": "a"}}, {"emotion": "b"}, ["here 4", "here by"]),
        (0.5, {}, {"emotion": "b"}, []),
        (0.5, {"rate": "often", "models": 3}, {"emotion": "b"}, []),
    ],
)
def test_what_was_measured_otherwise_is_said_once(
    tmp_path: Path, spacing: float, sampling: Any, models: Any, said: list[str]
) -> None:
    model = load_model(write_moment_model(tmp_path / "a.onnx", metadata={"sampling": sampling}))
    timeline = calm(60, spacing=spacing)
    timeline.meta["models"] = models
    warnings = check_timeline(model, timeline)
    assert len(warnings) == bool(said)
    assert all(part in warnings[0] for part in said)


def test_a_short_clip_is_not_judged_by_its_rate(tmp_path: Path) -> None:
    model = load_model(write_moment_model(tmp_path / "a.onnx"))
    clip = calm(6, spacing=0.4)
    assert check_timeline(model, clip)
    clip.meta["sampling"] = {"ticks": 15}
    assert not check_timeline(model, clip)
    assert not check_timeline(model, Timeline(clip.times[:1], clip.values[:1], clip.columns))


def test_videos_are_analysed_as_the_clips_were(tmp_path: Path) -> None:
    path = write_moment_model(tmp_path / "a.onnx", metadata={"sampling": {"rate": 4.0}})
    model = load_model(path)
    assert analysis_for(model).fps == 4
    wide = replace(model, recipe=replace(model.recipe, embeddings=3))
    assert analysis_for(wide).stream == ("embedding",)
