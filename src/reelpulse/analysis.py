"""The main job: a video in, its timeline out, and the .h5 file that keeps it."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reelpulse.errors import DataError, MediaError, PersonError, SettingsError, at
from reelpulse.faces.identity import embed_photos
from reelpulse.measure import OnProgress, Parts, measure, remove_parts
from reelpulse.media import Clock, EvenTicks, RegularTicks, VideoFacts, VideoReplaced, probe
from reelpulse.outputs import in_the_way, output_path, parts_folder
from reelpulse.resolve import Thresholds, people_as_tracks, person_rows, resolve
from reelpulse.settings import AnalyzeSettings, as_dict, changed
from reelpulse.streams import STREAMS, FaceStream, Stream, stream_names
from reelpulse.streams.choice import load_face_models, load_measured_with, still_good
from reelpulse.streams.face import MOST_FACES, Focus, Region, parse_region
from reelpulse.timeline import (
    Observations,
    Timeline,
    load_observations,
    load_timeline,
    write_timeline,
)
from reelpulse.times import clock_text, parse_range

log = logging.getLogger(__name__)

_CROWDED_SHARE = 0.1
"""Share of ticks in which a person may have gone unmeasured among more than two faces, above which
the video is looked at again with that person in focus."""


def analyze(
    video: str | Path,
    *,
    out: str | Path | None = None,
    settings: AnalyzeSettings | None = None,
    progress: OnProgress | None = None,
    **changes: Any,
) -> Timeline:
    """Measure a video and follow one person through it.

    What an earlier run measured with the same settings is not measured again; an unfinished run
    goes on from its last finished segment. Another person is chosen without decoding.

    Parameters
    ----------
    video : str or Path
        A file with video, sound or both.
    out : str or Path, optional
        Folder for ``<name>.h5``; without it nothing is kept.
    settings : AnalyzeSettings, optional
        Where to start from; the defaults without it.
    progress : callable, optional
        Called with a `Progress` while measuring.
    **changes
        Fields of `AnalyzeSettings`, such as ``person=["me.jpg"]`` or ``fps=4``.

    Returns
    -------
    Timeline
        ``meta["file"]`` names the ``.h5``, where one was kept; ``meta["warnings"]`` lists what a
        user should know.

    Raises
    ------
    ReelpulseError
        `MediaError`, `ModelError`, `PersonError`, `SettingsError` or `DataError`, in one line.
    """
    settings = changed(settings or AnalyzeSettings(), changes)
    names = stream_names(settings)
    if settings.forget_faces and "embedding" in settings.stream:
        raise SettingsError("--forget-faces leaves embeddings out: do without --stream embedding")
    region = parse_region(settings.region)
    for photo in settings.person:
        if not Path(photo).is_file():
            raise PersonError(at(photo, "no such photo"))
    facts = probe(video)
    if facts.sound_tracks and settings.audio_track >= len(facts.sound_tracks):
        count, asked = len(facts.sound_tracks), settings.audio_track
        raise MediaError(at(video, f"has {count} sound tracks, so no {asked} (counted from 0)"))
    clock = _clock(settings, facts)
    warnings: list[str] = []
    if settings.range and parse_range(settings.range)[1] > facts.duration + 0.1 > 0.1:
        cut = clock_text(facts.duration)
        warnings.append(f"{facts.name}: is {cut} long; the range {settings.range} ends there")
    if "face" in names and not facts.video:
        warnings.append(f"{facts.name}: has no video stream; only its sound is measured")
    if not facts.sound_tracks:
        warnings.append(f"{facts.name}: has no sound; only its pictures are measured")
    if out is None:
        with tempfile.TemporaryDirectory(prefix="reelpulse-") as folder:
            job = _Job(Path(video), facts, clock, settings, region, warnings, Path(folder) / "x.h5")
            return job.run(progress, keep=False)
    with output_path(out, facts, sampling_of(settings, clock, facts)) as target:
        job = _Job(Path(video), facts, clock, settings, region, warnings, target)
        return job.run(progress, keep=True)


def _clock(settings: AnalyzeSettings, facts: VideoFacts) -> Clock:
    start, end = 0.0, float("inf")
    if settings.range is not None:
        start, end = parse_range(settings.range)
        if facts.duration and start >= facts.duration:
            raise MediaError(
                at(facts.path, f"is {clock_text(facts.duration)} long: no part {settings.range}")
            )
        end = min(end, facts.duration or end)
    if settings.ticks is None:
        return RegularTicks(settings.fps, start, end)
    if not facts.duration and end == float("inf"):
        raise MediaError(at(facts.path, "does not tell its length; give --range with --ticks"))
    return EvenTicks(settings.ticks, start, min(end, facts.duration or end))


def sampling_of(settings: AnalyzeSettings, clock: Clock, facts: VideoFacts) -> dict[str, Any]:
    """Say when a video is looked at, to be kept with what was seen."""
    return {
        "fps": settings.fps if settings.ticks is None else None,
        "ticks": settings.ticks,
        "start": clock.start,
        "end": clock.end if clock.end < facts.duration else None,
    }


class _Job:
    """One video on its way from file to timeline."""

    def __init__(
        self,
        video: Path,
        facts: VideoFacts,
        clock: Clock,
        settings: AnalyzeSettings,
        region: Region | None,
        warnings: list[str],
        target: Path,
    ) -> None:
        self.video, self.facts, self.clock = video, facts, clock
        self.settings, self.region, self.target = settings, region, target
        self.warnings = warnings
        self.sampling = sampling_of(settings, clock, facts)

    def run(self, progress: OnProgress | None, *, keep: bool) -> Timeline:
        """Measure what is missing, choose the person, write the file."""
        observations = self._measured_before()
        streams, focus = self._missing(observations)
        if streams or observations is None:
            observations = self._measure(streams, observations, progress)
        if not streams and self._forgot(observations) and self._same_person(observations):
            return load_timeline(self.target)
        if focus is None:
            focus = self._focus(observations)
        timeline = self._resolve(observations, focus)
        if self._overlooked(observations, timeline, focus):
            log.info("%s: looks again, with the person asked for in focus", self.facts.name)
            wide = bool(observations.face_settings.get("features"))
            face = FaceStream(*load_face_models(self.settings), focus, features=wide)
            observations = self._measure([face], observations, progress)
            timeline = self._resolve(observations, focus)
        if keep:
            forget = self.settings.forget_faces
            if forget and observations.faces is not None:
                known = people_as_tracks(observations.faces, self._thresholds(observations))
                observations = replace(observations, faces=replace(known, features=None))
                observations.face_settings = {**observations.face_settings, "features": 0}
            rows = person_rows(observations, focus, self._thresholds(observations))
            write_timeline(self.target, timeline, observations, rows=rows, forget_faces=forget)
            remove_parts(parts_folder(self.target))
            timeline.meta["file"] = str(self.target)
        return timeline

    def _measured_before(self) -> Observations | None:
        if not self.target.exists():
            return None
        try:
            return load_observations(self.target)
        except DataError as error:
            raise in_the_way(error) from None

    def _missing(self, before: Observations | None) -> tuple[list[Stream], Focus | None]:
        """The streams that must be measured, and the focus where faces are among them."""
        streams: list[Stream] = []
        focus = None
        for name in stream_names(self.settings):
            stored = before.settings_of(name) if before is not None else None
            if name == "face":
                if not self.facts.video or (stored and still_good(self.settings, stored)):
                    continue
                detector, emotion, identity = load_face_models(self.settings)
                focus = self._embedded(detector, identity)
                wide = "embedding" in self.settings.stream
                streams.append(FaceStream(detector, emotion, identity, focus, features=wide))
            else:
                stream = STREAMS[name](self.settings)
                if stored == stream.settings:
                    continue
                streams.append(stream)
            if stored:
                log.info("%s: %s had other settings; measured anew", self.target.name, name)
        others = before is not None and sorted(
            {*before.blocks, *(["face"] if before.faces is not None else [])}
            - set(stream_names(self.settings))
        )
        if others:
            log.info(
                "%s: keeps %s, measured before, and they count too; for less, give another -o",
                self.target.name,
                " and ".join(others),
            )
        if streams and not any(self._can_measure(stream) for stream in streams):
            wanted = ", ".join(stream_names(self.settings))
            lacks = "sound" if self.facts.video else "video stream"
            raise MediaError(at(self.video, f"has no {lacks}: nothing to measure {wanted} from"))
        return streams, focus

    def _can_measure(self, stream: Stream) -> bool:
        heard = bool(stream.sound) and bool(self.facts.sound_tracks)
        return heard or (stream.wants_pictures and self.facts.video)

    @staticmethod
    def _forgot(observations: Observations) -> bool:
        """Whether the faces were told apart by embeddings that are not kept."""
        faces, measured = observations.faces, observations.face_settings
        return (
            faces is not None
            and not faces.embedding.shape[1]
            and measured["identity"]["identity"] != "none"
        )

    def _same_person(self, observations: Observations) -> bool:
        before = observations.meta.get("settings", {})
        now = as_dict(self.settings)
        return bool(now["person"]) and all(
            before.get(key) == now[key] for key in ("person", "region")
        )

    def _focus(self, observations: Observations) -> Focus:
        """The focus for faces measured before, by the models that measured them."""
        faces = observations.faces
        if not self.settings.person or faces is None:
            return self._embedded(None, None)
        if len(faces) and not faces.embedding.shape[1]:
            raise PersonError(
                f"{self.target}: keeps no face embeddings, so photos cannot be compared; "
                "delete it and analyse the video again without --forget-faces and with an identity"
                " model (`reelpulse models fetch mobilefacenet`)"
            )
        return self._embedded(*load_measured_with(observations.face_settings))

    def _embedded(self, detector: Any, identity: Any) -> Focus:
        if not self.settings.person or detector is None:
            return Focus(region=self.region, key=str(self.settings.region or ""))
        if identity is None:
            raise PersonError(
                "following a person by photo needs an identity model:"
                " `reelpulse models fetch mobilefacenet`, or `pip install 'reelpulse[offline]'`"
            )
        digest = hashlib.sha256(str(self.settings.region).encode())
        for photo in self.settings.person:
            digest.update(Path(photo).read_bytes())
        photos = embed_photos(self.settings.person, detector, identity)
        return Focus(photos, self.region, digest.hexdigest()[:16])

    def _measure(
        self, streams: list[Stream], before: Observations | None, progress: OnProgress | None
    ) -> Observations:
        plan = {
            "fingerprint": self.facts.fingerprint,
            "sampling": self.sampling,
            "streams": {stream.name: stream.settings for stream in streams},
        }
        folder = parts_folder(self.target)
        try:
            new = measure(
                self.video,
                self.facts,
                self.clock,
                streams,
                parts=Parts(folder, plan),
                audio_track=self.settings.audio_track,
                progress=progress,
            )
        except VideoReplaced:
            remove_parts(folder)  # of a video that is not there any more
            raise
        if before is not None:
            if not np.array_equal(before.times, new.times):
                raise DataError(
                    at(self.target, "has other ticks than the video now: delete it and run again")
                )
            if new.faces is None:
                new.faces, new.face_settings = before.faces, before.face_settings
            new.blocks = {**before.blocks, **new.blocks}
        end = float(new.meta.pop("end"))
        video = {**self.facts.as_dict(), "stated_duration": self.facts.duration}
        if self.clock.end > self.facts.duration:
            video["duration"] = end
        if not len(new.times):
            raise MediaError(at(self.video, "nothing in it decodes: it is damaged or cut off"))
        new.meta = {
            "video": video,
            "sampling": self.sampling,
            "warnings": [*self.warnings, *new.meta["warnings"]],
        }
        return new

    @staticmethod
    def _thresholds(observations: Observations) -> Thresholds:
        """What is sure and what is alike, by the models that measured."""
        measured, faces = observations.face_settings, observations.faces
        if not measured or faces is None:
            return Thresholds()
        identity = measured["identity"]
        return Thresholds(
            sure_score=measured["strict"],
            strict=identity.get("strict", Thresholds.strict),
            loose=identity.get("loose", Thresholds.loose),
            joined=_Job._forgot(observations),
        )

    def _resolve(self, observations: Observations, focus: Focus) -> Timeline:
        measured = observations.face_settings
        timeline = resolve(observations, focus, self._thresholds(observations))
        meta = timeline.meta
        meta["settings"] = as_dict(self.settings)
        meta["models"] = {
            role: measured[role][role] for role in ("detector", "identity", "emotion") if measured
        }
        # What was said of an earlier choice of person is not true of this one.
        earlier = (observations.meta.get("person") or {}).get("warnings", [])
        about_person = self._person_warnings(observations, meta)
        if meta.get("person") is not None:
            meta["person"]["warnings"] = about_person
        kept = [text for text in meta.get("warnings", []) if text not in earlier]
        meta["warnings"] = [*kept, *about_person]
        return timeline

    def _person_warnings(self, observations: Observations, meta: dict[str, Any]) -> list[str]:
        person, faces = meta.get("person"), observations.faces
        if person is None or faces is None:
            return []
        name, photos = self.facts.name, ", ".join(self.settings.person)
        if person["ticks"]:
            strict = self._thresholds(observations).strict
            if person["how"] != "photo" or person["similarity"] >= strict:
                return []
            return [
                f"{name}: the person followed is only a little like {photos} (similarity"
                f" {person['similarity']}; {strict} is sure): see whether it is the one you mean,"
                " or try other photos"
            ]
        if not len(faces):
            return [f"{name}: shows no face anywhere; only its sound tells of moments"]
        if person["how"] == "photo":
            where = f" inside the region {self.settings.region}" if self.settings.region else ""
            return [
                f"{name}: shows nobody like {photos}{where} (best"
                f" similarity {person['similarity']}, {person['needed']} needed); try other photos"
            ]
        if person["how"] == "region":
            size = f"{self.facts.width}x{self.facts.height}"
            where = f"inside the region {self.settings.region} of the {size} picture"
            return [f"{name}: shows no face {where}"]
        return [f"{name}: shows only doubtful faces; nobody was followed"]

    def _overlooked(self, observations: Observations, timeline: Timeline, focus: Focus) -> bool:
        """Whether the person asked for may be among faces that were seen but not measured."""
        faces = observations.faces
        asked = len(focus.photos) > 0 or focus.region is not None
        if faces is None or not asked or observations.face_settings.get("focus") == focus.key:
            return False
        followed = np.isfinite(timeline.column("valence"))
        return float(np.mean((faces.seen > MOST_FACES) & ~followed)) > _CROWDED_SHARE
