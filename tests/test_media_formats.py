"""Every container and codec: the picture on screen, the sound beside it, and starting midway."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scipy.signal import correlate

from films import (
    WRAP_SECONDS,
    Array,
    Sound,
    decode_all,
    make_video,
    noise,
    on_screen,
    painted,
    read_number,
)
from reelpulse.media import Clock, EvenTicks, RegularTicks, Tick, TickReader, VideoFacts, probe, rms
from reelpulse.media.video import FrameReader

RATE = 22_050
SECONDS = 6
TEN_BIT = {"codec": "libx265", "pix_fmt": "yuv420p10le"}
AAC, OPUS = Sound(wave=noise), Sound("libopus", wave=noise)
COPY_TIMES = {"mpegts_copyts": "1"}
KEEP_TIMES = {"avoid_negative_ts": "disabled"}

FILES: dict[str, dict[str, Any]] = {
    "h264.mp4": {"sounds": [AAC]},
    "h264.mkv": {"sounds": [Sound("flac", wave=noise)]},
    "h264.mov": {"sounds": [Sound("pcm_s16le", wave=noise)]},
    "h264.flv": {"sounds": [AAC]},
    "h264.ts": {"sounds": [AAC]},
    "fragments.mp4": {
        "sounds": [AAC],
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "open-gop.mkv": {"options": {"x264-params": "open-gop=1:bframes=4:b-pyramid=strict"}},
    "no-keyframes.mkv": {"gop": 10_000, "sounds": [AAC]},
    "ten-bit-hevc.mp4": {**TEN_BIT, "sounds": [AAC]},
    "ten-bit-hevc.mkv": {**TEN_BIT, "sounds": [OPUS]},
    "ten-bit-hevc.ts": TEN_BIT,
    "vp9.webm": {"codec": "libvpx-vp9", "sounds": [OPUS]},
    "vp9.mp4": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1", "sounds": [AAC]},
    "av1.mkv": {"codec": "libsvtav1", "sounds": [OPUS]},
    "mpeg4.avi": {"codec": "mpeg4", "b_frames": 0, "sounds": [Sound("pcm_s16le", wave=noise)]},
    "b-frames.avi": {"codec": "mpeg4", "b_frames": 2},
    "mpeg4.mp4": {"codec": "mpeg4", "b_frames": 2, "sounds": [AAC]},
    "mpeg4.mov": {"codec": "mpeg4", "b_frames": 2},
    "mpeg2.ts": {"codec": "mpeg2video", "sounds": [AAC]},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "ntsc.mp4": {"fps": Fraction(30_000, 1001), "sounds": [AAC]},
    "ntsc.mkv": {"fps": Fraction(30_000, 1001)},
    "late-film.mp4": {"start": 1.5, "sounds": [AAC]},
    "late-film.mkv": {"start": 1.5, "sounds": [AAC]},
    "late-film.ts": {"start": 1.5, "sounds": [AAC]},
    "late-sound.mkv": {"sounds": [Sound(wave=noise, start=1.5)]},
    "cut-by-edit-list.mp4": {"offset": -0.52, "sounds": [AAC], "container_options": KEEP_TIMES},
    "cut-between-keyframes.mp4": {"offset": -2.32, "container_options": KEEP_TIMES},
    "from-100-s.ts": {"offset": 100, "sounds": [AAC], "container_options": COPY_TIMES},
    "from-100-s.mkv": {"offset": 100, "sounds": [AAC]},
    "from-100-s.mp4": {"offset": 100, "sounds": [AAC]},
    "wrap-at-1.7-s.ts": {
        "offset": int(WRAP_SECONDS) - 1,
        "sounds": [AAC],
        "container_options": COPY_TIMES,
    },
}


@dataclass(frozen=True)
class Made:
    """A file, and what decoding every frame of it says."""

    path: Path
    facts: VideoFacts
    what: dict[str, Any]
    times: Array
    numbers: list[int]

    @property
    def end(self) -> float:
        return float(self.times[-1] + 1 / self.what.get("fps", 25))

    def expected(self, clock: Clock) -> list[tuple[float, int | None]]:
        times = [clock.time(i) for i in range(1000) if clock.has(i)]
        return [(t, on_screen(self.times, self.numbers, t)) for t in times if t < self.end - 1e-6]


@pytest.fixture(scope="module", params=list(FILES))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    what = {"seconds": SECONDS, **FILES[request.param]}
    path = make_video(tmp_path_factory.mktemp("formats") / request.param, **what)
    return Made(path, probe(path), what, *decode_all(path))


def shown(ticks: Iterable[Tick]) -> list[tuple[float, int | None]]:
    return [(t.time, None if t.image is None else read_number(t.image)) for t in ticks]


@pytest.mark.parametrize(
    "clock", [RegularTicks(2), RegularTicks(50), EvenTicks(15, 0.3, 5.4)], ids=["2", "50", "even"]
)
def test_each_tick_shows_the_frame_on_screen(made: Made, clock: Clock) -> None:
    expected = made.expected(clock)
    assert shown(TickReader(made.path, made.facts, clock)) == expected
    assert len(expected) >= 7


def test_the_clock_starts_where_players_start(made: Made) -> None:
    offset = made.what.get("offset", 0)
    planned = made.what.get("start", 0)
    if made.numbers[0] > 0:  # an edit list cut the beginning off
        assert made.numbers[0] == round(-offset * 25)
    assert made.times[0] == pytest.approx(planned, abs=0.1)
    assert made.facts.duration == pytest.approx(made.end, abs=0.1)
    rate = float(made.what.get("fps", 25))
    planned_times = planned + (np.array(made.numbers) - made.numbers[0]) / rate
    np.testing.assert_allclose(made.times - made.times[0], planned_times - planned, atol=0.0015)


@pytest.mark.parametrize("first", [1, 5, 9])
def test_starting_midway_changes_nothing(made: Made, first: int) -> None:
    clock, sound = RegularTicks(2), {RATE: 1.0}
    whole = list(TickReader(made.path, made.facts, clock, sound=sound))
    part = list(TickReader(made.path, made.facts, clock, sound=sound, first=first))
    assert shown(part) == shown(whole[first:])
    for tick, same in zip(part, whole[first:], strict=True):
        if tick.image is not None:
            np.testing.assert_array_equal(tick.image, same.image)
        halves = [(t.sound(RATE, 1.0)[-n:]) for t in (tick, same) for n in (RATE // 2, RATE)]
        loudness = [rms(samples) for samples in halves]
        np.testing.assert_allclose(loudness[:2], loudness[2:], atol=1e-3)


@pytest.mark.parametrize("made", [name for name in FILES if "sounds" in FILES[name]], indirect=True)
def test_sound_is_in_step_with_the_pictures(made: Made) -> None:
    clock = RegularTicks(2, start=3.0, end=5.0)
    # Seconds from the planned zero to the file's: what both pictures and sound were moved by.
    moved = made.times[0] - made.numbers[0] / float(made.what.get("fps", 25))
    moved -= made.what.get("start", 0)
    checked = 0
    for tick in TickReader(made.path, made.facts, clock, sound={RATE: 0.5}):
        samples, end = tick.sound(RATE, 0.5), round((tick.time - moved) * RATE)
        span = RATE // 20
        truth = noise(np.arange(end - len(samples) - span, end + span) / RATE)
        alike = correlate(truth, samples, mode="valid")
        late = (int(np.argmax(alike)) - span) / RATE
        assert abs(late) <= 0.0015, f"sound is {late * 1000:.1f} ms beside the pictures"
        checked += 1
    assert checked == 4


def test_frames_are_skipped_where_that_is_possible(made: Made) -> None:
    with av.open(str(made.path)) as container:
        kinds = {int(frame.pict_type) for frame in container.decode(video=0)}
    b_frames = 3 in kinds
    assert b_frames == ("h264" in made.facts.codec or "hevc" in made.facts.codec) or (
        made.facts.codec == "mpeg4"
    )
    reader = FrameReader(made.path, made.facts, RegularTicks(1))
    assert len(list(reader)) >= 4
    timed = made.path.suffix != ".avi"  # else it cannot be told which frames a tick needs
    if (b_frames and timed) or made.facts.codec == "mjpeg":
        assert reader.decoded < 0.8 * len(made.times)
    assert reader.decoded <= len(made.times)


# Times that need care


def test_a_wrap_far_from_the_start_is_undone(tmp_path: Path) -> None:
    sound = Sound(rate=22_050, wave=noise)
    path = make_video(
        tmp_path / "x.ts",
        fps=5,
        seconds=80,
        size=(64, 48),
        gop=25,
        offset=WRAP_SECONDS - 70,
        sounds=[sound],
        container_options=COPY_TIMES,
    )
    facts, late = probe(path), decode_all(path)[0][0]
    assert facts.duration == pytest.approx(80, abs=0.3)
    assert late < 0.5
    for first in (0, 135, 150):
        ticks = list(TickReader(path, facts, RegularTicks(2), first=first, sound={RATE: 0.5}))
        assert [tick.index for tick in ticks][: 160 - first] == list(range(first, 160))
        assert ticks[-1].time <= 80
        for tick in ticks[1:]:
            assert read_number(tick.image) == int(5 * (tick.time - late) + 1e-3)
            if tick.time >= 1:
                assert rms(tick.sound(RATE, 0.5)) == pytest.approx(0.18, abs=0.03)


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.ts"])
def test_thirty_thousand_over_1001_does_not_drift(tmp_path: Path, name: str) -> None:
    rate = Fraction(30_000, 1001)
    path = make_video(tmp_path / name, fps=rate, seconds=100, size=(64, 48))
    real, numbers = decode_all(path)
    np.testing.assert_allclose(real - real[0], np.arange(len(real)) / float(rate), atol=0.001)
    ticks = list(TickReader(path, probe(path), RegularTicks(0.5)))
    for tick in ticks:
        assert read_number(tick.image) == on_screen(real, numbers, tick.time)
    assert len(ticks) == 50


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.webm", "x.ts", "x.flv", "x.mov"])
@pytest.mark.parametrize("seed", [1, 2])
def test_variable_frame_rate(tmp_path: Path, name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    steps = random.choice(
        [0.004, 0.017, 0.033, 0.04, 0.25, 1.3], 60, p=[0.2, 0.2, 0.3, 0.2, 0.07, 0.03]
    )
    times = np.round(np.concatenate([[0], np.cumsum(steps)]), 3)
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = make_video(tmp_path / name, codec=codec, times=times, gop=15)
    real, numbers = decode_all(path)
    assert numbers == list(range(len(times)))
    facts = probe(path)
    for clock in (RegularTicks(2), RegularTicks(30), EvenTicks(15, 0.1, float(times[-1]))):
        for first in (0, 7):
            ticks = list(TickReader(path, facts, clock, first=first))
            inside = [tick for tick in ticks if tick.time < real[-1]]
            assert len(inside) == sum(
                clock.has(i) and clock.time(i) < real[-1] for i in range(first, 2000)
            )
            assert shown(inside) == [(t.time, on_screen(real, numbers, t.time)) for t in inside]


def test_frames_without_times_of_showing_follow_one_another(tmp_path: Path) -> None:
    """AVI keeps the order of decoding alone; decoders give H.264 out in order of showing."""
    path = make_video(tmp_path / "x.avi", seconds=4)
    numbers = [number for _, number in shown(TickReader(path, probe(path), RegularTicks(25)))]
    late = numbers.index(0)
    assert late <= 3
    assert numbers[late:100] == list(range(100 - late))


# Shapes


def set_rotation(path: Path, clockwise: int) -> None:
    """Write the matrix of a track's header, as a phone does that was held on its side."""
    one = 1 << 16
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    matrix = [cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in matrix)
    path.write_bytes(content)


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
@pytest.mark.parametrize("aspect", [None, Fraction(4, 3)])
def test_pictures_are_upright_with_square_pixels(
    tmp_path: Path, clockwise: int, aspect: Fraction | None
) -> None:
    def paint(number: int, size: tuple[int, int]) -> Array:
        """What must be turned clockwise to be upright."""
        width, height = size if clockwise % 180 == 0 else size[::-1]
        return np.ascontiguousarray(np.rot90(painted(number, (width, height)), clockwise // 90))

    path = make_video(tmp_path / "x.mp4", seconds=2, size=(144, 96), aspect=aspect, paint=paint)
    set_rotation(path, clockwise)
    facts = probe(path)
    stored = (96, 192 if aspect else 144)
    height, width = stored[::-1] if clockwise % 180 else stored
    assert (facts.height, facts.width) == (height, width)
    ticks = list(TickReader(path, facts, RegularTicks(5)))
    assert [tick.image.shape for tick in ticks if tick.image is not None] == 10 * [
        (height, width, 3)
    ]
    assert [number for _, number in shown(ticks)] == [5 * i for i in range(10)]


def test_non_square_pixels_in_matroska(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mkv", seconds=1, size=(144, 96), aspect=Fraction(4, 3))
    facts = probe(path)
    assert (facts.width, facts.height) == (192, 96)
    (tick,) = TickReader(path, facts, RegularTicks(1))
    assert tick.image is not None
    assert tick.image.shape == (96, 192, 3)


# Names


NAMES = [
    unicodedata.normalize("NFC", "한국어 방송 다시보기.mp4"),
    unicodedata.normalize("NFD", "한국어 방송 다시보기.mp4"),
    "12:30 stream.mp4",
    "100%d of #1?.mp4",
    "it's \"quoted\" [x] 'y'.mp4",
    "x" * 240 + ".mp4",
    "-dash.mp4",
    "http:.mp4",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_only_a_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_video(tmp_path / "plain.mp4", seconds=2, sounds=[AAC])
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, Path(name)):
        facts = probe(path)
        assert facts.name == name
        assert shown(TickReader(path, facts, RegularTicks(2), sound={RATE: 0.5})) == [
            (0.0, 0),
            (0.5, 12),
            (1.0, 25),
            (1.5, 37),
        ]
    assert [path.name for path in tmp_path.iterdir()] == [name]
