"""Say in words why a moment was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.moments.tension import SILENCE, Tension
from reelpulse.timeline import EMOTIONS, Reason, Timeline

_AROUND_SECONDS = 1.0
_BEFORE_SECONDS = 4.0
_HAPPY = 0.5
"""Share of happiness from which a face is said to laugh."""

_LEAST_SHARE = 0.05
"""A part that gives less of the score than this is not named."""

Facts = dict[str, float | str]


@dataclass(frozen=True)
class Scene:
    """What is told of a moment, whatever found it.

    Parameters
    ----------
    timeline : Timeline
    start : float
        Of the moment, in seconds: before it lies what came before.
    around : ndarray of bool, shape (T,)
        Ticks whose values tell what happened.
    usual : mapping of str to float
        By column.
    away : ndarray, shape (T,)
        How far the expression is from the usual one; what it was is told at the farthest.
    rises : bool
        Whether only rises of loudness, laughter and arousal count, as in tension.
    """

    timeline: Timeline
    start: float
    around: npt.NDArray[np.bool_]
    usual: Mapping[str, float]
    away: npt.NDArray[np.float64]
    rises: bool


def reasons(timeline: Timeline, tension: Tension, start: float, peak: float) -> tuple[Reason, ...]:
    """Name the parts that raised the tension at a peak, the strongest first.

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
    usual = {part: float(normal[tick]) for part, normal in tension.normals.items()}
    scene = Scene(timeline, start, around, usual, tension.shares["expression"], rises=True)
    shares = {part: float(values[tick]) for part, values in tension.shares.items()}
    return told(scene, {part: share / score for part, share in shares.items()} if score > 0 else {})


def told(scene: Scene, shares: Mapping[str, float]) -> tuple[Reason, ...]:
    """Put parts of a score into words.

    Parameters
    ----------
    scene : Scene
    shares : mapping of str to float
        Each part's share of the score, in [0, 1]: ``expression``, ``together``, or a column.

    Returns
    -------
    tuple of Reason
        The strongest first; those that give little are left out.
    """
    found = []
    for part, share in shares.items():
        if share >= _LEAST_SHARE:
            facts = _facts(scene, part)
            found.append(Reason(part, _text(part, facts), round(share, 3), facts))
    return tuple(sorted(found, key=lambda reason: -reason.share))


def _facts(scene: Scene, part: str) -> Facts:
    if part == "expression":
        before, after = _turn(scene)
        return {"before": before, "after": after}
    values = scene.timeline.column(part)[scene.around].astype(float)
    usual = scene.usual.get(part, np.nan)
    away = (values - usual)[np.isfinite(values - usual)]
    if part == "laughter":
        fell = len(away) > 0 and away.max() < 0 and not scene.rises
        if not fell and np.isfinite(values).any():
            return _laughter(scene.timeline, scene.around)
    if not len(away):
        return {}
    size = away if scene.rises and part != "valence" else np.abs(away)
    most = float(away[np.argmax(size)])
    if part == "loudness":
        return {"ratio": round((most + usual) / max(usual, SILENCE), 2)}
    return {"change": round(most, 2)}


def _laughter(timeline: Timeline, around: npt.NDArray[np.bool_]) -> Facts:
    """How sure the laughter is, and whether the face that is followed laughed along.

    A game, an audience or friends on a call laugh too.
    """
    facts: Facts = {"probability": round(float(np.nanmax(timeline.column("laughter")[around])), 2)}
    happy = timeline.column("happiness")[around]
    if np.isfinite(happy).any():
        facts["along"] = "yes" if float(np.nanmax(happy)) >= _HAPPY else "no"
    return facts


def _text(part: str, facts: Facts) -> str:
    match facts:
        case _ if part == "together":
            return "face and sound at once"
        case {"along": along}:
            return f"laughter (the face {'laughs along' if along == 'yes' else 'does not laugh'})"
        case {"ratio": float() as ratio}:
            return f"{part} ×{ratio:.0f}" if ratio >= 3 else f"{part} ×{ratio:.1f}"
        case {"change": float() as change}:
            return f"{part} {change:+.1f}".replace("-", "−")
        case {"before": before, "after": after}:
            return f"{before} → {after}" if before != after else f"stronger {after}"
    return part


def _turn(scene: Scene) -> tuple[str, str]:
    """The leading emotion before the moment, and where the expression is farthest from usual."""
    timeline = scene.timeline
    emotions = timeline.select(EMOTIONS).values
    before = timeline.times >= scene.start - _BEFORE_SECONDS
    before &= timeline.times < scene.start + 0.5
    usual = _leading(emotions[before]) or _leading(emotions)
    seen = np.flatnonzero(scene.around & np.isfinite(emotions).all(axis=1))
    now = _leading(emotions[seen[[np.argmax(scene.away[seen])]]]) if len(seen) else usual
    return usual, now


def _leading(rows: npt.NDArray[np.float32]) -> str:
    rows = rows[np.isfinite(rows).all(axis=1)]
    return EMOTIONS[int(np.argmax(rows.mean(axis=0)))] if len(rows) else ""
