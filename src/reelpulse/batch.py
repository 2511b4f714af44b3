"""Videos in, files out: the whole way for one video or many, past those that fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reelpulse.analysis import analyze
from reelpulse.errors import MediaError, ReelpulseError, at
from reelpulse.export import export
from reelpulse.export.tables import moment_dict
from reelpulse.measure import OnProgress
from reelpulse.moments.detect import find_moments
from reelpulse.settings import AnalyzeSettings, MomentSettings, as_dict
from reelpulse.timeline import EMOTIONS, Moment, Timeline, load_timeline

DEFAULT_FORMATS = ("json", "csv")


@dataclass
class Result:
    """What became of one video: a timeline, moments and files; or an error."""

    video: str
    timeline: Timeline | None = None
    moments: list[Moment] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    error: str | None = None

    def summary(self) -> dict[str, Any]:
        """Plain values for people and scripts."""
        if self.timeline is None:
            return {"video": self.video, "error": self.error}
        meta = self.timeline.meta
        return {
            "video": self.video,
            "duration": self.timeline.duration,
            "ticks": len(self.timeline),
            "person": meta.get("person"),
            "models": meta.get("models", {}),
            "emotions": emotion_shares(self.timeline),
            "moments": [moment_dict(rank, m) for rank, m in enumerate(self.moments, 1)],
            "files": [str(path) for path in self.files],
            "warnings": meta.get("warnings", []),
        }


def emotion_shares(timeline: Timeline) -> dict[str, float]:
    """Share of the ticks with a face that each emotion leads, most first; empty without a face."""
    values = timeline.select(EMOTIONS).values
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return {}
    counts = np.bincount(values.argmax(axis=1), minlength=len(EMOTIONS)) / len(values)
    order = np.argsort(-counts, kind="stable")
    return {EMOTIONS[i]: round(float(counts[i]), 4) for i in order if counts[i] > 0}


def analyze_many(
    videos: Sequence[str | Path],
    out: str | Path,
    settings: AnalyzeSettings | None = None,
    moment_settings: MomentSettings | None = None,
    *,
    formats: Sequence[str] = DEFAULT_FORMATS,
    progress: Callable[[str], OnProgress | None] | None = None,
) -> Iterator[Result]:
    """Analyse videos one after another, find their moments and write the files.

    Parameters
    ----------
    videos : sequence of str or Path
    out : str or Path
        Folder for the results.
    settings : AnalyzeSettings, optional
    moment_settings : MomentSettings, optional
    formats : sequence of str
        Keys of `reelpulse.export.WRITERS`, beside the ``.h5``.
    progress : callable, optional
        Given a video's name, returns what to call while measuring it.

    Yields
    ------
    Result
        One a video, in order; a video that fails has its error and does not stop the others.
    """
    for video in videos:
        result = Result(str(video))
        try:
            on_progress = progress(Path(video).name) if progress else None
            timeline = analyze(video, out=out, settings=settings, progress=on_progress)
            finish(result, timeline, moment_settings, formats)
        except ReelpulseError as error:
            result.error = str(error)
        except MemoryError:
            result.error = str(MediaError(at(video, "needs more memory than there is")))
        yield result


def finish(
    result: Result,
    timeline: Timeline,
    settings: MomentSettings | None,
    formats: Sequence[str],
) -> None:
    """Find a timeline's moments and write its files beside its ``.h5``."""
    settings = settings or MomentSettings()
    timeline.meta["moment_settings"] = as_dict(settings)
    path = Path(timeline.meta["file"])
    result.moments = find_moments(timeline, settings)
    result.files = [path]
    for form in formats:
        result.files.append(export(timeline, result.moments, path.parent, path.stem, form))
    result.timeline = timeline


def detect_again(
    path: str | Path, settings: MomentSettings | None = None, formats: Sequence[str] = ("json",)
) -> Result:
    """Find moments anew in a timeline that was measured before, and write them beside it.

    Raises
    ------
    ReelpulseError
        When the file is no timeline of ours or its folder cannot be written.
    """
    result = Result(os.fspath(path))
    finish(result, load_timeline(path), settings, formats)
    return result
