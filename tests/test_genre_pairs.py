"""What a folder of frames holds: by its table or by its names, and pictures of every kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from reelpulse.errors import DataError, MediaError
from reelpulse.genre.classes import GENRES, ordered
from reelpulse.genre.listing import COLUMNS, TABLE, write_table
from reelpulse.genre.pairs import load_pairs
from reelpulse.genre.pictures import decode_picture, read_picture, write_picture

RGB = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def put(folder: Path, *names: str) -> Path:
    """Write a small picture under each name, each another."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", RGB + number)[1].tobytes())
    return folder


def tabled(folder: Path, *lines: str) -> Path:
    """Write a table of genre,film,split,first,second, and the pictures it names."""
    rows = [dict(zip(COLUMNS, line.split(","), strict=False)) for line in lines]
    put(folder, *(name for row in rows for name in (row["first"], row["second"]) if name))
    write_table(folder, rows)
    return folder


def rows(film: str, *odd: int, genre: str = "sf", split: str = "train") -> list[str]:
    stem = f"{genre}_{split}/{genre}_{film}_"
    return [f"{genre},{film},{split},{stem}{n:03d}.png,{stem}{n + 1:03d}.png" for n in odd]


# Without a table


@pytest.mark.parametrize("pattern", ["{}", "{:03d}"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".BMP"])
def test_an_existing_layout_is_read_with_or_without_zeros(
    pattern: str, suffix: str, tmp_path: Path
) -> None:
    def names(genre: str, split: str, film: str, last: int) -> list[str]:
        stem = f"{genre}_{split}/{genre}_{film}_"
        return [f"{stem}{pattern.format(n)}{suffix}" for n in range(1, last + 1)]

    put(tmp_path, *names("animation_2d", "train", "movie1", 12))
    put(tmp_path, *names("horror", "train", "movie2", 4), *names("horror", "test", "movie9", 2))
    pairs = load_pairs(tmp_path)
    assert len(pairs) == 9
    assert pairs.classes == ("horror", "animation_2d")
    assert set(pairs.film_keys) == {"animation_2d/movie1", "horror/movie2", "horror/movie9"}
    assert pairs.splits.tolist().count("test") == 1
    assert [GENRES[1] if label == 0 else GENRES[3] for label in pairs.labels] == [*pairs.genres]
    for first, second in zip(pairs.first, pairs.second, strict=True):
        odd, even = (int(path.stem.rsplit("_", 1)[1]) for path in (first, second))
        assert (odd % 2, even) == (1, odd + 1)
    film = [first for first, name in zip(pairs.first, pairs.films, strict=True) if name == "movie1"]
    assert [int(p.stem.rsplit("_", 1)[1]) for p in film] == [1, 3, 5, 7, 9, 11]
    assert pairs.notes == ()


def test_a_frame_without_its_partner_is_left_out_and_said(tmp_path: Path) -> None:
    put(tmp_path, *(f"sf_train/sf_movie1_{n:03d}.png" for n in (1, 2, 3, 6, 7, 8)))
    pairs = load_pairs(tmp_path)
    assert [path.stem[-1] for path in pairs.first] == ["1", "7"]
    assert len(pairs.notes) == 1
    assert "2 frames have no partner" in pairs.notes[0]
    assert "sf_movie1_003.png" in pairs.notes[0]


def test_one_name_in_train_and_test_is_two_films_without_a_table(tmp_path: Path) -> None:
    put(tmp_path, *(f"sf_{split}/sf_movie1_{n}.png" for split in ("train", "test") for n in (1, 2)))
    pairs = load_pairs(tmp_path)
    assert set(pairs.film_keys) == {"sf/movie1", "sf/movie1 (test)"}
    assert "two films" in pairs.notes[0]


def test_a_number_twice_is_one_line(tmp_path: Path) -> None:
    put(tmp_path, "sf_train/sf_a_1.png", "sf_train/sf_a_001.png", "sf_train/sf_a_2.png")
    with pytest.raises(DataError, match="one number: keep one"):
        load_pairs(tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "holds no pair of frames"),
        (("a.png",), "has neither pairs.csv nor folders named GENRE_train"),
        (("sf_train/sf_a_1.png",), "holds no pair of frames .1 frame has no partner"),
        (("sf_train/sf_a_x.png",), "no number at the end"),
        (("sf_train/sf_a_1.png", "sf_train/sf_a_2.png", "horror_test/note.txt"), "horror has a"),
    ],
)
def test_folders_without_pairs_are_one_line(
    names: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    put(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        load_pairs(tmp_path)


def test_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_pairs(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="not a folder"):
        load_pairs(tmp_path / "file")


# With a table


def test_a_table_tells_films_scenes_and_splits(tmp_path: Path) -> None:
    lines = [line + ",0:10-0:20" for line in rows("우주", 1, 3)]
    tabled(tmp_path, *lines, *rows("b", 1, genre="musical", split="test"))
    pairs = load_pairs(tmp_path)
    assert pairs.classes == ("sf", "musical")
    assert pairs.scenes.tolist() == ["0:10-0:20", "0:10-0:20", ""]
    assert pairs.films.tolist() == ["우주", "우주", "b"]
    assert pairs.labels.tolist() == [0, 0, 1]
    assert pairs.first[0] == tmp_path / "sf_train" / "sf_우주_001.png"


def test_backslashes_and_missing_columns_of_a_table_are_read(tmp_path: Path) -> None:
    put(tmp_path, "sf_train/a_1.png", "sf_train/a_2.png")
    text = "\ufeffgenre,film,split,first,second\nsf,a,train,sf_train\\a_1.png,sf_train\\a_2.png\n"
    (tmp_path / TABLE).write_text(text, encoding="utf-8")
    assert load_pairs(tmp_path).first == (tmp_path / "sf_train" / "a_1.png",)


def test_pictures_that_are_gone_or_not_listed_are_said(tmp_path: Path) -> None:
    tabled(tmp_path, *rows("a", 1, 3, 5))
    (tmp_path / "sf_train" / "sf_a_003.png").unlink()
    for n in (5, 6):
        (tmp_path / "sf_train" / f"sf_a_00{n}.png").unlink()
    put(tmp_path, "sf_train/stray.png")
    pairs = load_pairs(tmp_path)
    assert len(pairs) == 1
    notes = " ".join(pairs.notes)
    for part in ("1 frame has no partner", "1 pair has a line", "1 picture has no line"):
        assert part in notes


def test_a_film_in_train_and_test_is_said(tmp_path: Path) -> None:
    tabled(tmp_path, *rows("a", 1), *rows("a", 1, split="test"))
    assert "trained on" in load_pairs(tmp_path).notes[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sf,a,valid,x/1.png,x/2.png", "line 2: the split 'valid'"),
        (",a,train,x/1.png,x/2.png", "line 2 says no genre"),
        ("sf,a,train,x/1.png,", "line 2 says no second"),
        ("sf,a,train,../1.png,x/2.png", "outside the folder"),
        ("sf,a,train,x/1.png,x/1.png", "again"),
    ],
)
def test_wrong_lines_are_named(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / TABLE).write_text(f"genre,film,split,first,second\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=said):
        load_pairs(tmp_path)


def test_the_fingerprint_follows_contents_and_labels_not_the_place(tmp_path: Path) -> None:
    one = tabled(tmp_path / "one", *rows("a", 1, 3))
    shutil.copytree(one, tmp_path / "two")
    first = load_pairs(one).fingerprint
    assert load_pairs(tmp_path / "two").fingerprint == first
    write_picture(one / "sf_train" / "sf_a_003.png", RGB[::-1])
    changed = load_pairs(one).fingerprint
    write_table(tmp_path / "two", [])
    tabled(tmp_path / "two", *rows("a", 1), *rows("a", 3, genre="horror"))
    assert len({first, changed, load_pairs(tmp_path / "two").fingerprint}) == 3


def test_classes_come_in_the_order_of_codes() -> None:
    assert ordered(["zeta", "sf", "alpha", "action", "sf"]) == ("action", "sf", "alpha", "zeta")


# Pictures


def test_pictures_of_every_kind_become_rgb(tmp_path: Path) -> None:
    grey = RGB[:, :, 0]
    alpha = np.full((6, 8, 1), 51, np.uint8)  # a fifth
    for name, image, wanted in [
        ("colour.png", RGB[:, :, ::-1], RGB),
        ("grey.png", grey, np.repeat(grey[:, :, None], 3, 2)),
        ("alpha.png", np.dstack([RGB[:, :, ::-1], alpha]), np.rint(RGB / 5)),
        ("16.png", RGB[:, :, ::-1].astype(np.uint16) * 257, RGB),
        ("16.tif", grey.astype(np.uint16) * 257, np.repeat(grey[:, :, None], 3, 2)),
        ("한국어.webp", None, None),
    ]:
        path = tmp_path / name
        if image is None:
            options = [cv2.IMWRITE_WEBP_QUALITY, 101]
            path.write_bytes(cv2.imencode(".webp", RGB[:, :, ::-1], options)[1].tobytes())
            wanted = RGB
        else:
            path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
        read = read_picture(path)
        assert (read.dtype, read.flags.c_contiguous) == (np.uint8, True)
        np.testing.assert_array_equal(read, wanted, err_msg=name)


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image.fromarray(RGB).quantize(256).save(tmp_path / "p.png")
    assert np.abs(read_picture(tmp_path / "p.png").astype(int) - RGB).max() < 12


@pytest.mark.parametrize("name", ["한국 영화.png", "한국 영화.jpg"])
def test_what_is_written_is_read_again_under_any_name(name: str, tmp_path: Path) -> None:
    smooth = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 48, 0)
    rgb = np.dstack([smooth, smooth[:, ::-1], np.full_like(smooth, 90)])
    write_picture(tmp_path / name, rgb)
    difference = np.abs(read_picture(tmp_path / name).astype(int) - rgb)
    assert difference.max() <= (0 if name.endswith(".png") else 6)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such picture"), (b"", "empty"), (b"no picture", "not a picture")],
)
def test_what_is_no_picture_is_one_line(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=said):
        read_picture(path)
    with pytest.raises(MediaError, match="is a folder"):
        read_picture(tmp_path)


def test_a_picture_of_fractions_is_refused() -> None:
    data = cv2.imencode(".tif", np.ones((4, 4), np.float32))[1].reshape(-1)
    with pytest.raises(MediaError, match="float32"):
        decode_picture(data, "x.tif")


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="written as"):
        write_picture(tmp_path / "x.gif", RGB)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_picture(tmp_path / "file" / "x.png", RGB)
