"""Pairs of frames out of films: the very frames asked for, named, listed, and never mixed up."""

from __future__ import annotations

import csv
import itertools
import logging
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from films import decode_all, make_video, painted, read_number
from reelpulse.errors import DataError, MediaError, SettingsError
from reelpulse.genre import extract as module
from reelpulse.genre.extract import Extracted, extract
from reelpulse.genre.pairs import load_pairs
from reelpulse.genre.pictures import read_picture
from reelpulse.genre.ranges import draw, parse_ranges

RANDOM = np.random.default_rng(3)
UNEVEN = [float(x) for x in np.cumsum(RANDOM.choice([0.02, 0.04, 0.1, 0.3], 200))]

FILMS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {},
    "b-frames.mkv": {"gop": 250},
    "open.ts": {"options": {"x264-params": "open-gop=1:keyint=25:scenecut=0"}},
    "uneven.mkv": {"times": UNEVEN},
    "uneven.mp4": {"times": UNEVEN},
    "late.mkv": {"start": 2.0},
    "unindexed.mkv": {"container_options": {"live": "1"}},
    "hevc.mkv": {"codec": "libx265"},
    "vp9.webm": {"codec": "libvpx-vp9", "b_frames": 0},
    "av1.mp4": {"codec": "libsvtav1", "b_frames": 0},
    "mpeg2.mpg": {"codec": "mpeg2video", "b_frames": 2},
    "mpeg4.avi": {"codec": "mpeg4", "b_frames": 0},
    "b-frames.avi": {"codec": "mpeg4", "b_frames": 2},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
}


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "pairs.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers_of(folder: Path) -> list[tuple[int, int]]:
    """The frame numbers, counted from 0, that the pictures of each pair show."""
    return [
        (
            read_number(read_picture(folder / row["first"])),
            read_number(read_picture(folder / row["second"])),
        )
        for row in rows_of(folder)
    ]


def taken(path: Path, folder: Path, **what: Any) -> Extracted:
    return extract(path, folder, **{"genre": "sf", "pairs": 5, **what})


@pytest.mark.parametrize("name", FILMS)
def test_files_hold_the_frames_that_the_table_names(name: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / name, **{"seconds": 8, **FILMS[name]})
    times, numbers = decode_all(path)
    out = tmp_path / "frames"
    done = taken(path, out, pairs=20)
    assert (done.pairs, done.fresh) == (20, 20)
    assert done.seeks <= 20 + (name == "mpeg2.mpg")  # where it is found out how to seek
    rows = rows_of(out)
    for row, (first, second) in zip(rows, numbers_of(out), strict=True):
        index = numbers.index(first)
        assert numbers[index + 1] == second
        assert index % 2 == 0
        if not name.endswith(".avi"):
            assert int(row["frame"]) == index + 1
            assert float(row["time_first"]) == pytest.approx(times[index], abs=2e-6)
            assert float(row["time_second"]) == pytest.approx(times[index + 1], abs=2e-6)
    assert len({row["frame"] for row in rows}) == 20


def test_pairs_lie_inside_the_ranges_and_say_which(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", times=UNEVEN)
    times, _ = decode_all(path)
    out = tmp_path / "frames"
    taken(path, out, pairs=12, ranges="0:03-0:05.5, 0:10 – 0:12")
    limits = {"0:03-0:05.5": (3.0, 5.5), "0:10 - 0:12": (10.0, 12.0)}
    rows = rows_of(out)
    assert {row["range"] for row in rows} == set(limits)
    for row in rows:
        start, end = limits[row["range"]]
        index = int(row["frame"]) - 1
        assert start <= times[index] < times[index + 1] < end


def test_names_are_genre_film_and_number_in_a_folder_of_the_split(tmp_path: Path) -> None:
    path = make_video(tmp_path / "한국 영화.mp4")
    taken(path, tmp_path / "frames", split="test", pairs=2)
    names = sorted(p.name for p in (tmp_path / "frames" / "sf_test").iterdir())
    assert names == [f"sf_한국 영화_00{n}.png" for n in (1, 2, 3, 4)]
    pairs = load_pairs(tmp_path / "frames")
    assert pairs.films.tolist() == ["한국 영화"] * 2
    assert pairs.splits.tolist() == ["test"] * 2


def test_the_same_seed_draws_the_same_and_another_others(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    drawn = []
    for name, seed in (("one", 4), ("two", 4), ("three", 5)):
        taken(path, tmp_path / name, seed=seed)
        drawn.append(numbers_of(tmp_path / name))
    assert drawn[0] == drawn[1] != drawn[2]


def test_png_is_lossless_and_jpeg_close(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", pix_fmt="yuv420p")
    taken(path, tmp_path / "png", format="png")
    taken(path, tmp_path / "jpg", format="jpg")
    for exact, close in zip(
        load_pairs(tmp_path / "png").first, load_pairs(tmp_path / "jpg").first, strict=True
    ):
        one, other = read_picture(exact).astype(int), read_picture(close).astype(int)
        assert close.suffix == ".jpg"
        assert 0 <= np.abs(one - other).mean() < 2


def test_pictures_are_upright_and_their_pixels_square(tmp_path: Path) -> None:
    def lit_above(number: int, size: tuple[int, int]) -> np.ndarray:
        picture = np.full((size[1], size[0], 3), 20, np.uint8)
        picture[: size[1] // 2] = 220
        return picture

    turned = make_video(tmp_path / "turned.mp4", rotation=90, paint=lit_above)
    wide = make_video(tmp_path / "wide.mp4", aspect=Fraction(3, 2))
    taken(turned, tmp_path / "t", pairs=1)
    taken(wide, tmp_path / "w", pairs=1)
    picture = read_picture(load_pairs(tmp_path / "t").first[0])
    assert picture.shape == (128, 96, 3)
    left, right = picture[:, :48].mean(), picture[:, 48:].mean()
    assert abs(left - right) > 150
    assert read_picture(load_pairs(tmp_path / "w").first[0]).shape == (96, 192, 3)


def test_it_seeks_less_than_once_a_pair_where_pairs_share_a_key_frame(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=8, gop=100, options={"sc_threshold": "0"})
    assert taken(path, tmp_path / "frames", pairs=60).seeks <= 3


# One folder, many films


def test_films_add_up_and_those_of_one_name_stay_apart(tmp_path: Path, run: Command) -> None:
    one = make_video(tmp_path / "one" / "a.mp4")
    other = make_video(tmp_path / "two" / "a.mp4", paint=lambda n, size: painted(n + 500, size))
    out = tmp_path / "frames"
    taken(one, out)
    before = numbers_of(out)
    run("genre", "extract", other, "--genre", "sf", "--pairs", 5, "-o", out, "-q").one_line(
        "sf/a", "--film", "--force"
    )
    taken(other, out, film="b")
    taken(other, out, genre="horror")
    assert numbers_of(out)[:5] == before
    assert len(load_pairs(out)) == 15
    assert set(load_pairs(out).film_keys) == {"sf/a", "sf/b", "horror/a"}


def test_names_that_make_the_same_files_are_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    taken(path, tmp_path / "frames", film="a: b")
    with pytest.raises(DataError, match="same file names"):
        taken(path, tmp_path / "frames", film="a? b", force=True)


def test_one_film_under_two_names_is_said(tmp_path: Path, caplog: Any) -> None:
    path = make_video(tmp_path / "a.mp4")
    taken(path, tmp_path / "frames")
    with caplog.at_level(logging.WARNING):
        taken(path, tmp_path / "frames", film="b", split="test")
    assert "sf/a (train) already" in caplog.text


def test_the_same_again_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4")
    taken(path, tmp_path / "frames")
    table = (tmp_path / "frames" / "pairs.csv").read_bytes()
    monkeypatch.setattr(module, "frame_times", None)
    done = taken(path, tmp_path / "frames")
    assert (done.pairs, done.fresh) == (5, 0)
    assert (tmp_path / "frames" / "pairs.csv").read_bytes() == table


@pytest.mark.parametrize("other", [{"seed": 1}, {"pairs": 6}, {"format": "jpg"}, {"split": "test"}])
def test_another_drawing_replaces_only_by_force_and_as_a_whole(
    other: dict[str, Any], tmp_path: Path
) -> None:
    path, out = make_video(tmp_path / "a.mp4"), tmp_path / "frames"
    taken(path, out, pairs=8)
    with pytest.raises(DataError, match="--force"):
        taken(path, out, **{"pairs": 8, **other})
    taken(path, out, **{"pairs": 8, **other}, force=True)
    rows = rows_of(out)
    files = {str(p.relative_to(out).as_posix()) for p in out.glob("*/*") if p.is_file()}
    assert files == {row[column] for row in rows for column in ("first", "second")}
    assert len(rows) == other.get("pairs", 8)


def test_a_stopped_run_goes_on_and_ends_as_if_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=8)
    out = tmp_path / "frames"
    taken(path, tmp_path / "whole", pairs=20)
    count = itertools.count()

    def stop(done: float, total: int, name: str) -> None:
        if next(count) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taken(path, out, pairs=20, progress=stop)
    assert not (out / "pairs.csv").exists()
    done = taken(path, out, pairs=20)
    assert 0 < done.fresh < 10
    assert rows_of(out) == rows_of(tmp_path / "whole")
    assert numbers_of(out) == numbers_of(tmp_path / "whole")
    assert sorted(p.name for p in out.iterdir()) == ["pairs.csv", "sf_train"]


def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = make_video(tmp_path / "a.mp4"), tmp_path / "frames"
    taken(path, out)
    before = sorted(out.rglob("*")), (out / "pairs.csv").read_bytes()

    def full(path: Path, rgb: np.ndarray) -> None:
        raise DataError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(module, "write_picture", full)
    with pytest.raises(DataError, match="No space left"):
        taken(path, out, seed=9, force=True)
    assert (out / "pairs.csv").read_bytes() == before[1]
    assert set(before[0]) <= set(out.rglob("*"))


def test_pairs_that_do_not_decode_are_drawn_anew(tmp_path: Path, caplog: Any) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=8, gop=10)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 500] = bytes(500)
    path.write_bytes(data)
    done = taken(path, tmp_path / "frames", pairs=80)
    assert done.pairs == 80
    assert done.failed > 0
    assert "others were drawn" in caplog.text
    rows = rows_of(tmp_path / "frames")
    for row, shown in zip(rows, numbers_of(tmp_path / "frames"), strict=True):
        assert shown == (int(row["frame"]) - 1, int(row["frame"]))


def test_too_few_that_decode_are_one_line(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=8, gop=10)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 500] = bytes(500)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"only \d+ of 100 pairs decode"):
        taken(path, tmp_path / "frames", pairs=100)


def test_frames_with_a_hole_between_them_are_no_pair() -> None:
    seconds = np.array([0.0, 0.04, 0.08, 3.0, 3.04, 3.08])
    order = draw(parse_ranges(None, 4), seconds, 2, 0)
    assert sorted(index for index, _ in order) == [0, 4]


# Ranges


def test_ranges_that_overlap_are_merged_with_a_warning(caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        found = parse_ranges("0:20-0:30,0:05-0:22,0:40-0:50", 60)
    assert [(r.start, r.end, r.text) for r in found] == [
        (5, 30, "0:05-0:30"),
        (40, 50, "0:40-0:50"),
    ]
    assert "overlap" in caplog.text


def test_ranges_that_touch_stay_two_scenes_and_no_pair_crosses() -> None:
    seconds = np.arange(0, 4, 0.1)
    found = parse_ranges("0-2.1,2.1-4", 4)
    assert len(found) == 2
    order = draw(found, seconds, 1, 0)
    assert all((seconds[i] < 2.05) == (seconds[i + 1] < 2.05) for i, _ in order)


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ("0:01-0:20", "goes past the end: the film lasts 0:04.0"),
        ("0:03-0:01", "ends before it starts"),
        ("0:01", "not a range"),
        (",", "no range"),
        ("0:01-0:02", "only 12 pairs fit into the range 0:01-0:02, not 13: ask for --pairs 12"),
        ("0:01-0:01.02", "only 0 pairs fit"),
    ],
)
def test_bad_ranges_are_one_line(ranges: str, said: str, tmp_path: Path, run: Command) -> None:
    make_video(tmp_path / "a.mp4")
    ran = run("genre", "extract", "a.mp4", "--genre", "sf", "--ranges", ranges, "--pairs", 13)
    ran.one_line(said)
    assert not (tmp_path / "frames" / "pairs.csv").exists()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"genre": "a/b"}, "cannot be the name of a folder"),
        ({"genre": " "}, "cannot be the name"),
        ({"film": "..."}, "cannot be the name of a film"),
        ({"film": "영" * 60}, "too long"),
        ({"split": "valid"}, "train or test"),
        ({"format": "gif"}, "png or jpg"),
        ({"pairs": 0}, "at least 1"),
    ],
)
def test_bad_settings_are_said(what: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(SettingsError, match=said):
        taken(path, tmp_path / "frames", **what)


def test_films_that_are_none_are_one_line(tmp_path: Path) -> None:
    from films import Sound

    sound = make_video(tmp_path / "a.m4a", codec="", sounds=[Sound()])
    with pytest.raises(MediaError, match="no video stream"):
        taken(sound, tmp_path / "frames")
    (tmp_path / "text.mkv").write_text("no film")
    with pytest.raises(MediaError, match="not a video"):
        taken(tmp_path / "text.mkv", tmp_path / "frames")
    bare = make_video(tmp_path / "a.h264", seconds=1)
    with pytest.raises(MediaError, match="does not say when"):
        taken(bare, tmp_path / "frames")
    with pytest.raises(MediaError, match="no such file"):
        taken(tmp_path / "gone.mkv", tmp_path / "frames")
    assert not list((tmp_path / "frames").glob("*_*"))


def test_the_command_says_what_it_did_in_words_and_json(tmp_path: Path, run: Command) -> None:
    make_video(tmp_path / "a.mp4")
    ran = run("genre", "extract", "a.mp4", "--genre", "sf", "--pairs", 3)
    assert (ran.code, ran.out) == (0, "frames: 3 pairs of sf/a, train; 3 written now\n")
    ran = run("genre", "extract", "a.mp4", "--genre", "sf", "--pairs", 3, "--json")
    assert '"fresh": 0' in ran.out


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, run: Command) -> None:
    make_video(tmp_path / "a.mp4")
    (tmp_path / "file").write_text("")
    for out in ("file", "file/frames"):
        run("genre", "extract", "a.mp4", "--genre", "sf", "--pairs", 3, "-o", out).one_line("file")


def test_two_runs_on_one_film_are_told_apart(tmp_path: Path, run: Command) -> None:
    path, out = make_video(tmp_path / "a.mp4"), tmp_path / "frames"
    said = list[str]()

    def second(done: float, total: int, name: str) -> None:
        if not said:
            ran = run("genre", "extract", path, "--genre", "sf", "--pairs", 5, "-o", out)
            ran.one_line("another run is extracting a")
            said.append(ran.errors[0])

    assert taken(path, out, progress=second).pairs == 5
    assert said


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's alone")
def test_a_name_that_is_not_utf8_and_a_damaged_plan_are_taken(run: Command, tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", seconds=2)
    odd = os.fsencode(tmp_path) + b"/fr\xe9.mp4"
    (tmp_path / "a.mp4").rename(Path(os.fsdecode(odd)))
    done = run("genre", "extract", os.fsdecode(odd), "--genre", "sf", "--pairs", 3, "-o", "frames")
    assert done.code == 0, done
    assert len(load_pairs(tmp_path / "frames")) == 3


def test_a_wrong_range_names_the_film(run: Command, tmp_path: Path) -> None:
    make_video(tmp_path / "기생충.mp4", seconds=2)
    for typed, said in (
        (["--ranges", "0:01-0:09"], "give an earlier end"),
        (["--ranges", "0:02-0:01"], "0:02"),
        (["--ranges", "abc"], "abc"),
        (["--pairs", 999], "fit"),
    ):
        done = run("genre", "extract", "기생충.mp4", "--genre", "horror", *typed)
        done.one_line("기생충.mp4: ", said)
