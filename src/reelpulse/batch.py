"""Videos in, files out: the whole way for one video or many, past those that fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelpulse.analysis import analyze
from reelpulse.errors import MediaError, ReelpulseError, at
from reelpulse.export import ReportSettings, check_formats, export
from reelpulse.export.tables import moment_dict, moments_of, note_detection
from reelpulse.measure import OnProgress
from reelpulse.moments.detect import Detection, check_settings, detect
from reelpulse.moments.model import MomentModel
from reelpulse.moments.turns import emotion_shares
from reelpulse.settings import AnalyzeSettings, MomentSettings
from reelpulse.timeline import Moment, Timeline, load_timeline

DEFAULT_FORMATS = ("json", "csv", "html")
REWRITTEN = ("json", "html")
"""What tells of the moments, and so changes with them."""


@dataclass
class Result:
    """What became of one video: a timeline, moments and files; or an error.

    `detection` is there where moments were looked for, and not read from a file.
    """

    video: str
    timeline: Timeline | None = None
    moments: list[Moment] = field(default_factory=list)
    detection: Detection | None = None
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
            "by": meta.get("moment_scores", {}).get("by"),
            "settings": meta.get("moment_settings", {}),
            "moments": [moment_dict(rank, m) for rank, m in enumerate(self.moments, 1)],
            "files": [str(path) for path in self.files],
            "warnings": meta.get("warnings", []),
        }


def analyze_many(
    videos: Sequence[str | Path],
    out: str | Path,
    settings: AnalyzeSettings | None = None,
    moment_settings: MomentSettings | None = None,
    *,
    model: MomentModel | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    options: ReportSettings | None = None,
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
    model : MomentModel, optional
        What finds the moments; tension without it.
    formats : sequence of str
        Keys of `reelpulse.export.WRITERS`, beside the ``.h5``.
    options : ReportSettings, optional
        Language, and clips in the report.
    progress : callable, optional
        Given a video's name, returns what to call while measuring it.

    Yields
    ------
    Result
        One a video, in order; a video that fails has its error and does not stop the others.
    """
    check_formats(formats)
    check_settings(moment_settings or MomentSettings(), model)
    for video in videos:
        result = Result(str(video))
        try:
            on_progress = progress(Path(video).name) if progress else None
            timeline = analyze(video, out=out, settings=settings, progress=on_progress)
            finish(result, timeline, moment_settings, formats, options, model)
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
    options: ReportSettings | None = None,
    model: MomentModel | None = None,
) -> None:
    """Find a timeline's moments and write its files beside its ``.h5``."""
    result.detection = detect(timeline, settings, model)
    result.moments = result.detection.moments
    note_detection(timeline, result.detection)
    path = Path(timeline.meta["file"])
    result.files = [path, *_written(result, timeline, path.parent, path.stem, formats, options)]
    result.timeline = timeline


def _written(
    result: Result,
    timeline: Timeline,
    folder: Path,
    stem: str,
    formats: Sequence[str],
    options: ReportSettings | None,
) -> list[Path]:
    return [
        export(timeline, result.moments, folder, stem, form, options)
        for form in dict.fromkeys(formats)
    ]


def detect_again(
    path: str | Path,
    settings: MomentSettings | None = None,
    formats: Sequence[str] = REWRITTEN,
    options: ReportSettings | None = None,
    model: MomentModel | None = None,
) -> Result:
    """Find moments anew in a timeline that was measured before, and write them beside it.

    Raises
    ------
    ReelpulseError
        When the file is no timeline of ours or its folder cannot be written.
    """
    result = Result(os.fspath(path))
    finish(result, load_timeline(path), settings, formats, options, model)
    return result


def export_again(
    path: str | Path,
    formats: Sequence[str] = ("html",),
    out: str | Path | None = None,
    options: ReportSettings | None = None,
) -> Result:
    """Write a timeline that was measured before, and its moments, in other formats.

    The moments are those of ``NAME.moments.json`` beside the timeline; where there is no such file
    of the same video, they are found anew with the default settings.

    Parameters
    ----------
    path : str or Path
        The ``.h5`` file.
    formats : sequence of str
        Keys of `reelpulse.export.WRITERS`.
    out : str or Path, optional
        Folder for the files; that of the timeline without it.
    options : ReportSettings, optional
        Language, and clips in the report.

    Raises
    ------
    ReelpulseError
        When the timeline or its moments cannot be read, or the folder cannot be written.
    """
    check_formats(formats)
    path = Path(path)
    timeline = load_timeline(path)
    result = Result(os.fspath(path))
    moments = moments_of(timeline, path.with_name(f"{path.stem}.moments.json"))
    if moments is None:
        result.detection = detect(timeline)
        note_detection(timeline, result.detection)
        moments = result.detection.moments
    result.moments = moments
    folder = Path(out) if out is not None else path.parent
    result.files = _written(result, timeline, folder, path.stem, formats, options)
    result.timeline = timeline
    return result
