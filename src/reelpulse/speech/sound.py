"""Sound before it becomes a picture: silence cut off its ends, its levels, and how it may vary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.errors import SettingsError
from reelpulse.settings import setting

Samples = npt.NDArray[np.float32]

SILENT_DB = -80.0
"""A sound whose loudest 20 ms are below this is silence: 16 bits cannot hold speech so faint."""

_STEP_SECONDS = 0.01
_FULL_SCALE = 0.999
_LOWEST_DB = -120.0
"""What silence itself measures, minus infinity being no number for a table."""


@dataclass(frozen=True)
class Levels:
    """How loud a sound is.

    Parameters
    ----------
    peak_db, rms_db : float
        Of the largest sample and of all, in dB below full scale (0); -120 for silence.
    clipped : float
        Share of the samples at full scale, in [0, 1].
    """

    peak_db: float
    rms_db: float
    clipped: float


def levels(samples: npt.ArrayLike) -> Levels:
    """Measure how loud a sound is.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Mono, in [-1, 1]; what is not finite counts as silence.

    Returns
    -------
    Levels
    """
    sound = finite(samples)
    if not len(sound):
        return Levels(_LOWEST_DB, _LOWEST_DB, 0.0)
    size = np.abs(sound)
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    return Levels(
        _db(float(size.max()) ** 2), _db(power), float(np.mean(size >= _FULL_SCALE, dtype=float))
    )


def trimmed(
    samples: npt.ArrayLike, rate: int, below_db: float = 30.0
) -> tuple[Samples, float, float]:
    """Cut silence off the head and the tail, never from inside.

    Silence is where 20 ms of sound, looked at every 10 ms, have less power than the loudest 20 ms
    by more than `below_db`; by power, so that one sample at full scale makes no voice silence.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Mono, in [-1, 1]; what is not finite counts as silence.
    rate : int
        Samples a second.
    below_db : float
        How far below the loudest, in dB.

    Returns
    -------
    sound : ndarray of float32
        Empty where all is silence (below `SILENT_DB`).
    head, tail : float
        Seconds cut off; of silence, all is head.
    """
    sound = finite(samples)
    step = max(1, round(_STEP_SECONDS * rate))
    blocks = np.pad(sound, (0, -len(sound) % step)).reshape(-1, step)
    energy = np.einsum("ij,ij->i", blocks, blocks)
    power = (energy[:-1] + energy[1:] if len(energy) > 1 else energy) / (2 * step)
    loudest = float(power.max(initial=0.0))
    if _db(loudest) < SILENT_DB:
        return sound[:0], len(sound) / rate, 0.0
    loud = np.flatnonzero(power >= loudest * 10 ** (-below_db / 10))
    first, last = int(loud[0]) * step, min(len(sound), (int(loud[-1]) + 2) * step)
    return sound[first:last], first / rate, (len(sound) - last) / rate


def finite(samples: npt.ArrayLike) -> Samples:
    """As float32 (N,), silence where something is not finite: NaN is sound that is not there."""
    sound = np.asarray(samples, np.float32)
    return sound if np.isfinite(sound).all() else np.nan_to_num(sound, posinf=0.0, neginf=0.0)


def _db(power: float) -> float:
    return max(_LOWEST_DB, 10 * float(np.log10(max(power, 1e-30))))


@dataclass(frozen=True)
class SoundChange:
    """How the sound itself is varied before it becomes a picture; 0 leaves a kind out.

    A picture in the cache is drawn once, so these make further rows of it, not further draws.

    Raises
    ------
    SettingsError
        Where a value is impossible.
    """

    speed: float = setting(
        0.1, "Faster or slower by up to this share, and as much higher or lower."
    )
    noise: float = setting(0.5, "Share of the sounds under which noise is laid.")
    quietest_noise: float = setting(35.0, "Such noise lies at most this many dB below the voice,")
    loudest_noise: float = setting(10.0, "and at least this many.")
    room: float = setting(0.5, "Share of the sounds put into a room.")
    longest_room: float = setting(0.6, "Seconds until such a room is silent (60 dB down), at most.")

    def __post_init__(self) -> None:
        limits = {"speed": 0.5, "noise": 1.0, "room": 1.0, "longest_room": 10.0}
        wrong = [name for name, most in limits.items() if not 0 <= getattr(self, name) <= most]
        if not -100 <= self.loudest_noise <= self.quietest_noise <= 100:
            wrong.append("loudest_noise")
        if wrong:
            raise SettingsError(f"{wrong[0]}={getattr(self, wrong[0])} is out of range")


def changed(
    samples: Samples, rate: int, settings: SoundChange, rng: np.random.Generator
) -> Samples:
    """Vary a sound as the settings say.

    Returns
    -------
    ndarray of float32
        Another array; of another length where the speed is another.
    """
    speed = float(rng.uniform(1 - settings.speed, 1 + settings.speed))
    in_room, with_noise_ = rng.random(2) < (settings.room, settings.noise)
    seconds = float(rng.uniform(0.1, 1.0)) * settings.longest_room
    below = float(rng.uniform(settings.loudest_noise, settings.quietest_noise))
    sound = with_speed(samples, speed)
    if in_room:
        sound = in_a_room(sound, rate, seconds, rng)
    return with_noise(sound, below, rng) if with_noise_ else sound


def with_speed(samples: Samples, factor: float) -> Samples:
    """Play a sound faster (above 1) or slower, pitch and all (Ko et al., Interspeech 2015).

    The factor is rounded to a hundredth.
    """
    from scipy.signal import resample_poly

    hundredths = round(100 * factor)
    if not len(samples) or hundredths == 100:
        return samples.copy()
    return np.asarray(resample_poly(samples, 100, hundredths), np.float32)


def with_noise(samples: Samples, below_db: float, rng: np.random.Generator) -> Samples:
    """Lay white noise under a sound, so many dB below its own RMS; silence stays silence."""
    level = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    noise = rng.standard_normal(len(samples), np.float32)
    return samples + noise * np.float32(level * 10 ** (-below_db / 20))


def in_a_room(samples: Samples, rate: int, seconds: float, rng: np.random.Generator) -> Samples:
    """Let a sound ring in a room that takes so many seconds to fall by 60 dB.

    The room is noise that dies away exponentially, half as loud as the sound that comes straight.
    What rings on after the sound's end is cut off.
    """
    from scipy.signal import fftconvolve

    length = round(seconds * rate)
    if not len(samples) or not length:
        return samples.copy()
    ringing = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    ringing *= 0.5 / np.sqrt(np.sum(np.square(ringing)))
    return samples + np.asarray(fftconvolve(samples, ringing)[: len(samples)], np.float32)
