"""Mel spectrograms, held against librosa and against HTK's formula written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reelpulse.media.mel import MelSpec, filters, mel

SLANEY = MelSpec(16_000, window=400, hop=160, fft=512, bands=80, low=0, high=8000, htk=False)
HTK = MelSpec(16_000, window=400, hop=160, fft=512, bands=64, low=125, high=7500)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize(("rate", "high"), [(16_000, 8000.0), (22_050, 9000.0)])
def test_slaney_s_scale_gives_what_librosa_gives(rate: int, high: float, power: float) -> None:
    feature = pytest.importorskip("librosa.feature")
    spec = MelSpec(rate, 400, 160, 512, 40, 50.0, high, htk=False, power=power)
    sound = noise(rate)
    settings = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 40, "power": power}
    edges = {"fmin": 50.0, "fmax": high, "htk": False, "norm": "slaney"}
    # librosa puts a window into the middle of its transform's 512 samples.
    middle = np.pad(sound, 56)
    given = feature.melspectrogram(y=middle, sr=rate, center=False, **settings, **edges).T
    ours = mel(sound, spec)
    assert ours.shape == given.shape == (spec.frames(rate), 40)
    np.testing.assert_allclose(ours, given, rtol=1e-3, atol=1e-6 * given.max())


def test_slaney_s_triangles_are_librosa_s() -> None:
    librosa = pytest.importorskip("librosa")
    given = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=80, fmin=0, fmax=8000)
    np.testing.assert_allclose(filters(SLANEY), given.T, atol=1e-7)


def test_htk_s_triangles_are_straight_on_the_mel_scale() -> None:
    def to_mel(hertz: float) -> float:
        return 1127.0 * math.log(1 + hertz / 700)

    low, high = to_mel(125), to_mel(7500)
    step = (high - low) / 65
    wanted = np.zeros((257, 64))
    for line in range(257):
        place = to_mel(line * 16_000 / 512)
        for band in range(64):
            middle = low + (band + 1) * step
            wanted[line, band] = max(0.0, 1 - abs(place - middle) / step)
    # The formula's two usual forms, 1127 ln and 2595 log10, differ in the fifth digit.
    np.testing.assert_allclose(filters(HTK), wanted, atol=1e-3)
    assert filters(HTK).max() <= 1
    # Between the middles of the first and last band the triangles add up to one.
    inside = wanted.sum(1) > 0.999
    np.testing.assert_allclose(filters(HTK)[inside].sum(1), 1, atol=1e-3)
    assert inside.sum() > 200


@pytest.mark.parametrize("spec", [SLANEY, HTK], ids=["slaney", "htk"])
@pytest.mark.parametrize("hertz", [400, 1000, 3000, 6000])
def test_a_tone_is_loudest_in_the_band_around_it(spec: MelSpec, hertz: int) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000).astype(np.float32)
    loudest = mel(tone, spec).mean(0).argmax()
    line = round(hertz * 512 / 16_000)
    weights = filters(spec)[line]
    assert weights[loudest] == weights.max() > 0


def test_twice_as_loud_is_twice_the_magnitude_and_four_times_the_power() -> None:
    sound = noise(4000)
    powers = MelSpec(16_000, 400, 160, 512, 64, 125, 7500, power=2.0)
    np.testing.assert_allclose(mel(2 * sound, HTK), 2 * mel(sound, HTK), rtol=1e-4)
    np.testing.assert_allclose(mel(2 * sound, powers), 4 * mel(sound, powers), rtol=1e-4)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (15_600, 96)]
)
def test_frames_begin_and_end_inside_the_sound(samples: int, frames: int) -> None:
    assert HTK.frames(samples) == frames
    made = mel(noise(samples), HTK)
    assert made.shape == (frames, 64)
    assert made.dtype == np.float32


def test_a_frame_depends_on_its_own_samples_alone() -> None:
    sound = noise(16_000)
    later = mel(sound[160 * 7 :], HTK)
    np.testing.assert_allclose(later, mel(sound, HTK)[7:], rtol=1e-4)


def test_silence_is_zero() -> None:
    assert not mel(np.zeros(1600, np.float32), HTK).any()
