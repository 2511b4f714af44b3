"""Sound: what was heard before a tick, to the sample, and how loud it was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelpulse
from films import Array, Sound, decode_all, level, make_video, noise
from reelpulse.errors import MediaError
from reelpulse.media import RegularTicks, TickReader, probe, rms

RATE = 22_050
ROOT_2 = np.sqrt(2)


def heard(path: Path, at: Iterable[float], seconds: float = 1.0, **options: Any) -> list[Array]:
    """The sound before each of some times."""
    wanted = {round(t * 100) for t in at}
    options = {"sound": {RATE: seconds}, "pictures": False, **options}
    reader = TickReader(path, probe(path), RegularTicks(100), **options)
    return [tick.sound(RATE, seconds) for tick in reader if tick.index in wanted]


@pytest.mark.parametrize("name", ["x.mov", "x.mkv", "x.avi"])
def test_the_sound_before_a_tick_is_right_to_the_sample(tmp_path: Path, name: str) -> None:
    sound = Sound("pcm_s16le", rate=RATE, wave=noise)
    path = make_video(tmp_path / name, codec="mpeg4", b_frames=0, seconds=6, sounds=[sound])
    truth = noise(np.arange(6 * RATE) / RATE)
    for tick in TickReader(path, probe(path), RegularTicks(2, 1.0, 5.6), sound={RATE: 1.0}):
        end = round(tick.time * RATE)
        np.testing.assert_allclose(tick.sound(RATE, 1.0), truth[end - RATE : end], atol=2**-14)
        np.testing.assert_array_equal(tick.sound(RATE, 0.5), tick.sound(RATE, 1.0)[-RATE // 2 :])


def test_before_the_first_sample_there_is_nothing(tmp_path: Path) -> None:
    film = make_video(tmp_path / "x.mp4", seconds=2, sounds=[Sound(wave=noise)])
    (sound,) = heard(film, [0.25])
    assert np.isnan(sound[: round(0.74 * RATE)]).all()
    assert np.isfinite(sound[round(0.76 * RATE) :]).all()
    assert np.isnan(heard(film, [0.0])[0]).all()


@pytest.mark.parametrize(
    ("sound", "tolerance"),
    [
        (Sound("pcm_u8", rate=22_050), 0.004),
        (Sound("pcm_u8", rate=8_000, channels=2), 0.006),
        (Sound("pcm_s16le", rate=48_000, channels=2), 0.001),
        (Sound("pcm_s16le", rate=96_000), 0.001),
        (Sound("pcm_s24le", rate=44_100, channels=2), 0.001),
        (Sound("flac", rate=96_000, channels=2), 0.001),
        (Sound("aac", rate=48_000, channels=2), 0.005),
        (Sound("libopus", rate=48_000), 0.01),
        (Sound("libmp3lame", rate=44_100), 0.02),  # LAME scales by 0.97
    ],
    ids=lambda value: f"{value.codec}-{value.rate}" if isinstance(value, Sound) else "",
)
def test_loudness_is_right_whatever_the_sound(
    tmp_path: Path, sound: Sound, tolerance: float
) -> None:
    path = make_video(tmp_path / "x.mkv", codec="", seconds=8, sounds=[sound])
    at = [k + 0.75 for k in range(8)]
    measured = [rms(samples) for samples in heard(path, at, 0.5)]
    np.testing.assert_allclose(measured, level(np.arange(8)) / ROOT_2, atol=tolerance)


@pytest.mark.parametrize(("name", "codec"), [("x.mkv", "pcm_s16le"), ("x.ts", "aac")])
def test_a_gap_in_the_sound_is_not_measured(tmp_path: Path, name: str, codec: str) -> None:
    gap = Sound(codec, gap=(3.0, 6.0))
    path = make_video(tmp_path / name, fps=10, seconds=9, sounds=[gap])
    shift = decode_all(path)[0][0]
    before, inside, after = heard(path, [2.8, 5.0, 7.8])
    assert rms(before[-RATE // 2 :]) == pytest.approx(level(2.5) / ROOT_2, abs=0.01)
    assert np.isnan(inside).all()
    assert rms(after[-RATE // 2 :]) == pytest.approx(level(7.5) / ROOT_2, abs=0.01)
    (edge,) = heard(path, [6.5])
    missing = np.isnan(edge).sum() / RATE
    assert missing == pytest.approx(0.5 + shift, abs=0.05)
    assert np.isnan(edge[: RATE // 3]).all()


@pytest.mark.parametrize("name", ["x.mkv", "x.mp4", "x.ts"])
def test_sound_that_starts_late_is_not_measured_before(tmp_path: Path, name: str) -> None:
    sounds = [Sound(start=2.0)]
    path = make_video(tmp_path / name, fps=10, seconds=6, sounds=sounds)
    early, late = heard(path, [1.9, 3.75])
    assert np.isnan(early).all()
    assert rms(late[-RATE // 2 :]) == pytest.approx(level(3.5) / ROOT_2, abs=0.01)
    (edge,) = heard(path, [2.5])
    assert np.isnan(edge).sum() / RATE == pytest.approx(0.5, abs=0.05)


def test_the_track_asked_for_is_heard(tmp_path: Path) -> None:
    def constant(amplitude: float) -> Any:
        return lambda t: amplitude * np.sin(2 * np.pi * 440 * t)

    sounds = [Sound(wave=constant(a), title=f"mic {a}") for a in (0.1, 0.3, 0.5)]
    path = make_video(tmp_path / "x.mkv", seconds=3, sounds=sounds)
    assert probe(path).sound_tracks == ("mic 0.1", "mic 0.3", "mic 0.5")
    for track, amplitude in enumerate((0.1, 0.3, 0.5)):
        (samples,) = heard(path, [2.0], audio_track=track)
        assert rms(samples) == pytest.approx(amplitude / ROOT_2, abs=0.01)
    with pytest.raises(MediaError, match=r"x\.mkv: .*3 sound tracks"):
        heard(path, [1.0], audio_track=3)


@pytest.mark.parametrize("length", [2, 100, 11_025, 11_026, 22_050])
def test_rms_is_that_of_librosa(length: int) -> None:
    feature = pytest.importorskip("librosa", reason="librosa is not installed").feature
    random = np.random.default_rng(length)
    for scale in (1e-4, 0.1, 0.9):
        samples = (random.uniform(-1, 1, length) * scale).astype(np.float32)
        theirs = feature.rms(y=samples, frame_length=length, hop_length=length, center=False)
        assert theirs.shape == (1, 1)
        assert rms(samples) == pytest.approx(float(theirs[0, 0]), abs=1e-6)


@pytest.mark.parametrize("spacing", ["fps=2", "fps=8", "ticks=15"])
def test_loudness_and_its_change_keep_to_the_contract(tmp_path: Path, spacing: str) -> None:
    name, value = spacing.split("=")
    settings: dict[str, Any] = {name: int(value), "range": "0-7.5"}
    path = make_video(tmp_path / "x.mkv", codec="", seconds=8, sounds=[Sound("pcm_s16le")])
    timeline = reelpulse.analyze(path, stream=["loudness"], **settings)

    def truth(end: float) -> float:
        """RMS of the half second before, from the signal itself."""
        t = np.arange(round((end - 0.5) * 48_000), round(end * 48_000)) / 48_000
        return float(np.sqrt(np.mean((level(t) * np.sin(2 * np.pi * 440 * t)) ** 2)))

    checked = 0
    for at, loudness, change in zip(
        timeline.times, timeline.column("loudness"), timeline.column("loudness_change"), strict=True
    ):
        if at >= 1:
            now, before = truth(at), truth(at - 0.5)
            assert loudness == pytest.approx(now, abs=1e-3)
            assert change == pytest.approx((now - before) / max(before, 0.01), abs=2e-2)
            checked += 1
    assert checked >= 13
    if timeline.times[0] == 0:
        assert np.isnan(timeline.column("loudness")[0])
