"""Clips, timelines and tables of labels, made up on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fakes import calm, hidden
from reelpulse.moments.dataset.build import build
from reelpulse.moments.dataset.built import Built
from reelpulse.moments.dataset.clips import make_clip_file
from reelpulse.moments.inputs import Steps
from reelpulse.settings import AnalyzeSettings
from reelpulse.timeline import (
    FACE_COLUMNS,
    LOUDNESS_COLUMNS,
    Block,
    Faces,
    Observations,
    Timeline,
    write_timeline,
)

COLUMNS = ("loudness", "laughter", "valence")
HEARD = AnalyzeSettings(stream=("loudness",))
RANGES = "file,start,end,label"


def some_steps(count: int, *, steps: int = 15, embeddings: int = 0, seed: int = 0) -> Steps:
    """Clips of three columns in which every value is another, the last step of each not there."""
    random = np.random.default_rng(seed)
    values = random.random((count, steps, len(COLUMNS)), np.float32)
    times = np.tile(np.arange(steps, dtype=np.float32) / 2, (count, 1))
    values[:, -1], times[:, -1] = np.nan, np.nan
    measured = random.random((count, steps)) < 0.9
    usual = random.random((count, len(COLUMNS)), np.float32)
    wide = random.random((count, embeddings)).astype(np.float16) if embeddings else None
    return Steps(values, times, measured, usual, wide)


def write_stream(path: Path, timeline: Timeline | None = None, *, seconds: float = 90) -> Path:
    """Write the timeline of a long video."""
    timeline = calm(seconds) if timeline is None else timeline
    timeline.meta["video"].setdefault("fingerprint", path.stem)
    timeline.meta.setdefault("sampling", {"fps": 2.0, "ticks": None, "start": 0.0, "end": None})
    loudness = Block(LOUDNESS_COLUMNS, timeline.select(LOUDNESS_COLUMNS).values)
    faces = Faces.empty(len(timeline))
    seen = Observations(
        timeline.times, faces, {"version": 1}, {"loudness": loudness}, timeline.meta
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_timeline(path, timeline, seen)
    return path


def write_table(path: Path, rows: Sequence[Sequence[Any]], header: str = "file,label") -> Path:
    """Write a table of labels."""
    lines = [header, *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def some_clips(path: Path, count: int = 100, **what: Any) -> Path:
    """A dataset whose every second clip is funny."""
    facts = {
        "person": [("김", "Lee")[row % 2] for row in range(count)],
        "source": [f"stream {row // 10}" for row in range(count)],
        "duration": [5 + row % 4 for row in range(count)],
    }
    given = {"columns": COLUMNS, "facts": facts, **what}
    return make_clip_file(path, some_steps(count), np.arange(count) % 2, **given)


def heard(labels: Path, out: Path, **more: Any) -> Built:
    """Build from sound alone: no models are needed, and all of it is measured."""
    return build(labels, out, **{"column": ("loudness",), "analysis": HEARD, **more})


def write_gappy_stream(path: Path) -> Path:
    """A timeline of 90 s, the face gone from 30 to 33 s and from 60 to 70 s."""
    timeline = calm(90)
    for start, end in ((30, 33), (60, 70)):
        timeline = hidden(timeline, FACE_COLUMNS, slice(2 * start, 2 * end))
    return write_stream(path, timeline)
