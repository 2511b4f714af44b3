"""Single frames of a film by their number, each exactly, with little decoding between them."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt

from reelpulse.errors import MediaError, at
from reelpulse.media import VideoFacts
from reelpulse.media.demux import decoded, packets
from reelpulse.media.probe import open_container, video_stream
from reelpulse.media.video import SKIPPERS, Picture

log = logging.getLogger(__name__)

_NO_TIMES = "does not say when its frames are shown; put the stream into an .mkv or .mp4 file first"

_BEFORE_ALL = -(1 << 62)

_ATTEMPTS = ((0, 0.0), (0, 1.0), (1, 1.0), (3, 1.0), (0, None))
"""Where to begin, until the frames come out whole: key frames before the nearest one, and seconds
before it to seek to. Some containers seek by times of decoding, which lie below those on screen,
and some do not know the times of the first packets after a seek. Last, all is read from the
beginning, though not decoded: files without an index."""


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """When the frames of a film come on screen.

    Parameters
    ----------
    stamps : ndarray of int64, shape (N,)
        Presentation times, increasing, in ticks of the stream's clock. Frame number n of the film,
        counted from 1, has index n - 1.
    keys : ndarray of int64
        Those of frames that decoding can begin with.
    seconds : ndarray of float64, shape (N,)
        The same times in seconds from the film's start.
    guessed : bool
        Whether the container (AVI) keeps the order of decoding alone: a frame's time is then that
        at which it comes out of the decoder.
    """

    stamps: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    guessed: bool

    def __len__(self) -> int:
        return len(self.stamps)


class _Counts:
    """What `packets` and `decoded` meet."""

    def __init__(self) -> None:
        self.packets, self.hidden, self.damaged = 0, 0, 0
        self.damaged_at = list[float]()


def _opened(path: Path) -> tuple[Any, Any]:
    container = open_container(path)
    stream = video_stream(container)
    if stream is None:
        container.close()
        raise MediaError(at(path, "has no video stream"))
    stream.thread_type = "AUTO"
    return container, stream


def frame_times(path: str | Path, facts: VideoFacts, until: float = np.inf) -> FrameTimes:
    """Read the frames' times from a film's packets, without decoding.

    Parameters
    ----------
    path : str or Path
    facts : VideoFacts
        From `probe`.
    until : float
        Seconds after which no frame is asked for.

    Raises
    ------
    MediaError
        When it cannot be opened or has no pictures.
    """
    path = Path(path)
    container, stream = _opened(path)
    stamps, keys = list[int](), list[int]()
    base = stream.time_base
    independent = bool(stream.codec_context.codec.intra_only)
    guessed = facts.format == "avi" and not independent
    with container:
        for packet in packets(container, stream, _Counts()):
            stamp = packet.dts if guessed or packet.pts is None else packet.pts
            if stamp is None or not packet.size:
                continue
            # Decoding times increase, and no packet is on screen before it is decoded.
            if packet.dts is not None and float(packet.dts * base) - facts.start > until:
                break
            if packet.is_keyframe or independent:
                keys.append(stamp)
            if not packet.is_discard:
                stamps.append(stamp)
    times = np.unique(np.array(stamps, np.int64))
    if not len(times):
        raise MediaError(at(path, _NO_TIMES))
    if guessed:
        times = times[_delay(path, times) :]
    seconds = np.asarray(times * float(base) - facts.start, np.float64)
    return FrameTimes(times, np.unique(np.array(keys, np.int64)), seconds, guessed)


def _delay(path: Path, stamps: npt.NDArray[np.int64]) -> int:
    """How many packets a decoder takes in before the first frame comes out of it."""
    container, stream = _opened(path)
    with container:
        for frame in decoded(stream, packets(container, stream, _Counts()), _Counts()):
            if frame.dts is not None:
                return int(np.searchsorted(stamps, frame.dts))
            break
    return 0


class FrameAccess:
    """Groups of frames of a film, by index.

    It seeks only where a key frame lies between what was decoded last and what is wanted, decodes
    on otherwise, and tells the decoder which frames nobody wants and no other frame refers to.

    Parameters
    ----------
    path : str or Path
    facts : VideoFacts
    times : FrameTimes
    groups : sequence of sequences of int
        Indices that lie close together, in rising order.
    """

    def __init__(
        self,
        path: str | Path,
        facts: VideoFacts,
        times: FrameTimes,
        groups: Sequence[Sequence[int]],
    ) -> None:
        self.path, self.facts, self.times = Path(path), facts, times
        self.groups = [[int(times.stamps[index]) for index in group] for group in groups]
        self.seeks, self.decoded = 0, 0
        self._wanted = {stamp for group in self.groups for stamp in group}
        self._container: Any = None
        self._stream: Any = None
        self._frames: Iterator[Any] = iter(())
        self._begun, self._reached, self._place = -1, _BEFORE_ALL, 0

    def __iter__(self) -> Iterator[list[Picture] | None]:
        """Yield the pictures of each group; None where one of them does not decode whole."""
        try:
            for stamps in self.groups:
                yield self._read(stamps)
        finally:
            self._close()

    def _read(self, stamps: list[int]) -> list[Picture] | None:
        nearest = bisect_right(self.times.keys, stamps[0]) - 1
        if self._begun == nearest and self._reached < stamps[0]:
            found = self._collect(stamps)
            if found is not None:
                return found
        for place, (back, below) in enumerate(_ATTEMPTS):
            if place < self._place or nearest < back:
                continue
            self._begin(nearest - back, below)
            found = self._collect(stamps)
            if found is not None:
                if back == 0 and below is not None:
                    self._place = place  # what this container needs
                return found
        return None

    def _begin(self, key: int, below: float | None) -> None:
        """Begin to decode at a key frame, sought so many seconds before it."""
        self.seeks += 1
        stamp = int(self.times.keys[key])
        self._begun, self._reached = key, _BEFORE_ALL
        if self._container is None or below is None:
            self._close()
            self._container, self._stream = _opened(self.path)
        if below is not None:
            target = stamp - int(below / self._stream.time_base)
            try:
                self._container.seek(target, stream=self._stream, backward=True)
            except av.error.FFmpegError as error:
                log.debug("%s: cannot seek to %s: %s", self.path, target, error)
        self._frames = decoded(self._stream, self._needed(self._packets(stamp)), _Counts())

    def _packets(self, key: int) -> Iterator[Any]:
        """Packets from a key frame on; none where they begin after it."""
        independent = bool(self._stream.codec_context.codec.intra_only)
        begun = False
        for packet in packets(self._container, self._stream, _Counts()):
            if not begun and packet.size:
                begun = (packet.is_keyframe or independent) and self._stamp(packet) == key
                # No packet is on screen before it is decoded: this one was passed.
                if not begun and packet.dts is not None and packet.dts > key:
                    return
            if begun:
                yield packet

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()

    def _stamp(self, item: Any) -> int | None:
        """The time of a packet or a frame, as `FrameTimes` has it."""
        stamp = item.dts if self.times.guessed or item.pts is None else item.pts
        return None if stamp is None else int(stamp)

    def _needed(self, source: Iterator[Any]) -> Iterator[Any]:
        """Pass packets on to the decoder, told which of them it may skip."""
        context = self._stream.codec_context
        skips = context.name in SKIPPERS and not self.times.guessed
        skipping = False
        context.skip_frame = "DEFAULT"
        for packet in source:
            needed = not packet.size or self._stamp(packet) in self._wanted
            if skips and skipping == needed:
                context.skip_frame = "DEFAULT" if needed else "NONREF"
                skipping = not needed
            yield packet

    def _collect(self, stamps: list[int]) -> list[Picture] | None:
        """Decode on until all frames of a group are there, or time has passed them."""
        found = dict[int, Picture]()
        for frame in self._frames:
            stamp = self._stamp(frame)
            if stamp is None:
                continue
            self.decoded += 1
            self._reached = max(self._reached, stamp)
            if stamp in stamps:
                if frame.is_corrupt:
                    return None
                seconds = float(stamp * self._stream.time_base) - self.facts.start
                found[stamp] = Picture(frame, self._stream.sample_aspect_ratio, seconds)
            if stamp >= stamps[-1]:
                break
        return [found[stamp] for stamp in stamps] if len(found) == len(stamps) else None
