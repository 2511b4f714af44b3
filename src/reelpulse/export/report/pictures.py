"""What a page shows of the video: a link that a browser can play, thumbnails, small clips."""

from __future__ import annotations

import base64
import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import MediaError
from reelpulse.media import RegularTicks, Tick, TickReader, VideoFacts, probe
from reelpulse.media.probe import fingerprint, open_container, video_stream
from reelpulse.media.video import FrameReader
from reelpulse.timeline import Moment

log = logging.getLogger(__name__)

Image = npt.NDArray[np.uint8]

THUMB_WIDTH = 320
_JPEG_QUALITY = 78
_MOST_LEVELS_UP = 3
"""A page further from its video than this is likely to travel without it."""

_CLIP_HEIGHT, _CLIP_FPS, _CLIP_RATE = 360, 25, 44_100
_LONGEST_CLIP = 30.0
_MOST_CLIPS = 20
"""More clips than this would make a page too large to open."""

_ENCODERS = (
    ("mp4", "video/mp4", "audio/mp4", "libx264", "aac"),
    ("mp4", "video/mp4", "audio/mp4", "libopenh264", "aac"),
    ("webm", "video/webm", "audio/webm", "libvpx", "libopus"),
)
"""Container, its two names on the web, and encoders of picture and sound; the first at hand."""

_CONTAINERS = ("mp4", "webm", "ogg", "mp3", "wav", "flac", "aac")
_SUFFIXES_OF_WEBM = (".webm", ".weba")
_PICTURES = {"h264", "vp8", "vp9", "av1", "libdav1d", "theora"}
_SOUNDS = {"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac"}
_EIGHT_BITS = {"yuv420p", "yuvj420p", "nv12"}


@dataclass(frozen=True)
class Source:
    """The video of a timeline, as a page can use it.

    Parameters
    ----------
    facts : VideoFacts or None
        None where the file is gone, or another one lies in its place.
    playable : bool
        Whether browsers play it.
    link : str
        URL, relative to the page where that is near.
    near : bool
        Whether the link is relative.
    """

    facts: VideoFacts | None
    playable: bool = False
    link: str = ""
    near: bool = False

    @property
    def shows(self) -> bool:
        """Whether there are pictures, not sound alone."""
        return self.facts is not None and self.facts.video


def find_source(video: dict[str, Any], page: Path) -> Source:
    """Look for the video that a timeline was measured from.

    Parameters
    ----------
    video : dict
        ``timeline.meta["video"]``.
    page : Path
        Where the page will lie.
    """
    path = Path(str(video.get("path") or ""))
    try:
        if not video.get("path") or not path.is_file():
            if video.get("path"):
                log.warning("%s: is not there any more; the report is without pictures", path)
            return Source(None)
        if video.get("fingerprint") and fingerprint(path) != video["fingerprint"]:
            log.warning("%s: is another file than the one measured; the report leaves it out", path)
            return Source(None)
        facts = probe(path)
        playable = _plays(path)
    except (MediaError, OSError) as error:
        log.debug("the report does without the video: %s", error)
        return Source(None)
    link, near = link_to(path, page)
    return Source(facts, playable, link, near)


def link_to(video: Path, page: Path) -> tuple[str, bool]:
    """URL of a file for a page: relative within three levels up, else absolute.

    Returns
    -------
    tuple of (str, bool)
        The URL, quoted, and whether it is relative.
    """
    video, folder = video.absolute(), page.absolute().parent
    try:
        relative = Path(os.path.relpath(video, folder))
    except ValueError:  # another drive
        return video.as_uri(), False
    if relative.parts.count("..") > _MOST_LEVELS_UP:
        return video.as_uri(), False
    # With "./" a name such as "a:b.mp4" is no scheme; bytes, for names that are no UTF-8.
    return "./" + quote(os.fsencode(relative.as_posix())), True


def _plays(path: Path) -> bool:
    """Whether a usual browser plays a file: by its container, codecs and pixels."""
    with open_container(path) as container:
        names = container.format.name.split(",")
        if "webm" in names and path.suffix.lower() not in _SUFFIXES_OF_WEBM:
            return False
        film, sounds = video_stream(container), container.streams.audio
        if film is not None:
            codec = film.codec_context
            if codec.name not in _PICTURES:
                return False
            if codec.name == "h264" and codec.pix_fmt not in _EIGHT_BITS:
                return False
        pcm = "wav" in names
        return any(name in names for name in _CONTAINERS) and all(
            sound.codec_context.name in _SOUNDS or (pcm and sound.codec_context.name[:3] == "pcm")
            for sound in sounds[:1]
        )


def thumbnails(source: Source, moments: Sequence[Moment]) -> list[str]:
    """Data URIs of the frames on screen at the peaks; empty text where there is none."""
    if source.facts is None or not source.facts.video:
        return ["" for _ in moments]
    return [_thumbnail(source.facts, moment.peak) for moment in moments]


def _thumbnail(facts: VideoFacts, time: float) -> str:
    reader = FrameReader(facts.path, facts, RegularTicks(1.0, time, time + 0.5))
    try:
        _, picture = next(iter(reader), (0, None))
        if picture is None:
            return ""
        image = picture.rgb
    except (MediaError, av.error.FFmpegError, OSError, ValueError) as error:
        log.debug("%s: no picture at %.1f s: %s", facts.path, time, error)
        return ""
    finally:
        reader.close()
    height, width = image.shape[:2]
    size = (THUMB_WIDTH, max(1, round(height * THUMB_WIDTH / width)))
    if size[1] > size[0]:
        size = (max(1, round(size[0] * size[0] / size[1])), size[0])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data_uri("image/jpeg", jpeg.tobytes()) if done else ""


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as a URL that carries them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def clips(source: Source, moments: Sequence[Moment], proxies: str, track: int) -> list[str]:
    """Small clips of the moments as data URIs, where the page needs them.

    Parameters
    ----------
    source : Source
    moments : sequence of Moment
    proxies : str
        ``always``, ``never``, or ``auto``: where the video does not play or lies far away.
    track : int
        Which sound track.

    Returns
    -------
    list of str
        One a moment, empty where none could be made; an empty list where none are needed.
    """
    if source.facts is None or proxies == "never":
        return []
    if proxies == "auto" and source.playable and source.near:
        return []
    found = [_clip(source.facts, moment, track) for moment in moments[:_MOST_CLIPS]]
    return [*found, *("" for _ in moments[_MOST_CLIPS:])]


def _clip(facts: VideoFacts, moment: Moment, track: int) -> str:
    for form, film_kind, sound_kind, *codecs in _ENCODERS:
        if not all(_encodes(name) for name in codecs):
            continue
        try:
            data = _encoded(facts, moment, track, form, *codecs)
        except (MediaError, av.error.FFmpegError, OSError, ValueError) as error:
            log.debug("%s: no clip at %.1f s: %s", facts.path, moment.clip_start, error)
            continue
        return data_uri(film_kind if facts.video else sound_kind, data) if data else ""
    return ""


def _encodes(codec: str) -> bool:
    try:
        av.codec.Codec(codec, "w")
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _encoded(
    facts: VideoFacts, moment: Moment, track: int, form: str, film_codec: str, sound_codec: str
) -> bytes:
    """Decode what a moment's clip holds, and encode it small."""
    start = moment.clip_start
    end = min(moment.clip_end, start + _LONGEST_CLIP)
    chunk = _CLIP_RATE // _CLIP_FPS
    clock = RegularTicks(_CLIP_FPS, start, end)
    sound = {_CLIP_RATE: chunk / _CLIP_RATE} if facts.sound_tracks else {}
    track = track if track < len(facts.sound_tracks) else 0
    ticks = TickReader(
        facts.path, facts, clock, pictures=facts.video, sound=sound, audio_track=track
    )
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        film: Any = None
        hum: Any = None
        if facts.video:
            film = container.add_stream(film_codec, rate=_CLIP_FPS)
            film.width, film.height = _even_size(facts.width, facts.height)
            film.pix_fmt, film.bit_rate = "yuv420p", 500_000
            if film_codec == "libx264":
                film.bit_rate, film.options = 0, {"crf": "29", "preset": "veryfast"}
        if sound:
            hum = container.add_stream(sound_codec, rate=48_000, layout="mono")
            hum.bit_rate = 64_000
        count = 0
        for count, tick in enumerate(ticks, 1):  # noqa: B007  counted
            for stream, frame in _frames(tick, film, hum, chunk):
                container.mux(stream.encode(frame))
        for stream in (film, hum):
            if stream is not None and count:
                container.mux(stream.encode(None))
        if not count:
            return b""
    return buffer.getvalue()


def _frames(tick: Tick, film: Any, hum: Any, chunk: int) -> Iterator[tuple[Any, Any]]:
    """The frames to encode of one tick; its sound is what was heard just before it."""
    if film is not None:
        image = tick.image
        if image is None:
            small: Image = np.zeros((film.height, film.width, 3), np.uint8)
        else:
            small = np.asarray(
                cv2.resize(image, (film.width, film.height), interpolation=cv2.INTER_AREA), np.uint8
            )
        frame = av.VideoFrame.from_ndarray(small, format="rgb24")
        frame.pts = tick.index
        yield film, frame
    if hum is not None and tick.index:
        samples = np.nan_to_num(tick.sound(_CLIP_RATE, chunk / _CLIP_RATE))
        heard = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        heard.sample_rate, heard.pts = _CLIP_RATE, (tick.index - 1) * chunk
        yield hum, heard


def _even_size(width: int, height: int) -> tuple[int, int]:
    """No higher than a clip may be, with even sides, as the encoders want them."""
    scale = min(1.0, _CLIP_HEIGHT / max(1, min(width, height)))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
