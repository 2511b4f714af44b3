"""From a score a tick to moments: peaks with hysteresis, of fitting length, without overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import SettingsError
from reelpulse.moments.judging.matching import highest_each
from reelpulse.moments.model import MomentModel, check_timeline, load_model
from reelpulse.moments.occlusion import occlusion_reasons
from reelpulse.moments.reasons import reasons
from reelpulse.moments.tension import extent, tension_parts
from reelpulse.moments.windows import MOST_MISSING, Slider, score_curve
from reelpulse.settings import MomentSettings, as_dict, changed, parse_weights
from reelpulse.timeline import Moment, Reason, Timeline, load_timeline

TENSION = "tension"
"""What moments are said to be by, where no model found them."""

TOP, MIN_SCORE = 10, 0.1
"""Defaults of tension: how many moments, and the least that their peaks score."""

SCORE_STEP = 1.0
"""Seconds of each stretch whose highest score is kept with the moments."""

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


@dataclass(frozen=True)
class Scores:
    """What is kept of a score: the highest of each stretch of `step` seconds from `start` on."""

    by: str
    start: float
    step: float
    values: npt.NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file; four decimals."""
        values = [round(value, 4) for value in self.values.tolist()]
        return {"start": self.start, "step": self.step, "values": values}

    def at(self, times: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The score at times, (T,), interpolated between the stretches' middles."""
        middles = self.start + (np.arange(len(self.values)) + 0.5) * self.step
        if not len(middles):
            return np.zeros(np.shape(times))
        return np.interp(np.asarray(times, np.float64), middles, self.values)


@dataclass(frozen=True)
class Detection:
    """Moments, and what they were found by.

    Parameters
    ----------
    moments : list of Moment
        Best first; their scored spans do not overlap.
    times, score : ndarray of float64, shape (T,)
        Seconds, and the score of each tick in [0, 1].
    by : str
        ``tension``, or the model's name.
    scores : Scores
        The score by the second.
    settings : dict
        What was asked for; of a model also its checksum and the threshold that came of it.
    warnings : list of str
    """

    moments: list[Moment]
    times: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    by: str
    scores: Scores
    settings: dict[str, Any]
    warnings: list[str]


def find_moments(
    timeline: Timeline | str | Path,
    settings: MomentSettings | None = None,
    model: MomentModel | str | Path | None = None,
    **changes: Any,
) -> list[Moment]:
    """Find the moments of a timeline, by its tension or by a trained model.

    Parameters
    ----------
    timeline : Timeline, str or Path
        Or the ``.h5`` file of one.
    settings : MomentSettings, optional
    model : MomentModel, str or Path, optional
        Or the ``.onnx`` file of one.
    **changes
        Fields of `MomentSettings`, such as ``top=5``.

    Returns
    -------
    list of Moment
        Best first; their scored spans do not overlap.

    Raises
    ------
    ReelpulseError
        When a file cannot be used, or the timeline lacks columns that the model wants.
    """
    return detect(timeline, changed(settings or MomentSettings(), changes), model).moments


def detect(
    timeline: Timeline | str | Path,
    settings: MomentSettings | None = None,
    model: MomentModel | str | Path | None = None,
) -> Detection:
    """Find the moments of a timeline, and say how; see `find_moments`.

    By a model, as many moments are taken as `settings.per_hour` gives for this video, the balance
    of clips not being that of a video; or, with `settings.precision`, those above the lowest
    threshold from which on that share of its moments was right on labelled videos.
    """
    settings = changed(settings or MomentSettings(), {})
    if model is not None and not isinstance(model, MomentModel):
        model = load_model(model)
    check_settings(settings, model)
    if not isinstance(timeline, Timeline):
        timeline = load_timeline(timeline)
    if model is None:
        return _by_tension(timeline, settings)
    return _by_model(timeline, settings, model)


def check_settings(settings: MomentSettings, model: MomentModel | None) -> None:
    """Refuse what cannot be asked for, before a video is measured.

    Raises
    ------
    SettingsError, ModelError
        On a precision without a model, or one that the model does not reach.
    """
    if settings.precision is None:
        return
    if model is None:
        raise SettingsError("setting `precision` is for a model: give one with --model")
    model.threshold(settings.precision)


def _by_tension(timeline: Timeline, settings: MomentSettings) -> Detection:
    parts = tension_parts(timeline, parse_weights(settings.weight))
    found = spans(timeline.times, parts.score, parts.extent, settings)
    why = [reasons(timeline, parts, span.start, float(timeline.times[span.tick])) for span in found]
    return Detection(
        _moments(timeline, parts.score, parts.extent, found, why, settings),
        timeline.times,
        parts.score,
        TENSION,
        scores_of(timeline, parts.score, TENSION),
        as_dict(settings),
        [],
    )


def _by_model(timeline: Timeline, settings: MomentSettings, model: MomentModel) -> Detection:
    warnings = check_timeline(model, timeline)
    bounds = extent(timeline)
    most, least = _wanted(timeline, settings, model)
    slider = Slider(timeline, model)
    windows = slider.slide(bounds)
    if not np.isfinite(windows.scores).any():
        warnings.append(
            f"{MOST_MISSING:.0%} or more of each window lacks something that {model.name} looks at"
            f" ({', '.join(model.recipe.columns)}): no moments can be found with it"
        )
    score = score_curve(windows, timeline.times, bounds)
    limits = replace(settings, top=most, min_score=least)
    found = spans(timeline.times, score, bounds, limits)
    peaks = [(span.start, float(timeline.times[span.tick])) for span in found]
    why = occlusion_reasons(timeline, slider, windows, peaks)
    moments = _moments(timeline, score, bounds, found, why, settings)
    threshold = moments[-1].score if len(moments) == most else least
    said = {"model": model.name, "checksum": model.checksum, "threshold": threshold}
    return Detection(
        moments,
        timeline.times,
        score,
        model.name,
        scores_of(timeline, score, model.name),
        {**as_dict(settings), **said},
        warnings,
    )


def _wanted(timeline: Timeline, settings: MomentSettings, model: MomentModel) -> tuple[int, float]:
    """How many moments at most, and the least that their peaks score."""
    start, end = timeline.bounds
    least = settings.min_score or 0.0
    if settings.precision is not None:
        most = len(timeline)
        least = max(least, model.threshold(settings.precision))
    else:
        most = max(1, round(settings.per_hour * (end - start) / 3600))
    return most if settings.top is None else min(most, settings.top), least


def scores_of(timeline: Timeline, score: npt.NDArray[np.float64], by: str) -> Scores:
    """Keep of a score a tick, (T,), the highest of each second of what was looked at."""
    start, end = timeline.bounds
    count = math.ceil((end - start) / SCORE_STEP - _TIE)
    values = highest_each(timeline.times, score, start, SCORE_STEP, max(count, 0))
    return Scores(by, start, SCORE_STEP, values)


def _moments(
    timeline: Timeline,
    score: npt.NDArray[np.float64],
    bounds: tuple[float, float],
    found: list[Span],
    why: list[tuple[Reason, ...]],
    settings: MomentSettings,
) -> list[Moment]:
    return [
        Moment(
            start=round(span.start, 3),
            end=round(span.end, 3),
            peak=round(float(timeline.times[span.tick]), 3),
            score=round(float(score[span.tick]), 4),
            reasons=said,
            clip_start=round(max(bounds[0], span.start - settings.pre_roll), 3),
            clip_end=round(min(bounds[1], span.end + settings.post_roll), 3),
        )
        for span, said in zip(found, why, strict=True)
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
    taken = np.zeros(len(score), bool)
    for tick in np.argsort(-score, kind="stable").tolist():
        if score[tick] < max(least, _NOTHING) or len(found) == most:
            break
        if taken[tick]:
            continue
        low, high = _room(found, float(times[tick]), bounds)
        if not low <= times[tick] <= high:
            continue
        if high - low < min(settings.shortest, bounds[1] - bounds[0]) - 1e-9:
            continue
        start, end = _grown(times, score, tick)
        start, end = _fitted(max(start, low), min(end, high), float(times[tick]), settings)
        # Slide into the free stretch without changing the length.
        length = min(end - start, high - low)
        start = min(max(start, low), high - length)
        end = start + length
        found.append(Span(start, end, tick))
        taken |= _slopes(score, tick)
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


def _slopes(score: npt.NDArray[np.float64], tick: int) -> npt.NDArray[np.bool_]:
    """From which ticks, (T,), the score only rises to this one: they are no peaks of their own."""
    least = np.empty_like(score)
    least[: tick + 1] = np.minimum.accumulate(score[tick::-1])[::-1]
    least[tick:] = np.minimum.accumulate(score[tick:])
    return np.asarray(least >= score)


def _grown(
    times: npt.NDArray[np.float64], score: npt.NDArray[np.float64], tick: int
) -> tuple[float, float]:
    """First and last tick of the stretch around a peak that stays above half of it, in seconds."""
    below = np.flatnonzero(score < _EXIT * score[tick])
    after = int(np.searchsorted(below, tick))
    low = below[after - 1] + 1 if after else 0
    high = below[after] - 1 if after < len(below) else len(score) - 1
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
