"""Say in words why a moment was taken."""

from __future__ import annotations

import numpy as np

from reelpulse.moments.tension import SILENCE, Tension
from reelpulse.timeline import EMOTIONS, Reason, Timeline

_AROUND_SECONDS = 1.0
_BEFORE_SECONDS = 4.0
_HAPPY = 0.5
"""Share of happiness from which a face is said to laugh."""

_LEAST_SHARE = 0.05
"""A part that gives less of the score than this is not named."""


def reasons(timeline: Timeline, tension: Tension, start: float, peak: float) -> tuple[Reason, ...]:
    """Name the parts that raised the score at a peak, the strongest first.

    Parameters
    ----------
    timeline : Timeline
    tension : Tension
        Of the same timeline.
    start, peak : float
        Of the moment, in seconds.

    Returns
    -------
    tuple of Reason
        Such as ``loudness ×4``, ``arousal +0.5``, ``neutral → happiness``.
    """
    tick = int(np.argmin(np.abs(timeline.times - peak)))
    around = np.abs(timeline.times - peak) <= _AROUND_SECONDS
    score = float(tension.score[tick])
    found = []
    for part, shares in tension.shares.items():
        share = float(shares[tick]) / score if score > 0 else 0.0
        if share < _LEAST_SHARE:
            continue
        facts: dict[str, float | str] = {}
        if part == "laughter":
            facts = _laughter(timeline, around)
        elif part == "expression":
            before, after = _turn(timeline, around, start, shares)
            facts = {"before": before, "after": after}
        elif part != "together":
            usual = float(tension.normals[part][tick])
            away = timeline.column(part)[around] - usual
            if part == "loudness":
                facts = {"ratio": round((float(np.nanmax(away)) + usual) / max(usual, SILENCE), 2)}
            else:
                size = np.abs(away) if part == "valence" else away
                facts = {"change": round(float(away[np.nanargmax(size)]), 2)}
        found.append(Reason(part, _text(part, facts), round(share, 3), facts))
    return tuple(sorted(found, key=lambda reason: -reason.share))


def _laughter(timeline: Timeline, around: np.ndarray) -> dict[str, float | str]:
    """How sure the laughter is, and whether the face that is followed laughed along.

    A game, an audience or friends on a call laugh too.
    """
    facts: dict[str, float | str] = {
        "probability": round(float(np.nanmax(timeline.column("laughter")[around])), 2)
    }
    happy = timeline.column("happiness")[around]
    if np.isfinite(happy).any():
        facts["along"] = "yes" if float(np.nanmax(happy)) >= _HAPPY else "no"
    return facts


def _text(part: str, facts: dict[str, float | str]) -> str:
    if part == "together":
        return "face and sound at once"
    if part == "laughter":
        along = facts.get("along")
        if along is None:
            return "laughter"
        return f"laughter (the face {'laughs along' if along == 'yes' else 'does not laugh'})"
    if "ratio" in facts:
        ratio = float(facts["ratio"])
        return f"{part} ×{ratio:.0f}" if ratio >= 3 else f"{part} ×{ratio:.1f}"
    if "change" in facts:
        return f"{part} {facts['change']:+.1f}".replace("-", "−")
    before, after = facts["before"], facts["after"]
    return f"{before} → {after}" if before != after else f"stronger {after}"


def _turn(
    timeline: Timeline, around: np.ndarray, start: float, shares: np.ndarray
) -> tuple[str, str]:
    """The leading emotion before the moment, and where the expression is farthest from usual."""
    emotions = timeline.select(EMOTIONS).values
    before = (timeline.times >= start - _BEFORE_SECONDS) & (timeline.times < start + 0.5)
    usual = _leading(emotions[before]) or _leading(emotions)
    seen = np.flatnonzero(around & np.isfinite(emotions).all(axis=1))
    now = _leading(emotions[seen[[np.argmax(shares[seen])]]]) if len(seen) else usual
    return usual, now


def _leading(rows: np.ndarray) -> str:
    rows = rows[np.isfinite(rows).all(axis=1)]
    return EMOTIONS[int(np.argmax(rows.mean(axis=0)))] if len(rows) else ""
