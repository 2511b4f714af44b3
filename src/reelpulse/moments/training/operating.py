"""How right a model's moments are on whole labelled videos, threshold by threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelpulse.errors import DataError, ReelpulseError, at
from reelpulse.moments.detect import spans
from reelpulse.moments.judging.matching import IOUS, Range, match_events
from reelpulse.moments.judging.truth import Watched, read_truth, sort_truth
from reelpulse.moments.model import MomentModel, Operating, check_timeline
from reelpulse.moments.tension import extent
from reelpulse.moments.windows import score_curve, window_scores
from reelpulse.settings import MomentSettings
from reelpulse.timeline import Timeline, load_timeline

_ALL = MomentSettings(top=1_000_000, min_score=0.0)


@dataclass(frozen=True)
class LabelledVideo:
    """A whole video's timeline, and what in it is truly funny."""

    path: Path
    timeline: Timeline
    truth: tuple[Range, ...]

    @property
    def fingerprint(self) -> str:
        """Of the video; empty where the timeline does not say."""
        return str(self.timeline.meta.get("video", {}).get("fingerprint") or "")


def read_videos(table: str | Path) -> tuple[list[LabelledVideo], list[str]]:
    """Read a table of funny stretches of whole videos.

    Parameters
    ----------
    table : str or Path
        CSV of columns ``file`` (an ``.h5`` timeline, relative to the table), ``start``, ``end``.
        Whatever of a video is not in it counts as not funny.

    Returns
    -------
    videos : list of LabelledVideo
    warnings : list of str

    Raises
    ------
    DataError
        When the table or a timeline cannot be used; the line is named.
    """
    rows = read_truth(table)
    if not rows:
        raise DataError(at(table, "names no funny stretch: there is nothing to try a model on"))
    first = {row.video: row.line for row in reversed(rows)}
    if "" in first:
        problem = f"line {first['']}: does not say which video it is of: give it a column `file`"
        raise DataError(at(table, problem))
    names = list(dict.fromkeys(row.video for row in rows))
    timelines = []
    for name in names:
        try:
            timelines.append(load_timeline(Path(table).parent / name))
        except ReelpulseError as error:
            raise DataError(at(table, f"line {first[name]}: {error}")) from None
    watched = [
        Watched((name,), *timeline.bounds, timeline.bounds[1])
        for name, timeline in zip(names, timelines, strict=True)
    ]
    truths, warnings = sort_truth(rows, watched, table)
    videos = [
        LabelledVideo(Path(table).parent / name, timeline, truth)
        for name, timeline, truth in zip(names, timelines, truths, strict=True)
    ]
    return videos, warnings


def operating_points(
    model: MomentModel, videos: Sequence[LabelledVideo], iou: float = IOUS[0]
) -> list[Operating]:
    """Slide a model over labelled videos, and tell how right its moments are.

    Parameters
    ----------
    model : MomentModel
    videos : sequence of LabelledVideo
    iou : float
        Least overlap with a true stretch that makes a moment right.

    Returns
    -------
    list of Operating
        A point for each score that a moment which was right had, from the lowest on: any threshold
        between two of them has the precision of more misses, and no more hits.

    Raises
    ------
    ModelError
        When a timeline lacks columns that the model wants.
    """
    scores: list[float] = []
    right: list[bool] = []
    true = 0
    for video in videos:
        check_timeline(model, video.timeline)
        bounds = extent(video.timeline)
        windows = window_scores(video.timeline, model, bounds=bounds, features_path=video.path)
        curve = score_curve(windows, video.timeline.times, bounds)
        found = spans(video.timeline.times, curve, bounds, _ALL)
        matches = match_events([(span.start, span.end) for span in found], video.truth, iou)
        scores += [float(curve[span.tick]) for span in found]
        right += [match is not None for match in matches]
        true += len(video.truth)
    if not any(right):
        return []
    order = np.argsort(-np.array(scores), kind="stable")
    ranked, hits = np.array(scores)[order], np.cumsum(np.array(right)[order])
    count = np.arange(1, len(ranked) + 1)
    # Of moments that score alike, a threshold takes all or none.
    whole = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    more = whole[np.diff(hits[whole], prepend=0) > 0]
    return [
        Operating(
            _below(float(ranked[place])),
            round(float(hits[place] / count[place]), 4),
            round(float(hits[place] / true), 4),
        )
        for place in more[::-1]
    ]


def _below(score: float) -> float:
    """A threshold of six decimals that a score still reaches."""
    return math.floor(score * 1e6) / 1e6
