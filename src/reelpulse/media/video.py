"""Pictures: one video stream decoded forward, and the frame on screen at each tick."""

from __future__ import annotations

import logging
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from reelpulse.errors import MediaError, at
from reelpulse.media.clocks import EPSILON, Clock
from reelpulse.media.demux import decoded, packets
from reelpulse.media.probe import VideoFacts, open_container, square_width, video_stream

log = logging.getLogger(__name__)

_LOOKAHEAD = 64
"""Packets looked ahead at most for the next time on screen; H.264 reorders at most 16."""

SKIPPERS = frozenset({"h264", "hevc", "mpeg2video", "mpeg4", "vp9"})
"""Decoders that heed what is set for each packet; dav1d heeds what is set for a later one."""

_SEEK_STEPS_BACK = (0.0, 10.0, 60.0, 600.0)
"""Seconds before the wanted time to seek to, until a picture before it is found."""

_SEEK_STEPS_BEFORE = (0.25, *_SEEK_STEPS_BACK[1:])
"""The same where the picture before that is wanted too."""

SMALL_WIDTH = 256
"""Of a small picture, whose original is not narrower."""

_HD_HEIGHT = 720
_ITU709, _UNSPECIFIED = 1, 2


class Picture:
    """A decoded frame, converted to RGB when somebody wants it, and once.

    Attributes
    ----------
    time : float
        When it comes on screen, in seconds from the start of the video.
    previous : Picture or None
        The frame before it in the file; None where there is none, or none was wanted.
    """

    def __init__(
        self, frame: Any, aspect: Any, time: float, previous: Picture | None = None
    ) -> None:
        self._frame, self._aspect, self.time, self.previous = frame, aspect, time, previous

    @cached_property
    def rgb(self) -> npt.NDArray[np.uint8]:
        """The picture as shown: uint8 RGB of shape (height, width, 3), upright, square pixels."""
        return self._converted(square_width(self._frame.width, self._aspect), self._frame.height)

    @cached_property
    def small(self) -> npt.NDArray[np.uint8]:
        """As `rgb`, but at most 256 wide; made from the frame, in a tenth of the time."""
        frame = self._frame
        wide, high = square_width(frame.width, self._aspect), frame.height
        scale = min(1.0, SMALL_WIDTH / (high if self._turns % 2 else wide))
        size = max(1, round(wide * scale)), max(1, round(high * scale))
        return self._converted(*size, interpolation="AREA")

    def convert(self) -> None:
        """Convert it now, and let the frame go.

        Where the one before it is wanted, both are made `small` too; of that one this alone stays.
        """
        if self.previous is not None:
            for picture in (self, self.previous):
                picture.small  # noqa: B018
            self.previous._frame = None
        self.rgb  # noqa: B018
        self._frame = None

    @property
    def _turns(self) -> int:
        """Quarters to turn the frame by, against the clock."""
        return int(round(self._frame.rotation / 90) % 4)

    def _converted(self, width: int, height: int, **more: Any) -> npt.NDArray[np.uint8]:
        frame = self._frame
        options: dict[str, Any] = {"format": "rgb24", **more}
        if (width, height) != (frame.width, frame.height):
            options |= {"width": width, "height": height}
        if frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT:
            # Players take high definition that does not say for BT.709; swscale takes BT.601.
            options["src_colorspace"] = _ITU709
        image: npt.NDArray[np.uint8] = frame.to_ndarray(**options)
        if self._turns:
            image = np.rot90(image, self._turns)
        return np.ascontiguousarray(image)


_Frame = tuple[Any, Any, float]
"""A decoded frame, its pixels' aspect and its time."""


def _picture(frame: _Frame | None, before: _Frame | None = None) -> Picture | None:
    return Picture(*frame, _picture(before)) if frame else None


class FrameReader:
    """The frame on screen at each tick of a clock, from one pass over the file.

    Frames that no tick needs and no other frame refers to are not decoded. Which frame a tick
    needs is known from the packets' times, looked at ahead of decoding.

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
    decode : bool
        False gives no pictures, only the ticks up to where the packets end.
    previous : bool
        Whether the frame before the one on screen is wanted too.
    """

    def __init__(
        self,
        path: str | Path,
        facts: VideoFacts,
        clock: Clock,
        first: int = 0,
        decode: bool = True,
        previous: bool = False,
    ) -> None:
        self.path, self.facts, self.clock, self.first = Path(path), facts, clock, first
        self._wants, self._wants_previous = decode, previous
        self.packets, self.hidden = 0, 0
        self.damaged, self.damaged_at = 0, list[float]()
        self.decoded = 0
        self._container: Any = None
        self._last, self._length = -np.inf, 0.0
        self._guessed = False

    @property
    def end(self) -> float:
        """Where the last picture so far leaves the screen, in seconds."""
        return max(0.0, self._last + self._length) if self.decoded else 0.0

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()

    def __iter__(self) -> Iterator[tuple[int, Picture | None]]:
        """Yield tick index and picture (None before the first) up to where the video ends."""
        index = self.first
        shown: _Frame | None = None
        before: _Frame | None = None
        for time, frame in self._frames() if self._wants else self._times():
            while self.clock.has(index) and self.clock.time(index) < time - EPSILON:
                yield index, _picture(shown, before)
                index += 1
            if not self.clock.has(index):
                return
            if frame is not None:
                before = shown if self._wants_previous else None
                shown = (frame, self._stream.sample_aspect_ratio, time)
        while self.clock.has(index) and self.clock.time(index) < self.end - EPSILON:
            yield index, _picture(shown, before)
            index += 1

    def _times(self) -> Iterator[tuple[float, None]]:
        """How far the packets' times reach, without decoding."""
        self._seek(self.clock.time(self.first))
        for packet in packets(self._container, self._stream, self):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or not packet.size:
                continue
            self.decoded += 1
            time = float(stamp * packet.time_base) - self.facts.start
            self._reach(time, float((packet.duration or 0) * packet.time_base))
            yield self._last, None

    def _frames(self) -> Iterator[tuple[float, Any]]:
        """Decode from a picture at or before the first tick on, sought ever further back."""
        begin = self.clock.time(self.first)
        steps = _SEEK_STEPS_BEFORE if self._wants_previous else _SEEK_STEPS_BACK
        least = 1 + self._wants_previous
        for target in [*(begin - back for back in steps), 0.0]:
            found = self._open(target)
            head = list(islice(found, least))
            if target <= 0 or (len(head) == least and head[-1][0] <= begin + EPSILON):
                break
        yield from head
        yield from found

    def _open(self, begin: float) -> Iterator[tuple[float, Any]]:
        """Open the file at or before `begin` seconds and decode on from there."""
        self._seek(begin)
        return self._decode(self._stream)

    def _seek(self, begin: float) -> None:
        self.close()
        self._container = open_container(self.path)
        stream = video_stream(self._container)
        if stream is None:
            raise MediaError(at(self.path, "has no video stream"))
        self._stream = stream
        stream.thread_type = "AUTO"
        if begin > 0:
            try:
                target = int((begin + self.facts.start) / stream.time_base)
                self._container.seek(target, stream=stream, backward=True)
            except av.error.FFmpegError as error:
                log.debug("%s: cannot seek to %.1f s: %s", self.path, begin, error)

    def _decode(self, stream: Any) -> Iterator[tuple[float, Any]]:
        last = -np.inf
        # AVI keeps the order of decoding alone, and FFmpeg's guess of the times on screen fails
        # where frames are reordered deeply: there a frame is on screen as it comes out.
        independent = bool(stream.codec_context.codec.intra_only)
        self._guessed = self.facts.format == "avi" and not independent
        for frame in decoded(stream, self._needed(stream), self):
            stamp = frame.dts if self._guessed or frame.pts is None else frame.pts
            if stamp is None:
                time = last + 1 / (self.facts.rate or 25.0) if last > -np.inf else 0.0
            else:
                time = float(stamp * frame.time_base) - self.facts.start
            if time <= last:
                continue
            last = time
            self.decoded += 1
            self._reach(time, float((frame.duration or 0) * frame.time_base))
            yield time, frame

    def _reach(self, time: float, length: float) -> None:
        """Note that a picture comes on screen, decoded or not.

        With reordering a frame's stated length may be that of another: it is believed where it
        does not lead beyond the end that the file states, and else taken for the average.
        """
        if time > self._last:
            usual = 1 / (self.facts.rate or 25.0)
            believed = 0 < length <= max(usual, self.facts.duration - time + EPSILON)
            self._last, self._length = time, length if believed else usual

    def _needed(self, stream: Any) -> Iterator[Any]:
        """Pass packets on to the decoder, told which of them it may skip."""
        context = stream.codec_context
        independent = bool(context.codec.intra_only)
        skips = context.name in SKIPPERS
        skipping = False
        for packet, needed in self._marked(stream):
            if not needed:
                time = float(packet.pts * packet.time_base) - self.facts.start
                self._reach(time, float((packet.duration or 0) * packet.time_base))
                if independent:
                    continue
            if skips and skipping == needed:
                context.skip_frame = "DEFAULT" if needed else "NONREF"
                skipping = not needed
            yield packet

    def _marked(self, stream: Any) -> Iterator[tuple[Any, bool]]:
        """Say of each packet whether a tick falls between its time on screen and the next.

        Between it and the next but one, where previous frames are wanted: it is that of the next.
        The next time is known once a packet's decoding time has passed it: decoding times increase
        and no packet is shown before it is decoded. Where that cannot be told, the packet is
        needed.
        """
        waiting: deque[Any] = deque()
        stamps: list[int] = []
        further = int(self._wants_previous)
        for packet in packets(self._container, stream, self):
            waiting.append(packet)
            if packet.pts is not None and packet.size:
                insort(stamps, packet.pts)
            reached = packet.dts
            flushing = not packet.size
            while waiting:
                head = waiting[0]
                if head.pts is None or not head.size or self._guessed:
                    needed = True
                else:
                    place = bisect_right(stamps, head.pts) + further
                    after = stamps[place] if place < len(stamps) else None
                    known = after is not None and reached is not None and after <= reached
                    if known or flushing or len(waiting) > _LOOKAHEAD:
                        needed = not known or self._wanted(head, after)
                    else:
                        break
                yield waiting.popleft(), needed
            if len(stamps) > 4 * _LOOKAHEAD:
                del stamps[: -2 * _LOOKAHEAD]
        for packet in waiting:
            yield packet, True

    def _wanted(self, packet: Any, after: int | None) -> bool:
        """Whether a tick falls into [this packet's time, that of one `after` it)."""
        if after is None:
            return True
        start = float(packet.pts * packet.time_base) - self.facts.start
        stop = float(after * packet.time_base) - self.facts.start
        index = self.clock.first_at(start)
        return self.clock.has(index) and self.clock.time(index) < stop - EPSILON
