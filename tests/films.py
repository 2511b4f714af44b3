"""Small media made on the spot, whose every frame and every second of sound is known.

Each frame of a film carries its own number as a grid of black and white blocks, so that a test can
tell which frame a picture is; each sound track is a function of time.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

COLUMNS, ROWS = 4, 3
DARK, BRIGHT = 30, 225
WRAP_SECONDS = (1 << 33) / 90_000
SILENT_ENCODERS = {
    "libx265": {"x265-params": "log-level=none"},
    "libsvtav1": {"preset": "10", "crf": "18", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libx264": {"preset": "veryfast"},
}
os.environ["SVT_LOG"] = "1"  # its encoder writes 20 lines otherwise
DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32}


# Sound


def level(second: Array | float) -> Array:
    """Amplitude of `steps` in a second: another for each of ten."""
    return 0.05 + 0.09 * (np.floor(second) * 3 % 10)


def steps(time: Array) -> Array:
    """A tone of 440 Hz whose amplitude changes each second; its RMS is ``level / sqrt(2)``."""
    return np.asarray(level(time) * np.sin(2 * np.pi * 440 * time))


def noise(time: Array) -> Array:
    """Sound that differs at every moment: below 4 kHz, so that every codec keeps it."""
    random = np.random.default_rng(5)
    out = np.zeros(len(time))
    for frequency, phase in zip(
        random.uniform(150, 3500, 40), random.uniform(0, 7, 40), strict=True
    ):
        out += np.sin(2 * np.pi * (frequency + 2 * time) * time + phase)
    return out / 25


@dataclass(frozen=True)
class Sound:
    """A sound track: `wave` of the seconds since the film's planned zero."""

    codec: str = "aac"
    rate: int = 48_000
    channels: int = 1
    start: float = 0.0
    end: float | None = None
    gap: tuple[float, float] = (0.0, 0.0)
    wave: Callable[[Array], Array] = steps
    title: str = ""
    bit_rate: int = 192_000

    def frames(self, end: float, offset: float) -> Iterator[tuple[float, Any]]:
        end, size = self.end or end, 960
        layout, form = "mono" if self.channels == 1 else "stereo", self._format()
        first = round(self.start * self.rate)
        for at in range(first, round(end * self.rate), size):
            time = at / self.rate
            if self.gap[0] <= time < self.gap[1]:
                continue
            count = min(size, round(end * self.rate) - at)
            samples = self.wave((at + np.arange(count)) / self.rate)
            frame = av.AudioFrame.from_ndarray(self._packed(samples, form), form, layout)
            frame.sample_rate, frame.time_base = self.rate, Fraction(1, self.rate)
            frame.pts = at + round(offset * self.rate)
            yield time, frame

    def _format(self) -> str:
        plain = {"pcm_u8": "u8", "pcm_s16le": "s16", "pcm_s24le": "s32", "pcm_f32le": "flt"}
        return plain.get(self.codec, "s16" if self.codec in ("flac", "libopus") else "fltp")

    def _packed(self, samples: Array, form: str) -> Array:
        if form == "fltp":
            return np.repeat(samples[None].astype(np.float32), self.channels, axis=0)
        if form == "u8":
            samples = np.clip(samples * 128 + 128, 0, 255)
        elif form != "flt":
            samples = samples * (np.iinfo(DTYPES[form]).max + 1.0)
        return np.repeat(samples, self.channels)[None].round(9).astype(DTYPES[form])


# Pictures


def painted(number: int, size: tuple[int, int]) -> Array:
    """A grey picture that shows a number: block i is bright where bit i is set."""
    width, height = size
    bits = np.array([(number >> i) & 1 for i in range(COLUMNS * ROWS)]).reshape(ROWS, COLUMNS)
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return np.where(bits[rows][:, columns] > 0, BRIGHT, DARK).astype(np.uint8)


def read_number(image: Array) -> int:
    """The number a picture shows, whatever its size; fails on a picture that is none or a blend."""
    grey = np.asarray(image, float).reshape(*image.shape[:2], -1).mean(axis=2)
    height, width = grey.shape
    number = 0
    for i in range(COLUMNS * ROWS):
        row, column = divmod(i, COLUMNS)
        rows = slice(int((row + 0.3) * height / ROWS), int((row + 0.7) * height / ROWS))
        cut = slice(int((column + 0.3) * width / COLUMNS), int((column + 0.7) * width / COLUMNS))
        mean = grey[rows, cut].mean()
        assert mean < 85 or mean > 170, f"block {i} is neither dark nor bright: {mean:.0f}"
        number |= int(mean > 128) << i
    return number


@dataclass(frozen=True)
class Film:
    """What to put into a file; see `make_video`."""

    codec: str = "libx264"
    fps: Fraction | int = 25
    seconds: float = 4.0
    size: tuple[int, int] = (128, 96)
    times: Sequence[float] | None = None
    start: float = 0.0
    offset: float = 0.0
    sounds: Sequence[Sound] = ()
    rotation: int = 0
    aspect: Fraction | None = None
    pix_fmt: str = "yuv420p"
    gop: int = 40
    b_frames: int = 3
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    paint: Callable[[int, tuple[int, int]], Array] = painted

    def plan(self) -> list[float]:
        """When each frame is shown, in seconds since the planned zero; `times` at variable rate."""
        if self.times is not None:
            return list(self.times)
        count = round(self.seconds * self.fps)
        return [self.start + float(i / Fraction(self.fps)) for i in range(count)]

    def base(self) -> Fraction:
        return Fraction(1, 1000) if self.times is not None or self.start else 1 / Fraction(self.fps)

    def frames(self) -> Iterator[tuple[float, Any]]:
        base = self.base()
        for number, time in enumerate(self.plan()):
            picture = self.paint(number, self.size)
            if picture.ndim == 2:
                chroma = np.full((picture.shape[0] // 2, picture.shape[1]), 128, np.uint8)
                frame = av.VideoFrame.from_ndarray(np.concatenate([picture, chroma]), "yuv420p")
            else:
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if frame.format.name != self.pix_fmt:
                frame = frame.reformat(format=self.pix_fmt)
            frame.time_base, frame.pts = base, round((time + self.offset) / float(base))
            yield time, frame


def make_video(path: str | Path, **what: Any) -> Path:
    """Write a film, or sound alone with ``codec=""``; see `Film` for what can be asked for."""
    path, film = Path(path), Film(**what)
    path.parent.mkdir(parents=True, exist_ok=True)
    end = film.plan()[-1] + 1 / float(film.fps)
    with av.open(f"file:{path}", "w", options=dict(film.container_options)) as out:
        sources = []
        if film.codec:
            sources.append((_video_stream(out, film), film.frames()))
        for sound in film.sounds:
            stream: Any = out.add_stream(sound.codec, rate=sound.rate)
            stream.codec_context.layout = "mono" if sound.channels == 1 else "stereo"
            stream.codec_context.format = sound._format()
            if not sound.codec.startswith(("pcm", "flac")):
                stream.codec_context.bit_rate = sound.bit_rate
            if sound.title:
                stream.metadata["title"] = sound.title
            sources.append((stream, sound.frames(end, film.offset)))
        queues = [
            [(time, i, frame) for time, frame in frames] for i, (_, frames) in enumerate(sources)
        ]
        for _, i, frame in heapq.merge(*queues, key=lambda item: item[:2]):
            out.mux(sources[i][0].encode(frame))
        for stream, _ in sources:
            out.mux(stream.encode(None))
    return path


def _video_stream(out: Any, film: Film) -> Any:
    quiet = SILENT_ENCODERS.get(film.codec, {})
    stream = out.add_stream(film.codec, rate=film.fps, options={**quiet, **film.options})
    context = stream.codec_context
    context.width, context.height = film.size
    context.pix_fmt, context.gop_size = film.pix_fmt, film.gop
    context.time_base, context.thread_count = film.base(), 1
    if film.codec != "libsvtav1":
        context.bit_rate = 2_000_000
    if film.codec in ("libx264", "libx265", "mpeg4"):
        context.max_b_frames = film.b_frames
    if film.aspect is not None:
        context.sample_aspect_ratio = film.aspect
    if film.rotation:
        stream.set_display_rotation(film.rotation)
    return stream


def decode_all(path: str | Path) -> tuple[Array, list[int]]:
    """Times from the container's start and numbers of all frames, by decoding every one.

    Where a container keeps no times of showing (AVI), the order of decoding at an even pace does.
    """
    stamps, numbers = [], []
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        start, base = (container.start_time or 0) / av.time_base, float(stream.time_base)
        for frame in container.decode(stream):
            stamps.append((frame.pts, frame.dts))
            numbers.append(read_number(frame.to_ndarray(format="gray")))
    times = np.array([shown for shown, _ in stamps], float)
    if not (np.diff(times) > 0).all():
        times = stamps[0][1] + np.arange(len(stamps), dtype=float)
    return times * base - start, numbers


def on_screen(times: Array, numbers: Sequence[int], time: float) -> int | None:
    """Number of the last frame whose time is not after `time`."""
    index = int(np.searchsorted(times, time + 1e-6, side="right")) - 1
    return numbers[index] if index >= 0 else None
