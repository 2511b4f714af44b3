"""Timeline and Moment: the two values that everything downstream works on."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError
from reelpulse.files import atomic_path

EMOTIONS = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)
FACE_COLUMNS = (*EMOTIONS, "valence", "arousal")
LOUDNESS_COLUMNS = ("loudness", "loudness_change")

FillMethod = Literal["linear", "nearest", "zero"]

_AT_TICK = 1e-6
"""Of the way from one tick to the next: nearer to one than that is at it."""


@dataclass(frozen=True)
class Timeline:
    """One person's values on one clock.

    Parameters
    ----------
    times : ndarray of float64, shape (T,)
        Seconds from the start of the video, increasing.
    values : ndarray of float32, shape (T, C)
        One row a tick; NaN where nothing was measured. Emotions are probabilities that sum to 1,
        valence and arousal lie in [-1, 1], loudness in [0, 1].
    columns : tuple of str, length C
        Names of the columns.
    meta : dict
        Facts of the video, the settings used, the person followed, warnings.

    Raises
    ------
    DataError
        When the shapes do not agree or the times do not increase.
    """

    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float32]
    columns: tuple[str, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, np.float64))
        object.__setattr__(self, "values", np.asarray(self.values, np.float32))
        object.__setattr__(self, "columns", tuple(self.columns))
        if self.times.ndim != 1 or self.values.shape != (len(self.times), len(self.columns)):
            raise DataError(
                f"a timeline of {self.times.shape} times and {len(self.columns)} columns cannot"
                f" hold values of shape {self.values.shape}"
            )
        if len(set(self.columns)) != len(self.columns):
            raise DataError("a timeline cannot have two columns of one name")
        if not np.all(np.isfinite(self.times)) or np.any(np.diff(self.times) <= 0):
            raise DataError("the times of a timeline must be finite and increase")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Which values were measured: bool, shape (T, C)."""
        return np.isfinite(self.values)

    @cached_property
    def spacing(self) -> float:
        """Median seconds between ticks; 0.5 where there are fewer than two."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 else 0.5

    @property
    def duration(self) -> float:
        """Seconds of the video, or of the ticks where the video's length is not known."""
        known = self.meta.get("video", {}).get("duration")
        if known:
            return float(known)
        return float(self.times[-1] + self.spacing) if len(self) else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Start and end of what was looked at, in seconds: the video, or the range asked for."""
        sampling = self.meta.get("sampling", {})
        return float(sampling.get("start") or 0.0), float(sampling.get("end") or self.duration)

    def column(self, name: str) -> npt.NDArray[np.float32]:
        """Values of one column, shape (T,); all NaN where the timeline does not have it."""
        if name in self.columns:
            return self.values[:, self.columns.index(name)]
        return np.full(len(self), np.nan, np.float32)

    def select(self, columns: Sequence[str]) -> Timeline:
        """Return the timeline with just these columns, in this order.

        Raises
        ------
        DataError
            When one is not there; all the missing are named.
        """
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise DataError(f"the timeline has no column {', '.join(missing)}")
        index = [self.columns.index(name) for name in columns]
        return Timeline(self.times, self.values[:, index], tuple(columns), self.meta)

    def filled(self, max_gap: float = 5.0, method: FillMethod = "linear") -> Timeline:
        """Fill what was not measured.

        Parameters
        ----------
        max_gap : float
            Seconds. Ticks between two measured ones no further apart than this are filled;
            `nearest` also reaches over an end by half of it.
        method : {"linear", "nearest", "zero"}
            Linear interpolation between the measured ticks, the nearest measured tick, or zeros
            everywhere (the mask is this timeline's `valid`).

        Returns
        -------
        Timeline
            With fewer NaN; measured values are unchanged.

        Raises
        ------
        DataError
            On a gap that is no length, or an unknown method.
        """
        if not max_gap >= 0:
            raise DataError(f"max_gap must be 0 seconds or more, not {max_gap}")
        if method == "zero":
            values = np.nan_to_num(self.values, nan=0.0)
            return Timeline(self.times, values, self.columns, self.meta)
        if method not in ("linear", "nearest"):
            raise DataError(f"no filling is named {method!r}: use linear, nearest or zero")
        values = self.values.copy()
        for column in values.T:
            _fill_column(self.times, column, max_gap, method)
        return Timeline(self.times, values, self.columns, self.meta)

    def steps(self, start: float, end: float, n: int = 15) -> npt.NDArray[np.float32]:
        """Bring a window to `n` even steps by linear interpolation on the times.

        Step i lies at ``start + (i + 1/2) * (end - start) / n``: where the ticks of a clip that is
        sampled by itself lie. Training and detection both use this function.

        Returns
        -------
        ndarray of float32, shape (n, C)
            NaN where a neighbouring tick was not measured (fill first to bridge gaps), and beyond
            one tick from the first and the last.
        """
        if not end > start or n < 1:
            raise DataError(f"a window from {start} to {end} s cannot have {n} steps")
        return self.at(start + (np.arange(n) + 0.5) * (end - start) / n)

    def at(self, times: npt.ArrayLike) -> npt.NDArray[np.float32]:
        r"""Values at any times, by linear interpolation between the ticks.

        Parameters
        ----------
        times : array_like of float64, any shape
            Seconds; NaN for no time.

        Returns
        -------
        ndarray of float32, shape (\*shape of times, C)
            NaN where a neighbouring tick was not measured (fill first to bridge gaps), beyond one
            tick from the first and the last, and where the time is NaN.
        """
        shape = (*np.shape(times), len(self.columns))
        at = np.asarray(times, np.float64).ravel()
        if not len(self):
            return np.full(shape, np.nan, np.float32)
        reach = self.spacing * (1 + 1e-9)
        inside = (at >= self.times[0] - reach) & (at <= self.times[-1] + reach)
        at = np.clip(np.where(inside, at, self.times[0]), self.times[0], self.times[-1])
        right = np.searchsorted(self.times, at)
        left = np.maximum(right - 1, 0)
        span = self.times[right] - self.times[left]
        share = (at - self.times[left]) / np.where(span > 0, span, 1.0)
        # At a tick, however the sums were rounded, a neighbour that is not asked must not drag in
        # its NaN.
        right = np.where(share < _AT_TICK, left, right)
        left = np.where(share > 1 - _AT_TICK, right, left)
        low, out = self.values[left], self.values[right]
        out -= low
        out *= share[:, None].astype(np.float32)
        out += low
        out[~inside] = np.nan
        return out.reshape(shape)

    def to_csv(self, path: str | Path) -> None:
        """Write ``time`` and the columns; an empty field where nothing was measured."""
        with (
            atomic_path(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(["time", *self.columns])
            for time, row in zip(self.times, self.values, strict=True):
                cells = ["" if np.isnan(value) else f"{value:.6g}" for value in row]
                writer.writerow([f"{time:.6f}".rstrip("0").rstrip("."), *cells])

    def to_npz(self, path: str | Path) -> None:
        """Write arrays ``times``, ``values``, ``columns`` and ``valid`` for NumPy."""
        with atomic_path(path) as temporary, open(temporary, "wb") as f:
            np.savez_compressed(
                f,
                times=self.times,
                values=self.values,
                columns=np.array(self.columns),
                valid=self.valid,
            )


def assemble(
    times: npt.NDArray[np.float64],
    streams: Mapping[str, tuple[Sequence[str], npt.NDArray[np.float32]]],
    meta: dict[str, Any],
) -> Timeline:
    """Put streams side by side: the ten face columns, the two of loudness, then the others by name.

    Parameters
    ----------
    times : ndarray, shape (T,)
    streams : mapping of str to (columns, values of shape (T, C))
        A first column that was not measured is there all the same, as NaN.
    meta : dict
        The timeline's facts.
    """
    columns: list[str] = []
    values = []
    first = {"face": FACE_COLUMNS, "loudness": LOUDNESS_COLUMNS}
    for name in [*first, *sorted(set(streams) - set(first))]:
        if name in streams:
            names, block = streams[name]
        else:
            names = first[name]
            block = np.full((len(times), len(names)), np.nan, np.float32)
        columns += names
        values.append(block)
    return Timeline(times, np.concatenate(values, axis=1), tuple(columns), meta)


def _fill_column(
    times: npt.NDArray[np.float64],
    column: npt.NDArray[np.float32],
    max_gap: float,
    method: FillMethod,
) -> None:
    measured = np.flatnonzero(np.isfinite(column))
    if not len(measured):
        return
    empty = np.flatnonzero(~np.isfinite(column))
    after = np.searchsorted(measured, empty)
    left = measured[np.clip(after - 1, 0, None)]
    right = measured[np.clip(after, None, len(measured) - 1)]
    between = (after > 0) & (after < len(measured))
    bridged = between & (times[right] - times[left] <= max_gap + 1e-9)
    if method == "linear":
        inner = empty[bridged]
        column[inner] = np.interp(times[inner], times[measured], column[measured])
        return
    nearer = np.where(times[empty] - times[left] <= times[right] - times[empty], left, right)
    nearer = np.where(after == 0, right, np.where(after == len(measured), left, nearer))
    near = np.abs(times[nearer] - times[empty]) <= max_gap / 2 + 1e-9
    take = np.where(between, bridged, near)
    column[empty[take]] = column[nearer[take]]


@dataclass(frozen=True)
class Reason:
    """Why a moment was taken: one part of the score.

    Parameters
    ----------
    part : str
        The part's name, such as ``loudness``.
    text : str
        What happened, for people: ``loudness ×4``.
    share : float
        The part's share of the score at the peak, in [0, 1].
    facts : dict
        What the text says, as values, for other languages: ``ratio`` (of loudness to the usual),
        ``change`` (of a column from the usual), ``before`` and ``after`` (leading emotions).
    """

    part: str
    text: str
    share: float
    facts: dict[str, float | str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Moment:
    """A stretch worth a look.

    `start` and `end` bound what was scored; `clip_start` and `clip_end` what to cut, with the
    seconds before it. All in seconds from the start of the video; `score` lies in [0, 1].
    """

    start: float
    end: float
    peak: float
    score: float
    reasons: tuple[Reason, ...] = ()
    clip_start: float = 0.0
    clip_end: float = 0.0

    @property
    def duration(self) -> float:
        """Seconds of the scored span."""
        return self.end - self.start
