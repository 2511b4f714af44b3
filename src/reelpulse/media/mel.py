"""Mel spectrograms in a few lines of NumPy; librosa's first use costs seconds and 260 MB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_SLANEY_KNEE, _SLANEY_STEP = 1000.0, 200.0 / 3
_SLANEY_LOG = np.log(6.4) / 27
"""Slaney's scale: linear below 1 kHz, 27 steps to a factor of 6.4 above (Auditory Toolbox 1998)."""


@dataclass(frozen=True)
class MelSpec:
    """How a mel spectrogram is made.

    Parameters
    ----------
    rate : int
        Samples a second.
    window, hop, fft : int
        Samples of a Hann window, between frames, and of the Fourier transform.
    bands : int
    low, high : float
        Edges of the bands, in Hz.
    htk : bool
        HTK's scale, 2595 log10(1 + f / 700), with triangles of height 1; else Slaney's, with
        triangles of area 1.
    power : float
        1 for magnitudes, 2 for powers.
    """

    rate: int
    window: int
    hop: int
    fft: int
    bands: int
    low: float
    high: float
    htk: bool = True
    power: float = 1.0

    def frames(self, samples: int) -> int:
        """How many whole frames so many samples give."""
        return max(0, (samples - self.window) // self.hop + 1)


def mel(samples: npt.NDArray[np.float32], spec: MelSpec) -> npt.NDArray[np.float32]:
    """Energy in mel bands, frame by frame.

    Parameters
    ----------
    samples : ndarray of float32, shape (N,)
        Mono, in [-1, 1].
    spec : MelSpec

    Returns
    -------
    ndarray of float32, shape (frames, bands)
        No padding: the first frame begins at the first sample, the last one ends inside.
    """
    count = spec.frames(len(samples))
    if not count:
        return np.zeros((0, spec.bands), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.window)[:: spec.hop][:count]
    spectrum = np.abs(np.fft.rfft(frames * _hann(spec.window), spec.fft)) ** spec.power
    return np.asarray(spectrum @ filters(spec), np.float32)


@lru_cache(maxsize=8)
def filters(spec: MelSpec) -> npt.NDArray[np.float32]:
    """Triangles of the mel bands over the bins of the Fourier transform, (fft / 2 + 1, bands)."""
    bins = np.arange(spec.fft // 2 + 1) * spec.rate / spec.fft
    low, high = _to_mel(np.array([spec.low, spec.high]), htk=spec.htk)
    edges = np.linspace(low, high, spec.bands + 2)
    if spec.htk:
        # HTK's triangles are straight on the mel scale.
        return _triangles(_to_mel(bins, htk=True), edges)
    edges = _to_hertz(edges)
    return np.asarray(_triangles(bins, edges) * 2 / (edges[2:] - edges[:-2]), np.float32)


def _triangles(
    bins: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rise = (bins[:, None] - left) / (middle - left)
    fall = (right - bins[:, None]) / (right - middle)
    return np.asarray(np.clip(np.minimum(rise, fall), 0, None), np.float32)


def _hann(length: int) -> npt.NDArray[np.float32]:
    """A periodic Hann window, as spectrograms want it."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length), np.float32)


def _to_mel(hertz: npt.NDArray[np.float64], *, htk: bool) -> npt.NDArray[np.float64]:
    if htk:
        return np.asarray(2595 * np.log10(1 + hertz / 700))
    above = _SLANEY_KNEE / _SLANEY_STEP + np.log(np.maximum(hertz, 1) / _SLANEY_KNEE) / _SLANEY_LOG
    return np.where(hertz < _SLANEY_KNEE, hertz / _SLANEY_STEP, above)


def _to_hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of Slaney's scale."""
    knee = _SLANEY_KNEE / _SLANEY_STEP
    above = _SLANEY_KNEE * np.exp(_SLANEY_LOG * (mels - knee))
    return np.where(mels < knee, mels * _SLANEY_STEP, above)
