"""What is no pair is dropped, both frames of it, and can be found again."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import Command
from reelpulse.errors import DataError
from reelpulse.genre.clean import clean, is_black
from reelpulse.genre.cuts import CUT, frame_change
from reelpulse.genre.listing import COLUMNS, write_table
from reelpulse.genre.pairs import load_pairs
from reelpulse.genre.pictures import RGB, read_picture, write_picture
from reelpulse.genre.sheet import sheet


def scene(seed: int, *, shift: int = 0, light: float = 1.0) -> RGB:
    """A picture of soft blots in a few colours of its own; moved by some pixels, or lit up."""
    random = np.random.default_rng(seed)
    base, tint = random.uniform(0, 1, (24, 50, 3)), random.uniform(0.2, 1, 3)
    wide = cv2.resize(base, (400, 180), interpolation=cv2.INTER_CUBIC) * tint * 255
    return np.clip(wide[:, 40 + shift : 360 + shift] * light, 0, 255).astype(np.uint8)


def bars(picture: RGB) -> RGB:
    """The picture between black bars, as films wider than the screen have."""
    return np.pad(picture, ((40, 40), (0, 0), (0, 0)))


BLACK = np.random.default_rng(0).integers(0, 12, (180, 320, 3)).astype(np.uint8)

GOOD = (scene(1), scene(1, shift=6))
STILL = (scene(2), scene(2))
CUT_PAIR = (scene(3), scene(4))
DARK = (scene(5), BLACK)


def film(folder: Path, *pairs: tuple[RGB, ...], name: str = "a", table: bool = True) -> Path:
    """Write pairs as a film; one picture is a frame without its partner."""
    rows = []
    for place, pair in enumerate(pairs):
        names = [f"sf_train/sf_{name}_{2 * place + side:03d}.png" for side in (1, 2)]
        for path, picture in zip(names, pair, strict=False):
            write_picture(folder / path, picture)
        rows.append(dict(zip(COLUMNS, ("sf", name, "train", *names), strict=False)))
    if table:
        write_table(folder, rows)
    return folder


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def numbers(folder: Path) -> list[str]:
    return [path.stem[-3:] for path in load_pairs(folder).first]


# The measure


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("made", [np.array, bars], ids=["whole", "bars"])
def test_motion_light_and_fades_are_no_cuts_and_another_scene_is(
    seed: int, made: Callable[[RGB], RGB]
) -> None:
    here = made(scene(seed))
    assert frame_change(here, here) == pytest.approx(0, abs=1e-6)
    for inside in (
        scene(seed, shift=9),
        scene(seed, shift=30),
        scene(seed, light=1.5),
        scene(seed, light=0.6),
    ):
        assert frame_change(here, made(inside)) < CUT
    there = made(scene(seed + 50))
    assert frame_change(here, there) >= CUT
    assert frame_change(there, here) == pytest.approx(frame_change(here, there))


def test_the_measure_takes_any_sizes_and_flat_pictures() -> None:
    assert 0 <= frame_change(scene(1)[:7, :5], scene(1)) <= 1
    flat = np.full((50, 70, 3), 200, np.uint8)
    assert frame_change(flat, flat) == 0
    assert frame_change(flat, scene(1)) >= CUT


def test_real_shots_hold_and_their_cuts_are_found(test_data: Path) -> None:
    """Frames 19 | 20 and 81 | 82 of the stage are cuts; its other neighbours are none."""
    import av

    path = test_data / "faces" / "face_recognition_short_hamilton_clip.mp4"
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)][:90]
    changes = [frame_change(a, b) for a, b in itertools.pairwise(frames)]
    assert [n + 1 for n, change in enumerate(changes) if change >= CUT] == [20, 82]


@pytest.mark.parametrize(
    ("picture", "black"),
    [(BLACK, True), (scene(1), False), (bars(scene(1)), False), (scene(1) // 5, False)],
)
def test_black_is_black_and_a_dark_scene_is_not(picture: RGB, black: bool) -> None:
    assert is_black(picture) == black


# Cleaning


@pytest.mark.parametrize("table", [True, False], ids=["table", "names"])
def test_whole_pairs_go_for_their_reasons_and_the_others_stay(table: bool, tmp_path: Path) -> None:
    film(tmp_path, GOOD, CUT_PAIR, STILL, DARK, (scene(7),), GOOD, table=table)
    done = clean(tmp_path)
    assert done.kept == 2
    assert done.counts() == {"cut": 1, "orphan": 1, "black": 1, "duplicate": 1}
    assert numbers(tmp_path) == ["001", "005"]
    left = sorted(path.name[-7:-4] for path in (tmp_path / "sf_train").iterdir())
    assert left == ["001", "002", "005", "006"]
    assert load_pairs(tmp_path).notes == ()
    assert clean(tmp_path).dropped == ()


def test_what_was_dropped_is_kept_listed_and_shown(tmp_path: Path) -> None:
    film(tmp_path, GOOD, CUT_PAIR, DARK)
    before = all_files(tmp_path)
    done = clean(tmp_path)
    after = all_files(tmp_path)
    for name in ("003", "004", "005", "006"):
        old = str(Path("sf_train") / f"sf_a_{name}.png")
        assert after[str(Path("dropped") / old)] == before[old]
    with open(tmp_path / "dropped" / "dropped.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["reason"], row["first"]) for row in rows] == [
        ("cut", "sf_train/sf_a_003.png"),
        ("black", "sf_train/sf_a_005.png"),
    ]
    assert float(rows[0]["change"]) == pytest.approx(done.dropped[0].change, abs=1e-4)
    assert done.sheet == tmp_path / "dropped" / "dropped.png"
    drawn = read_picture(done.sheet)
    assert drawn.shape[0] > 200
    assert drawn.std() > 20


def test_the_same_pair_of_another_film_goes_and_half_of_it_does_not(tmp_path: Path) -> None:
    film(tmp_path, GOOD, table=False)
    film(tmp_path, GOOD, (GOOD[0], scene(1, shift=3)), name="b", table=False)
    done = clean(tmp_path)
    assert [item.files[0] for item in done.dropped] == ["sf_train/sf_b_001.png"]
    assert done.counts() == {"duplicate": 1}


def test_sizes_that_differ_and_files_that_do_not_read_go(tmp_path: Path) -> None:
    film(tmp_path, GOOD, (GOOD[0], GOOD[1][:100]), STILL)
    (tmp_path / "sf_train" / "sf_a_006.png").write_bytes(b"no picture")
    assert clean(tmp_path).counts() == {"unreadable": 1, "two sizes": 1}
    assert numbers(tmp_path) == ["001"]


def test_a_dry_run_moves_nothing_and_draws_the_sheet(tmp_path: Path) -> None:
    film(tmp_path / "frames", GOOD, CUT_PAIR)
    before = all_files(tmp_path / "frames")
    done = clean(tmp_path / "frames", dry_run=True, sheet_path=tmp_path / "seen.png")
    assert (done.kept, done.counts()) == (1, {"cut": 1})
    assert all_files(tmp_path / "frames") == before
    assert read_picture(tmp_path / "seen.png").size


def test_names_dropped_twice_are_both_kept(tmp_path: Path) -> None:
    film(tmp_path, GOOD, CUT_PAIR)
    clean(tmp_path)
    film(tmp_path, GOOD, (scene(8), scene(9)))
    clean(tmp_path)
    names = sorted(path.name for path in (tmp_path / "dropped" / "sf_train").iterdir())
    assert len(names) == 4
    with open(tmp_path / "dropped" / "dropped.csv", encoding="utf-8", newline="") as file:
        listed = [row[column] for row in csv.DictReader(file) for column in ("first", "second")]
    assert sorted(Path(name).name for name in listed) == names


def test_nothing_to_clean_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no frames"):
        clean(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        clean(tmp_path / "gone")


def test_the_command_tells_what_went_in_words_and_json(tmp_path: Path, run: Command) -> None:
    film(tmp_path / "frames", GOOD, CUT_PAIR)
    ran = run("genre", "clean", "frames", "--dry-run", "--json")
    told = json.loads(ran.out)
    assert (told["kept"], told["dropped"][0]["reason"]) == (1, "cut")
    ran = run("genre", "clean", "frames")
    assert ran.out.splitlines()[0] == "frames: 1 pair kept, 1 dropped"
    assert "a cut between the frames" in ran.out
    run("genre", "clean", "gone").one_line("gone", "no such folder")


def test_a_sheet_takes_any_pictures_and_letters(tmp_path: Path) -> None:
    rows = [("한국어 abc", [scene(1), scene(2)[:, :20]]), ("empty", []), ("one", [scene(3)[:1]])]
    assert read_picture(sheet(rows, tmp_path / "a.png")).shape[2] == 3
    assert read_picture(sheet([], tmp_path / "b.png")).size
    wide = read_picture(sheet(rows * 4, tmp_path / "c.png", columns=12))
    assert wide.shape[1] > 3 * wide.shape[0]
