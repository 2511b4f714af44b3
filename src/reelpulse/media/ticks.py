"""Ticks of a file: what is on screen and what was heard just before, on one clock."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reelpulse.media.audio import Samples, SoundReader
from reelpulse.media.clocks import Clock
from reelpulse.media.probe import VideoFacts
from reelpulse.media.video import FrameReader, Picture
from reelpulse.times import clock_text

log = logging.getLogger(__name__)

_AHEAD_BYTES = 64 << 20
"""Pictures kept ahead of measuring: a second or two of ticks, one of 8K."""

_SOUND_TAIL_SECONDS = 1.0
"""Sound that outlasts the video by less than this does not lengthen the timeline."""

_FEW_HIDDEN = 30
"""Pictures: less than this is the lead-in that many recorders cut off."""

_MOST_MISSING_SECONDS = 1.0


@dataclass
class Tick:
    """One look at the video.

    Parameters
    ----------
    index : int
        Its place on the clock.
    time : float
        Seconds from the start of the video.
    picture : Picture or None
        None before the first frame, after the last and without a video stream.
    sounds : dict of int to ndarray
        Sample rate to the samples just before `time`; NaN where there was no sound.
    """

    index: int
    time: float
    picture: Picture | None = None
    sounds: dict[int, Samples] = field(default_factory=dict)

    @property
    def image(self) -> npt.NDArray[np.uint8] | None:
        """The picture on screen: uint8 RGB (height, width, 3), or None."""
        return self.picture.rgb if self.picture is not None else None

    @property
    def previous(self) -> Picture | None:
        """The frame before the one on screen in the file, `small`; None where nobody wants it."""
        return self.picture.previous if self.picture is not None else None

    def sound(self, rate: int, seconds: float) -> Samples:
        """The last `seconds` of sound at `rate` Hz; all NaN where there is no sound."""
        length = round(rate * seconds)
        samples = self.sounds.get(rate)
        if samples is None:
            return np.full(length, np.nan, np.float32)
        return samples[len(samples) - length :]


class TickReader:
    """Decode a file and hand out its ticks in order; decoding runs beside the caller's work.

    Parameters
    ----------
    path : str or Path
        The file.
    facts : VideoFacts
        From `probe`.
    clock : Clock
        When to look.
    first : int
        Index of the first tick.
    pictures : bool
        Whether anybody wants pictures.
    sound : mapping of int to float
        Sample rate to the seconds of sound wanted before each tick; empty for none.
    audio_track : int
        Which sound track, from 0.
    previous : bool
        Whether anybody wants the frame before the one on screen; more is decoded then.

    Attributes
    ----------
    warnings : list of str
        Filled while reading: damage passed over, an end before the stated one.
    """

    def __init__(
        self,
        path: str | Path,
        facts: VideoFacts,
        clock: Clock,
        *,
        first: int = 0,
        pictures: bool = True,
        sound: Mapping[int, float] | None = None,
        audio_track: int = 0,
        previous: bool = False,
    ) -> None:
        self.path, self.facts, self.clock, self.first = Path(path), facts, clock, first
        self._pictures = pictures
        self.warnings: list[str] = []
        self.end = 0.0
        begin = clock.time(first)
        # Without pictures the film's packets still tell where it ends.
        self._film = (
            FrameReader(path, facts, clock, first, pictures, previous) if facts.video else None
        )
        self._sound = (
            SoundReader(path, facts.start, audio_track, sound, begin)
            if facts.sound_tracks and sound
            else None
        )
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[Tick]:
        frame_bytes = max(1, self.facts.width * self.facts.height * 3)
        ahead: queue.Queue[Tick | BaseException | None] = queue.Queue(
            maxsize=max(1, min(8, _AHEAD_BYTES // frame_bytes))
        )
        worker = threading.Thread(target=self._work, args=(ahead,), name="decode", daemon=True)
        worker.start()
        try:
            while (item := ahead.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._stopped.set()
            while worker.is_alive():
                try:
                    ahead.get(timeout=0.05)
                except queue.Empty:
                    continue
            worker.join()

    def _work(self, ahead: queue.Queue[Tick | BaseException | None]) -> None:
        try:
            for tick in self._ticks():
                if self._stopped.is_set():
                    return
                ahead.put(tick)
            ahead.put(None)
        except BaseException as error:  # handed to the reader's thread, which raises it
            ahead.put(error)
        finally:
            for reader in (self._film, self._sound):
                if reader is not None:
                    reader.close()

    def _ticks(self) -> Iterator[Tick]:
        index = self.first
        if self._film is not None:
            for index, picture in self._film:
                yield self._tick(index, picture)
                index += 1
            self.end = self._film.end
        if self._sound is not None:
            # What is heard after the last picture, or all of it where there are no pictures.
            if self._film is not None:
                self._sound.advance(self.end + _SOUND_TAIL_SECONDS)
            tail = self._film is None or self._sound.end >= self.end + _SOUND_TAIL_SECONDS
            while tail and self.clock.has(index):
                time = self.clock.time(index)
                self._sound.advance(time)
                if self._sound.exhausted and self._sound.end <= time:
                    break
                yield self._tick(index, None)
                index += 1
            self.end = max(self.end, self._sound.end) if tail else self.end
        if self.clock.has(index):
            self._report()

    def _tick(self, index: int, picture: Picture | None) -> Tick:
        time = self.clock.time(index)
        if picture is not None and self._pictures:
            picture.convert()  # here, beside the measuring of ticks before it
        sounds = self._sound.before(time) if self._sound is not None else {}
        return Tick(index, time, picture, sounds)

    def _report(self) -> None:
        """Say what was lost, once the file's end was reached."""
        hidden = self._film.hidden if self._film is not None and self.first == 0 else 0
        if self._film is not None and hidden > max(_FEW_HIDDEN, 0.05 * self._film.packets):
            self.warnings.append(
                f"{self.facts.name}: {hidden} pictures are hidden by its edit list, as players hide"
                " them; `ffmpeg -ignore_editlist 1 -i IN -c copy OUT` makes a copy that shows them"
            )
        stated = min(self.facts.duration, self.clock.end)
        readers = [r for r in (self._film, self._sound) if r is not None]
        damaged = sum(reader.damaged for reader in readers)
        if stated - self.end > max(_MOST_MISSING_SECONDS, 0.01 * stated):
            self.warnings.append(
                f"{self.facts.name}: ends at {clock_text(self.end)}, but states"
                f" {clock_text(stated)}: it was cut off or is damaged; what decodes was used"
            )
        elif damaged:
            at = [time - self.facts.start for reader in readers for time in reader.damaged_at]
            where = f", from {clock_text(max(0, min(at)))} to {clock_text(max(at))}" if at else ""
            self.warnings.append(
                f"{self.facts.name}: {damaged} damaged packet{'s'[: damaged > 1]}{where};"
                " what else decodes was used"
            )
