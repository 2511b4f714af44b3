"""Which windows to label next: those that a model is unsure of, and that are like none it knows.

A window x is worth

    a(x) = H(q) · min |φ(x) - φ(s)|   over all s labelled or suggested before,

with H the entropy, in bits, of q: the model's score, shifted in log odds so that its threshold lies
at one half. That is uncertainty sampling (Lewis and Gale 1994, "A sequential algorithm for training
text classifiers") weighting the greedy k-centre choice of a core-set (Sener and Savarese 2018,
"Active learning for convolutional neural networks: a core-set approach"). φ are mean, spread,
maximum and minimum of the model's normalised columns; the distance is Euclidean, divided by the
root of their number. Before anything is labelled or suggested, a is H alone.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, SettingsError, at
from reelpulse.files import atomic_path, readable
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.moments.inputs import Recipe, Steps
from reelpulse.moments.model import MomentModel, check_timeline
from reelpulse.moments.windows import Slider, laid
from reelpulse.timeline import Timeline

WINDOW_SECONDS = 6.0
"""A length between the shortest and the longest of clips."""

_EVEN = 0.5
_SUREST = 1e-4
_UNSURE = 0.95
"""Bits from which on a window is said to lie near the threshold."""

_BLOCK = 2048
_TINY = 1e-6

_MARK = "\ufeff"
"""Tells Excel that a table is in UTF-8."""

Floats = npt.NDArray[np.float32]
OnVideo = Callable[[float, int, str], None]


@dataclass(frozen=True)
class Suggestion:
    """A window worth labelling.

    Parameters
    ----------
    file : str
        The timeline it is of.
    video : str
        What that was measured from.
    start, end : float
        Seconds.
    score : float
        The model's, in [0, 1].
    uncertainty : float
        H, in bits.
    distance : float or None
        From the nearest labelled clip or earlier suggestion, in standard deviations a column;
        None where there was none.
    why : str
        The same for people.
    """

    file: str
    video: str
    start: float
    end: float
    score: float
    uncertainty: float
    distance: float | None
    why: str

    @property
    def name(self) -> str:
        """What people call the video."""
        return PurePath(self.video.replace("\\", "/")).name or self.file


@dataclass(frozen=True)
class Suggestions:
    """What to label next, most worth first; and what a user should know."""

    windows: list[Suggestion]
    warnings: list[str]


@dataclass(frozen=True)
class _Candidates:
    """Windows of one timeline that may be suggested."""

    timeline: Timeline
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    summaries: Floats

    @property
    def fingerprint(self) -> str:
        return _fingerprint(self.timeline)


def suggest(
    timelines: Sequence[Timeline],
    model: MomentModel,
    clips: ClipSet | None = None,
    *,
    count: int,
    progress: OnVideo | None = None,
) -> Suggestions:
    """Choose windows of timelines that are worth labelling next; see the module's text.

    They overlap neither each other nor labelled clips of the same video, and were measured well
    enough to be clips.

    Parameters
    ----------
    timelines : sequence of Timeline
    model : MomentModel
    clips : ClipSet, optional
        What is labelled already.
    count : int
        How many, at most.
    progress : callable, optional
        Called with how many timelines are done, of how many, and the name of the next.

    Raises
    ------
    SettingsError
        On a count below 1.
    DataError
        When the labelled clips lack a column of the model.
    ModelError
        When a timeline lacks one.
    """
    if count < 1:
        raise SettingsError(f"--count must be 1 or more, not {count}")
    summary = replace(model.recipe, form="summary", embeddings=0)
    known = _labelled(clips, summary) if clips is not None else None
    warnings: list[str] = []
    found = []
    for done, timeline in enumerate(timelines):
        if progress is not None:
            progress(done, len(timelines), Path(str(timeline.meta.get("file", ""))).name)
        warnings += [text for text in check_timeline(model, timeline) if text not in warnings]
        found.append(_candidates(timeline, model, summary, clips))
    windows = list(_chosen(found, _threshold(model), known, count)) if found else []
    if found and len(windows) < count:
        warnings.append(
            f"only {len(windows)} windows could be suggested: the rest is labelled, lies beside"
            " these, or was not measured well enough"
        )
    return Suggestions(windows, warnings)


def _threshold(model: MomentModel) -> float:
    said = model.description.get("threshold")
    return float(said) if isinstance(said, int | float) and 0 < said < 1 else _EVEN


def _fingerprint(timeline: Timeline) -> str:
    return str(timeline.meta.get("video", {}).get("fingerprint") or timeline.meta.get("file", ""))


def _labelled(clips: ClipSet, summary: Recipe) -> Floats:
    """Summaries of all labelled clips, (M, D)."""
    missing = [name for name in summary.columns if name not in clips.columns]
    if missing:
        problem = f"has no column {', '.join(missing)}, which the model takes: give its own clips"
        raise DataError(at(clips.path, problem))
    index = [clips.columns.index(name) for name in summary.columns]
    return np.concatenate(
        [
            np.empty((0, summary.width), np.float32),
            *(summary(steps.columns(index))["input"] for _, steps in clips.batches(_BLOCK)),
        ]
    )


def _candidates(
    timeline: Timeline, model: MomentModel, summary: Recipe, clips: ClipSet | None
) -> _Candidates:
    lengths, step = model.window
    length = min(lengths, key=lambda seconds: abs(seconds - WINDOW_SECONDS))
    starts, ends = laid(timeline.bounds, [length], step)
    scores = np.full(len(starts), np.nan)
    slider = Slider(timeline, model, None)
    free = ~_taken(starts, ends, _fingerprint(timeline), clips) if len(timeline) else starts < 0
    for rows in _blocks(np.flatnonzero(free)):
        scores[rows] = slider.scores(starts[rows], ends[rows])
    there = np.flatnonzero(np.isfinite(scores))
    summaries = [np.empty((0, summary.width), np.float32)]
    for rows in _blocks(there):
        steps: Steps = slider.steps(starts[rows], ends[rows])
        summaries.append(summary(steps)["input"])
    return _Candidates(
        timeline, starts[there], ends[there], scores[there], np.concatenate(summaries)
    )


def _blocks(rows: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    for first in range(0, len(rows), _BLOCK):
        yield rows[first : first + _BLOCK]


def _taken(
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    fingerprint: str,
    clips: ClipSet | None,
) -> npt.NDArray[np.bool_]:
    """Which windows overlap a labelled clip of the same video."""
    taken = np.zeros(len(starts), bool)
    if clips is None:
        return taken
    own = np.flatnonzero(clips.facts["fingerprint"] == fingerprint)
    for start, end in zip(clips.facts["start"][own], clips.facts["end"][own], strict=True):
        taken |= (starts < end - _TINY) & (ends > start + _TINY)
    return taken


def _chosen(
    found: Sequence[_Candidates], threshold: float, known: Floats | None, count: int
) -> Iterator[Suggestion]:
    """Take the window worth most, again and again."""
    of_timeline = np.repeat(np.arange(len(found)), [len(part.starts) for part in found])
    prints = np.array([part.fingerprint for part in found], object)[of_timeline]
    starts, ends, scores, summaries = (
        np.concatenate([getattr(part, name) for part in found])
        for name in ("starts", "ends", "scores", "summaries")
    )
    unsure = uncertainty(scores, threshold)
    near = _nearest(summaries, known)
    strange = _ranks(near)
    free = np.ones(len(starts), bool)
    while count and free.any():
        worth = unsure * near if np.isfinite(near).all() else unsure
        best = int(np.argmax(np.where(free, worth, -1.0)))
        distance = float(near[best]) if np.isfinite(near[best]) else None
        meta = found[of_timeline[best]].timeline.meta
        yield Suggestion(
            str(meta.get("file", "")),
            str(meta.get("video", {}).get("path") or meta.get("file", "")),
            round(float(starts[best]), 3),
            round(float(ends[best]), 3),
            round(float(scores[best]), 4),
            round(float(unsure[best]), 4),
            None if distance is None else round(distance, 4),
            _why(float(scores[best]), threshold, float(unsure[best]), strange, best),
        )
        count -= 1
        near = np.minimum(near, _nearest(summaries, summaries[best : best + 1]))
        beside = (starts < ends[best] - _TINY) & (ends > starts[best] + _TINY)
        free &= ~(beside & (prints == prints[best]))


def uncertainty(scores: npt.ArrayLike, threshold: float) -> npt.NDArray[np.float64]:
    """Entropy in bits of scores (N,) whose log odds are counted from those of the threshold.

    Returns
    -------
    ndarray of float64, shape (N,)
        1 at the threshold, towards 0 far from it.
    """

    def log_odds(share: Any) -> Any:
        inside = np.clip(np.asarray(share, np.float64), _SUREST, 1 - _SUREST)
        return np.log(inside / (1 - inside))

    shifted = 1 / (1 + np.exp(log_odds(threshold) - log_odds(scores)))
    parts = [share * np.log2(share) for share in (shifted, 1 - shifted)]
    return np.asarray(-(parts[0] + parts[1]))


def _nearest(summaries: Floats, others: Floats | None) -> npt.NDArray[np.float64]:
    """Distance of each (N, D) to the nearest of others (M, D), a column; infinite without any."""
    near = np.full(len(summaries), np.inf)
    if others is None:
        return near
    for first in range(0, len(summaries), _BLOCK):
        part = summaries[first : first + _BLOCK].astype(np.float64)
        squares = (part**2).sum(axis=1)
        for start in range(0, len(others), _BLOCK):
            some = others[start : start + _BLOCK].astype(np.float64)
            apart = squares[:, None] - 2 * part @ some.T + (some**2).sum(axis=1)
            rows = slice(first, first + len(part))
            near[rows] = np.minimum(near[rows], apart.min(axis=1))
    return np.asarray(np.sqrt(np.maximum(near, 0) / max(summaries.shape[1], 1)))


def _ranks(near: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Share of the windows that are more like the labelled clips than each; None without any."""
    if not len(near) or not np.isfinite(near).all():
        return None
    return np.asarray(np.searchsorted(np.sort(near), near) / len(near))


def _why(
    score: float,
    threshold: float,
    unsure: float,
    strange: npt.NDArray[np.float64] | None,
    place: int,
) -> str:
    side = "above" if score > threshold else "below"
    words = [
        f"near the threshold of {threshold:.2f}"
        if unsure >= _UNSURE
        else f"{side} the threshold of {threshold:.2f}"
    ]
    if strange is not None:
        words.append(f"less like the labelled clips than {strange[place]:.0%} of the windows")
    return ", ".join(words)


def check_free(path: str | Path) -> None:
    """Refuse to write over a table: somebody may have filled it in.

    Raises
    ------
    DataError
        When the file is there.
    """
    if Path(path).exists():
        raise DataError(at(path, "is there already, maybe filled in: give another name to -o"))


def write_suggestions(windows: Sequence[Suggestion], path: str | Path) -> None:
    """Write a table that ``moments build`` takes once its column ``label`` is filled in.

    Files are named from the table's folder, as build reads them.

    Raises
    ------
    DataError
        When the file is there already or cannot be written.
    """
    check_free(path)
    folder = Path(path).absolute().parent
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        file.write(_MARK)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "start", "end", "label", "video", "score", "why"])
        for window in windows:
            times = (
                f"{seconds:.3f}".rstrip("0").rstrip(".") for seconds in (window.start, window.end)
            )
            row = [
                _seen_from(folder, window.file),
                *times,
                "",
                window.name,
                window.score,
                window.why,
            ]
            writer.writerow([readable(str(cell)) for cell in row])


def _seen_from(folder: Path, file: str) -> str:
    """A path as written in a table in that folder."""
    whole = Path(file).absolute()
    try:
        return Path(os.path.relpath(whole, folder)).as_posix()
    except ValueError:  # on another drive
        return str(whole)
