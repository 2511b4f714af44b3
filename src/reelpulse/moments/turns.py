"""Turning points: where the leading emotion changes, and stays changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.timeline import EMOTIONS, Timeline

NOT_MEASURED = -1

_HOLD_SECONDS = 1.0
_MARGIN = 0.1
_MAX_GAP_SECONDS = 5.0
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Turn:
    """A change of the leading emotion.

    Parameters
    ----------
    time : float
        Where the new one took the lead, in seconds.
    before, after : str
        Names out of `EMOTIONS`.
    """

    time: float
    before: str
    after: str


@dataclass(frozen=True)
class Turns:
    """The turning points of a timeline, and what lies between them.

    Parameters
    ----------
    turns : list of Turn
        In order of time.
    matrix : ndarray of int64, shape (8, 8)
        How often each emotion (row) was followed by each other one (column), in the order of
        `EMOTIONS`; zeros on the diagonal.
    held : ndarray of int64, shape (T,)
        Place in `EMOTIONS` of the emotion that holds at each tick; -1 where none was measured.
    """

    turns: list[Turn]
    matrix: npt.NDArray[np.int64]
    held: npt.NDArray[np.int64]


def leading(timeline: Timeline) -> npt.NDArray[np.int64]:
    """Tell which emotion has the largest share at each tick.

    Returns
    -------
    ndarray of int64, shape (T,)
        Place in `EMOTIONS`; -1 where the face was not measured.
    """
    shares = _shares(timeline)
    measured = np.isfinite(shares).all(axis=1)
    lead = np.argmax(np.nan_to_num(shares), axis=1)
    return np.where(measured, lead, NOT_MEASURED).astype(np.int64)


def emotion_shares(timeline: Timeline) -> dict[str, float]:
    """Share of the ticks with a face that each emotion leads, most first; empty without a face."""
    lead = leading(timeline)
    lead = lead[lead >= 0]
    if not len(lead):
        return {}
    counts = np.bincount(lead, minlength=len(EMOTIONS)) / len(lead)
    order = np.argsort(-counts, kind="stable")
    return {EMOTIONS[i]: round(float(counts[i]), 4) for i in order if counts[i] > 0}


def turning_points(
    timeline: Timeline,
    *,
    hold: float = _HOLD_SECONDS,
    margin: float = _MARGIN,
    max_gap: float = _MAX_GAP_SECONDS,
) -> Turns:
    """Find where the leading emotion changes for good.

    A new emotion takes over at the first tick of a run that it leads by `margin` or more over the
    one that holds, when that run lasts at least `hold` seconds (and two ticks, where ticks lie
    further apart than that). A single flicker, or two emotions level with each other, change
    nothing.

    Parameters
    ----------
    timeline : Timeline
    hold : float
        Seconds for which the new emotion must lead.
    margin : float
        By how much of the whole (1) it must lead over the one that holds.
    max_gap : float
        Seconds. After a longer stretch without a face the chain begins anew: what came before
        and what comes after it make no turn.

    Returns
    -------
    Turns
    """
    lead, shares, times = leading(timeline), _shares(timeline), timeline.times.tolist()
    spacing = timeline.spacing
    held = np.full(len(times), NOT_MEASURED, np.int64)
    matrix = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    found: list[Turn] = []
    now = candidate = NOT_MEASURED
    since = count = last = 0
    for tick in np.flatnonzero(lead >= 0).tolist():
        if now == NOT_MEASURED or times[tick] - times[last] > max_gap + spacing:
            now, candidate = int(lead[tick]), NOT_MEASURED
        leader = int(lead[tick])
        ahead = leader != now and shares[tick, leader] - shares[tick, now] >= margin
        if not ahead:
            candidate = NOT_MEASURED
        elif leader != candidate:
            candidate, since, count = leader, tick, 1
        else:
            count += 1
        lasted = times[tick] - times[since] + spacing
        if candidate != NOT_MEASURED and count >= 2 and lasted >= hold - _ROUNDING:
            found.append(Turn(times[since], EMOTIONS[now], EMOTIONS[candidate]))
            matrix[now, candidate] += 1
            now, candidate = candidate, NOT_MEASURED
            held[since:tick][held[since:tick] >= 0] = now
        held[tick], last = now, tick
    return Turns(found, matrix, held)


def _shares(timeline: Timeline) -> npt.NDArray[np.float64]:
    """The eight emotions (T, 8); NaN where the timeline does not have one."""
    return np.stack([timeline.column(name) for name in EMOTIONS], axis=1).astype(np.float64)
