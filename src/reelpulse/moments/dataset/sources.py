"""From a labelled file to the timelines that its clips are taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any, Literal

from reelpulse.analysis import analyze
from reelpulse.errors import DataError
from reelpulse.files import digest
from reelpulse.media import probe
from reelpulse.moments.dataset.labels import LabelledClip
from reelpulse.moments.lengths import Shape
from reelpulse.settings import AnalyzeSettings, ClipSettings, changed
from reelpulse.timeline import Timeline, load_meta, load_timeline
from reelpulse.times import clock_text

TIMELINES = (".h5", ".hdf5")
"""Endings of what is read as a timeline, and not as a video."""

Sampled = Literal["timeline", "clip"]
OnShare = Callable[[float], None]

_SLACK_SECONDS = 1.0
"""Past a video's end: people write whole seconds."""


@dataclass(frozen=True)
class Footage:
    """A file that labels name, looked at without decoding.

    Parameters
    ----------
    path : Path
    fingerprint : str
        Of the video, also where `path` is a timeline of it.
    start, end : float
        Seconds that there is something of; `end` is 0 where the file does not tell.
    timeline : Timeline, optional
        Where the file is one.
    """

    path: Path
    fingerprint: str
    start: float
    end: float
    timeline: Timeline | None = None

    def range_of(self, clip: LabelledClip) -> tuple[float, float]:
        """Seconds of a clip in it, cut to its end.

        Raises
        ------
        DataError
            When the clip lies elsewhere.
        """
        if clip.start is None or clip.end is None:
            return self.start, self.end
        outside = clip.end > self.end + _SLACK_SECONDS or clip.start >= self.end
        if (self.end and outside) or clip.start < self.start - _SLACK_SECONDS:
            asked = f"{clock_text(clip.start)} to {clock_text(clip.end)}"
            there = f"{clock_text(self.start)} to {clock_text(self.end)}"
            raise DataError(f"{asked} lies outside of what there is: {there}")
        return max(clip.start, self.start), min(clip.end, self.end) if self.end else clip.end


@dataclass(frozen=True)
class Job:
    """Clips that one timeline tells of."""

    footage: Footage
    clips: tuple[LabelledClip, ...]
    ranges: tuple[tuple[float, float], ...]
    sampled: Sampled


def look_at(path: Path) -> Footage:
    """Find out what a file is.

    Raises
    ------
    MediaError, DataError
        When it is missing, or neither a video, a sound nor a timeline.
    """
    if path.suffix.lower() not in TIMELINES:
        facts = probe(path)
        return Footage(path, facts.fingerprint, 0.0, facts.duration)
    timeline = load_timeline(path)
    fingerprint = timeline.meta.get("video", {}).get("fingerprint") or digest(path)
    return Footage(path, str(fingerprint), *timeline.bounds, timeline)


class Timelines:
    """Finds or makes the timelines of labelled files.

    Parameters
    ----------
    folder : Path
        Where timelines are kept, so that none is measured twice.
    shape : Shape
    settings : ClipSettings
    analysis : AnalyzeSettings
        How videos are measured; when they are looked at follows from the shape.
    """

    def __init__(
        self, folder: Path, shape: Shape, settings: ClipSettings, analysis: AnalyzeSettings
    ) -> None:
        self.folder, self.shape, self.settings = folder, shape, settings
        streams = dict.fromkeys(analysis.stream)
        if settings.embeddings:
            streams["embedding"] = None
        self.analysis = changed(analysis, {"stream": tuple(streams), "ticks": None, "range": None})

    def jobs(
        self, footage: Footage, clips: Sequence[LabelledClip], ranges: Sequence[tuple[float, float]]
    ) -> list[Job]:
        """Divide the clips of a file among the timelines that will tell of them."""
        wholes: list[Job] = []
        parts: list[tuple[LabelledClip, tuple[float, float]]] = []
        for clip, range_ in zip(clips, ranges, strict=True):
            by_itself = clip.start is None or self.settings.sample == "clip"
            if by_itself and footage.timeline is None:
                wholes.append(Job(footage, (clip,), (range_,), "clip"))
            else:
                parts.append((clip, range_))
        if not parts:
            return wholes
        known = footage.timeline.meta.get("sampling", {}) if footage.timeline is not None else {}
        how: Sampled = "clip" if known.get("ticks") else "timeline"
        return [*wholes, Job(footage, tuple(c for c, _ in parts), tuple(r for _, r in parts), how)]

    def timeline(self, job: Job, on_share: OnShare) -> Timeline:
        """Load or measure what a job needs.

        Parameters
        ----------
        job : Job
        on_share : callable
            Called with the share measured, from 0 to 1.
        """
        footage = job.footage
        if footage.timeline is not None:
            return footage.timeline
        look: dict[str, Any] = {"fps": self.settings.rate}
        if job.sampled == "clip":
            ((start, end),) = job.ranges
            if self.shape.spreads:
                look["ticks"] = self.shape.steps
            if job.clips[0].start is not None:
                look["range"] = f"{start:.6f}-{end:.6f}"
        elif (beside := self._beside(footage)) is not None:
            return load_timeline(beside)
        return analyze(
            footage.path,
            out=self.folder,
            settings=changed(self.analysis, look),
            progress=lambda now: on_share(min(1.0, now.done / max(now.total, 1e-9))),
        )

    def _beside(self, footage: Footage) -> Path | None:
        """A timeline of the whole video that lies beside it, and was measured as is asked for."""
        path = footage.path.with_suffix(TIMELINES[0])
        try:
            meta = load_meta(path)
        except DataError:
            return None
        sampling, measured = meta.get("sampling", {}), meta.get("settings", {})
        same = meta.get("video", {}).get("fingerprint") == footage.fingerprint
        whole = bool(sampling.get("fps")) and not sampling.get("start") and not sampling.get("end")
        streams = set(self.analysis.stream) <= set(measured.get("stream", ()))
        return path if same and whole and streams and self._as_asked(measured) else None

    def _as_asked(self, measured: dict[str, Any]) -> bool:
        """Whether what the user set otherwise than usual was set so then."""
        usual = AnalyzeSettings()
        left = {"stream", "fps", "forget_faces"}
        for item in fields(AnalyzeSettings):
            asked = getattr(self.analysis, item.name)
            if item.name in left or asked == getattr(usual, item.name):
                continue
            had = measured.get(item.name)
            if (tuple(had) if isinstance(had, list) else had) != asked:
                return False
        return True


def source_of(clip: LabelledClip) -> str:
    """Name what a clip was taken from: as the labels say, or the file without its ending."""
    if clip.source:
        return clip.source
    written = PurePath(clip.file.replace("\\", "/"))
    return written.with_suffix("").as_posix()
