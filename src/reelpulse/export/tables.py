"""Plain tables: CSV, NumPy arrays, and the moments as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reelpulse.files import write_json
from reelpulse.timeline import Moment, Timeline
from reelpulse.times import clock_text

FORMAT = "reelpulse moments"
VERSION = 1


def write_csv(timeline: Timeline, moments: Sequence[Moment], path: Path) -> None:
    """Write the timeline: ``time`` in seconds and the columns, empty where not measured."""
    timeline.to_csv(path)


def write_npz(timeline: Timeline, moments: Sequence[Moment], path: Path) -> None:
    """Write the timeline as arrays ``times``, ``values``, ``columns``, ``valid``."""
    timeline.to_npz(path)


def write_moments(timeline: Timeline, moments: Sequence[Moment], path: Path) -> None:
    """Write the moments, best first, with the video they belong to and the settings used."""
    video = timeline.meta.get("video", {})
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "video": {
                key: video.get(key) for key in ("path", "fingerprint", "duration", "timecode")
            },
            "timeline": timeline.meta.get("file"),
            "settings": timeline.meta.get("moment_settings", {}),
            "moments": [moment_dict(rank, moment) for rank, moment in enumerate(moments, 1)],
        },
    )


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
            {"part": reason.part, "text": reason.text, "share": reason.share}
            for reason in moment.reasons
        ],
    }
