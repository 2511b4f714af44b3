"""From a score a tick to moments: peaks with hysteresis, of fitting length, without overlap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.moments.reasons import reasons
from reelpulse.moments.tension import tension_parts
from reelpulse.settings import MomentSettings, changed, parse_weights
from reelpulse.timeline import Moment, Timeline, load_timeline

TOP, MIN_SCORE = 10, 0.1
"""Defaults of tension: how many moments, and the least that their peaks score."""

_NOTHING = 1e-6

_TIE = 1e-6
"""Seconds: a tick on a span's very end is on it, however the sums were rounded."""

_EXIT = 0.5
"""A moment goes on while the score stays above this share of its peak."""

_LEAD = 0.6
"""Of the seconds added to a short peak, the share that goes before it."""


@dataclass(frozen=True)
class Span:
    """A scored stretch: seconds, and the tick of its peak."""

    start: float
    end: float
    tick: int


def find_moments(
    timeline: Timeline | str | Path, settings: MomentSettings | None = None, **changes: Any
) -> list[Moment]:
    """Find the moments of a timeline by its tension.

    Parameters
    ----------
    timeline : Timeline, str or Path
        Or the ``.h5`` file of one.
    settings : MomentSettings, optional
    **changes
        Fields of `MomentSettings`, such as ``top=5``.

    Returns
    -------
    list of Moment
        Best first; their scored spans do not overlap.
    """
    settings = changed(settings or MomentSettings(), changes)
    if not isinstance(timeline, Timeline):
        timeline = load_timeline(timeline)
    parts = tension_parts(timeline, parse_weights(settings.weight))
    return [
        Moment(
            start=round(span.start, 3),
            end=round(span.end, 3),
            peak=round(float(timeline.times[span.tick]), 3),
            score=round(float(parts.score[span.tick]), 4),
            reasons=reasons(timeline, parts, span.start, float(timeline.times[span.tick])),
            clip_start=round(max(parts.extent[0], span.start - settings.pre_roll), 3),
            clip_end=round(min(parts.extent[1], span.end + settings.post_roll), 3),
        )
        for span in spans(timeline.times, parts.score, parts.extent, settings)
    ]


def spans(
    times: npt.NDArray[np.float64],
    score: npt.NDArray[np.float64],
    bounds: tuple[float, float],
    settings: MomentSettings,
) -> list[Span]:
    """Take the peaks of a score, the highest first.

    A span holds the ticks around its peak that stay above half of it, no more than `longest` and
    no less than `shortest` seconds (less where the video itself is shorter), inside `bounds` and
    apart from the spans before it.

    Returns
    -------
    list of Span
        Highest peak first, at most `settings.top` (`TOP` without it).
    """
    most = TOP if settings.top is None else settings.top
    least = MIN_SCORE if settings.min_score is None else settings.min_score
    found: list[Span] = []
    for tick in np.argsort(-score, kind="stable"):
        if score[tick] < max(least, _NOTHING) or len(found) == most:
            break
        low, high = _room(found, float(times[tick]), bounds)
        if not low <= times[tick] <= high:
            continue
        if high - low < min(settings.shortest, bounds[1] - bounds[0]) - 1e-9:
            continue
        if _is_slope(score, int(tick), found):
            continue
        start, end = _grown(times, score, int(tick))
        start, end = _fitted(max(start, low), min(end, high), float(times[tick]), settings)
        # Slide into the free stretch without changing the length.
        length = min(end - start, high - low)
        start = min(max(start, low), high - length)
        end = start + length
        found.append(Span(start, end, int(tick)))
    return found


def _room(found: list[Span], time: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """The free stretch around a time; an empty one where a span lies on it."""
    low, high = bounds
    for span in found:
        if span.start - _TIE <= time <= span.end + _TIE:
            return 1.0, 0.0
        if span.end < time:
            low = max(low, span.end)
        else:
            high = min(high, span.start)
    return low, high


def _is_slope(score: npt.NDArray[np.float64], tick: int, found: list[Span]) -> bool:
    """Whether the score only rises from this tick to a span's peak: no peak of its own."""
    for span in found:
        low, high = sorted((tick, span.tick))
        if score[low : high + 1].min() >= score[tick]:
            return True
    return False


def _grown(
    times: npt.NDArray[np.float64], score: npt.NDArray[np.float64], tick: int
) -> tuple[float, float]:
    above = score >= _EXIT * score[tick]
    low = high = tick
    while low > 0 and above[low - 1]:
        low -= 1
    while high < len(score) - 1 and above[high + 1]:
        high += 1
    return float(times[low]), float(times[high])


def _fitted(start: float, end: float, peak: float, settings: MomentSettings) -> tuple[float, float]:
    """Bring a span to between `shortest` and `longest` seconds, the peak inside."""
    missing = settings.shortest - (end - start)
    if missing > 0:
        return start - _LEAD * missing, end + (1 - _LEAD) * missing
    if end - start > settings.longest:
        start = max(start, peak - _LEAD * settings.longest)
        return start, start + settings.longest
    return start, end
