"""Whole files of sound: read at one rate, and written as FLAC."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

from reelpulse.errors import MediaError, at
from reelpulse.files import atomic_path
from reelpulse.media.audio import Samples, SoundReader
from reelpulse.media.probe import open_container, sound_streams

LONGEST_SECONDS = 3600.0
"""A file is read whole into memory: an hour of 16,000 samples a second is 230 MB."""

_BLOCK = 4096
_SCALE = 1 << 15


@dataclass(frozen=True)
class Sound:
    """A file's sound, and how well it decoded.

    Parameters
    ----------
    samples : ndarray of float32, shape (N,)
        Mono, in [-1, 1]; 0 where the file has none.
    damaged, packets : int
        Packets that did not decode, among how many.
    """

    samples: Samples
    damaged: int
    packets: int


def decode_sound(
    path: str | Path, rate: int = 16_000, track: int = 0, longest: float = LONGEST_SECONDS
) -> Sound:
    """Decode a whole sound track, from the container's start on.

    Parameters
    ----------
    path : str or Path
        A file with sound, or a video.
    rate : int
        Samples a second to give.
    track : int
        Which of the file's sound tracks, from 0.
    longest : float
        Seconds of sound at most.

    Returns
    -------
    Sound

    Raises
    ------
    MediaError
        When the file cannot be read, has no such track, nothing of it decodes, or it is longer
        than `longest`.
    """
    with open_container(path) as container:
        if not sound_streams(container):
            raise MediaError(at(path, "has no sound track"))
        start = (container.start_time or 0) / av.time_base
    parts: list[Samples] = []
    try:
        with closing(SoundReader(path, start, track, {rate: 1.0})) as reader:
            while not reader.exhausted or len(parts) < reader.end:
                parts.append(reader.before(len(parts) + 1)[rate])
                if reader.end > longest:
                    raise MediaError(at(path, f"is longer than {longest:g} s"))
    except av.error.FFmpegError as error:
        raise MediaError(at(path, f"its sound does not decode ({error.strerror})")) from None
    samples = np.concatenate(parts)[: round(reader.end * rate)]
    if np.isnan(samples).all():
        raise MediaError(at(path, "its sound track is empty, or nothing of it decodes"))
    return Sound(np.nan_to_num(samples), reader.damaged, reader.packets)


def read_sound(path: str | Path, rate: int = 16_000, track: int = 0) -> Samples:
    """Read a whole sound track as mono; see `decode_sound`.

    Returns
    -------
    ndarray of float32, shape (N,)
        In [-1, 1]; 0 where the file has no sound.

    Raises
    ------
    MediaError
        As `decode_sound`.
    """
    return decode_sound(path, rate, track).samples


def sixteen_bits(samples: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """Samples as `write_sound` keeps them: what came from 16 bits comes back the same."""
    whole = np.rint(np.asarray(samples, np.float64) * _SCALE)
    return np.clip(whole, -_SCALE, _SCALE - 1).astype(np.int16)


def write_sound(path: str | Path, samples: npt.ArrayLike, rate: int = 16_000) -> None:
    """Write mono sound as FLAC of 16 bits, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file; its name ends in ``.flac``.
    samples : array_like, shape (N,)
        In [-1, 1]; what is beyond is clipped.
    rate : int
        Samples a second.

    Raises
    ------
    DataError
        When the folder cannot be written or the disk is full.
    """
    whole = sixteen_bits(samples)
    with (
        atomic_path(path) as temporary,
        av.open(f"file:{temporary}", "w", format="flac") as out,
    ):
        stream = out.add_stream("flac", rate=rate)
        stream.codec_context.layout, stream.codec_context.format = "mono", "s16"
        for first in range(0, len(whole), _BLOCK):
            block = whole[None, first : first + _BLOCK]
            frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
            frame.sample_rate, frame.pts = rate, first
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
