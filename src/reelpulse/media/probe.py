"""What a file is, before anything is decoded."""

from __future__ import annotations

import difflib
import hashlib
import logging
import math
import os
import re
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error

from reelpulse.errors import MediaError, at

log = logging.getLogger(__name__)

_ADDRESS = re.compile("[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_MOST_NAMES = 2000
"""Names of a folder looked at for one like that of a missing file."""

_EDGE_BYTES = 1 << 16
_MOST_SECONDS = 1e6
_LATE_START_SECONDS = 1.0
_END_SECONDS = 60.0


@dataclass(frozen=True)
class VideoFacts:
    """Facts of a video file.

    `duration` is what the container states, or the end of the last packet where it states none;
    `start` is the container's own start in seconds, which is subtracted from all its times;
    `width` and `height` are as shown: square pixels, rotated upright.
    """

    path: str
    name: str
    size: int
    fingerprint: str
    format: str
    duration: float
    start: float
    video: bool
    width: int
    height: int
    rate: float
    codec: str
    rotation: int
    timecode: str
    sound_tracks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a file's metadata; the path made absolute."""
        path = str(Path(self.path).absolute())
        return {**asdict(self), "path": path, "sound_tracks": list(self.sound_tracks)}


def open_container(path: str | Path) -> Any:
    """Open a media file with PyAV; every failure becomes one MediaError.

    Returns
    -------
    av.container.InputContainer
        To be closed by the caller.
    """
    path = Path(path)
    if path.is_dir():
        raise MediaError(at(path, "is a folder; give the video files inside it"))
    if not path.exists():
        raise MediaError(at(path, _missing(path)))
    try:
        if path.stat().st_size == 0:
            raise MediaError(at(path, "is empty (0 bytes); copy or record it again"))
        # As "file:…", so that a name with a colon or a leading dash is still a file's name.
        return av.open(f"file:{path}", metadata_errors="replace")
    except PermissionError:
        raise MediaError(at(path, "cannot be read: permission denied")) from None
    except (av.error.FFmpegError, OSError, ValueError, UnicodeError) as error:
        if _lacks_index(path):
            problem = (
                "its index (moov) is missing: the recording was cut off before it was closed;"
                " a repair tool such as untrunc can rebuild it from a good file of the same camera"
            )
        else:
            problem = f"is not a video or sound file that FFmpeg can read ({_plain(error)})"
        raise MediaError(at(path, problem)) from None


def _missing(path: Path) -> str:
    """Say that a file is not there, and what may have been meant."""
    if _ADDRESS.match(str(path)):
        return "is an address, and only files are analysed: download the video and give its file"
    try:
        entries = islice(os.scandir(path.parent), _MOST_NAMES)
        names = [entry.name for entry in entries if entry.name != path.name]  # a dangling link
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"no such file; did you mean {near[0]}?" if near else "no such file"


def _plain(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).lower().rstrip(".")


def _lacks_index(path: Path) -> bool:
    """Whether this is an MP4 or MOV file whose top level has no ``moov``."""
    try:
        with open(path, "rb") as file:
            size = path.stat().st_size
            seen: set[bytes] = set()
            while (head := file.read(8)) and len(head) == 8 and len(seen) < 64:
                length, kind = int.from_bytes(head[:4], "big"), head[4:]
                seen.add(kind)
                if length == 1:
                    length = int.from_bytes(file.read(8), "big") - 8
                if length < 8 or file.tell() - 8 + length > size:
                    break
                file.seek(length - 8, 1)
    except OSError:
        return False
    return b"ftyp" in seen and b"moov" not in seen


def video_stream(container: Any) -> Any | None:
    """The film of a container: its best video stream, cover pictures passed over."""
    streams = [s for s in container.streams.video if s.codec_context and not _is_cover(s)]
    if not streams:
        return None
    best = container.streams.best("video")
    return best if best in streams else streams[0]


def sound_streams(container: Any) -> list[Any]:
    """The sound tracks of a container that can be decoded."""
    return [stream for stream in container.streams.audio if stream.codec_context]


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def fingerprint(path: Path, size: int | None = None) -> str:
    """Name a file's content, or that of its first `size` bytes, by its size and its ends of 64 KiB.

    Six hours of recording are not read through to be recognised; two files that differ only in the
    middle and have one size do not occur among encoded videos.
    """
    size = path.stat().st_size if size is None else size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        digest.update(file.read(min(size, _EDGE_BYTES)))
        file.seek(max(0, size - _EDGE_BYTES))
        digest.update(file.read(min(size, _EDGE_BYTES)))
    return digest.hexdigest()[:16]


class VideoReplaced(MediaError):
    """Another file has come in a video's place."""


def check_unchanged(path: str | Path, facts: VideoFacts) -> None:
    """Check that the file is still the one that `probe` saw; one that has only grown is.

    Raises
    ------
    VideoReplaced
        When another has come in its place.
    """
    try:
        same = fingerprint(Path(path), facts.size) == facts.fingerprint
    except OSError:
        same = True  # moved away or deleted: what was open was read to its end
    if not same:
        raise VideoReplaced(at(path, "was replaced while it was analysed; run again"))


def probe(path: str | Path) -> VideoFacts:
    """Read a file's facts.

    Raises
    ------
    MediaError
        When it cannot be opened, or has neither a picture nor sound.
    """
    path = Path(path)
    with open_container(path) as container:
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise MediaError(at(path, "is a picture; a photo of the person goes after --person"))
        film = video_stream(container)
        tracks = enumerate(sound_streams(container))
        sounds = [_track_name(stream, number) for number, stream in tracks]
        if film is None and not sounds:
            raise MediaError(at(path, "has neither a video nor a sound stream"))
        width = height = rotation = 0
        if film is not None:
            width, height, rotation = _shown_size(path, container, film)
        timecode = container.metadata.get("timecode", "")
        if film is not None:
            timecode = film.metadata.get("timecode", timecode)
        return VideoFacts(
            path=str(path),
            name=path.name,
            size=path.stat().st_size,
            fingerprint=fingerprint(path),
            format=container.format.name,
            duration=_duration(path, container) or _scanned_duration(path),
            start=(container.start_time or 0) / av.time_base,
            video=film is not None,
            width=width,
            height=height,
            rate=float(film.average_rate or film.guessed_rate or 0) if film is not None else 0.0,
            codec=film.codec_context.name if film is not None else "",
            rotation=rotation,
            timecode=timecode,
            sound_tracks=tuple(sounds),
        )


def _track_name(stream: Any, number: int) -> str:
    """Name a sound track; the number is that of ``--audio-track``."""
    parts = [stream.metadata.get("title", ""), stream.metadata.get("language", "")]
    return " ".join(part for part in parts if part and part != "und") or f"track {number}"


def _duration(path: Path, container: Any) -> float:
    """Seconds that the container states, from its start; 0 where it states none that can be."""
    stated = (container.duration or 0) / av.time_base
    start = (container.start_time or 0) / av.time_base
    if not 0 < stated < _MOST_SECONDS:
        return 0.0
    if "matroska" in container.format.name and start >= _LATE_START_SECONDS:
        # Some writers state where the last frame ends, others how long all lasts.
        seen = _scanned_duration(path, after=max(start, stated - _END_SECONDS))
        if seen and abs(start + seen - stated) < abs(seen - stated):
            return float(stated - start)
    return float(stated)


def _scanned_duration(path: Path, after: float = 0.0) -> float:
    """Find where the last packet ends, by reading packets from `after` on without decoding."""
    last = 0.0
    with open_container(path) as container:
        first = (container.start_time or 0) / av.time_base if after else math.inf
        try:
            if after:
                container.seek(int(after * av.time_base), backward=True)
            for packet in container.demux():
                if packet.pts is not None:
                    time = float(packet.pts * packet.time_base)
                    first = min(first, time)
                    last = max(last, time + float((packet.duration or 0) * packet.time_base))
        except av.error.FFmpegError as error:
            log.debug("%s: packets end early: %s", path, error)
    return max(0.0, last - first) if first < math.inf else 0.0


def _shown_size(path: Path, container: Any, film: Any) -> tuple[int, int, int]:
    """Decode up to the first picture: only it knows the rotation."""
    rotation = 0
    width, height = film.codec_context.width, film.codec_context.height
    try:
        for frame in container.decode(film):
            rotation, width, height = frame.rotation, frame.width, frame.height
            break
    except av.error.FFmpegError as error:
        log.debug("%s: the first picture does not decode: %s", path, error)
    width = square_width(width, film.sample_aspect_ratio)
    return (height, width, rotation) if rotation % 180 else (width, height, rotation)


def square_width(width: int, aspect: Any) -> int:
    """Width of a picture whose pixels are made square by stretching across."""
    ratio = float(aspect) if aspect else 1.0
    return max(1, round(width * ratio)) if 0.1 <= ratio <= 10 else width
