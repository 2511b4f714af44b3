"""The stream `motion`, and the frame before a tick's that it looks at."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import make_video, read_number
from reelpulse.genre.motion import flow, magnitude
from reelpulse.measure import Parts, measure
from reelpulse.media import Clock, EvenTicks, RegularTicks, Tick, TickReader, probe
from reelpulse.media.video import FrameReader
from reelpulse.streams import MotionStream

WIDTH, HEIGHT = 320, 192
SIZE = (WIDTH, HEIGHT)


def scenery(seed: int = 0, width: int = 3000) -> np.ndarray:
    """A wide picture with texture at every scale, that a camera may pan over."""
    random = np.random.default_rng(seed)
    out = np.zeros((HEIGHT, width, 3))
    for block in (4, 12, 48):
        coarse = random.uniform(0, 85, (HEIGHT // block + 1, width // block + 1, 3))
        out += np.repeat(np.repeat(coarse, block, axis=0), block, axis=1)[:HEIGHT, :width]
    return out.astype(np.uint8)


class Pan:
    """Paints frames of a pan: `speed` pixels a second, of which there are `fps` frames.

    `cut` is the frame from which on another scenery is shown; between the frames of `still`
    nothing moves.
    """

    def __init__(
        self, speed: float, fps: float, cut: int | None = None, still: tuple[int, int] = (0, 0)
    ) -> None:
        self.step, self.cut, self.still = speed / fps, cut, still
        self.views = scenery(0), scenery(1) // 4 + np.array([150, 0, 20], np.uint8)

    def __call__(self, number: int, size: tuple[int, int]) -> np.ndarray:
        first, last = self.still
        moved = number - min(max(number - first, 0), last - first)
        left = round(self.step * moved)
        view = self.views[self.cut is not None and number >= self.cut]
        return np.ascontiguousarray(view[: size[1], left : left + size[0]])


def motion(path: Path, clock: Clock, **options: Any) -> np.ndarray:
    reader = TickReader(path, probe(path), clock, previous=True, **options)
    return MotionStream().process(list(reader))[:, 0]


def expected(speed: float) -> float:
    """Of a pan over the whole picture, in a 24th of a second."""
    return speed / 24 / np.sqrt(WIDTH * HEIGHT)


# The frame before


def pairs_of(path: Path, clock: Clock, first: int = 0) -> list[tuple[int, int | None]]:
    """Numbers of the frame at each tick and of the one before it."""
    found = []
    for tick in TickReader(path, probe(path), clock, first=first, previous=True):
        assert tick.image is not None
        before = None if tick.previous is None else read_number(tick.previous.small)
        found.append((read_number(tick.image), before))
    return found


FORMS = {
    "h264.mp4": {},
    "mpeg4.avi": {"codec": "mpeg4", "b_frames": 0},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "hevc.mkv": {"codec": "libx265"},
    "late.ts": {"offset": 3.0, "gop": 15},
}


@pytest.fixture(scope="module", params=sorted(FORMS))
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of numbered frames, in some codec and container."""
    path = tmp_path_factory.mktemp("film") / request.param
    return make_video(path, **{"seconds": 6, "gop": 25, **FORMS[request.param]})


@pytest.mark.parametrize("clock", [RegularTicks(2), RegularTicks(25), EvenTicks(7, 1.0, 5.5)])
def test_a_tick_knows_the_frame_before_the_one_it_shows(film: Path, clock: Clock) -> None:
    pairs = pairs_of(film, clock)
    assert len(pairs) >= 7
    assert all(before == (number - 1 if number else None) for number, before in pairs)


def test_it_is_the_same_wherever_reading_begins(film: Path) -> None:
    clock = RegularTicks(2)
    whole = pairs_of(film, clock)
    for first in range(1, 11):
        assert pairs_of(film, clock, first) == whole[first:], first


def test_not_everything_is_decoded_for_it(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mp4", seconds=8)
    counts = []
    for previous in (False, True):
        reader = FrameReader(path, probe(path), RegularTicks(2), previous=previous)
        pictures = [picture for _, picture in reader if picture]
        assert len(pictures) == 16
        assert [p.previous is not None for p in pictures[1:]] == [previous] * 15
        counts.append(reader.decoded)
    assert counts[0] < counts[1] < 0.9 * 200


def test_intra_only_films_decode_two_frames_a_tick(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.avi", codec="mjpeg", pix_fmt="yuvj420p", seconds=4)
    reader = FrameReader(path, probe(path), RegularTicks(2), previous=True)
    assert len(list(reader)) == 8
    assert reader.decoded <= 16 + 3


def test_at_variable_rate_it_is_the_frame_before_by_the_files_own_times(tmp_path: Path) -> None:
    times = [0, 0.03, 0.499, 0.5, 0.51, 0.9, 1.001, 4.9, 5.0, 5.4]
    path = make_video(tmp_path / "x.mkv", times=times)
    ticks = list(TickReader(path, probe(path), RegularTicks(2), previous=True))
    shown = [tick.picture for tick in ticks]
    assert [p and p.time for p in shown] == pytest.approx(
        [0, 0.5, 0.9, *[1.001] * 7, 5.0], abs=2e-3
    )
    before = [p.previous and p.previous.time for p in shown if p][1:]
    assert before == pytest.approx([0.499, 0.51, *[0.9] * 7, 4.9], abs=2e-3)


# The stream


@pytest.mark.parametrize("fps", [12, 24, 30, 60])
def test_motion_is_counted_in_24ths_of_a_second_whatever_the_frame_rate(
    tmp_path: Path, fps: int
) -> None:
    path = make_video(tmp_path / "x.mp4", fps=fps, seconds=3, size=SIZE, paint=Pan(240, fps))
    values = motion(path, RegularTicks(2))
    assert np.isnan(values[0]), "nothing comes before the first frame"
    np.testing.assert_allclose(values[1:], expected(240), rtol=0.15)


def test_motion_is_a_share_of_the_picture_whatever_its_size(tmp_path: Path) -> None:
    values = []
    for factor in (1, 2):
        paint, size = Pan(240, 24), SIZE

        def larger(number: int, asked: tuple[int, int]) -> np.ndarray:
            picture = paint(number, size)  # noqa: B023  called before the loop goes on
            return np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)  # noqa: B023

        path = tmp_path / f"{factor}.mp4"
        make_video(path, fps=24, seconds=2, size=(factor * WIDTH, factor * HEIGHT), paint=larger)
        values.append(motion(path, RegularTicks(2))[1:])
    np.testing.assert_allclose(values[0], values[1], rtol=0.1)


def test_faster_is_more_and_a_still_is_nothing(tmp_path: Path) -> None:
    values = []
    for speed in (0, 60, 480):
        path = make_video(
            tmp_path / f"{speed}.mp4", fps=24, seconds=2, size=SIZE, paint=Pan(speed, 24)
        )
        values.append(float(np.nanmean(motion(path, RegularTicks(4)))))
    assert values[0] < 1e-4
    assert values[1] == pytest.approx(expected(60), rel=0.25)
    assert values[2] == pytest.approx(expected(480), rel=0.15)


def test_a_cut_is_not_motion(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mp4", fps=24, seconds=2, size=SIZE, paint=Pan(60, 24, cut=24))
    values = motion(path, RegularTicks(24))
    assert np.flatnonzero(np.isnan(values)).tolist() == [0, 24]
    assert np.nanmax(values) < 3 * expected(60)


def test_frames_left_out_because_nothing_changes_are_still(tmp_path: Path) -> None:
    paint = Pan(240, 20, still=(10, 50))
    every = [number / 20 for number in range(70)]
    whole = make_video(tmp_path / "whole.mkv", times=every, size=SIZE, paint=paint)
    kept = [number for number in range(70) if not 10 < number <= 50]

    def spared(number: int, size: tuple[int, int]) -> np.ndarray:
        return paint(kept[number], size)

    sparse = make_video(
        tmp_path / "sparse.mkv", times=[every[k] for k in kept], size=SIZE, paint=spared
    )
    clock = RegularTicks(2, 0.02)
    one, other = motion(whole, clock), motion(sparse, clock)
    assert len(one) == len(other) == 7
    np.testing.assert_allclose(one, other, atol=0.1 * expected(240))
    assert (other[2:5] == 0).all()
    assert other[1] > 0.8 * expected(240)


def test_a_first_frame_that_stays_is_still(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mkv", times=[0, 2.0, 2.05], size=SIZE, paint=Pan(240, 20))
    values = motion(path, RegularTicks(2, 0.0, 2.0))
    assert np.isnan(values[0])
    assert values[1:].tolist() == [0, 0, 0]


def test_frames_stamped_almost_at_once_are_not_a_leap(tmp_path: Path) -> None:
    times = [0, 0.041, 0.082, 0.083, 0.125, 0.166]
    path = make_video(tmp_path / "x.mkv", times=times, size=SIZE, paint=Pan(240, 24))
    values = motion(path, RegularTicks(100, 0.0, 0.16))
    assert np.nanmax(values) < 15 * expected(240)


class Shown:
    """A picture by hand."""

    def __init__(self, rgb: np.ndarray, time: float, previous: Any = None) -> None:
        self.small, self.time, self.previous = rgb, time, previous


def test_without_a_picture_or_one_before_nothing_is_measured() -> None:
    view = scenery()[:144, :256]
    pictures: list[Any] = [
        None,
        Shown(view, 1.0),
        Shown(view, 1.0, Shown(np.zeros((9, 9, 3), np.uint8), 0.9)),
        Shown(view, 1.0, Shown(view, 0.9)),
    ]
    ticks = [Tick(place, 1.0, picture) for place, picture in enumerate(pictures)]
    values = MotionStream().process(ticks)[:, 0]
    assert np.isnan(values[:3]).all(), "nor where the size changes"
    assert values[3] == 0


@pytest.mark.parametrize("what", [{}, {"rotation": 90}, {"aspect": Fraction(4, 3)}], ids=str)
def test_a_small_picture_is_the_picture_reduced(tmp_path: Path, what: dict[str, Any]) -> None:
    size = (640, 400)
    paint = lambda number, size: cv2.resize(scenery(2, 320), size)  # noqa: E731
    path = make_video(tmp_path / "x.mp4", fps=2, seconds=1, size=size, paint=paint, **what)
    tick = list(TickReader(path, probe(path), RegularTicks(2), previous=True))[1]
    assert tick.picture is not None
    assert tick.previous is not None
    small, whole = tick.picture.small, tick.picture.rgb
    assert small.shape[1] == 256
    assert small.shape == tick.previous.small.shape
    assert abs(small.shape[0] / 256 - whole.shape[0] / whole.shape[1]) < 0.01
    wanted = cv2.resize(whole, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.mean(axis=2).ravel(), wanted.mean(axis=2).ravel())[0, 1] > 0.99
    assert magnitude(flow(small, wanted)) < 1e-3, "nor is it moved"


def test_a_film_smaller_than_that_stays_as_it_is(film: Path) -> None:
    ticks = list(TickReader(film, probe(film), RegularTicks(2), previous=True))[1:]
    for tick in ticks:
        assert tick.picture is not None
        assert tick.previous is not None
        assert tick.picture.small.shape == tick.picture.rgb.shape == tick.previous.small.shape


def test_segments_do_not_change_it(tmp_path: Path) -> None:
    """A keyframe lies on each segment's border: the frame before it is in the GOP before."""
    paint = Pan(20, 5)
    path = make_video(tmp_path / "x.mp4", fps=5, seconds=130, gop=20, size=(160, 96), paint=paint)
    stream, facts, clock = MotionStream(), probe(path), RegularTicks(2)
    whole = measure(path, facts, clock, [stream]).blocks["motion"].values[:, 0]
    direct = motion(path, clock)
    np.testing.assert_array_equal(whole, direct)
    assert np.flatnonzero(np.isnan(whole)).tolist() == [0]

    class Stopped(MotionStream):
        left = 150

        def process(self, ticks: Any) -> Any:
            self.left -= len(ticks)
            if self.left < 0:
                raise KeyboardInterrupt
            return super().process(ticks)

    plan = {"streams": [stream.settings]}
    with pytest.raises(KeyboardInterrupt):
        measure(path, facts, clock, [Stopped()], parts=Parts(tmp_path / "p", plan))
    assert (tmp_path / "p" / "0000.npz").exists()
    resumed = measure(path, facts, clock, [stream], parts=Parts(tmp_path / "p", plan))
    np.testing.assert_array_equal(resumed.blocks["motion"].values[:, 0], whole)


def test_the_command_adds_the_column_and_measures_it_once(
    run: Command, analyze: Command, no_decoding: Any, tmp_path: Path
) -> None:
    make_video(tmp_path / "x.mp4", fps=24, seconds=3, size=SIZE, paint=Pan(240, 24))
    assert analyze("x.mp4", "--stream", "motion", "-o", "out").code == 0
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert timeline.columns[12:] == ("laughter", "motion")
    np.testing.assert_allclose(timeline.column("motion")[1:], expected(240), rtol=0.15)
    no_decoding()
    assert analyze("x.mp4", "--stream", "motion", "-o", "out").code == 0


def test_real_film_moves_and_cuts_are_left_out(test_data: Path) -> None:
    path = test_data / "films" / "fluxstream_tears.webm"
    values = motion(path, RegularTicks(24, 0.0, 6.0))
    assert np.isfinite(values).mean() > 0.9
    assert 0 < np.nanmedian(values) < 0.05
    assert json.loads(json.dumps(MotionStream().settings))["width"] == 256
