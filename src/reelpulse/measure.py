"""Measure a video, a segment at a time: what is finished survives a kill."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.files import atomic_path, write_json
from reelpulse.media import Clock, Tick, TickReader, VideoFacts, check_unchanged
from reelpulse.media.clocks import SEGMENT_SECONDS
from reelpulse.streams import Stream
from reelpulse.timeline import Block, Faces, Features, Observations
from reelpulse.times import clock_text

log = logging.getLogger(__name__)

_BLOCK_TICKS = 8
_BLOCK_BYTES = 64 << 20
"""Ticks measured at once: enough for batches of faces, few enough pictures to hold."""


@dataclass(frozen=True)
class Progress:
    """How far measuring is.

    `done` of `total` seconds of the video, `resumed` of them by an earlier run; `ticks` measured by
    this run.
    """

    done: float
    total: float
    ticks: int
    resumed: float = 0.0


OnProgress = Callable[[Progress], None]
Part = dict[str, Any]
"""What one segment gave: ``times``, and a stream's name to its values or faces."""


class Parts:
    """The folder of finished segments beside an output: ``x.h5.parts/0007.npz``.

    Each part is written under a temporary name and renamed. ``plan.json`` says what is being
    measured; parts of another plan are thrown away. ``end.json`` says that no segment is missing.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self.folder = folder
        known = self._read("plan.json")
        plan = json.loads(json.dumps(plan))
        if known is not None and known != plan:
            log.info("%s: an unfinished run had other settings; measured anew", folder.name)
            shutil.rmtree(folder)
            known = None
        if known is None:
            write_json(folder / "plan.json", plan)

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(
                at(self.folder / name, f"cannot be read ({error}); delete the folder and run again")
            ) from None

    def finished(self) -> int:
        """How many segments are there, from the first on."""
        count = 0
        while (self.folder / f"{count:04d}.npz").exists():
            count += 1
        return count

    def end(self) -> dict[str, Any] | None:
        """What was found at the video's end, where it was reached."""
        found: dict[str, Any] | None = self._read("end.json")
        return found

    def close(self, end: dict[str, Any]) -> None:
        """Note that the video's end was reached."""
        write_json(self.folder / "end.json", end)

    def write(self, index: int, part: Part) -> None:
        """Keep a finished segment."""
        arrays = {"times": part["times"]}
        for name, value in part.items():
            if isinstance(value, Faces):
                for row in (*Faces.ROWS, "seen"):
                    arrays[f"{name}/{row}"] = getattr(value, row)
                if value.features is not None:
                    arrays[f"{name}/features"] = value.features.whole()
            elif name != "times":
                arrays[f"{name}/values"] = value
        with atomic_path(self.folder / f"{index:04d}.npz") as path, open(path, "wb") as file:
            np.savez(file, **arrays)

    def read(self, index: int) -> Part:
        """Read a finished segment."""
        path = self.folder / f"{index:04d}.npz"
        part: Part = {}
        try:
            with np.load(path, allow_pickle=False) as arrays:
                for key in arrays.files:
                    name, _, row = key.partition("/")
                    if row in ("", "values") and f"{name}/seen" not in arrays.files:
                        part[name] = arrays[key]
                    elif name not in part:
                        rows = {r: arrays[f"{name}/{r}"] for r in (*Faces.ROWS, "seen")}
                        part[name] = Faces(**rows)
                        if f"{name}/features" in arrays.files:
                            kept = partial(_array, path, f"{name}/features")
                            part[name].features = Features((kept,))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(at(path, f"is damaged ({error}); delete it and run again")) from None
        return part


def _array(path: Path, key: str) -> npt.NDArray[np.float16]:
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays[key])


def remove_parts(folder: Path) -> None:
    """Throw finished segments away, once all is in the output."""
    shutil.rmtree(folder, ignore_errors=True)


def measure(
    path: str | Path,
    facts: VideoFacts,
    clock: Clock,
    streams: Sequence[Stream],
    *,
    parts: Parts | None = None,
    audio_track: int = 0,
    progress: OnProgress | None = None,
) -> Observations:
    """Run streams over a video.

    Each stream sees the ticks in order and forgets all at each segment's border, so a segment
    measured by itself gives what it gives within the whole.

    Parameters
    ----------
    path : str or Path
        The video.
    facts : VideoFacts
    clock : Clock
        When to look.
    streams : sequence of Stream
        What to measure.
    parts : Parts or None
        Where finished segments are kept and found again; None keeps them in memory.
    audio_track : int
    progress : callable or None
        Called with a `Progress` after each block of ticks.

    Returns
    -------
    Observations
        ``meta`` has ``end`` (seconds) and ``warnings``.
    """
    done: list[Part] = []
    end = parts.end() if parts else None
    if parts is not None:
        done = [parts.read(index) for index in range(parts.finished())]
    if end is None:
        first = clock.first_at(clock.start + SEGMENT_SECONDS * len(done))
        if done:
            log.info("%s: goes on at %s", facts.name, clock_text(clock.time(first)))
        reader = TickReader(
            path,
            facts,
            clock,
            first=first,
            pictures=any(stream.wants_pictures for stream in streams),
            sound=_sound_wanted(streams),
            audio_track=audio_track,
            previous=any(stream.needs_previous_frame for stream in streams),
        )
        for index, part in _segments(reader, clock, streams, facts, len(done), progress):
            if parts is not None:
                check_unchanged(path, facts)
                parts.write(index, part)
                # As a resumed run finds it: what is wide stays on disk.
                part = parts.read(index)
            done.append(part)
        end = {"end": reader.end, "warnings": reader.warnings}
        if parts is not None:
            parts.close(end)
    return _joined(done, streams, end)


def _sound_wanted(streams: Sequence[Stream]) -> dict[int, float]:
    wanted: dict[int, float] = {}
    for stream in streams:
        for rate, seconds in stream.sound.items():
            wanted[rate] = max(seconds, wanted.get(rate, 0.0))
    return wanted


def _segments(
    reader: TickReader,
    clock: Clock,
    streams: Sequence[Stream],
    facts: VideoFacts,
    segment: int,
    progress: OnProgress | None,
) -> Iterator[tuple[int, Part]]:
    """Measure from a segment on; yields each with its number when it is finished."""
    picture_bytes = max(1, facts.width * facts.height * 3)
    most = max(1, min(_BLOCK_TICKS, _BLOCK_BYTES // picture_bytes))
    total = min(clock.end, facts.duration) - clock.start
    begin = clock.time(reader.first) - clock.start
    current, count = segment - 1, 0
    blocks: list[Part] = []
    block: list[Tick] = []

    def flush() -> None:
        if block:
            blocks.append(_measured(block, streams))
            if progress is not None:
                reached = block[-1].time - clock.start
                progress(Progress(reached, max(total, reached), count, begin))
            block.clear()

    for tick in reader:
        segment = clock.segment(tick.index)
        if segment != current:
            flush()
            if blocks:
                yield current, _merged(blocks, streams)
            # A gap without ticks still has its parts, so that those there are a prefix.
            for empty in range(current + 1, segment):
                yield empty, _merged([_measured([], streams)], streams)
            blocks, current = [], segment
            for stream in streams:
                stream.reset()
        block.append(tick)
        count += 1
        # The first tick by itself: whoever waits sees at once that it works.
        if len(block) >= most or count == 1:
            flush()
    flush()
    if blocks:
        yield current, _merged(blocks, streams)


def _measured(ticks: Sequence[Tick], streams: Sequence[Stream]) -> Part:
    part: Part = {"times": np.array([tick.time for tick in ticks], np.float64)}
    for stream in streams:
        part[stream.name] = stream.process(ticks)
    return part


def _merged(blocks: Sequence[Part], streams: Sequence[Stream], *, segments: bool = False) -> Part:
    part: Part = {"times": np.concatenate([block["times"] for block in blocks])}
    for stream in streams:
        values = [block[stream.name] for block in blocks]
        if isinstance(values[0], Faces):
            part[stream.name] = Faces.joined(values, same_tracks=not segments)
        else:
            part[stream.name] = np.concatenate(values)
    return part


def _joined(done: list[Part], streams: Sequence[Stream], end: dict[str, Any]) -> Observations:
    parts = done or [_measured([], streams)]
    whole = _merged(parts, streams, segments=True)
    observations = Observations(whole["times"], meta=dict(end))
    for stream in streams:
        value = whole[stream.name]
        if isinstance(value, Faces):
            observations.faces, observations.face_settings = value, stream.settings
        else:
            observations.blocks[stream.name] = Block(stream.columns, value, stream.settings)
    return observations
