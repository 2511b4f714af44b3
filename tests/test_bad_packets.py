"""Damage inside packets, and headers that lie: the rest is measured, on the right clock."""

from __future__ import annotations

import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Sound, make_video, read_number
from reelpulse.media import RegularTicks, TickReader, probe

SECONDS, BROKEN = 20, (8.0, 10.0)
"""Length of the films, and the seconds whose packets are damaged."""

KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "mpeg4.mp4": {"codec": "mpeg4", "b_frames": 0},
    "vp9.webm": {"codec": "libvpx-vp9", "sounds": [Sound("libopus")]},
    "vp9.mkv": {"codec": "libvpx-vp9", "sounds": [Sound("libopus")]},
}


def film(path: Path, **what: Any) -> Path:
    standard = {"seconds": SECONDS, "gop": 25, "sounds": [Sound()]}
    return make_video(path, **{**standard, **what})


def damage(path: Path, kind: str, span: tuple[float, float] = BROKEN) -> int:
    """Overwrite the inside of every third packet of one kind in a span; gives how many."""
    random, content = np.random.default_rng(2), bytearray(path.read_bytes())
    count = 0
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        start = (container.start_time or 0) / av.time_base
        for number, packet in enumerate(container.demux(stream)):
            if packet.pts is None or packet.pos is None or packet.pos < 0 or packet.size < 24:
                continue
            time = float(packet.pts * packet.time_base) - start
            if span[0] <= time < span[1] and number % 3 == 0:
                data = bytes(packet)
                at = content.find(data[8:20], packet.pos)
                assert at >= 0
                most = min(40, packet.size - 20)
                content[at + 4 : at + 4 + most] = random.bytes(most)
                count += 1
    path.write_bytes(content)
    return count


def numbers(path: Path) -> dict[float, int | None]:
    """The picture's number at each tick; None where it is none or a blend."""
    found: dict[float, int | None] = {}
    for tick in TickReader(path, probe(path), RegularTicks(2.0)):
        try:
            found[tick.time] = None if tick.image is None else read_number(tick.image)
        except AssertionError:
            found[tick.time] = None
    return found


@pytest.mark.parametrize("kind", list(KINDS))
def test_pictures_around_damaged_packets_stay_right(tmp_path: Path, kind: str) -> None:
    path = film(tmp_path / f"x{Path(kind).suffix}", **KINDS[kind])
    intact = numbers(path)
    assert len(intact) >= 2 * SECONDS
    assert damage(path, "video") > 5
    hurt = numbers(path)
    assert list(hurt) == list(intact)
    for time, number in intact.items():
        if not BROKEN[0] - 0.1 <= time < BROKEN[1] + 1.1:  # a key frame comes each second
            assert hurt[time] == number, time


@pytest.mark.parametrize("kind", list(KINDS))
def test_sound_around_damaged_packets_stays_right(loud: Command, tmp_path: Path, kind: str) -> None:
    path = film(tmp_path / f"x{Path(kind).suffix}", **KINDS[kind])
    intact = reelpulse.analyze(path, stream=["loudness"])
    assert damage(path, "audio") > 5
    ran = loud(path, "-o", "out")
    assert ran.code == 0
    hurt = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    np.testing.assert_array_equal(hurt.times, intact.times)
    loudness = hurt.column("loudness")
    around = (intact.times < BROKEN[0] - 0.1) | (intact.times > BROKEN[1] + 1.1)
    np.testing.assert_allclose(loudness[around], intact.column("loudness")[around], atol=1e-3)
    inside = loudness[np.isfinite(loudness)]
    assert ((inside >= 0) & (inside <= 1)).all()


@pytest.mark.parametrize("kind", list(KINDS))
def test_damaged_pictures_are_said(tmp_path: Path, kind: str) -> None:
    path = film(tmp_path / f"x{Path(kind).suffix}", **KINDS[kind])
    facts = probe(path)
    reader = TickReader(path, facts, RegularTicks(25.0))
    count = len(list(reader))
    assert count >= 25 * SECONDS
    assert reader.warnings == []
    assert damage(path, "video") > 5
    reader = TickReader(path, facts, RegularTicks(25.0))
    assert len(list(reader)) == count
    (line,) = reader.warnings
    assert line.startswith(path.name)
    assert "damaged" in line
    assert "0:0" in line or "0:1" in line, "where it is"


@pytest.mark.parametrize("kind", ["h264.mp4", "h264.mkv", "vp9.webm"])
def test_damage_in_a_batch_stops_nobody(loud: Command, tmp_path: Path, kind: str) -> None:
    first, last = film(tmp_path / "a.mp4", seconds=4), film(tmp_path / "z.mp4", seconds=4)
    path = film(tmp_path / f"x{Path(kind).suffix}", **KINDS[kind])
    damage(path, "audio", (0.0, SECONDS))
    damage(path, "video", (0.0, SECONDS))
    ran = loud(first, path, last, "-o", "out")
    assert (tmp_path / "out" / "z.h5").is_file()
    assert ran.code in (0, 1)


# Headers that lie


def boxes(content: bytes, start: int = 0, end: int | None = None) -> dict[bytes, int]:
    """Where each box of an MP4 begins, those inside others too; the first of each name."""
    found: dict[bytes, int] = {}
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", content[start : start + 8])
        if size < 8:
            break
        found.setdefault(kind, start)
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"):
            for name, at in boxes(content, start + 8, start + size).items():
                found.setdefault(name, at)
        start += size
    return found


def every(content: bytes, name: bytes) -> list[int]:
    """Where all boxes of a name begin."""
    found, at = [], content.find(name)
    while at >= 0:
        found.append(at - 4)
        at = content.find(name, at + 1)
    return found


def patched(path: Path, name: bytes, offset: int, value: int, form: str = ">I") -> Path:
    """Put a number into every box of a name."""
    content = bytearray(path.read_bytes())
    places = every(bytes(content), name)
    assert places
    for place in places:
        struct.pack_into(form, content, place + offset, value)
    path.write_bytes(content)
    return path


def stated(path: Path, factor: float) -> Path:
    """Make an MP4 state another length everywhere: the film's, the tracks' and the media's."""
    content = bytearray(path.read_bytes())
    for name, offset in ((b"mvhd", 24), (b"tkhd", 28), (b"mdhd", 24)):  # not what is edited out
        for place in every(bytes(content), name):
            (value,) = struct.unpack_from(">I", content, place + offset)
            struct.pack_into(">I", content, place + offset, int(value * factor) & 0xFFFFFFFF)
    path.write_bytes(content)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return film(tmp_path / "x.mp4", seconds=6, b_frames=0)


def known(tmp_path: Path) -> Any:
    path = film(tmp_path / "known.mp4", seconds=6, b_frames=0)
    return reelpulse.analyze(path, stream=["loudness"])


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5, 10, 1000])
def test_a_length_that_lies(loud: Command, clip: Path, tmp_path: Path, factor: float) -> None:
    truth = known(tmp_path)
    ran = loud(stated(clip, factor), "-o", "out")
    assert ran.code == 0, ran
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    np.testing.assert_array_equal(timeline.times, truth.times)
    np.testing.assert_array_equal(timeline.values, truth.values)
    assert timeline.duration < 8


@pytest.mark.parametrize("length", [0.0, -5.0, 600.0, 60_000.0, 1e30, np.nan, np.inf])
def test_a_length_that_lies_in_matroska(loud: Command, tmp_path: Path, length: float) -> None:
    path = film(tmp_path / "x.mkv", seconds=6)
    truth = reelpulse.analyze(path, stream=["loudness"])
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", 1000 * length if length < 1e29 else length)
    path.write_bytes(content)
    ran = loud(path, "-o", "out")
    assert ran.code == 0, ran
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    np.testing.assert_array_equal(timeline.values, truth.values)
    assert timeline.duration < 8
    if length == 600.0:
        assert any("x.mkv" in line and "cut off" in line for line in ran.errors)


@pytest.mark.parametrize("factor", [0.0, 10])
def test_even_ticks_of_a_length_that_lies(
    loud: Command, clip: Path, tmp_path: Path, factor: float
) -> None:
    ran = loud(stated(clip, factor), "-o", "out", "--ticks", 15)
    if ran.code:
        ran.one_line("x.mp4")
        return
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert len(timeline) <= 15
    if timeline.times[-1] > 6:
        assert any("x.mp4" in line for line in ran.errors)


@pytest.mark.parametrize(
    ("name", "offset", "value", "form"),
    [
        (b"stts", 16, 0, ">I"),
        (b"stts", 16, 2**31 - 1, ">I"),
        (b"stts", 12, 2**31 - 1, ">I"),
        (b"stts", 8, 2**31 - 1, ">I"),
        (b"stsz", 16, 2**32 - 1, ">I"),
        (b"stsz", 12, 2**31, ">I"),
        (b"stsc", 12, 2**31, ">I"),
        (b"stco", 16, 2**32 - 1, ">I"),
        (b"mdhd", 20, 0, ">I"),
        (b"mdhd", 20, 2**32 - 1, ">I"),
        (b"mvhd", 20, 0, ">I"),
        (b"mp4a", 32, 1, ">I"),
        (b"mp4a", 24, 200, ">H"),
        (b"avc1", 32, 65_535, ">H"),
        (b"avc1", 32, 0, ">H"),
        (b"tkhd", 84, 0, ">I"),
        (b"elst", 8, 2**31, ">I"),
        (b"elst", 20, 2**31 - 1, ">I"),
        (b"mdat", 0, 2**32 - 1, ">I"),
        (b"mdat", 0, 8, ">I"),
        (b"moov", 0, 2**32 - 1, ">I"),
        (b"trak", 0, 2**32 - 1, ">I"),
        (b"stbl", 0, 12, ">I"),
        (b"ftyp", 0, 2**32 - 1, ">I"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else str(value),
)
def test_a_box_that_lies_is_survived(
    loud: Command, clip: Path, tmp_path: Path, name: bytes, offset: int, value: int, form: str
) -> None:
    ran = loud(patched(clip, name, offset, value, form), "-o", "out")
    if ran.code:
        ran.one_line("x.mp4")
        return
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert len(timeline) < 10_000
    assert (np.diff(timeline.times) > 0).all()


def test_sound_that_begins_an_hour_late(loud: Command, tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    late = Sound(start=3600.0, end=3603.0)
    make_video(path, seconds=4, fps=5, size=(64, 48), sounds=[late])
    ran = loud(path, "-o", "out")
    assert ran.code == 0, ran
    timeline = reelpulse.load_timeline(tmp_path / "out" / "late.h5")
    assert 7200 <= len(timeline) <= 7208
    heard = np.isfinite(timeline.column("loudness"))
    assert not heard[: 2 * 3600].any()
    assert heard[2 * 3600 + 2 : 2 * 3603].all()


@pytest.mark.parametrize("fps", [1000, Fraction(1, 10)], ids=str)
def test_odd_frame_rates(loud: Command, tmp_path: Path, fps: Fraction | int) -> None:
    seconds = 1 if fps == 1000 else 30
    path = make_video(
        tmp_path / "x.mkv", fps=fps, seconds=seconds, size=(64, 48), sounds=[Sound()], b_frames=0
    )
    assert loud(path, "-o", "out").code == 0
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert abs(len(timeline) - 2 * seconds) <= 1


@pytest.mark.parametrize("rate", ["1000000/1", "1/1000000", "0/1"])
def test_a_frame_rate_that_lies(tmp_path: Path, rate: str) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    raw, path = tmp_path / "raw.mkv", tmp_path / "x.y4m"
    make_video(raw, seconds=2, size=(64, 48))
    subprocess.run(["ffmpeg", "-v", "error", "-i", raw, path], check=True)
    head, rest = path.read_bytes().split(b"\n", 1)
    words = [f"F{rate.replace('/', ':')}".encode() if w[:1] == b"F" else w for w in head.split()]
    path.write_bytes(b" ".join(words) + b"\n" + rest)
    try:
        facts = probe(path)
        ticks = list(TickReader(path, facts, RegularTicks(2.0, 0.0, 100.0)))
    except reelpulse.ReelpulseError as error:
        assert "x.y4m" in str(error)  # noqa: PT017  either will do
        return
    assert len(ticks) <= 200


def test_a_picture_that_changes_its_size_in_the_middle(tmp_path: Path) -> None:
    sizes = [(128, 96), (192, 108), (64, 48)]
    whole = tmp_path / "x.ts"
    whole.write_bytes(b"")
    for number, size in enumerate(sizes):
        part = make_video(
            tmp_path / f"{number}.ts", seconds=4, size=size, sounds=[Sound()], offset=4.0 * number
        )
        with open(whole, "ab") as file:
            file.write(part.read_bytes())
    shapes = [
        tick.image.shape[:2]
        for tick in TickReader(whole, probe(whole), RegularTicks(2.0))
        if tick.image is not None
    ]
    assert len(shapes) >= 22
    assert {shape[::-1] for shape in shapes} == set(sizes)
    timeline = reelpulse.analyze(whole, stream=["loudness"])
    assert np.isfinite(timeline.column("loudness")[1:-2]).mean() > 0.9


@pytest.mark.usefixtures("tiny_emotion")
def test_faces_are_looked_for_in_pictures_of_any_size(tmp_path: Path) -> None:
    whole = tmp_path / "x.ts"
    parts = [
        make_video(tmp_path / f"{n}.ts", seconds=3, size=size, offset=3.0 * n).read_bytes()
        for n, size in enumerate([(128, 96), (64, 48)])
    ]
    whole.write_bytes(b"".join(parts))
    timeline = reelpulse.analyze(whole, stream=["face"], detector="dlib", identity="none")
    assert len(timeline) >= 11


def test_the_sound_of_many_speakers(tmp_path: Path) -> None:
    """More separate channels than a frame of PyAV tells of: 7.1 and more."""
    for layout, count in (("7.1", 8), ("hexadecagonal", 16)):
        path = tmp_path / f"{layout}.mkv"
        with av.open(str(path), "w") as out:
            stream: Any = out.add_stream("aac", rate=48_000)
            stream.codec_context.layout = layout
            wave = np.sin(2 * np.pi * 440 * np.arange(3 * 48_000) / 48_000)
            for start in range(0, len(wave), 1024):
                piece = np.repeat(0.5 * wave[start : start + 1024], count).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(piece[None], "flt", layout)
                frame.sample_rate, frame.pts = 48_000, start
                frame.time_base = Fraction(1, 48_000)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        timeline = reelpulse.analyze(path, stream=["loudness"])
        loudness = timeline.column("loudness")[1:-1]
        assert np.isfinite(loudness).all()
        assert (loudness > 0.25).all()


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_media_cut_short_below_its_index(loud: Command, tmp_path: Path, cut: float) -> None:
    path = film(tmp_path / "x.mp4", container_options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    ran = loud(path, "-o", "out")
    assert ran.code == 0, ran
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert abs(timeline.times[-1] - cut * SECONDS) < 3
    if cut < 0.9:
        assert any("cut off" in line for line in ran.errors)


@pytest.mark.parametrize("seconds", [0.04, 0.5, 0.52])
@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.ts", "x.webm"])
def test_half_a_second_of_video(loud: Command, tmp_path: Path, name: str, seconds: float) -> None:
    codecs = {"codec": "libvpx-vp9", "sounds": [Sound("libopus")]} if name == "x.webm" else {}
    path = film(tmp_path / name, **{"seconds": seconds, **codecs})
    ran = loud(path, "-o", "out")
    assert ran.code == 0, ran
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert 1 <= len(timeline) <= 3
    assert timeline.times[0] == 0
