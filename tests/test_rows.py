"""Rows on disk, and what a stopped training keeps: made once, gone on with, never a wrong one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import DataError
from reelpulse.files import only_one
from reelpulse.learn.kept import alone, clear, read_outputs, write_outputs
from reelpulse.learn.rows import fill

ROW = np.dtype([("values", np.float32, (3,)), ("count", np.int16)])


def made(number: int) -> np.ndarray:
    return np.array((np.full(3, number / 2), number), ROW)


def made_but_one(number: int) -> np.ndarray:
    if number == 11:
        os._exit(3)
    return made(number)


def rows(path: Path, count: int = 4, **options: Any) -> np.ndarray:
    given = {"lost": lambda task: f"{task} is damaged", "workers": 1, **options}
    make = given.pop("make", made)
    return fill(path, given.pop("kind", ROW), range(count), make, {"what": "numbers"}, **given)


def test_rows_are_made_and_come_back_in_order(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    got = rows(tmp_path / "n.npy", progress=lambda *now: seen.append(now))
    assert got["count"].tolist() == [0, 1, 2, 3]
    assert got["values"].tolist() == [[n / 2] * 3 for n in range(4)]
    assert seen == [(n, 4) for n in range(1, 5)]
    assert '"numbers"' in (tmp_path / "n.json").read_text(encoding="utf-8")


def test_processes_make_the_same_file(tmp_path: Path) -> None:
    rows(tmp_path / "one.npy", 20)
    rows(tmp_path / "two.npy", 20, workers=2)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    asked: list[int] = []

    def noted(number: int) -> np.ndarray:
        asked.append(number)
        return made(number)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path / "n.npy", 5, make=noted, progress=stop)
    assert asked == [0, 1, 2]
    assert rows(tmp_path / "n.npy", 5, make=noted)["count"].tolist() == [0, 1, 2, 3, 4]
    assert asked == [0, 1, 2, 3, 4]
    rows(tmp_path / "n.npy", 5, make=noted)
    assert len(asked) == 5


@pytest.mark.parametrize("harm", ["cut", "marks", "count", "kind"])
def test_a_file_that_is_not_whole_or_another_is_made_anew(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "n.npy"
    rows(path)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif harm == "marks":
        path.with_suffix(".done").unlink()
    elif harm == "count":
        assert len(rows(path, 6)) == 6
        return
    else:
        kind = np.dtype(np.int32)
        got = rows(path, kind=kind, make=lambda number: np.array(7 * number, kind))
        assert got.tolist() == [0, 7, 14, 21]
        return
    assert rows(path)["count"].tolist() == [0, 1, 2, 3]


def test_a_task_that_ends_its_process_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "n.npy"
    with pytest.raises(DataError, match="11 is damaged"):
        rows(path, 20, make=made_but_one, workers=2)
    asked: list[int] = []

    def noted(number: int) -> np.ndarray:
        asked.append(number)
        return made(number)

    assert rows(path, 20, make=noted)["count"].tolist() == list(range(20))
    assert 11 in asked
    assert len(asked) < 20


def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reelpulse.learn import rows as module

    put, puts = module._put, []

    def full(file: Any, position: int, data: bytes) -> None:
        puts.append(position)
        if len(puts) > 4:  # two rows and their marks fit
            raise OSError(28, "No space left on device")
        put(file, position, data)

    monkeypatch.setattr(module, "_put", full)
    with pytest.raises(DataError, match=r"n\.npy: cannot be written \(No space left.*make room"):
        rows(tmp_path / "n.npy")
    monkeypatch.setattr(module, "_put", put)
    seen: list[int] = []
    rows(tmp_path / "n.npy", progress=lambda done, total: seen.append(done))
    assert seen == [3, 4]


def test_only_one_run_makes_them(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "n.npy", "me"),
        pytest.raises(DataError, match=r"n\.npy: is being made by another run"),
    ):
        rows(tmp_path / "n.npy")


# What a stopped training keeps


def test_outputs_come_back_for_their_own_plan_alone(tmp_path: Path) -> None:
    path, outputs = tmp_path / "fold.npz", np.arange(6, dtype=np.float32).reshape(2, 3)
    assert read_outputs(path, "plan", (2, 3)) is None
    write_outputs(path, "plan", outputs)
    np.testing.assert_array_equal(read_outputs(path, "plan", (2, 3)), outputs)
    assert read_outputs(path, "another", (2, 3)) is None
    assert read_outputs(path, "plan", (3, 2)) is None
    for size in range(0, path.stat().st_size, 50):
        (tmp_path / "part.npz").write_bytes(path.read_bytes()[:size])
        assert read_outputs(tmp_path / "part.npz", "plan", (2, 3)) is None


def test_clearing_removes_what_was_kept_and_nothing_else(tmp_path: Path) -> None:
    for folder in ("kept", "shared"):
        (tmp_path / folder).mkdir()
        write_outputs(tmp_path / folder / "fold.npz", "plan", np.zeros((1, 1), np.float32))
        (tmp_path / folder / "last.safetensors").write_bytes(b"weights")
    (tmp_path / "shared/notes.txt").write_text("mine")
    clear(tmp_path / "kept")
    clear(tmp_path / "shared")
    clear(tmp_path / "never there")
    assert not (tmp_path / "kept").exists()
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["notes.txt"]


def test_two_trainings_of_one_result_are_told(tmp_path: Path) -> None:
    parts, out = tmp_path / "m.parts", tmp_path / "m.onnx"
    with (
        alone(parts, "corpus", out),
        pytest.raises(DataError, match=r"m\.onnx: is being trained by another run"),
        alone(parts, "corpus", out),
    ):
        pass
    with alone(parts, "corpus", out):
        pass
