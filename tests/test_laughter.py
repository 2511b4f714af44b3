"""The stream `laughter`: its models, its ticks, its part in tension and reasons."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelpulse
from conftest import Command
from fakes import calm, hidden, tick, with_burst
from films import Sound, make_video
from reelpulse.errors import MissingExtra, ModelError
from reelpulse.moments.detect import find_moments
from reelpulse.moments.tension import tension
from reelpulse.streams import load_laughter
from reelpulse.streams.laughter import MEL, PATCH, SECONDS, LaughterModel, LaughterStream
from reelpulse.timeline import FACE_COLUMNS, Timeline

NAMES = ["builtin", "yamnet"]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest, test_models: Path) -> LaughterModel:
    """Each detector that can be had here."""
    if request.param == "yamnet":
        pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    return load_laughter(request.param)


@pytest.fixture
def sounds(test_data: Path) -> dict[str, list[np.ndarray]]:
    """Some clips of some classes."""
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    kinds = ("laughing", "coughing", "rain", "door_knock", "keyboard_typing")
    return {
        kind: [
            librosa.load(path, sr=None)[0]
            for path in sorted((test_data / "esc50" / kind).glob("*"))[:8]
        ]
        for kind in kinds
    }


def test_scores_are_probabilities_two_a_second(model: LaughterModel) -> None:
    random = np.random.default_rng(0)
    sound = random.normal(0, 0.1, 16_000 * 5).astype(np.float32)
    scores = model(sound, 16_000)
    assert scores.dtype == np.float32
    assert scores.shape == (9,)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert model(sound[:100], 16_000).shape == (1,)
    assert model(np.zeros(0, np.float32), 16_000).shape == (1,)
    assert model(np.full(20_000, np.nan, np.float32), 16_000).max() < 0.5


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_the_rate_hardly_matters(rate: int) -> None:
    time = np.arange(rate * 3) / rate
    sound = (0.2 * np.sin(2 * np.pi * 700 * time) * (np.sin(2 * np.pi * 5 * time) > 0)).astype("f4")
    model = load_laughter("builtin")
    reference = np.arange(48_000) / 16_000
    same = 0.2 * np.sin(2 * np.pi * 700 * reference) * (np.sin(2 * np.pi * 5 * reference) > 0)
    np.testing.assert_allclose(model(sound, rate), model(same, 16_000), atol=0.15)


def test_stereo_is_refused() -> None:
    with pytest.raises(ModelError, match="mono"):
        load_laughter("builtin")(np.zeros((2, 100), np.float32), 16_000)


def test_laughter_scores_more_than_other_sounds(
    model: LaughterModel, sounds: dict[str, list[np.ndarray]]
) -> None:
    best = {kind: [model(clip, 16_000).max() for clip in clips] for kind, clips in sounds.items()}
    laughs = np.median(best.pop("laughing"))
    assert laughs >= 0.4
    for kind, scores in best.items():
        assert np.median(scores) < laughs / 2, kind


def test_a_tick_hears_the_second_before_it() -> None:
    calls: list[np.ndarray] = []

    def network(patches: np.ndarray) -> np.ndarray:
        calls.append(patches)
        return patches.mean(axis=(1, 2)) > -6

    stream = LaughterStream(LaughterModel("fake", "c" * 16, network))
    assert stream.sound == {MEL.rate: SECONDS}
    loud = np.random.default_rng(0).normal(0, 0.2, PATCH).astype(np.float32)
    ticks = [
        tick(0, sounds={MEL.rate: np.full(PATCH, np.nan, np.float32)}),
        tick(1, sounds={MEL.rate: loud}),
        tick(2, sounds={MEL.rate: np.zeros(PATCH, np.float32)}),
        tick(3),
    ]
    values = stream.process(ticks)
    assert values.shape == (4, 1)
    np.testing.assert_array_equal(values[1:3, 0], [1, 0])
    assert np.isnan(values[[0, 3], 0]).all()
    assert len(calls[0]) == 2
    assert stream.process([tick(4)]).shape == (1, 1)


def test_the_column_comes_after_the_first_twelve(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", seconds=3, sounds=[Sound()])
    timeline = reelpulse.analyze(video, detector="dlib", identity="none", laughter="builtin")
    assert timeline.columns[12:] == ("laughter",)
    values = timeline.column("laughter")
    assert np.isfinite(values[2:]).all()
    assert ((values[2:] >= 0) & (values[2:] <= 1)).all()


def test_a_video_without_sound_has_no_laughter(tmp_path: Path) -> None:
    timeline = reelpulse.analyze(make_video(tmp_path / "a.mp4", seconds=2), detector="dlib")
    assert np.isnan(timeline.column("laughter")).all()


# Which model


def test_auto_takes_what_is_at_hand(monkeypatch: pytest.MonkeyPatch, test_models: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert load_laughter().name == "builtin"
    monkeypatch.undo()
    monkeypatch.setenv("REELPULSE_MODELS", str(test_models))
    if importlib.util.find_spec("ai_edge_litert"):
        assert load_laughter().name == "yamnet"


def test_yamnet_without_its_runtime_is_told(
    monkeypatch: pytest.MonkeyPatch, test_models: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtra, match=r"reelpulse\[laughter\]"):
        load_laughter("yamnet")


@pytest.mark.parametrize("name", ["face_emotion.onnx", "nonsense.onnx", "nonsense.tflite"])
def test_another_file_is_no_laughter_model(tmp_path: Path, name: str, run: Command) -> None:
    path = tmp_path / name
    if name.startswith("face"):
        path.write_bytes((Path(reelpulse.__file__).parent / "assets" / name).read_bytes())
    else:
        path.write_bytes(b"nonsense" * 100)
    if name.endswith("tflite"):
        pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    video = make_video(tmp_path / "a.mp4", seconds=1, sounds=[Sound()])
    run("analyze", "-q", video, "--laughter", path).one_line(name)


# Tension and reasons


def laughing(timeline: Timeline, start: float, end: float) -> Timeline:
    """The same with somebody laughing from start to end."""
    values = np.full((len(timeline), 1), 0.02, np.float32)
    values[(timeline.times >= start) & (timeline.times < end)] = 0.9
    return Timeline(
        timeline.times,
        np.concatenate([timeline.values, values], axis=1),
        (*timeline.columns, "laughter"),
        timeline.meta,
    )


def reason(moment: Any) -> Any:
    return next(reason for reason in moment.reasons if reason.part == "laughter")


def test_laughter_raises_tension() -> None:
    plain, heard = calm(300), laughing(calm(300), 200, 203)
    inside = (plain.times >= 200) & (plain.times < 203)
    assert tension(heard)[inside].mean() > tension(plain)[inside].mean() + 0.05
    burst = with_burst(calm(300), 200, 203)
    assert tension(laughing(burst, 200, 203)).max() > tension(laughing(burst, 100, 103)).max()


def test_the_reason_says_whether_the_face_laughed_along() -> None:
    along = find_moments(laughing(with_burst(calm(300), 200, 203), 200, 203))[0]
    assert str(reason(along)) == "laughter (the face laughs along)"
    assert reason(along).facts == {"probability": 0.9, "along": "yes"}
    alone = find_moments(laughing(calm(300), 200, 203), min_score=0.05)[0]
    assert str(reason(alone)) == "laughter (the face does not laugh)"
    assert alone.score < along.score / 2
    faceless = find_moments(hidden(laughing(calm(300), 200, 203), FACE_COLUMNS))[0]
    assert str(reason(faceless)) == "laughter"
    assert "along" not in reason(faceless).facts


def test_without_the_column_tension_does_without() -> None:
    burst = with_burst(calm(300), 200, 203)
    missing = laughing(burst, 0, 0)
    values = missing.values.copy()
    values[:, -1] = np.nan
    np.testing.assert_allclose(tension(replace(missing, values=values)), tension(burst))
