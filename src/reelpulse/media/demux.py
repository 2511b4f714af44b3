"""Packets and frames of one stream: damage survived, jumps of the clock undone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import av
import av.error

log = logging.getLogger(__name__)

_JUMP_SECONDS = 10.0
"""A step back this long is a new start of the recorder's clock, not a reordered frame."""

_MOST_ERRORS = 1000
"""Errors in a row after which the rest of a file is taken for lost."""


class _Counts(Protocol):
    """What was met: packets, those an edit list hides, damaged ones and when (file's clock)."""

    packets: int
    hidden: int
    damaged: int
    damaged_at: list[float]


def packets(container: Any, stream: Any, counts: _Counts) -> Iterator[Any]:
    """Packets of one stream in decoding order; the last has no data and flushes the decoder.

    Their times are made to go on where a recorder's clock starts anew; where the 33-bit count of a
    transport stream wraps, FFmpeg has done so already. Damaged stretches are passed over and
    counted.
    """
    offset, latest, step = 0, None, 0
    demuxer, errors = container.demux(stream), 0
    while True:
        try:
            packet = next(demuxer, None)
        except av.error.EOFError:
            packet = None
        except av.error.FFmpegError as error:
            log.debug("a damaged stretch is passed over: %s", error)
            _note(counts, None if latest is None else float(latest * stream.time_base))
            errors += 1
            if errors < _MOST_ERRORS:
                demuxer = container.demux(stream)
                continue
            packet = None
        if packet is None:
            return
        errors = 0
        if packet.size:
            counts.packets += not packet.is_discard
            counts.hidden += packet.is_discard
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is not None and packet.size:
            base = packet.time_base
            if latest is not None and (latest - stamp - offset) * base > _JUMP_SECONDS:
                offset = latest - stamp + step
                log.warning(
                    "the recording's clock starts anew at %.1f s: what follows is put after what"
                    " came before",
                    float(latest * base),
                )
            if latest is None or stamp + offset > latest:
                latest = stamp + offset
            step = packet.duration or step
        if offset:
            packet.pts = None if packet.pts is None else packet.pts + offset
            packet.dts = None if packet.dts is None else packet.dts + offset
        yield packet


def decoded(stream: Any, source: Iterable[Any], counts: _Counts) -> Iterator[Any]:
    """Decode packets; those that do not decode are passed over.

    They are counted, as are pictures that were put together from damaged data.
    """
    context = stream.codec_context
    for packet in source:
        try:
            for frame in context.decode(packet):
                if frame.is_corrupt:  # put together from what is left of it
                    _note(counts, frame.time)
                yield frame
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            if packet.size:
                stamp = packet.pts if packet.pts is not None else packet.dts
                _note(counts, None if stamp is None else float(stamp * packet.time_base))
            log.debug("a packet does not decode: %s", error)


def _note(counts: _Counts, time: float | None) -> None:
    counts.damaged += 1
    if time is not None:
        counts.damaged_at.append(time)
