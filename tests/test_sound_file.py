"""Whole files of sound: read at one rate whatever they are, and written to the bit."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from films import Sound, make_video, noise, steps
from reelpulse.errors import DataError, MediaError
from reelpulse.media import decode_sound, read_sound, sixteen_bits, write_sound

RATE = 16_000


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    return steps(np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(
    ("name", "sound", "tolerance"),
    [
        ("x.wav", Sound("pcm_s16le", rate=RATE), 2**-15),
        ("x.wav", Sound("pcm_u8", rate=22_050, channels=2), 0.01),
        ("x.wav", Sound("pcm_s16le", rate=96_000, channels=2), 0.001),
        ("x.flac", Sound("flac", rate=44_100), 0.001),
        ("x.mp4", Sound("aac", rate=48_000, channels=2), 0.02),
    ],
)
def test_a_file_is_read_whole_at_one_rate(
    tmp_path: Path, name: str, sound: Sound, tolerance: float
) -> None:
    path = make_video(tmp_path / name, codec="", seconds=2.4, sounds=[sound])
    samples = read_sound(path)
    assert samples.dtype == np.float32
    # Some codecs fill up their last packet.
    assert 2.4 * RATE <= len(samples) <= 2.46 * RATE
    inside = slice(400, round(2.3 * RATE))
    away = np.abs(samples[inside] - tone(2.4)[inside])
    away[np.abs(np.arange(len(away)) + 400 - RATE) < 400] = 0  # where the tone steps, codecs ring
    away[np.abs(np.arange(len(away)) + 400 - 2 * RATE) < 400] = 0
    assert away.max() <= tolerance


def test_the_sound_of_a_video_keeps_its_place_and_what_is_missing_is_silence(
    tmp_path: Path,
) -> None:
    sound = Sound("pcm_s16le", rate=RATE, start=0.5, gap=(1.5, 2.0), wave=noise)
    path = make_video(tmp_path / "x.mkv", seconds=3, sounds=[sound])
    samples = read_sound(path)
    assert not samples[: round(0.45 * RATE)].any()
    assert not samples[round(1.6 * RATE) : round(1.95 * RATE)].any()
    truth = noise(np.arange(3 * RATE) / RATE)
    part = slice(round(2.2 * RATE), round(2.9 * RATE))
    np.testing.assert_allclose(samples[part], truth[part], atol=0.001)


def test_another_track_is_taken_when_asked_for(tmp_path: Path) -> None:
    other = Sound("pcm_s16le", rate=RATE, wave=noise)
    path = make_video(tmp_path / "x.mkv", seconds=1, sounds=[Sound("pcm_s16le", RATE), other])
    truth = noise(np.arange(RATE) / RATE)
    np.testing.assert_allclose(read_sound(path, track=1), truth, atol=2**-15)
    with pytest.raises(MediaError, match="2 sound tracks"):
        read_sound(path, track=2)


def test_what_was_written_comes_back_to_the_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, 3 * RATE + 7).astype(np.float32)
    write_sound(tmp_path / "x.flac", samples)
    again = read_sound(tmp_path / "x.flac")
    np.testing.assert_array_equal(sixteen_bits(again), sixteen_bits(samples))
    np.testing.assert_allclose(again, np.clip(samples, -1, 1), atol=2**-15)
    with av.open(str(tmp_path / "x.flac")) as file:
        assert file.format.name == "flac"
        stream = file.streams.audio[0]
        assert (stream.rate, stream.channels, stream.codec_context.format.name) == (RATE, 1, "s16")


def test_a_sound_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.flac").mkdir()
    with pytest.raises(DataError, match=r"x\.flac: cannot be written"):
        write_sound(tmp_path / "x.flac", tone(0.5))
    assert [path.name for path in tmp_path.iterdir()] == ["x.flac"]


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("mute", "has no sound track"),
        ("empty", "is empty"),
        ("text", "is not a video or sound file"),
        ("nothing", "its sound track is empty"),
        ("long", "is longer than 2 s"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, what: str, problem: str) -> None:
    path = tmp_path / f"{what}.wav"
    if what == "mute":
        make_video(tmp_path / "mute.mp4", seconds=1)
        path = tmp_path / "mute.mp4"
    elif what == "nothing":
        path = tmp_path / "nothing.flac"
        write_sound(path, np.zeros(0))
    elif what == "long":
        make_video(path, codec="", seconds=4, sounds=[Sound("pcm_s16le", RATE)])
    else:
        path.write_bytes(b"" if what == "empty" else b"no sound at all" * 100)
    with pytest.raises(MediaError, match=problem) as error:
        decode_sound(path, longest=2)
    assert str(error.value).startswith(str(path))


def test_damage_is_counted(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mkv", codec="", seconds=4, sounds=[Sound()])
    whole = decode_sound(path)
    assert (whole.damaged, whole.packets > 100) == (0, True)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(data)
    hurt = decode_sound(path)
    assert hurt.damaged > 0
    assert np.isfinite(hurt.samples).all()
