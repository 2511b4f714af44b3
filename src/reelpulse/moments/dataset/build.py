"""From labels and videos to a dataset of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MediaError, PersonError, SettingsError, at
from reelpulse.files import Busy, atomic_path, only_one
from reelpulse.learn.task import Task
from reelpulse.moments.dataset.built import Built
from reelpulse.moments.dataset.clip_file import append_clips, create_clips
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.moments.dataset.labels import KINDS, LabelledClip, LeftOut, read_labels
from reelpulse.moments.dataset.sources import Job, Timelines, look_at, source_of
from reelpulse.moments.dataset.taking import Range, Taken, Taker
from reelpulse.moments.inputs import Steps, choose
from reelpulse.moments.lengths import Shape
from reelpulse.settings import AnalyzeSettings, ClipSettings, changed
from reelpulse.timeline import Timeline

OnProgress = Callable[[float, int, str], None]
"""Called with how many clips are done (with a part of the one at hand), of how many, and the file's
name."""

_BATCH = 256
_SAME_SECONDS = 0.05
"""Ranges of one video with one start, whose ends differ by less, are one clip."""
_WHOLE_SECONDS = 1.0
_ARRAYS = ("values", "times", "measured", "usual", "embeddings")


def build(
    labels: str | Path,
    out: str | Path,
    settings: ClipSettings | None = None,
    *,
    analysis: AnalyzeSettings | None = None,
    timelines: str | Path | None = None,
    append: bool = False,
    overwrite: bool = False,
    progress: OnProgress | None = None,
    **changes: Any,
) -> Built:
    """Build a dataset of clips from a table of labels.

    What is measured is kept, so that a build that was stopped goes on, and another one with other
    lengths decodes nothing.

    Parameters
    ----------
    labels : str or Path
        See `read_labels`.
    out : str or Path
        The dataset.
    settings : ClipSettings, optional
    analysis : AnalyzeSettings, optional
        How videos are measured; its `fps`, `ticks` and `range` follow from the clips.
    timelines : str or Path, optional
        Folder for what is measured; ``<out>.timelines`` beside the dataset without it.
    append : bool
        Add to a dataset that is there.
    overwrite : bool
        Build one that is there anew.
    progress : callable, optional
    **changes
        Fields of `ClipSettings`.

    Returns
    -------
    Built
        Also where some files could not be used: `Built.failed` names them.

    Raises
    ------
    ReelpulseError
        On labels, settings or a dataset that cannot be used, and where no clip is left.
    """
    settings, analysis = changed(settings or ClipSettings(), changes), analysis or AnalyzeSettings()
    labels, out = Path(labels), Path(out)
    if append and overwrite:
        raise SettingsError("--append and --overwrite exclude each other: leave one out")
    if out.is_dir():
        raise DataError(at(out, "is a folder; give the name of a file, such as clips.h5"))
    if out.exists() and not append and not overwrite:
        raise DataError(at(out, "is there already: --append adds to it, --overwrite replaces it"))
    for photo in analysis.person:
        if not Path(photo).is_file():
            raise PersonError(at(photo, "no such photo"))
    folder = Path(timelines) if timelines else out.with_name(f"{out.stem}.timelines")
    shape = Shape.from_settings(settings)
    made = Timelines(folder, shape, settings, analysis)
    try:
        with only_one(out, str(labels)):
            building = _Building(labels, out, shape, settings, made, append=append)
            return building.run(progress)
    except Busy:
        raise DataError(at(out, "another run is at it: wait until that has ended")) from None


class _Building:
    """One build: all labels are read first, then one file after another is gone through."""

    def __init__(
        self,
        labels: Path,
        out: Path,
        shape: Shape,
        settings: ClipSettings,
        timelines: Timelines,
        *,
        append: bool,
    ) -> None:
        self.labels, self.target, self.append = labels, out, append
        self.shape, self.settings, self.timelines = shape, settings, timelines
        self.columns: tuple[str, ...] = ()
        self.embeddings = 0
        self.sampling: dict[str, Any] = {}
        self.seen: dict[tuple[str, float], list[float]] = {}
        self.waiting: list[tuple[Steps, list[float], dict[str, list[Any]]]] = []
        self.lengths: list[tuple[int, float]] = []
        task: str | Task = settings.task
        known: npt.NDArray[Any] = np.zeros(0)
        if append:
            with ClipSet(out) as there:
                self._continue(there)
                task, known = there.task, there.labels
        found = read_labels(labels, task, known=known)
        self.clips = found.clips
        self.result = Built(out, found.task, total=len(known), left_out=found.left_out)
        self.result.notes += found.notes

    def _continue(self, there: ClipSet) -> None:
        """Take over what a dataset has; refuse settings that say otherwise."""
        asked, problem = self.settings, None
        if there.shape != self.shape:
            length, steps = there.shape.length.replace("_", "-"), there.shape.steps
            more = f"--steps {steps} --rate {there.shape.rate:g} --short {there.shape.short}"
            problem = f"holds clips of other steps: add with --length {length} {more}"
        elif asked.task != "auto" and KINDS[asked.task] != there.task:
            have = next((name for name, task in KINDS.items() if task == there.task), "other")
            problem = f"holds labels of the kind {have}, and not {asked.task}"
        elif asked.column and choose(there.columns, asked.column) != there.columns:
            problem = f"holds other columns ({', '.join(there.columns)}): add without --column"
        elif asked.embeddings != bool(there.embeddings):
            has, flag = ("keeps", "with") if there.embeddings else ("keeps no", "without")
            problem = f"{has} embeddings: add {flag} --embeddings"
        if problem:
            raise DataError(at(there.path, problem))
        self.columns, self.embeddings = there.columns, there.embeddings
        self.sampling = dict(there.sampling)
        facts = (there.facts[name] for name in ("fingerprint", "start", "end"))
        for fingerprint, start, end in zip(*facts, strict=True):
            self._is_new(fingerprint, (start, end), _SAME_SECONDS)

    def run(self, progress: OnProgress | None) -> Built:
        """Go through all files; write the clips a batch at a time."""
        files: dict[Path, list[LabelledClip]] = {}
        for clip in self.clips:
            files.setdefault(clip.path, []).append(clip)
        finished = 0

        def tell(file: Path, count: int = 0, share: float = 0.0) -> None:
            if progress is not None:
                progress(finished + share * count, len(self.clips), file.name)

        with nullcontext(self.target) if self.append else atomic_path(self.target) as path:
            self.target = path
            for file, clips in files.items():
                tell(file)
                jobs = self._jobs(file, clips)
                finished += len(clips) - sum(len(job.clips) for job in jobs)
                for job in jobs:
                    self._do(job, partial(tell, file, len(job.clips)))
                    finished += len(job.clips)
                tell(file)
            self._flush()
            if not self.result.added and not self.result.there_already:
                raise DataError(at(self.labels, self.result.nothing()))
        self.result.conclude(self.lengths)
        return self.result

    def _jobs(self, file: Path, clips: Sequence[LabelledClip]) -> list[Job]:
        """Look at a file, and divide those of its clips that are in it and new."""
        try:
            footage = look_at(file)
        except (MediaError, DataError) as error:
            self._fail(clips, error)
            return []
        kept: list[tuple[LabelledClip, Range]] = []
        for clip in clips:
            try:
                range_ = footage.range_of(clip)
            except DataError as error:
                self._fail([clip], error)
                continue
            # A whole file's length is not known to the frame before it is decoded.
            slack = _SAME_SECONDS if clip.start is not None else _WHOLE_SECONDS
            if not self._is_new(footage.fingerprint, range_, slack):
                why = "the same part of the same video is there already"
                self.result.there_already.append(LeftOut(clip.line, clip.file, why))
                continue
            kept.append((clip, range_))
        return self.timelines.jobs(footage, [c for c, _ in kept], [r for _, r in kept])

    def _is_new(self, fingerprint: str, range_: Range, slack: float) -> bool:
        """Whether no clip of that range of that video is there; from now on there is."""
        start, end = range_
        ends = self.seen.setdefault((fingerprint, round(start, 2)), [])
        if any(abs(end - other) <= slack for other in ends):
            return False
        ends.append(end)
        return True

    def _do(self, job: Job, on_share: Callable[[float], None]) -> None:
        """Take a job's clips, or note why they cannot be taken."""
        try:
            timeline = self.timelines.timeline(job, on_share)
            if not self.columns:
                self.columns = choose(timeline.columns, self.settings.column)
            ranges = list(job.ranges)
            if job.clips[0].start is None and job.sampled == "clip":
                ranges = [timeline.bounds]
            taker = Taker(timeline, self.columns, self.shape, self.settings)
        except (MediaError, DataError) as error:
            self._fail(job.clips, error)
            return
        for start in range(0, len(ranges), _BATCH):
            clips, batch = job.clips[start : start + _BATCH], ranges[start : start + _BATCH]
            try:
                taken = taker(batch)
                self._remember(job, timeline, taken)
            except DataError as error:
                self._fail(clips, error)
            else:
                self._add(job, clips, batch, timeline, taken)

    def _add(
        self,
        job: Job,
        clips: Sequence[LabelledClip],
        ranges: Sequence[Range],
        timeline: Timeline,
        taken: Taken,
    ) -> None:
        """Keep the clips that were measured well enough, to be written."""
        good = []
        for row, clip in enumerate(clips):
            if taken.missing[row] >= self.settings.most_missing:
                why = f"{taken.missing[row]:.0%} of it was not measured ({taken.lacks[row]})"
                self.result.left_out.append(LeftOut(clip.line, clip.file, why))
                continue
            good.append(row)
            self.lengths.append((clip.line, ranges[row][1] - ranges[row][0]))
        chosen = [clips[row] for row in good]
        facts: dict[str, list[Any]] = {
            "video": [clip.file for clip in chosen],
            "source": [source_of(clip) for clip in chosen],
            "start": [ranges[row][0] for row in good],
            "end": [ranges[row][1] for row in good],
            "duration": [ranges[row][1] - ranges[row][0] for row in good],
            "fps": [float(timeline.meta.get("video", {}).get("rate") or np.nan)] * len(good),
            "person": [clip.person for clip in chosen],
            "annotator": [", ".join(clip.annotators) for clip in chosen],
            "annotators": [clip.opinions for clip in chosen],
            "spread": [clip.spread for clip in chosen],
            "filled": taken.filled[good].tolist(),
            "missing": taken.missing[good].tolist(),
            "sampled": [job.sampled] * len(good),
            "fingerprint": [job.footage.fingerprint] * len(good),
            "tension": taken.tension[good].tolist(),
        }
        self.waiting.append((taken.steps[good], [clip.label for clip in chosen], facts))
        if sum(len(labels) for _, labels, _ in self.waiting) >= _BATCH:
            self._flush()

    def _remember(self, job: Job, timeline: Timeline, taken: Taken) -> None:
        """Note how the videos are measured, and warn where they differ in that."""
        meta, name = timeline.meta, job.footage.path.name
        self.result.warnings += meta.get("warnings", [])
        wide = 0 if taken.steps.embeddings is None else taken.steps.embeddings.shape[1]
        if self.embeddings not in (0, wide):
            raise DataError(f"has embeddings of {wide} values, and others of {self.embeddings}")
        self.embeddings = wide
        known = self.sampling
        if known.get("sample", job.sampled) != job.sampled:
            known["sample"] = "both"
        known.setdefault("sample", job.sampled)
        if job.sampled == "timeline":
            rate = round(1 / timeline.spacing, 3)
            if abs(known.setdefault("rate", rate) - rate) > 0.01 * rate:
                said = f"{name}: has {rate:g} ticks a second, and others {known['rate']:g}"
                self.result.warnings.append(said)
        models = meta.get("models") or {}
        if models and known.setdefault("models", models) != models:
            here, there = (", ".join(m.values()) for m in (models, known["models"]))
            said = f"{name}: was measured by {here}, and others by {there}"
            self.result.warnings.append(said)

    def _flush(self) -> None:
        """Write what waits."""
        waiting = [part for part in self.waiting if part[1]]
        self.waiting.clear()
        if not waiting:
            return
        names = [name for name in _ARRAYS if name != "embeddings" or self.embeddings]
        arrays = {n: np.concatenate([getattr(part[0], n) for part in waiting]) for n in names}
        steps = Steps(**arrays)
        labels = [label for part in waiting for label in part[1]]
        facts = {name: [v for part in waiting for v in part[2][name]] for name in waiting[0][2]}
        settings = self.settings
        measured = {"rate": settings.rate, "max_gap": settings.max_gap, "models": {}}
        sampling = {**measured, **self.sampling}
        result = self.result
        if not self.append and not result.added:
            create_clips(
                self.target, result.task, self.columns, self.shape, embeddings=self.embeddings
            )
        result.total = append_clips(self.target, steps, labels, facts, sampling=sampling)
        result.added += len(labels)
        result.count(labels)

    def _fail(self, clips: Sequence[LabelledClip], error: Exception) -> None:
        for clip in clips:
            why = str(error).removeprefix(f"{clip.path}: ")
            self.result.failed.append(LeftOut(clip.line, clip.file, why))
