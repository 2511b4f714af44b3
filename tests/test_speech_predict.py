"""``reelpulse speech predict``: files of all sorts, those that fail among those that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from conftest import Command
from films import Sound, make_video
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.model import SpeechModel, load_speech
from reelpulse.speech.predict import CLIP_SECONDS, predict, predict_file
from reelpulse.speech.voice import RATE, SECONDS, VoiceActivity, load_voice
from speech_models import spoken, tone, write_speech_model


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Tells tones by their pitch."""
    return write_speech_model(tmp_path / "tiny.onnx")


@pytest.fixture
def model(tiny: Path) -> SpeechModel:
    return load_speech(tiny)


@pytest.fixture
def voice() -> VoiceActivity:
    return load_voice("energy")


def write(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    wavfile.write(path, rate, sound)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Sound and video that can be heard."""
    three = spoken(3)
    high = spoken(3, rate=96_000)
    return {
        "plain": write(tmp_path / "plain.wav", three),
        "stereo": write(tmp_path / "stereo.wav", np.column_stack([three, three])),
        "8 bits": write(tmp_path / "eight.wav", np.uint8(128 + 127 * three)),
        "96 kHz": write(tmp_path / "fast.wav", np.int16(32_767 * high), 96_000),
        "video": make_video(
            tmp_path / "말 하기.mp4", seconds=3, sounds=[Sound(wave=lambda time: tone(time, 3))]
        ),
    }


def asked(run: Command, *arguments: Any) -> tuple[int, list[dict[str, Any]], list[str]]:
    ran = run("speech", "predict", *arguments, "--json")
    return ran.code, json.loads(ran.out), ran.errors


def test_every_kind_of_file_is_heard(run: Command, files: dict[str, Path], tiny: Path) -> None:
    code, found, errors = asked(run, *files.values(), "--model", tiny)
    assert (code, errors) == (0, [])
    assert [item["file"] for item in found] == [str(path) for path in files.values()]
    for item in found:
        assert item["label"] == EMOTIONS[3]
        assert list(item["probabilities"]) == list(EMOTIONS)
        assert sum(item["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert max(item["probabilities"], key=item["probabilities"].get) == item["label"]
        assert item["duration"] == pytest.approx(3, abs=0.1)
        assert 0.3 < item["voice"] <= 1
        assert not {"windows", "error"} & item.keys()


def test_people_read_a_line_a_file(run: Command, files: dict[str, Path], tiny: Path) -> None:
    ran = run("speech", "predict", files["plain"], files["video"], "--model", tiny)
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert first.startswith(f"{files['plain']}: happiness 0.")
    assert "말 하기.mp4: happiness" in second


def test_the_built_in_model_is_the_default(run: Command, files: dict[str, Path]) -> None:
    one, two = (asked(run, files["plain"], *options)[1] for options in ([], ["--model", "builtin"]))
    assert one == two
    assert set(one[0]["probabilities"]) == set(EMOTIONS)


def test_silence_and_noise_are_no_voice(run: Command, tmp_path: Path, tiny: Path) -> None:
    silent = write(tmp_path / "silent.wav", np.zeros(2 * RATE, np.float32))
    hiss = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    code, found, errors = asked(run, silent, write(tmp_path / "hiss.wav", hiss), "--model", tiny)
    assert (code, errors) == (0, [])
    for item in found:
        assert (item["label"], item["probabilities"], item["voice"]) == (None, None, 0.0)
    assert run("speech", "predict", silent, "--model", tiny).out == f"{silent}: no voice\n"


@pytest.mark.parametrize(("seconds", "heard"), [(0.05, False), (0.09, False), (0.15, True)])
def test_an_instant_of_voice_is_not_guessed_at(
    tmp_path: Path, model: SpeechModel, seconds: float, heard: bool
) -> None:
    everywhere = VoiceActivity(
        "fake", "f" * 16, lambda sound: np.ones((len(sound), sound.shape[1] // 512), np.float32)
    )
    found = predict_file(write(tmp_path / "short.wav", spoken(0, seconds)), model, everywhere)
    assert found.duration == pytest.approx(seconds, abs=0.01)
    assert (found.voice, found.label is not None) == (1.0, heard)


def test_those_that_fail_are_named_and_the_others_heard(
    run: Command, files: dict[str, Path], tmp_path: Path, tiny: Path
) -> None:
    mute = make_video(tmp_path / "mute.mp4", seconds=1)
    (tmp_path / "broken.wav").write_bytes(b"RIFF" + bytes(100))
    (tmp_path / "text.txt").write_text("no sound")
    (tmp_path / "folder.wav").mkdir()
    names = ["mute.mp4", "broken.wav", "text.txt", "folder.wav", "missing.wav"]
    bad = [mute, *(tmp_path / name for name in names[1:])]
    code, found, errors = asked(run, *bad, files["plain"], "--model", tiny)
    assert code == 1
    assert found[-1]["label"] == EMOTIONS[3]
    assert len(errors) == len(bad) + 1
    for name, item, line in zip(names, found, errors, strict=False):
        assert item["label"] is None
        assert item["probabilities"] is None
        assert name in item["error"]
        assert line == f"error: {item['error']}"
    assert "no sound track" in found[0]["error"]
    assert errors[-1].startswith("5 of 6 failed: ")


def test_a_track_that_is_not_there_is_told(run: Command, files: dict[str, Path]) -> None:
    ran = run("speech", "predict", "-q", files["plain"], "--audio-track", 3)
    ran.one_line("plain.wav", "track")


def test_another_track_is_heard(run: Command, tmp_path: Path, tiny: Path) -> None:
    sounds = [Sound(wave=lambda time, i=i: tone(time, i)) for i in (0, 6)]
    video = make_video(tmp_path / "two.mp4", seconds=2, sounds=sounds)
    labels = [
        asked(run, video, "--model", tiny, "--audio-track", track)[1][0]["label"]
        for track in (0, 1)
    ]
    assert labels == [EMOTIONS[0], EMOTIONS[6]]


@pytest.mark.parametrize("name", ["laughter.onnx", "nothing.onnx"])
def test_another_model_is_told_in_one_line(
    run: Command, files: dict[str, Path], tmp_path: Path, name: str
) -> None:
    if name.startswith("laughter"):
        write_speech_model(tmp_path / name, metadata={"kind": "laughter"})
    run("speech", "predict", files["plain"], "--model", tmp_path / name).one_line(name)


# Long files


def test_a_long_file_is_heard_in_windows_where_somebody_speaks(
    tmp_path: Path, model: SpeechModel, voice: VoiceActivity
) -> None:
    quiet = np.zeros(6 * RATE, np.float32)
    sound = np.concatenate([spoken(0, 9.0), quiet, spoken(6, 5.2)])
    found = predict_file(write(tmp_path / "long.wav", sound), model, voice)
    assert found.duration == pytest.approx(20.2, abs=0.01)
    starts = [window.start for window in found.windows]
    assert starts == [1.5 * number for number in range(len(starts))]
    assert found.windows[-1].end == pytest.approx(20.2, abs=0.01), "to the sound's end"
    labels = {window.start: window.label for window in found.windows}
    assert {labels[start] for start in starts if start <= 6} == {EMOTIONS[0]}
    assert {labels[start] for start in starts if 9 <= start <= 12} == {None}
    assert labels[16.5] == EMOTIONS[6]
    heard = [window.probabilities for window in found.windows if window.probabilities]
    assert found.probabilities is not None
    for name, share in found.probabilities.items():
        assert share == pytest.approx(np.mean([p[name] for p in heard]), abs=1e-3)
    assert found.label == EMOTIONS[0]


def test_each_window_is_heard_by_itself(
    tmp_path: Path, model: SpeechModel, voice: VoiceActivity
) -> None:
    sound = np.concatenate([spoken(index, 3.0) for index in range(7)])
    found = predict_file(write(tmp_path / "long.wav", sound), model, voice)
    for window in found.windows:
        piece = sound[round(window.start * RATE) :][: round(SECONDS * RATE)]
        assert window.voice == pytest.approx(float(voice.share(piece[None])[0]), abs=1e-3)
        expected = dict(zip(model.classes, model(piece, RATE), strict=True))
        assert window.probabilities == pytest.approx(expected, abs=1e-3)


def test_up_to_ten_seconds_are_one_utterance(
    tmp_path: Path, model: SpeechModel, voice: VoiceActivity
) -> None:
    within, beyond = (
        predict_file(write(tmp_path / f"{seconds}.wav", spoken(1, seconds)), model, voice)
        for seconds in (CLIP_SECONDS, CLIP_SECONDS + 0.5)
    )
    assert not within.windows
    assert len(beyond.windows) == 6
    assert within.label == beyond.label == EMOTIONS[1]


def test_a_long_silent_file_is_no_voice(run: Command, tmp_path: Path, tiny: Path) -> None:
    path = write(tmp_path / "silent.wav", np.zeros(15 * RATE, np.float32))
    code, (found,), _ = asked(run, path, "--model", tiny)
    assert (code, found["label"]) == (0, None)
    assert {window["label"] for window in found["windows"]} == {None}


def test_progress_names_each_file(tmp_path: Path, model: SpeechModel) -> None:
    seen: list[tuple[int, int, str]] = []
    paths = [write(tmp_path / f"{name}.wav", spoken(0, 0.5)) for name in "ab"]
    results = list(predict(paths, model, progress=lambda *now: seen.append(now)))
    assert seen == [(0, 2, "a.wav"), (1, 2, "b.wav")]
    assert [result.error for result in results] == [None, None]
