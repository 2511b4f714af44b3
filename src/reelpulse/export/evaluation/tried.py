"""From files of moments and a table of the truth to figures, beside tension and loudness alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reelpulse.errors import DataError, ReelpulseError, at
from reelpulse.export.comparison import figure_text
from reelpulse.export.tables import load_moments, load_scores
from reelpulse.learn.metrics import Score
from reelpulse.moments.detect import TENSION, spans
from reelpulse.moments.judging.evaluate import Evaluation, evaluate
from reelpulse.moments.judging.matching import Floats, Judged, highest_each, match_events
from reelpulse.moments.judging.truth import Watched, read_truth, sort_truth
from reelpulse.moments.tension import extent, tension_parts
from reelpulse.settings import MomentSettings, changed
from reelpulse.timeline import Timeline, load_timeline

LABELS = {
    "average_precision": "average precision, seconds",
    "precision_iou_0.3": "precision, IoU 0.3",
    "recall_iou_0.3": "recall, IoU 0.3",
    "f1_iou_0.3": "F1, IoU 0.3",
    "precision_iou_0.5": "precision, IoU 0.5",
    "recall_iou_0.5": "recall, IoU 0.5",
    "f1_iou_0.5": "F1, IoU 0.5",
    "hit_at_1": "hit@1",
    "hit_at_5": "hit@5",
    "hit_at_10": "hit@10",
    "precision_at_1": "right of the best 1",
    "precision_at_5": "right of the best 5",
    "precision_at_10": "right of the best 10",
    "false_alarms_an_hour": "false alarms an hour",
    "start_distance": "starts apart, seconds",
}
"""What people read for each figure, in the order of a table."""

SUFFIX = ".moments.json"
_LENGTHS = ("shortest", "longest")
"""Settings that a rival shares."""


@dataclass(frozen=True)
class Found:
    """A file of moments as it was read."""

    path: Path
    by: str
    moments: tuple[tuple[float, float], ...]
    scores: Floats
    start: float
    step: float
    video: dict[str, Any]
    timeline: str
    settings: dict[str, Any]

    @property
    def stem(self) -> str:
        """The file's name without what says that it is one of moments."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def end(self) -> float:
        """Where what was scored ends, in seconds."""
        scored = self.start + len(self.scores) * self.step
        return min(scored, self.duration)

    @property
    def duration(self) -> float:
        """Seconds of the video; of what was scored, where the file does not say."""
        said = self.video.get("duration")
        if isinstance(said, int | float) and 0 < said < math.inf:
            return float(said)
        return self.start + len(self.scores) * self.step


@dataclass(frozen=True)
class Tried:
    """Videos, what was found in them, and how well.

    Parameters
    ----------
    videos : dict of str to list of Judged
        By contender; the first is what was judged.
    evaluation : Evaluation
    files : list of Path
        The files of moments, in the order of the videos.
    """

    videos: dict[str, list[Judged]]
    evaluation: Evaluation
    files: list[Path]

    @property
    def by(self) -> str:
        """What found the moments."""
        return next(iter(self.videos))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for scripts."""
        evaluation = self.evaluation
        own = self.videos[self.by]
        return {
            "by": self.by,
            "videos": [
                {"file": str(path), **_judged_dict(video)}
                for path, video in zip(self.files, own, strict=True)
            ],
            "intervals": f"95 % of the draws of a bootstrap over {evaluation.unit}s",
            "figures": _plain(evaluation.figures),
            "ahead_of": _plain(evaluation.ahead),
            "warnings": evaluation.warnings,
        }


def evaluate_files(
    paths: Sequence[str | Path], truth: str | Path, *, draws: int = 1000, seed: int = 0
) -> Tried:
    """Judge files of moments by a table of what is truly funny.

    Where the timelines that the moments were found in can be read, tension and loudness alone are
    judged too, at the same number of moments.

    Parameters
    ----------
    paths : sequence of str or Path
        ``.moments.json`` files that ``reelpulse detect`` wrote.
    truth : str or Path
        See `read_truth`.
    draws, seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        When a file cannot be read or holds no scores, two were found by different models, or a line
        of the table cannot be used.
    """
    files = [_read(Path(path)) for path in _distinct(paths)]
    by = _by(files)
    rows = read_truth(truth)
    watched = [_watched(file) for file in files]
    true, warnings = sort_truth(rows, watched, truth)
    names = _names(files)
    own = [
        Judged(name, file.moments, ranges, file.start, file.end, file.scores, file.step)
        for name, file, ranges in zip(names, files, true, strict=True)
    ]
    order = sorted(range(len(own)), key=lambda place: own[place].name)
    rivals, troubles = _rivals([files[i] for i in order], [own[i] for i in order], by)
    found = evaluate([own[i] for i in order], rivals, name=by, draws=draws, seed=seed)
    found = replace(found, warnings=[*warnings, *troubles, *found.warnings])
    videos = {by: [own[i] for i in order], **rivals}
    return Tried(videos, found, [files[i].path for i in order])


def _by(files: Sequence[Found]) -> str:
    """What found the moments; scores of two models cannot be ranked together."""
    other = next((file for file in files if file.by != files[0].by), None)
    if other is not None:
        problem = (
            f"its moments are by {other.by}, those of {files[0].path.name} by {files[0].by}: run"
            " `reelpulse detect` on all with one model, or evaluate them one by one"
        )
        raise DataError(at(other.path, problem))
    return files[0].by


def _distinct(paths: Sequence[str | Path]) -> list[str | Path]:
    return list({Path(path).resolve(): path for path in paths}.values())


def _read(path: Path) -> Found:
    moments = load_moments(path)
    scores = load_scores(path)
    table = json.loads(path.read_text(encoding="utf-8"))
    return Found(
        path,
        scores.by,
        tuple((moment.start, moment.end) for moment in moments),
        scores.values,
        scores.start,
        scores.step,
        table["video"] if isinstance(table.get("video"), dict) else {},
        str(table.get("timeline") or ""),
        table["settings"] if isinstance(table.get("settings"), dict) else {},
    )


def _watched(file: Found) -> Watched:
    known = str(file.video.get("path") or "")
    beside = str(file.path.with_name(f"{file.stem}.h5"))
    paths = tuple(filter(None, (known, beside, str(file.path))))
    return Watched(paths, file.start, file.end, file.duration)


def _names(files: Sequence[Found]) -> list[str]:
    """What each video is called in tables; the whole path where two are called the same."""
    stems = [file.stem for file in files]
    return [
        stem if stems.count(stem) == 1 else str(file.path)
        for stem, file in zip(stems, files, strict=True)
    ]


def _rivals(
    files: Sequence[Found], videos: Sequence[Judged], by: str
) -> tuple[dict[str, list[Judged]], list[str]]:
    """Tension and loudness alone at the same number of moments; and why not."""
    found: dict[str, list[Judged]] = {TENSION: [], "loudness": []}
    for file, video in zip(files, videos, strict=True):
        try:
            timeline = _timeline(file)
            loudness = np.nan_to_num(timeline.column("loudness").astype(np.float64))
            for name, score in ((TENSION, tension_parts(timeline).score), ("loudness", loudness)):
                found[name].append(_rival(timeline, score, file, video))
        except ReelpulseError as error:
            return {}, [f"not compared with tension and loudness: {error}"]
    return {name: row for name, row in found.items() if name != by}, []


def _timeline(file: Found) -> Timeline:
    """The timeline that the moments were found in: where it was, or beside them."""
    for place in (Path(file.timeline), file.path.parent / Path(file.timeline).name):
        if place.is_file():
            timeline = load_timeline(place)
            if timeline.meta.get("video", {}).get("fingerprint") == file.video.get("fingerprint"):
                return timeline
    raise DataError(at(file.path, "the timeline that its moments were found in is not there"))


def _rival(timeline: Timeline, score: Floats, file: Found, video: Judged) -> Judged:
    curve = highest_each(timeline.times, score, video.start, video.step, len(video.scores))
    if not video.found:
        return replace(video, scores=curve)
    alike: dict[str, Any] = {"top": len(video.found), "min_score": 0.0}
    alike |= {key: file.settings[key] for key in _LENGTHS if key in file.settings}
    settings = changed(MomentSettings(), alike)
    taken = spans(timeline.times, score, extent(timeline), settings)
    return replace(video, found=tuple((span.start, span.end) for span in taken), scores=curve)


def _judged_dict(video: Judged) -> dict[str, Any]:
    matches = match_events(video.found, video.truth)
    return {
        "name": video.name,
        "start": video.start,
        "end": video.end,
        "moments": [
            {"start": start, "end": end, "matches": match}
            for (start, end), match in zip(video.found, matches, strict=True)
        ],
        "truth": [{"start": start, "end": end} for start, end in video.truth],
    }


def _plain(table: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, list[float | None]]]:
    return {
        contender: {key: row[key].as_list() for key in LABELS if key in row}
        for contender, row in table.items()
    }


def headline(tried: Tried) -> str:
    """What was judged, in a line."""
    videos = tried.videos[tried.by]
    found = sum(len(video.found) for video in videos)
    true = sum(len(video.truth) for video in videos)
    names = videos[0].name if len(videos) == 1 else f"{len(videos)} videos"
    return f"{names}: {found} moments by {tried.by}, {true} true ranges"


def cells(tried: Tried) -> list[tuple[str, list[str]]]:
    """The table of figures as people read it: a row a figure, a cell a contender.

    Returns
    -------
    list of (label, cells)
        A cell is ``0.62 (0.51–0.73)``; a dash where the figure is not defined.
    """
    contenders = tried.evaluation.figures
    return [
        (label, [_cell(row[key]) for row in contenders.values()]) for key, label in LABELS.items()
    ]


def _cell(score: Score) -> str:
    value, interval = figure_text(score)
    return f"{value} ({interval})" if interval else value


def ahead_text(tried: Tried) -> list[str]:
    """Say of each rival by how much it is beaten, and whether that is within noise."""
    found = []
    for rival, row in tried.evaluation.ahead.items():
        score = row["average_precision"]
        if not math.isfinite(score.low):
            continue
        text = f"{score.value:+.2f} ({score.low:+.2f} to {score.high:+.2f})"
        noise = ": within noise" if score.low <= 0 <= score.high else ""
        found.append(f"average precision against {rival}: {text}{noise}")
    return found
