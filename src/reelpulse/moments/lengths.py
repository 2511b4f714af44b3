"""Clips of any length brought to the same number of steps, one small function a way.

Each way says *when* to look, in seconds from the clip's start; a clip that is sampled by itself is
looked at then, and a window of a long timeline is interpolated then, by `Timeline.at`. A step that
is padding has no time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, SettingsError
from reelpulse.settings import SHORT, ClipSettings, one_of
from reelpulse.timeline import Timeline

CUT_SECONDS = 5.0
PAD_SECONDS = 7.0
SHORTEST, LONGEST = 5.0, 7.0
"""Seconds of a clip as clips are meant to be; others are taken with a warning."""

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """How a clip becomes steps.

    Parameters
    ----------
    length : str
        A key of `LENGTHS`.
    steps : int
    rate : float
        Ticks a second, of the ways that do not spread.
    short : {"pad", "repeat"}
        What becomes of a clip shorter than `CUT_SECONDS`, where clips are cut to that.
    """

    length: str = "even"
    steps: int = 15
    rate: float = 2.0
    short: str = "pad"

    @classmethod
    def from_settings(cls, settings: ClipSettings) -> Shape:
        """Take a clip's shape from the settings; the way's own number of steps where none is set.

        Raises
        ------
        SettingsError
            On an unknown way.
        """
        length = settings.length.replace("-", "_")
        one_of("length", length, tuple(LENGTHS))
        seconds = {"pad": PAD_SECONDS, "cut": CUT_SECONDS}.get(length.split("_")[0])
        usual = 15 if seconds is None else round(seconds * settings.rate)
        return cls(length, settings.steps or usual, settings.rate, settings.short)

    @property
    def spreads(self) -> bool:
        """Whether a short clip is measured at these very steps, and not at `rate`."""
        return self.length == "even"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Any) -> Shape:
        """Read `as_dict`; raises `DataError` where it is none."""
        try:
            shape = cls(
                str(value["length"]), int(value["steps"]), float(value["rate"]), str(value["short"])
            )
            one_of("length", shape.length, tuple(LENGTHS))
            one_of("short", shape.short, SHORT)
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise DataError(f"does not say how its clips were sampled ({error})") from None
        if shape.steps < 1 or not shape.rate > 0:
            raise DataError(f"says that clips have {shape.steps} steps, {shape.rate} a second")
        return shape


def even(durations: Times, shape: Shape) -> Times:
    """Steps spread over the whole clip, (N,) to (N, steps): step i at (i + 1/2) d / steps."""
    return (np.arange(shape.steps) + 0.5) / shape.steps * durations[:, None]


def pad(durations: Times, shape: Shape) -> Times:
    """Ticks from the start on, `rate` a second; no time after the clip's end."""
    at = np.tile(np.arange(shape.steps) / shape.rate, (len(durations), 1))
    return np.where(at < durations[:, None] - _TINY, at, np.nan)


def pad_front(durations: Times, shape: Shape) -> Times:
    """The same ticks as `pad`, the steps without a time first."""
    return _packed_last(pad(durations, shape))


def cut_head(durations: Times, shape: Shape) -> Times:
    """The last five seconds: what is too much is cut from the head."""
    return _cut(durations, shape, 1.0)


def cut_tail(durations: Times, shape: Shape) -> Times:
    """The first five seconds: what is too much is cut from the tail."""
    return _cut(durations, shape, 0.0)


def cut_both(durations: Times, shape: Shape) -> Times:
    """The middle five seconds."""
    return _cut(durations, shape, 0.5)


LENGTHS: dict[str, Callable[[Times, Shape], Times]] = {
    "even": even,
    "linear": even,
    "pad": pad,
    "pad_front": pad_front,
    "cut_head": cut_head,
    "cut_tail": cut_tail,
    "cut_both": cut_both,
}
"""Each way to bring a clip to steps. `linear` differs from `even` for short files alone: they are
measured at `rate`, and interpolated."""

_TINY = 1e-6
"""Seconds: a tick on a clip's very end is beyond it, however the sums were rounded."""


def _cut(durations: Times, shape: Shape, where: float) -> Times:
    """Ticks of `CUT_SECONDS`, of what is too much a share cut in front."""
    cut = where * np.maximum(durations - CUT_SECONDS, 0)[:, None]
    at = np.tile(np.arange(shape.steps) / shape.rate, (len(durations), 1))
    lasting = np.minimum(durations, CUT_SECONDS)[:, None]
    if shape.short == "repeat":
        ticks = np.maximum(np.ceil(lasting * shape.rate - _TINY), 1)
        return cut + (np.arange(shape.steps) % ticks) / shape.rate
    return np.where(at < lasting - _TINY, cut + at, np.nan)


def _packed_last(at: Times) -> Times:
    """Move each row's times to its end."""
    order = np.argsort(np.isfinite(at), axis=1, kind="stable")
    return np.take_along_axis(at, order, axis=1)


def step_times(durations: npt.ArrayLike, shape: Shape) -> Times:
    """When to look at clips.

    Parameters
    ----------
    durations : array_like, shape (N,)
        Seconds of each clip.
    shape : Shape

    Returns
    -------
    ndarray of float64, shape (N, steps)
        Seconds from each clip's start; NaN for padding.
    """
    lasting = np.atleast_1d(np.asarray(durations, np.float64))
    if not (np.isfinite(lasting) & (lasting > 0)).all():
        raise DataError("a clip must last longer than 0 seconds")
    return LENGTHS[shape.length](lasting, shape)


def sampled(
    timeline: Timeline, starts: npt.ArrayLike, ends: npt.ArrayLike, shape: Shape
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Bring ranges of a timeline to steps: the one way, in building and in detection.

    Parameters
    ----------
    timeline : Timeline
        Filled, where gaps are to be bridged.
    starts, ends : array_like, shape (N,)
        Seconds.
    shape : Shape

    Returns
    -------
    values : ndarray of float32, shape (N, steps, C)
        NaN where nothing was measured, and at padding.
    times : ndarray of float32, shape (N, steps)
        Seconds from each range's start; NaN for padding.
    """
    first = np.atleast_1d(np.asarray(starts, np.float64))
    at = step_times(np.atleast_1d(np.asarray(ends, np.float64)) - first, shape)
    return timeline.at(first[:, None] + at), at.astype(np.float32)
