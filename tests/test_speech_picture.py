"""Pictures of sound: held against librosa, at the edges, and what a network is given of them."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.media.mel import filters
from reelpulse.speech import picture as drawing
from reelpulse.speech.picture import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    MEL,
    PictureSpec,
    normalised,
    picture,
)
from reelpulse.speech.sound import (
    Samples,
    SoundChange,
    changed,
    in_a_room,
    levels,
    trimmed,
    with_noise,
    with_speed,
)

RATE = 16_000
SPEC = PictureSpec()
WHOLE = replace(SPEC, trim_db=None, margin=None)
"""Nothing cut off."""


def tone(hertz: float, seconds: float, size: float = 0.5) -> Samples:
    return (size * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def noise(seconds: float, size: float = 0.1, seed: int = 0) -> Samples:
    drawn = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (size * drawn).astype(np.float32)


def nothing(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


# What is drawn


def test_the_picture_is_librosa_s_spectrogram_in_db() -> None:
    librosa = pytest.importorskip("librosa")
    sound = np.concatenate([tone(700, 0.4), noise(0.3, 0.001), nothing(0.1), noise(0.2)])
    frames = MEL.frames(len(sound))
    drawn = picture(sound, replace(WHOLE, size=(MEL.bands, frames)))
    middle = np.pad(sound, (MEL.fft - MEL.window) // 2)  # librosa puts windows in the middle
    energy = librosa.feature.melspectrogram(
        y=middle, sr=RATE, n_fft=MEL.fft, win_length=MEL.window, hop_length=MEL.hop,
        center=False, n_mels=MEL.bands, fmin=MEL.low, fmax=MEL.high, power=2.0,
    )  # fmt: skip
    decibels = librosa.power_to_db(energy, ref=np.max, top_db=80)
    np.testing.assert_allclose(drawn[::-1] * 80 - 80, decibels, atol=0.02)
    assert drawn.min() == 0
    assert drawn.max() == 1


def test_no_band_of_the_spectrogram_is_empty() -> None:
    assert (filters(MEL).sum(0) > 0).all()


def test_low_frequencies_are_at_the_bottom_and_time_runs_to_the_right() -> None:
    drawn = picture(np.concatenate([tone(300, 1), tone(5000, 1)]), WHOLE)
    first, last = drawn[:, 20:90].mean(1), drawn[:, 130:200].mean(1)
    assert first.argmax() > 150
    assert last.argmax() < 70


def test_loudness_does_not_matter_and_the_sound_is_left_alone() -> None:
    sound = np.concatenate([noise(0.5), 0.01 * noise(0.5, seed=1)])
    before = sound.copy()
    np.testing.assert_allclose(picture(sound, SPEC), picture(sound / 8, SPEC), atol=1e-5)
    np.testing.assert_array_equal(picture(sound, SPEC), picture(sound, SPEC))
    np.testing.assert_array_equal(sound, before)


@pytest.mark.parametrize("samples", [1, 399, 400, 800, 16_000, 80_000])
@pytest.mark.parametrize("size", [(224, 224), (64, 100), (1, 1)])
def test_a_sound_of_any_length_has_the_size_asked_for(samples: int, size: tuple[int, int]) -> None:
    drawn = picture(noise(6)[:samples], replace(SPEC, size=size))
    assert drawn.shape == size
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert drawn.max() > 0.3


@pytest.mark.parametrize("seconds", [None, 1.0])
@pytest.mark.parametrize(
    "sound",
    [nothing(0), nothing(1), np.full(RATE, np.nan), noise(1, 1e-6)],
    ids=["no length", "zeros", "NaN", "one bit of 16"],
)
def test_silence_is_all_floor(sound: Samples, seconds: float | None) -> None:
    drawn = picture(sound, replace(SPEC, seconds=seconds))
    assert drawn.shape == SPEC.size
    assert not drawn.any()


def test_what_is_not_a_number_is_silence() -> None:
    sound = noise(1)
    holed = sound.copy()
    sound[5000:6000] = 0
    holed[5000:5500], holed[5500:6000] = np.nan, np.inf
    np.testing.assert_array_equal(picture(holed, SPEC), picture(sound, SPEC))


def test_two_channels_are_refused() -> None:
    with pytest.raises(DataError, match="mono"):
        picture(np.zeros((2, 800), np.float32), SPEC)


def test_a_long_sound_takes_little_more_memory_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = noise(300)
    tracemalloc.start()
    try:
        whole = picture(sound, SPEC)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * sound.nbytes
    # The blocks it was drawn in leave no trace.
    monkeypatch.setattr(drawing, "_BLOCK_FRAMES", 10**9)
    np.testing.assert_allclose(picture(sound, SPEC), whole, atol=1e-5)


# What is cut off


def test_the_border_is_cut_up_to_the_margin() -> None:
    swelling = (tone(1000, 1) * np.hanning(RATE)).astype(np.float32)
    sound = np.concatenate([nothing(0.5), swelling, nothing(0.3)])
    shape = (MEL.bands, MEL.frames(len(sound)))
    kept = drawing._decibels(sound, SPEC)
    assert kept.shape == shape
    rows, columns = (np.flatnonzero(kept.any(axis=axis)) for axis in (1, 0))
    assert rows[0] > 3
    assert columns[0] > 40
    for margin in (0, 3):
        cut = drawing._cropped(kept, margin)
        np.testing.assert_array_equal(
            cut,
            kept[
                rows[0] - margin : rows[-1] + 1 + margin,
                columns[0] - margin : columns[-1] + 1 + margin,
            ],
        )
    np.testing.assert_array_equal(drawing._cropped(kept, 10_000), kept)
    drawn = picture(sound, replace(SPEC, trim_db=None, margin=0))
    assert all(edge.any() for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]))
    assert not any(edge.any() for edge in (picture(sound, WHOLE)[0], picture(sound, WHOLE)[:, 0]))


def test_silence_is_cut_off_the_ends_and_not_from_inside() -> None:
    sound = np.concatenate([nothing(0.5), tone(300, 0.4), nothing(0.7), tone(300, 0.3), nothing(1)])
    kept, head, tail = trimmed(sound, RATE)
    assert head == pytest.approx(0.5, abs=0.011)
    assert tail == pytest.approx(1.0, abs=0.011)
    first = round(head * RATE)
    np.testing.assert_array_equal(kept, sound[first : first + len(kept)])
    assert len(kept) / RATE + head + tail == pytest.approx(len(sound) / RATE)


@pytest.mark.parametrize(("quieter", "stays"), [(25, True), (35, False)])
def test_silence_is_what_is_30_db_below_the_loudest(quieter: float, stays: bool) -> None:
    quiet = tone(300, 0.5, 0.5 * 10 ** (-quieter / 20))
    _, head, _ = trimmed(np.concatenate([quiet, tone(300, 0.5)]), RATE)
    assert (head < 0.05) == stays


def test_a_click_makes_no_voice_silence() -> None:
    sound = tone(300, 1, 0.03)
    sound[8000] = 1
    _, head, tail = trimmed(sound, RATE)
    assert max(head, tail) < 0.011


def test_all_of_silence_is_cut_and_a_picture_may_keep_it() -> None:
    kept, head, tail = trimmed(nothing(0.5), RATE)
    assert (len(kept), head, tail) == (0, 0.5, 0)
    assert trimmed(nothing(0), RATE)[1:] == (0, 0)
    sound = np.concatenate([nothing(0.5), tone(300, 0.5)])
    assert not picture(sound, WHOLE)[:, :90].any()
    assert picture(sound, SPEC)[:, 10:].any(axis=0).all()


def test_of_seconds_the_middle_is_kept_and_a_shorter_sound_is_not_stretched() -> None:
    spec = replace(WHOLE, seconds=1.0)
    longer = np.concatenate([tone(300, 1), tone(5000, 1.1), tone(300, 1)])
    np.testing.assert_array_equal(picture(longer, spec), picture(tone(5000, 1), spec))
    short = picture(tone(1000, 0.5), spec).any(axis=0)
    there = np.flatnonzero(short)
    assert len(there) == pytest.approx(112, abs=4)
    assert there.mean() == pytest.approx(111.5, abs=3)


# The spec


def test_a_spec_survives_json() -> None:
    spec = replace(SPEC, seconds=3.0, margin=None, mean=(0.4,), std=(0.2,), size=(64, 96))
    assert PictureSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    assert PictureSpec.from_dict(PictureSpec(normalise="imagenet").as_dict()).mean == IMAGENET_MEAN


@pytest.mark.parametrize(
    "change",
    [
        {"mel": None},
        {"size": 3},
        {"size": [0, 5]},
        {"floor_db": "low"},
        {"colour": 1},
        {"mel": {"rate": 16_000}},
    ],
)
def test_a_spec_that_is_none_says_so_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="how its pictures are drawn") as caught:
        PictureSpec.from_dict({**SPEC.as_dict(), **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 3, {}, {"size": [224, 224]}])
def test_no_spec_at_all_says_so_too(value: Any) -> None:
    with pytest.raises(ModelError):
        PictureSpec.from_dict(value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"floor_db": 0.0},
        {"floor_db": float("nan")},
        {"trim_db": 0.0},
        {"margin": -1},
        {"size": (0, 224)},
        {"seconds": 0.0},
        {"channels": 0},
        {"normalise": "none"},
        {"mean": (0.5, 0.5), "std": (0.1, 0.1)},
        {"mean": (0.5,)},
        {"mean": (0.5,), "std": (0.0,)},
        {"normalise": "imagenet", "channels": 1},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="a picture's"):
        PictureSpec(**wrong)


# What a network is given


def test_the_corpus_statistics_bring_pictures_to_mean_0_and_deviation_1() -> None:
    pictures = np.stack([picture(noise(1, seed=seed), SPEC) for seed in range(3)])
    spec = SPEC.with_statistics(float(pictures.mean()), float(pictures.std()))
    given = normalised(pictures, spec)
    assert given.shape == (3, 3, 224, 224)
    assert given.dtype == np.float32
    assert abs(given.mean()) < 1e-3
    assert given.std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(given[:, 0], given[:, 2])
    assert normalised(pictures, replace(spec, channels=1)).shape == (3, 1, 224, 224)


def test_imagenet_s_statistics_stay_and_differ_by_channel() -> None:
    spec = PictureSpec(normalise="imagenet").with_statistics(0.1, 0.1)
    given = normalised(np.full((1, 2, 2), 0.5, np.float32), spec)
    for channel in range(3):
        wanted = (0.5 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        np.testing.assert_allclose(given[0, channel], wanted, rtol=1e-5)


def test_tensors_are_normalised_as_arrays_are() -> None:
    torch = pytest.importorskip("torch")
    pictures = np.random.default_rng(0).random((2, 5, 7), np.float32)
    for spec in (SPEC.with_statistics(0.3, 0.2), PictureSpec(normalise="imagenet")):
        given = normalised(torch.from_numpy(pictures), spec)
        assert isinstance(given, torch.Tensor)
        np.testing.assert_array_equal(given.numpy(), normalised(pictures, spec))


def test_statistics_that_were_not_measured_are_not_guessed() -> None:
    with pytest.raises(DataError, match="not known"):
        normalised(np.zeros((1, 4, 4), np.float32), SPEC)


# Sounds


def test_levels_of_a_tone_of_clipping_and_of_silence() -> None:
    found = levels(tone(500, 1, 0.5))
    assert found.peak_db == pytest.approx(-6.02, abs=0.01)
    assert found.rms_db == pytest.approx(-9.03, abs=0.01)
    assert found.clipped == 0
    assert levels(np.clip(tone(501, 1, 1.4), -1, 1)).clipped == pytest.approx(0.494, abs=0.01)
    for silence in (nothing(0.1), nothing(0)):
        assert (levels(silence).peak_db, levels(silence).rms_db) == (-120, -120)


@pytest.mark.parametrize("factor", [0.9, 1.1, 2.0])
def test_speed_changes_length_and_pitch(factor: float) -> None:
    faster = with_speed(tone(1000, 1), factor)
    assert len(faster) == pytest.approx(RATE / factor, abs=1)
    spectrum = np.abs(np.fft.rfft(faster))
    hertz = spectrum.argmax() * RATE / len(faster)
    assert hertz == pytest.approx(1000 * factor, rel=0.01)


def test_noise_lies_as_far_below_the_sound_as_asked() -> None:
    sound = tone(500, 2)
    rng = np.random.default_rng(0)
    added = with_noise(sound, 20, rng) - sound
    assert levels(sound).rms_db - levels(added).rms_db == pytest.approx(20, abs=0.2)
    assert not with_noise(nothing(1), 20, rng).any()


def test_a_room_rings_on_as_long_as_asked() -> None:
    sound = np.concatenate([noise(0.2), nothing(1.3)])
    ringing = in_a_room(sound, RATE, 0.6, np.random.default_rng(0))
    assert len(ringing) == len(sound)
    after = [levels(ringing[round(s * RATE) : round((s + 0.05) * RATE)]).rms_db for s in (0.2, 0.5)]
    assert after[0] - after[1] == pytest.approx(30, abs=5)  # 60 dB in 0.6 s
    assert not ringing[round(0.81 * RATE) :].round(4).any()


def test_sounds_are_changed_as_drawn_and_not_in_place() -> None:
    sound = noise(1)
    before = sound.copy()
    first, again, other = (
        changed(sound, RATE, SoundChange(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or (first != other).any()
    assert 0.9 <= len(sound) / len(first) <= 1.12
    np.testing.assert_array_equal(sound, before)
    off = SoundChange(speed=0.0, noise=0.0, room=0.0)
    np.testing.assert_array_equal(changed(sound, RATE, off, np.random.default_rng(0)), sound)
    assert not len(changed(nothing(0), RATE, SoundChange(), np.random.default_rng(3)))
