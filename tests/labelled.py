"""Clips, timelines and tables of labels, made up on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fakes import calm
from reelpulse.moments.inputs import Steps
from reelpulse.timeline import (
    LOUDNESS_COLUMNS,
    Block,
    Faces,
    Observations,
    Timeline,
    write_timeline,
)

COLUMNS = ("loudness", "laughter", "valence")


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
