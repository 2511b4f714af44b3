"""Plain tables: CSV, NumPy arrays, and the moments as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelpulse.errors import DataError, at
from reelpulse.files import write_json
from reelpulse.moments.detect import TENSION, Detection, Scores, scores_of
from reelpulse.moments.tension import tension_parts
from reelpulse.settings import ReportSettings, parse_weights
from reelpulse.timeline import Moment, Reason, Timeline
from reelpulse.times import clock_text

FORMAT = "reelpulse moments"
VERSION = 1


def write_csv(
    timeline: Timeline, moments: Sequence[Moment], path: Path, options: ReportSettings
) -> None:
    """Write the timeline: ``time`` in seconds and the columns, empty where not measured."""
    timeline.to_csv(path)


def write_npz(
    timeline: Timeline, moments: Sequence[Moment], path: Path, options: ReportSettings
) -> None:
    """Write the timeline as arrays ``times``, ``values``, ``columns``, ``valid``."""
    timeline.to_npz(path)


def write_moments(
    timeline: Timeline, moments: Sequence[Moment], path: Path, options: ReportSettings
) -> None:
    """Write the moments, best first, with their video, the settings used and the scores."""
    video = timeline.meta.get("video", {})
    scores = noted_scores(timeline)
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "video": {
                key: video.get(key) for key in ("path", "fingerprint", "duration", "timecode")
            },
            "timeline": timeline.meta.get("file"),
            "by": scores.by,
            "settings": timeline.meta.get("moment_settings", {}),
            "warnings": timeline.meta.get("moment_warnings", []),
            "scores": scores.as_dict(),
            "moments": [moment_dict(rank, moment) for rank, moment in enumerate(moments, 1)],
        },
    )


def note_detection(timeline: Timeline, detection: Detection) -> None:
    """Note in a timeline's ``meta`` what its moments were found by: writers tell of it."""
    scores = detection.scores.as_dict()
    _note(timeline, detection.settings, detection.warnings, {"by": detection.by, **scores})


def _note(
    timeline: Timeline, settings: dict[str, Any], warnings: list[str], scores: dict[str, Any]
) -> None:
    meta = timeline.meta
    meta["moment_settings"], meta["moment_scores"] = settings, scores
    meta["moment_warnings"] = warnings
    said = meta.get("warnings", [])
    meta["warnings"] = [*said, *(text for text in warnings if text not in said)]


def noted_scores(timeline: Timeline) -> Scores:
    """What the moments of a timeline were found by, as noted; its tension where nothing is."""
    meta = timeline.meta
    if noted := meta.get("moment_scores"):
        return Scores(
            noted["by"], noted["start"], noted["step"], np.array(noted["values"], np.float64)
        )
    weights = parse_weights(meta.get("moment_settings", {}).get("weight") or ())
    return scores_of(timeline, tension_parts(timeline, weights).score, TENSION)


def moment_dict(rank: int, moment: Moment) -> dict[str, Any]:
    """A moment as plain values; times in seconds from the start of the video."""
    return {
        "rank": rank,
        "start": moment.start,
        "end": moment.end,
        "peak": moment.peak,
        "score": moment.score,
        "at": clock_text(moment.start),
        "clip": {"start": moment.clip_start, "end": moment.clip_end},
        "reasons": [
            {
                "part": reason.part,
                "text": reason.text,
                "share": reason.share,
                "facts": reason.facts,
            }
            for reason in moment.reasons
        ],
    }


def load_moments(path: str | Path) -> list[Moment]:
    """Read the moments that `write_moments` wrote.

    Parameters
    ----------
    path : str or Path
        The ``.moments.json`` file.

    Returns
    -------
    list of Moment
        In the file's order: best first.

    Raises
    ------
    DataError
        When the file is missing, damaged, not a file of moments, or of a newer version.
    """
    return _moments(Path(path), _read(Path(path)))


def load_scores(path: str | Path) -> Scores:
    """Read the scores that `write_moments` wrote: the highest of each second.

    Raises
    ------
    DataError
        When the file is none of moments, damaged, or older than the scores.
    """
    path = Path(path)
    table = _read(path)
    if "scores" not in table:
        problem = "keeps no scores, an older reelpulse wrote it: run `reelpulse detect` again"
        raise DataError(at(path, problem))
    return _scores(path, table)


def moments_of(timeline: Timeline, path: str | Path) -> list[Moment] | None:
    """Read the moments of a timeline; None where the file is not there or is of another video.

    What the moments were found with, and their scores, are noted in the timeline's ``meta``.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    path = Path(path)
    if not path.exists():
        return None
    table = _read(path)
    video = table.get("video")
    theirs = video.get("fingerprint") if isinstance(video, dict) else None
    if theirs != timeline.meta.get("video", {}).get("fingerprint"):
        return None
    moments = _moments(path, table)
    settings = table.get("settings")
    scores: dict[str, Any] = {}
    if "scores" in table:
        read = _scores(path, table)
        scores = {"by": read.by, **read.as_dict()}
    said = table.get("warnings")
    warnings = [str(text) for text in said] if isinstance(said, list) else []
    _note(timeline, settings if isinstance(settings, dict) else {}, warnings, scores)
    return moments


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(at(path, f"cannot be read ({error.strerror})")) from None
    except (ValueError, RecursionError):
        raise _damaged(path, "is no JSON") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise DataError(at(path, "is not a file of moments that reelpulse wrote"))
    version = table.get("version")
    if isinstance(version, int) and version > VERSION:
        problem = f"was written by a newer reelpulse (format {version}); upgrade reelpulse"
        raise DataError(at(path, problem))
    return table


def _damaged(path: Path, how: str) -> DataError:
    problem = f"{how}: it is damaged; `reelpulse detect` on the timeline writes it anew"
    return DataError(at(path, problem))


def _scores(path: Path, table: dict[str, Any]) -> Scores:
    try:
        said = table["scores"]
        values = [_number(value, "a score") for value in said["values"]]
        start, step = _number(said["start"], "start"), _number(said["step"], "step")
        if not step > 0:
            raise ValueError("step is no length")
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"its scores cannot be used ({error})") from None
    return Scores(str(table.get("by") or TENSION), start, step, np.array(values, np.float64))


def _moments(path: Path, table: dict[str, Any]) -> list[Moment]:
    rows = table.get("moments")
    if not isinstance(rows, list):
        raise _damaged(path, "has no list `moments`")
    found = []
    for rank, row in enumerate(rows, 1):
        try:
            found.append(_moment(row))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            said = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise _damaged(path, f"moment {rank} cannot be used ({said})") from None
    return found


def _moment(row: dict[str, Any]) -> Moment:
    reasons = tuple(
        Reason(
            str(reason["part"]),
            str(reason["text"]),
            _number(reason["share"], "share"),
            _facts(reason.get("facts", {})),
        )
        for reason in row.get("reasons", [])
    )
    names = ("start", "end", "peak", "score")
    start, end, peak, score = (_number(row[name], name) for name in names)
    clip = [_number(row["clip"][name], f"clip {name}") for name in ("start", "end")]
    if not 0 <= start <= peak <= end or not 0 <= clip[0] <= clip[1]:
        raise ValueError("its times are not in order")
    return Moment(start, end, peak, score, reasons, *clip)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is no number")
    return float(value)


def _facts(value: Any) -> dict[str, float | str]:
    """A reason's values; files written before there were any have none."""
    if not isinstance(value, dict):
        raise TypeError("facts is no table")
    return {
        str(key): item if isinstance(item, str) else _number(item, str(key))
        for key, item in value.items()
    }
