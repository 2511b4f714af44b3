"""Files that are no dataset of clips, or damaged ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from labelled import COLUMNS, some_clips, some_steps
from reelpulse.errors import DataError
from reelpulse.moments.dataset.clips import ClipSet, make_clip_file


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return some_clips(tmp_path / "클립.h5")


def changed_file(path: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def attribute(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file.attrs[name] = value

    return change


def removed(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]

    return change


def replaced(name: str, values: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        file[name] = values

    return change


def emptied(file: Any) -> None:
    """Declares a million rows, of which nothing is there."""
    shape = file["features"].shape[1:]
    for name in list(file):
        if name != "facts":
            file[name].resize(1_000_000, axis=0)
    del file["features"]
    file.create_dataset("features", (1_000_000, *shape), "f4", chunks=(64, *shape))
    file.attrs["rows"] = 1_000_000


DAMAGE = {
    "a later version": (attribute("version", 99), "upgrade"),
    "version 0": (attribute("version", 0), "is damaged"),
    "another format": (attribute("format", "other"), "no dataset"),
    "no task": (attribute("task", "{}"), "is damaged"),
    "a task that is no JSON": (attribute("task", "{"), "is damaged"),
    "no columns": (attribute("columns", "[]"), "is damaged"),
    "columns twice": (attribute("columns", '["a", "a", "b"]'), "is damaged"),
    "more columns": (attribute("columns", '["a", "b", "c", "d"]'), "is damaged"),
    "odd shape": (attribute("shape", '{"length": "odd"}'), "is damaged"),
    "sampling that is a list": (attribute("sampling", "[]"), "is damaged"),
    "more rows than there are": (attribute("rows", 101), "is damaged"),
    "fewer than none": (attribute("rows", -1), "is damaged"),
    "rows that are a text": (attribute("rows", "many"), "is damaged"),
    "no labels": (removed("labels"), "is damaged"),
    "no facts": (removed("facts"), "is damaged"),
    "no source": (removed("facts/source"), "is damaged"),
    "labels of no class": (replaced("labels", np.full(100, 7, np.float32)), "is damaged"),
    "labels not a number": (replaced("labels", np.full(100, np.nan, np.float32)), "is damaged"),
    "numbers for texts": (replaced("facts/person", np.zeros(100)), "is damaged"),
    "texts for features": (replaced("features", ["a"] * 100), "is damaged"),
    "rows declared": (emptied, "is damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_dataset_is_one_line(clips: Path, name: str) -> None:
    change, said = DAMAGE[name]
    changed_file(clips, change)
    with pytest.raises(DataError, match=said) as caught:
        ClipSet(clips)
    assert str(caught.value).startswith(f"{clips}: ")
    assert "\n" not in str(caught.value)


def test_a_dataset_cut_short_is_one_line(clips: Path) -> None:
    content = clips.read_bytes()
    for share in (0.1, 0.5, 0.9):
        clips.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError, match="damaged"):
            ClipSet(clips)


def test_files_that_are_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("file,label\n")
    (tmp_path / "empty.h5").touch()
    for name, said in [
        ("none.h5", "no such file"),
        (".", "is a folder"),
        ("text.h5", "is not an HDF5 file"),
        ("empty.h5", "is not an HDF5 file"),
    ]:
        with pytest.raises(DataError, match=said):
            ClipSet(tmp_path / name)


def test_arrays_that_do_not_agree_leave_no_file(tmp_path: Path) -> None:
    steps = some_steps(4)
    for labels, columns in itertools.product(([0, 1, 0, 1], [0, 1, 2, 3]), (COLUMNS, ("a", "b"))):
        if columns == COLUMNS and max(labels) == 1:
            continue
        with pytest.raises(DataError):
            make_clip_file(tmp_path / "c.h5", steps, labels, columns=columns)
        assert list(tmp_path.iterdir()) == []
