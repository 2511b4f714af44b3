"""A model of speech emotion: what it is given, what it gives, and what is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from scipy.io import wavfile

import reelpulse
from reelpulse import hub
from reelpulse.errors import ModelError, SettingsError
from reelpulse.media import read_sound
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.model import SpeechModel, load_speech
from reelpulse.speech.picture import normalised, picture
from reelpulse.speech.voice import RATE, STEP, load_voice
from speech_models import BANDS, SPEC, spoken, write_speech_model

ASSET = Path(reelpulse.__file__).parent / "assets" / "speech.onnx"
MOST_BYTES = 5_000_000


@pytest.fixture
def model(tmp_path: Path) -> SpeechModel:
    """Tells tones by their pitch."""
    return load_speech(write_speech_model(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize("index", range(BANDS))
def test_each_class_is_heard(model: SpeechModel, index: int) -> None:
    found = model(spoken(index), RATE)
    assert found.shape == (BANDS,)
    assert found.dtype == np.float32
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert model.classes[int(found.argmax())] == EMOTIONS[index]


def test_a_network_is_given_what_it_was_trained_on(model: SpeechModel) -> None:
    """The very pictures that a trainer reads, normalised by the same function."""
    sound = spoken(3)
    given = normalised(picture(sound, SPEC)[None], SPEC)
    expected = model.session.run(None, {"input": given.astype(np.float32)})[0]
    np.testing.assert_allclose(model.heard([sound]), expected, atol=1e-6)
    np.testing.assert_allclose(model(sound, RATE), expected[0], atol=1e-6)


def test_many_at_once_are_heard_as_one_by_one(model: SpeechModel) -> None:
    sounds = [spoken(i % BANDS, 0.3 + 0.1 * i) for i in range(40)]
    together = model.heard(sounds)
    assert together.shape == (40, BANDS)
    np.testing.assert_allclose(together, [model.heard([s])[0] for s in sounds], atol=1e-6)
    assert model.heard([]).shape == (0, BANDS)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 96_000])
def test_the_rate_does_not_matter(model: SpeechModel, rate: int) -> None:
    np.testing.assert_allclose(
        model(spoken(2, 2.0, rate), rate), model(spoken(2, 2.0), RATE), atol=0.05
    )


def test_silence_is_no_emotion(model: SpeechModel) -> None:
    for sound in (np.zeros(RATE), np.zeros(0), np.full(RATE, np.nan)):
        assert np.isnan(model(sound, RATE)).all()
    mixed = model.heard([np.zeros(RATE, np.float32), spoken(1)])
    assert np.isnan(mixed[0]).all()
    assert np.isfinite(mixed[1]).all()


def test_the_shortest_clips_are_heard(model: SpeechModel) -> None:
    for seconds in (0.001, 0.01, 0.05):
        assert np.isfinite(model(spoken(0, seconds), RATE)).all()


def test_a_long_clip_is_heard_in_windows_to_its_end(tmp_path: Path) -> None:
    spec = replace(SPEC, seconds=2.0)
    model = load_speech(write_speech_model(tmp_path / "two.onnx", spec=spec))
    clip = np.concatenate([spoken(0, 2.0), spoken(6, 2.0)])
    found = model(clip, RATE)
    first, last = (model(part, RATE) for part in (clip[: 2 * RATE], clip[2 * RATE :]))
    assert set(np.argsort(found)[-2:]) == {0, 6}, "not its middle alone"
    assert found[0] < first[0]
    assert found[6] < last[6]
    short = load_speech(write_speech_model(tmp_path / "all.onnx"))
    np.testing.assert_allclose(model(clip[:RATE], RATE).argmax(), short(clip[:RATE], RATE).argmax())


def test_stereo_is_refused(model: SpeechModel) -> None:
    with pytest.raises(ModelError, match="mono"):
        model(np.zeros((2, 100), np.float32), RATE)


def test_own_classes_keep_their_names(tmp_path: Path) -> None:
    path = write_speech_model(tmp_path / "own.onnx", classes=("bored", "지루함"))
    model = load_speech(path)
    assert model.classes == ("bored", "지루함")
    assert model(spoken(1), RATE).shape == (2,)
    assert model.settings == {"speech": "own.onnx", "checksum": model.checksum}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metadata": {"kind": "laughter"}}, "'laughter'"),
        ({"metadata": {"kind": None}}, "no model of speech"),
        ({"metadata": {"version": 2}}, "upgrade"),
        ({"metadata": {"picture": None}}, "pictures are drawn"),
        ({"metadata": {"picture": replace(SPEC, mean=(), std=()).as_dict()}}, "normalised"),
        ({"metadata": {"classes": []}}, "classes"),
        ({"metadata": {"classes": "anger"}}, "classes"),
        ({"metadata": {"classes": ["anger", "anger"]}}, "classes"),
        ({"metadata": {"classes": ["anger", 3]}}, "classes"),
        ({"metadata": {"classes": list(EMOTIONS[:3])}}, "shape (2, 7)"),
        ({"metadata": {"picture": replace(SPEC, size=(9, 9)).as_dict()}}, "cannot be run"),
        ({"name": "sound"}, "takes sound"),
        ({"last": "Relu"}, "no probabilities"),
    ],
)
def test_what_is_no_speech_model_is_told(tmp_path: Path, changes: Any, said: str) -> None:
    path = write_speech_model(tmp_path / "odd.onnx", **changes)
    with pytest.raises(ModelError) as told:
        load_speech(path)
    assert str(told.value).startswith(f"{path}: ")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["missing", "nonsense", "laughter"])
def test_other_files_are_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.onnx"
    if kind == "nonsense":
        path.write_bytes(b"nonsense" * 50)
    if kind == "laughter":
        path.write_bytes(ASSET.with_name("laughter.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"x\.onnx"):
        load_speech(path)


# The built-in model


@pytest.fixture(scope="module")
def builtin() -> SpeechModel:
    return load_speech("builtin")


def test_the_built_in_model_is_small_and_says_what_it_is(builtin: SpeechModel) -> None:
    assert ASSET.stat().st_size <= MOST_BYTES
    assert builtin.name == "builtin"
    assert builtin.classes == EMOTIONS
    said = builtin.description
    assert {"data", "scores", "settings", "recipe", "licence", "reelpulse"} <= said.keys()
    assert (ASSET.parents[3] / said["recipe"]).is_file()
    text = ort.InferenceSession(ASSET).get_modelmeta().custom_metadata_map["reelpulse"]
    assert json.loads(text) == said
    card = ASSET.with_suffix(".md").read_text(encoding="utf-8")
    assert all(corpus in card for corpus in ("RAVDESS", "EMO-DB", "Korean", "CC BY-NC-SA"))


def test_auto_takes_the_built_in_model() -> None:
    assert load_speech().name == "builtin"
    assert hub.locate("builtin_speech") == ASSET


def test_the_built_in_model_hears_no_loudness(builtin: SpeechModel) -> None:
    sound = spoken(1) + 0.01 * np.random.default_rng(0).normal(size=48_000).astype(np.float32)
    np.testing.assert_allclose(builtin(sound, RATE), builtin(0.05 * sound, RATE), atol=1e-3)


def test_the_built_in_model_tells_acted_emotions(test_data: Path, builtin: SpeechModel) -> None:
    """Clips that it was taught by: what is broken on the way would be heard at once."""
    right = []
    for path in sorted((test_data / "emodb").glob("*.ogg"))[::8]:
        shown = {"W": "anger", "N": "neutral", "F": "happiness", "T": "sadness"}[path.stem[5]]
        right.append(EMOTIONS[int(builtin(read_sound(path), RATE).argmax())] == shown)
    assert len(right) > 30
    assert np.mean(right) > 0.7


# Voices


def hum(seconds: float = 3.0) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * 120 * np.arange(round(seconds * RATE)) / RATE)).astype("f4")


def test_by_energy_what_comes_and_goes_is_a_voice() -> None:
    voice = load_voice("energy")
    hiss = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    pieces = np.stack([spoken(2), np.zeros(3 * RATE), hum(), hiss, np.full(3 * RATE, np.nan)])
    found = voice.share(pieces)
    assert found[0] == pytest.approx(0.6, abs=0.15)
    np.testing.assert_array_equal(found[1:], 0)
    assert voice.probabilities(pieces[:, : STEP + 1]).shape == (5, 2)
    assert voice.share(np.zeros((2, 0))).tolist() == [0, 0]


def test_a_voice_in_a_part_is_a_share_of_the_whole() -> None:
    voice = load_voice("energy")
    piece = np.concatenate([np.full(2 * RATE, np.nan), spoken(2, 1.0)])
    assert 0.1 < voice.share(piece[None])[0] < 0.3


def test_silero_tells_speech_from_other_sounds(test_models: Path, test_data: Path) -> None:
    voice = load_voice()
    assert voice.name == "silero"
    speech = [read_sound(p) for p in sorted((test_data / "emodb").glob("*.ogg"))[::40]]
    others = [read_sound(p) for p in sorted((test_data / "esc50").glob("*/*"))[::40]]
    assert min(voice.share(sound[None])[0] for sound in speech) > 0.5
    assert np.mean([voice.share(sound[None])[0] < 0.1 for sound in others]) > 0.9


def test_silero_judges_each_piece_by_itself(test_models: Path, test_data: Path) -> None:
    voice = load_voice("silero")
    sound = read_sound(sorted((test_data / "emodb").glob("*.ogg"))[0])[: 2 * RATE]
    sound = np.resize(sound, 2 * RATE)
    pieces = np.stack([sound, np.zeros_like(sound), sound[::-1]])
    together = voice.probabilities(pieces)
    alone = np.concatenate([voice.probabilities(piece[None]) for piece in pieces])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_without_the_network_voices_are_told_by_energy() -> None:
    assert load_voice().name == "energy"
    with pytest.raises(SettingsError, match="silero, energy"):
        load_voice("ears")


def test_another_network_is_no_silero(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not Silero VAD"):
        load_voice(write_speech_model(tmp_path / "tiny.onnx"))


def test_eight_bits_and_stereo_are_heard_alike(tmp_path: Path, model: SpeechModel) -> None:
    sound = spoken(4)
    wavfile.write(tmp_path / "mono.wav", RATE, np.uint8(128 + 127 * sound))
    wavfile.write(tmp_path / "two.wav", RATE, np.column_stack([sound, sound]))
    found = [model(read_sound(tmp_path / name), RATE) for name in ("mono.wav", "two.wav")]
    np.testing.assert_allclose(found[0], found[1], atol=0.1)


@pytest.mark.parametrize("trim_db", [None, 60.0, 20.0])
def test_what_is_heard_is_drawn_as_in_training(tmp_path: Path, trim_db: float | None) -> None:
    spec = replace(SPEC, trim_db=trim_db)
    model = load_speech(write_speech_model(tmp_path / "m.onnx", spec=spec))
    quiet = 0.003 * np.random.default_rng(0).standard_normal(RATE // 2).astype(np.float32)
    sound = np.concatenate([quiet, spoken(3), quiet])
    np.testing.assert_array_equal(
        model.heard([sound]), model.of_pictures(picture(sound, spec)[np.newaxis])
    )
    assert np.isnan(model.heard([np.zeros(RATE, np.float32)])).all()
