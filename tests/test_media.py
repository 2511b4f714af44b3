"""Ticks: when they are, which picture they show, what was heard before them."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from films import (
    Sound,
    decode_all,
    make_video,
    noise,
    on_screen,
    read_number,
)
from reelpulse.media import Clock, EvenTicks, RegularTicks, Tick, TickReader, probe
from reelpulse.media.video import FrameReader

RATE = 22_050
SECOND = {RATE: 1.0}


def read(path: Path, clock: Clock, **options: Any) -> list[Tick]:
    return list(TickReader(path, probe(path), clock, **options))


def numbers_of(ticks: Iterable[Tick]) -> list[int | None]:
    return [None if tick.image is None else read_number(tick.image) for tick in ticks]


# Clocks


def test_regular_ticks_lie_at_start_plus_index_over_fps() -> None:
    clock = RegularTicks(fps=4, start=1.5, end=3.0)
    assert [clock.time(i) for i in range(6)] == [1.5, 1.75, 2.0, 2.25, 2.5, 2.75]
    assert [clock.has(i) for i in (-1, 0, 5, 6)] == [False, True, True, False]
    assert RegularTicks().fps == 2
    assert RegularTicks().has(10**9)


@pytest.mark.parametrize("length", [5.0, 6.5, 7.0])
def test_even_ticks_lie_in_the_middle_of_their_share(length: float) -> None:
    clock = EvenTicks(15, 2.0, 2.0 + length)
    times = [clock.time(i) for i in range(15)]
    np.testing.assert_allclose(times, [2 + (i + 0.5) * length / 15 for i in range(15)], atol=1e-12)
    np.testing.assert_allclose(np.diff(times), length / 15, atol=1e-12)
    assert [clock.has(i) for i in (-1, 0, 14, 15)] == [False, True, True, False]


@pytest.mark.parametrize("clock", [RegularTicks(3.7, 0.4), EvenTicks(15, 0.4, 7.3)])
def test_first_at_is_the_first_tick_not_before(clock: Clock) -> None:
    for index in range(15):
        at = clock.time(index)
        assert clock.first_at(at) == index
        assert clock.first_at(at + 0.01) == index + 1
        assert clock.first_at(at - 0.01) == index


@pytest.mark.parametrize("fps", [2, 3, 24000 / 1001, 0.1])
def test_each_segment_holds_sixty_seconds(fps: float) -> None:
    clock = RegularTicks(fps, start=7.0)
    for index in range(0, round(200 * fps), max(1, round(fps))):
        assert clock.segment(index) == int((clock.time(index) - 7 + 1e-6) // 60)


# Pictures


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds at 25 frames a second with B-frames and a keyframe each 1.6 s; noise."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_video(path, seconds=8, sounds=[Sound(wave=noise)])


@pytest.mark.parametrize(
    "clock",
    [
        RegularTicks(2),
        RegularTicks(25),
        RegularTicks(60),
        RegularTicks(2, 1.25, 3.0),
        EvenTicks(15, 2.0, 7.5),
    ],
    ids=str,
)
def test_a_tick_shows_the_last_frame_not_after_it(film: Path, clock: Clock) -> None:
    ticks = read(film, clock)
    times, numbers = decode_all(film)
    count = next(i for i in range(1000) if not clock.has(i) or clock.time(i) >= 8 - 1e-6)
    assert [tick.time for tick in ticks] == [clock.time(i) for i in range(count)]
    assert numbers_of(ticks) == [on_screen(times, numbers, tick.time) for tick in ticks]


def test_frames_that_no_tick_needs_are_not_decoded(film: Path) -> None:
    reader = FrameReader(film, probe(film), RegularTicks(2))
    shown = [read_number(picture.rgb) for _, picture in reader if picture]
    assert shown == [round(12.5 * i + 0.01 - 0.5) for i in range(16)]
    assert reader.decoded < 0.75 * 200
    everything = FrameReader(film, probe(film), RegularTicks(25))
    assert len(list(everything)) == 200
    assert everything.decoded == 200


def test_intra_only_films_decode_little_more_than_the_ticks(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.avi", codec="mjpeg", pix_fmt="yuvj420p", seconds=4)
    reader = FrameReader(path, probe(path), RegularTicks(2))
    assert [read_number(picture.rgb) for _, picture in reader if picture][:4] == [0, 12, 25, 37]
    assert reader.decoded <= 8 + 2


def test_variable_frame_rate_is_read_by_its_own_times(tmp_path: Path) -> None:
    times = [0, 0.03, 0.499, 0.5, 0.51, 0.9, 0.999, 1.001, 1.5, 1.502, 4.9, 5.0, 5.4]
    for name in ("x.mp4", "x.mkv", "x.flv"):
        path = make_video(tmp_path / name, times=times)
        ticks = read(path, RegularTicks(2))
        assert numbers_of(ticks) == [0, 3, 6, 8, 9, 9, 9, 9, 9, 9, 11], name


def test_the_last_frame_stays_for_as_long_as_the_file_says(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mp4", codec="mpeg4", b_frames=0, seconds=1)
    held = tmp_path / "held.mp4"
    with av.open(str(path)) as source, av.open(str(held), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                if packet.pts * packet.time_base >= 0.96:
                    packet.duration = int(3.04 / packet.time_base)
                out.mux(packet)
    assert probe(held).duration == pytest.approx(4, abs=0.01)
    assert numbers_of(read(held, RegularTicks(2))) == [0, 12, 24, 24, 24, 24, 24, 24]


def test_a_tick_at_a_frames_own_time_shows_that_frame(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mkv", fps=30, seconds=3)  # times rounded to milliseconds
    ticks = read(path, RegularTicks(10))
    assert numbers_of(ticks) == [3 * i for i in range(30)]


def test_the_picture_is_made_once_and_only_when_wanted(film: Path) -> None:
    ticks = read(film, RegularTicks(1))
    assert len(ticks) == 8
    assert ticks[0].image is not None
    assert ticks[0].image is ticks[0].image
    assert ticks[0].image.dtype == np.uint8
    assert ticks[0].image.shape == (96, 128, 3)
    deaf = read(film, RegularTicks(1), pictures=False, sound=SECOND)
    assert [tick.time for tick in deaf][:8] == [tick.time for tick in ticks]
    assert all(tick.picture is None for tick in deaf)


# Starting in the middle


@pytest.mark.parametrize("first", [1, 4, 5, 9, 15])
def test_starting_in_the_middle_changes_nothing(film: Path, first: int) -> None:
    whole = read(film, RegularTicks(2), sound=SECOND)
    part = read(film, RegularTicks(2), sound=SECOND, first=first)
    assert [tick.index for tick in part] == list(range(first, 16))
    for tick, same in zip(part, whole[first:], strict=True):
        assert tick.time == same.time
        np.testing.assert_array_equal(tick.image, same.image)
        np.testing.assert_allclose(tick.sound(RATE, 1.0), same.sound(RATE, 1.0), atol=1e-3)


# Reading ahead


def settled(count: Any) -> int:
    """A count once it has stopped growing for a while."""
    last, since = count(), time.monotonic()
    while time.monotonic() - since < 0.4:
        time.sleep(0.02)
        if count() != last:
            last, since = count(), time.monotonic()
    return int(last)


def test_a_reader_nobody_reads_from_stops_decoding(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mp4", seconds=24, sounds=[Sound()])
    reader = TickReader(path, probe(path), RegularTicks(10), sound=SECOND)
    ticks = iter(reader)
    next(ticks)
    assert reader._film is not None
    ahead = settled(lambda: reader._film.decoded)
    assert ahead < 150, f"{ahead} of 600 frames were decoded for one tick"
    assert len(list(ticks)) == 239


def test_sound_alone_is_not_read_far_ahead_nor_kept(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.m4a", codec="", seconds=200, sounds=[Sound(rate=8_000)])
    reader = TickReader(path, probe(path), RegularTicks(2), sound=SECOND)
    ticks = iter(reader)
    next(ticks)
    assert reader._sound is not None
    assert settled(lambda: reader._sound.end) < 15
    tracemalloc.start()
    count = sum(1 for _ in ticks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count >= 399
    assert peak < 0.5 * 200 * RATE * 4


def test_a_reader_that_is_left_ends_its_thread(film: Path) -> None:
    before = threading.active_count()
    ticks = iter(TickReader(film, probe(film), RegularTicks(25)))
    next(ticks)
    assert threading.active_count() == before + 1
    ticks.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_what_goes_wrong_while_decoding_reaches_the_reader(film: Path) -> None:
    @dataclass(frozen=True)
    class Broken(RegularTicks):
        def time(self, index: int) -> float:
            if index == 5:
                raise av.error.InvalidDataError(1, "broken")
            return super().time(index)

    ticks = iter(TickReader(film, probe(film), Broken(2)))
    assert [next(ticks).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(av.error.InvalidDataError, match="broken"):
        list(ticks)
