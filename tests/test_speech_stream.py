"""The stream `speech`: where it is measured, and that segments, blocks and live runs agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reelpulse
from conftest import Command
from fakes import tick
from films import Sound, make_video
from reelpulse.errors import ModelError
from reelpulse.measure import measure
from reelpulse.media import RegularTicks, Tick, TickReader, probe
from reelpulse.settings import AnalyzeSettings
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.model import load_speech
from reelpulse.speech.voice import RATE, SECONDS, VoiceActivity, load_voice
from reelpulse.streams import STREAMS, SpeechStream, stream_names
from speech_models import SPEC, spoken, tone, write_speech_model

COLUMNS = tuple(f"speech_{name}" for name in EMOTIONS)
LENGTH = round(SECONDS * RATE)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Tells tones by their pitch."""
    return write_speech_model(tmp_path / "tiny.onnx")


@pytest.fixture
def stream(tiny: Path) -> SpeechStream:
    return SpeechStream(load_speech(tiny), load_voice("energy"))


def heard(stream: SpeechStream, *sounds: np.ndarray | None) -> np.ndarray:
    ticks = [
        tick(i, sounds={} if sound is None else {RATE: sound.astype(np.float32)})
        for i, sound in enumerate(sounds)
    ]
    return stream.process(ticks)


def test_a_tick_hears_the_three_seconds_before_it(stream: SpeechStream) -> None:
    assert stream.columns == COLUMNS
    assert stream.sound == {RATE: SECONDS}
    longer = np.concatenate([spoken(0, 4.0), spoken(5)])
    values = heard(stream, spoken(5), longer, spoken(1))
    assert values.shape == (3, 7)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-5)
    assert values.argmax(axis=1).tolist() == [5, 5, 1]
    np.testing.assert_allclose(values[0], values[1], atol=1e-6)


def test_only_where_there_is_a_voice(stream: SpeechStream) -> None:
    silent, missing = np.zeros(LENGTH), np.full(LENGTH, np.nan)
    hiss = np.random.default_rng(0).normal(0, 0.1, LENGTH)
    begun, said = missing.copy(), silent.copy()
    begun[-RATE // 2 :] = spoken(2, 0.5)
    said[-2 * RATE :] = spoken(2, 2.0)
    values = heard(stream, silent, missing, None, hiss, begun, said)
    assert np.isnan(values[:5]).all()
    assert np.isfinite(values[5]).all()
    assert heard(stream).shape == (0, 7)


def test_the_share_that_decides_is_thirty_percent(tiny: Path) -> None:
    def judge(sound: np.ndarray) -> np.ndarray:
        """A voice wherever the sound is not 0."""
        return np.asarray(np.abs(sound.reshape(len(sound), -1, 512)).max(axis=2), np.float32) > 0

    stream = SpeechStream(load_speech(tiny), VoiceActivity("fake", "f" * 16, judge))
    cuts = [np.where(np.arange(LENGTH) < share * LENGTH, 0.1, 0) for share in (0.27, 0.33)]
    assert np.isfinite(heard(stream, *cuts)).all(axis=1).tolist() == [False, True]


def test_a_model_of_another_rate_gets_its_own_sound(tmp_path: Path) -> None:
    spec = replace(SPEC, mel=replace(SPEC.mel, rate=22_050))
    path = write_speech_model(tmp_path / "fast.onnx", spec=spec)
    stream = SpeechStream(load_speech(path), load_voice("energy"))
    assert stream.sound == {RATE: SECONDS, 22_050: SECONDS}
    both = {RATE: spoken(4), 22_050: spoken(4, rate=22_050)}
    assert stream.process([tick(0, sounds=both)]).argmax() == 4


def test_own_classes_become_columns(tmp_path: Path) -> None:
    path = write_speech_model(tmp_path / "own.onnx", classes=("bored", "keen"))
    stream = SpeechStream(load_speech(path), load_voice("energy"))
    assert stream.columns == ("speech_bored", "speech_keen")


# In a video


def speech_by_turns(time: np.ndarray) -> np.ndarray:
    """Five seconds of a tone, another one, and silence in every fourth turn.

    The first lasts three. At 60 s, a segment's border, somebody has just begun another tone.
    """
    turn = ((time + 2) // 5).astype(int)
    tones = np.stack([tone(time, index) for index in range(7)])
    return np.where(turn % 4 == 2, 0, tones[turn % 7, np.arange(len(time))])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound of 75 s: two segments."""
    sound = Sound(codec="pcm_s16le", rate=RATE, wave=speech_by_turns)
    path = tmp_path_factory.mktemp("film") / "talk.mkv"
    return make_video(path, fps=1, seconds=75, sounds=[sound])


def ticks_of(film: Path, first: int) -> list[Tick]:
    reader = TickReader(
        film, probe(film), RegularTicks(), first=first, pictures=False, sound={RATE: SECONDS}
    )
    return list(reader)


def test_live_segments_and_the_whole_agree(film: Path, stream: SpeechStream) -> None:
    """A tick at a time, from the second segment on alone, and as a file is measured."""
    whole = measure(film, probe(film), RegularTicks(), [stream]).blocks["speech"].values
    assert whole.shape == (150, 7)
    stream.reset()
    live = np.concatenate([stream.process([one]) for one in ticks_of(film, 0)])
    np.testing.assert_allclose(live, whole, atol=1e-6)
    stream.reset()
    later = stream.process(ticks_of(film, 120))
    np.testing.assert_allclose(later, whole[120:], atol=1e-3)
    assert np.isfinite(whole).any()
    assert np.isnan(whole).any()
    assert np.isfinite(whole[115:125]).all(), "nothing is tested where nobody speaks"
    for turn in (1, 3, 4, 5, 11, 12):
        at = whole[10 * turn + 3 : 10 * turn + 6]
        assert (at.argmax(axis=1) == turn % 7).all()
    assert np.isnan(whole[23:26]).all(), "nobody speaks in the third turn"


def test_columns_come_after_the_others(film: Path, tiny: Path) -> None:
    timeline = reelpulse.analyze(
        film, stream=("loudness", "speech"), speech=str(tiny), range="0-20"
    )
    assert timeline.columns[-7:] == COLUMNS
    assert np.isfinite(timeline.column("speech_disgust")).any()


def test_another_model_measures_anew(film: Path, tiny: Path, run: Command, tmp_path: Path) -> None:
    other = write_speech_model(tmp_path / "other.onnx", classes=("bored", "keen"))
    given = ["analyze", "-q", film, "--range", "0-6", "--stream", "loudness", "--stream", "speech"]
    for model, columns in ((tiny, 7), (tiny, 7), (other, 2)):
        assert run(*given, "--speech", model).code == 0
        timeline = reelpulse.load_timeline(next((tmp_path / "out").glob("*.h5")))
        assert sum(name.startswith("speech_") for name in timeline.columns) == columns


def test_a_video_without_sound_has_no_speech(tmp_path: Path, tiny: Path) -> None:
    video = make_video(tmp_path / "a.mp4", seconds=2)
    timeline = reelpulse.analyze(video, stream=("speech",), speech=str(tiny), detector="dlib")
    assert np.isnan(timeline.column("speech_anger")).all()


def test_it_is_measured_besides_the_default_ones_on_request() -> None:
    default = AnalyzeSettings()
    assert "speech" not in default.stream
    assert stream_names(AnalyzeSettings(stream=("speech",))) == [*default.stream, "speech"]
    assert stream_names(AnalyzeSettings(stream=("loudness", "speech"))) == ["loudness", "speech"]


def test_settings_name_the_models() -> None:
    stream = STREAMS["speech"](AnalyzeSettings(audio_track=1))
    said = stream.settings
    assert (said["speech"], said["voice"], said["audio_track"]) == ("builtin", "energy", 1)
    assert said["checksum"]


@pytest.mark.parametrize("name", ["laughter.onnx", "no.onnx"])
def test_another_model_is_told(film: Path, run: Command, tmp_path: Path, name: str) -> None:
    if name.startswith("laughter"):
        write_speech_model(tmp_path / name, metadata={"kind": "laughter"})
    path = tmp_path / name
    with pytest.raises(ModelError, match=name):
        STREAMS["speech"](AnalyzeSettings(speech=str(path)))
    run("analyze", "-q", film, "--stream", "speech", "--speech", path).one_line(name)
