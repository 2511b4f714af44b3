"""Timelines on disk whose inside lies: one clear line naming the file, and no memory taken."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fakes import blocks, observed, table, vector
from reelpulse.errors import DataError
from reelpulse.moments.detect import find_moments
from reelpulse.resolve import resolve
from reelpulse.timeline import load_observations, load_timeline, write_timeline

TICKS = 20
Lie = Callable[[Any], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An .h5 of 20 ticks with a face and loudness."""
    rows = [(tick, 0, (10, 5, 20, 20), vector(0), 0.95) for tick in range(TICKS)]
    found = observed(table(rows, TICKS))
    found.blocks = blocks(found.times)
    write_timeline(tmp_path / "거짓.h5", resolve(found), found)
    return tmp_path / "거짓.h5"


def put(name: str, values: Any) -> Lie:
    """Put another array in a dataset's place."""

    def lie(file: Any) -> None:
        del file[name]
        file[name] = values

    return lie


def at(name: str, index: Any, value: Any) -> Lie:
    """Overwrite some values of a dataset."""

    def lie(file: Any) -> None:
        values = file[name][()]
        values[index] = value
        put(name, values)(file)

    return lie


def attribute(group: str, name: str, value: Any) -> Lie:
    def lie(file: Any) -> None:
        file[group].attrs[name] = value

    return lie


def gone(name: str) -> Lie:
    def lie(file: Any) -> None:
        del file[name]

    return lie


def huge(name: str, shape: tuple[int, ...], dtype: str) -> Lie:
    """Declare far more than there is: no chunk of it is stored."""

    def lie(file: Any) -> None:
        del file[name]
        file.create_dataset(name, shape, dtype, chunks=(4096, *shape[1:]))

    return lie


def meta(**changes: Any) -> Lie:
    def lie(file: Any) -> None:
        file.attrs["meta"] = json.dumps({**json.loads(file.attrs["meta"]), **changes})

    return lie


FACES = 20
LIES: dict[str, Lie] = {
    "values with fewer rows": put("streams/loudness/values", np.zeros((TICKS - 1, 2), "f4")),
    "values with more rows": put("streams/loudness/values", np.zeros((TICKS + 1, 2), "f4")),
    "values with more columns": put("streams/loudness/values", np.zeros((TICKS, 3), "f4")),
    "values of one dimension": put("streams/loudness/values", np.zeros(TICKS, "f4")),
    "values that are one number": put("streams/loudness/values", 1.0),
    "values that are text": put(
        "streams/loudness/values", np.full((TICKS, 2), b"loud", dtype="S4")
    ),
    "columns that are no list": attribute("streams/loudness", "columns", '"ab"'),
    "columns that are numbers": attribute("streams/loudness", "columns", "[1, 2]"),
    "columns of one name": attribute("streams/loudness", "columns", '["a", "a"]'),
    "columns of the face stream": attribute("streams/loudness", "columns", '["anger", "valence"]'),
    "columns missing": lambda file: file["streams/loudness"].attrs.pop("columns"),
    "settings that are a list": attribute("streams/loudness", "settings", "[1]"),
    "settings that are broken": attribute("streams/loudness", "settings", "{"),
    "times not increasing": put("times", np.zeros(TICKS)),
    "times with NaN": at("times", 3, np.nan),
    "times without end": at("times", -1, np.inf),
    "times in two dimensions": put("times", np.zeros((TICKS, 1))),
    "times that are one number": put("times", 5.0),
    "times that are text": put("times", np.array([b"now"] * TICKS)),
    "times that are complex": put("times", np.arange(TICKS) + 1j),
    "no faces' ticks": gone("faces/tick"),
    "no face values": gone("faces/values"),
    "no faces seen": gone("faces/seen"),
    "seen of other length": put("faces/seen", np.ones(TICKS + 3, "i4")),
    "fewer ticks than faces": put("faces/tick", np.arange(FACES - 1, dtype="i4")),
    "faces beyond the ticks": at("faces/tick", -1, TICKS),
    "faces far beyond the ticks": at("faces/tick", -1, 2**31 - 1),
    "faces before the ticks": at("faces/tick", 0, -1),
    "faces out of order": put("faces/tick", np.arange(FACES, dtype="i4")[::-1]),
    "ticks of faces as fractions": put("faces/tick", np.arange(FACES) + 0.5),
    "boxes of three numbers": put("faces/box", np.zeros((FACES, 3), "f4")),
    "boxes of fewer rows": put("faces/box", np.zeros((FACES - 2, 4), "f4")),
    "scores in two dimensions": put("faces/score", np.zeros((FACES, 2), "f4")),
    "tracks below zero": at("faces/track", 2, -5),
    "embeddings of fewer rows": put("faces/embedding", np.zeros((FACES - 1, 8), "f2")),
    "embeddings of one dimension": put("faces/embedding", np.zeros(FACES, "f2")),
    "face values of nine columns": put("faces/values", np.zeros((FACES, 9), "f4")),
    "face values of fewer rows": put("faces/values", np.zeros((FACES - 1, 10), "f4")),
    "no group of the face stream": gone("streams/face"),
    "streams that are an array": put("streams", np.zeros(3)),
    "faces that are an array": put("faces", np.zeros(3)),
    "a track twice in a tick": put("faces/tick", np.zeros(FACES, "i4")),
    "meta that is a list": lambda file: file.attrs.__setitem__("meta", "[1, 2]"),
    "meta that is a number": lambda file: file.attrs.__setitem__("meta", "5"),
    "meta that is no text": lambda file: file.attrs.__setitem__("meta", 5),
    "meta that is nothing": lambda file: file.attrs.__setitem__("meta", "null"),
    "meta that is deep": lambda file: file.attrs.__setitem__("meta", "[" * 40_000),
    "meta that is missing": lambda file: file.attrs.pop("meta"),
    "video that is a list": meta(video=[1]),
    "duration that is text": meta(video={"duration": "long"}),
    "duration below zero": meta(video={"duration": -5}),
    "duration without end": meta(video={"duration": float("inf")}),
    "sampling that is a list": meta(sampling=[2]),
    "sampling that starts with text": meta(sampling={"start": "soon", "end": None}),
    "warnings that are a number": meta(warnings=3),
    "person that is text": meta(person="me"),
    "version missing": lambda file: file.attrs.pop("version"),
    "version below one": lambda file: file.attrs.__setitem__("version", 0),
    "huge times": huge("times", (10**12,), "f8"),
    "huge values": huge("streams/loudness/values", (10**12, 2), "f4"),
    "huge faces": huge("faces/embedding", (10**12, 128), "f2"),
    "huge seen": huge("faces/seen", (10**12,), "i4"),
    "huge ticks of faces": huge("faces/tick", (10**11,), "i4"),
}


def everything(path: Path) -> None:
    """Read all there is and make of it what can be made."""
    timeline = load_timeline(path)
    find_moments(timeline)
    observations = load_observations(path)
    resolve(observations)


@pytest.fixture
def little_memory() -> Any:
    """A limit on memory, so that a lie about a size fails here and not on the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (24 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("name", list(LIES))
def test_a_lying_file_is_one_clear_line(path: Path, name: str) -> None:
    with h5py.File(path, "r+") as file:
        LIES[name](file)
    with pytest.raises(DataError) as caught:
        everything(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 400
    assert "damaged" in message


HARMLESS: dict[str, Lie] = {
    "an unknown attribute": attribute("faces", "colour", "blue"),
    "an unknown dataset": lambda file: file.create_dataset("notes", data=[1, 2]),
    "no video group": gone("video"),
    "no faces at all": lambda file: (gone("faces")(file), gone("streams/face")(file)),
    "a track numbered far beyond the others": at("faces/track", 2, 2**31 - 1),
    "times of single precision": put("times", (np.arange(TICKS) / 2).astype("f4")),
}


@pytest.mark.parametrize("name", list(HARMLESS))
def test_what_does_no_harm_is_read(path: Path, name: str) -> None:
    whole = load_timeline(path)
    with h5py.File(path, "r+") as file:
        HARMLESS[name](file)
    everything(path)
    read = load_timeline(path)
    np.testing.assert_array_equal(read.times, whole.times)
    if name != "no faces at all":
        np.testing.assert_array_equal(read.values, whole.values)


def test_a_lie_on_the_command_line_is_one_line(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        LIES["huge times"](file)
    command = [sys.executable, "-m", "reelpulse", "detect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {path}: is damaged")
