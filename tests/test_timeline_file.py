"""The .h5 file: layout, round trips, forgotten faces and files that are not what they should be."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from fakes import blocks, observed, table, vector
from reelpulse.errors import DataError
from reelpulse.resolve import resolve
from reelpulse.timeline import (
    FACE_COLUMNS,
    LOUDNESS_COLUMNS,
    Faces,
    Observations,
    Timeline,
    load_observations,
    load_timeline,
    write_timeline,
)

Load = Callable[[Path], object]
both = pytest.mark.parametrize("load", [load_timeline, load_observations])


def observations() -> Observations:
    """Twenty ticks with up to two faces, loudness, and facts with Korean in them."""
    random = np.random.default_rng(3)
    rows = []
    for tick in range(20):
        for track in range(1 + tick % 2):
            noise = random.normal(0, 0.1, len(vector(0)))
            rows.append((tick, track, (10 * track, 5, 20, 20), vector(track) + noise, 0.95))
    found = observed(table(rows, 20), warnings=["가나다.mp4: 소리가 없음"])
    found.meta["video"] |= {"path": "영상/방송 하이라이트.mp4", "sound_tracks": ["마이크"]}
    found.face_settings = {"checksum": "abc", "version": 1, "emotion": {"emotion": "fake"}}
    found.blocks = blocks(found.times)
    return found


def written(path: Path, *, forget_faces: bool = False) -> tuple[Timeline, Observations]:
    found = observations()
    timeline = resolve(found)
    write_timeline(path, timeline, found, forget_faces=forget_faces)
    return timeline, found


def test_hdf5_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "방송.h5"
    timeline, found = written(path)
    back = load_timeline(path)
    np.testing.assert_array_equal(back.times, timeline.times)
    np.testing.assert_array_equal(back.values, timeline.values)
    assert back.columns == timeline.columns == (*FACE_COLUMNS, *LOUDNESS_COLUMNS)
    assert back.meta == {**timeline.meta, "file": str(path)}
    assert back.meta["video"]["path"] == "영상/방송 하이라이트.mp4"
    again = load_observations(path)
    np.testing.assert_array_equal(again.times, found.times)
    assert again.faces is not None
    assert found.faces is not None
    for name in (*Faces.ROWS, "seen"):
        one, other = getattr(again.faces, name), getattr(found.faces, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert again.face_settings == found.face_settings
    assert again.blocks.keys() == {"loudness"}
    np.testing.assert_array_equal(again.blocks["loudness"].values, found.blocks["loudness"].values)
    assert again.blocks["loudness"].settings == {"rate": 22050}
    np.testing.assert_array_equal(resolve(again).values, timeline.values)
    assert [file.name for file in tmp_path.iterdir()] == ["방송.h5"]


def test_hdf5_without_faces_or_ticks(tmp_path: Path) -> None:
    for found in (
        Observations(np.arange(4) / 2),
        Observations(np.zeros(0)),
        observed(table([], 3)),
    ):
        timeline = resolve(found)
        write_timeline(tmp_path / "x.h5", timeline, found)
        back = load_timeline(tmp_path / "x.h5")
        assert back.columns == (*FACE_COLUMNS, *LOUDNESS_COLUMNS)
        assert back.values.shape == (len(found.times), 12)
        assert (load_observations(tmp_path / "x.h5").faces is None) == (found.faces is None)


def test_hdf5_layout(tmp_path: Path) -> None:
    _, found = written(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["times"].shape == (20,)
        assert file["times"].dtype == np.float64
        for name, columns in (("face", FACE_COLUMNS), ("loudness", LOUDNESS_COLUMNS)):
            group = file[f"streams/{name}"]
            assert group["values"].shape == (20, len(columns))
            assert group["values"].dtype == np.float32
            assert json.loads(group.attrs["columns"]) == list(columns)
        group = file["streams/face"]
        assert json.loads(group.attrs["settings"]) == found.face_settings
        assert group.attrs["model"] == "abc"
        assert group.attrs["version"] == 1
        assert {"tick", "box", "score", "track", "embedding", "values"} <= set(file["faces"])
        assert file["faces/embedding"].dtype == np.float16
        assert file["faces/values"].shape == (30, 10)
        assert file["video"].attrs["path"] == "영상/방송 하이라이트.mp4"
        assert file["video"].attrs["width"] == 200


def inflated(data: bytes) -> list[bytes]:
    """Everything in a file that zlib can unpack, bytes of halves put together again."""
    found = [data]
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        try:
            plain = zlib.decompressobj().decompress(data[match.start() :])
        except zlib.error:
            continue
        found += [
            plain,
            np.frombuffer(plain[: len(plain) // 2 * 2], "u1").reshape(2, -1).T.tobytes(),
        ]
    return found


def test_forgotten_faces_leave_no_embedding_in_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    timeline, found = written(path)
    assert found.faces is not None
    rows = [row.tobytes() for row in found.faces.embedding]
    kept = inflated(path.read_bytes())
    assert all(any(row in part for part in kept) for row in rows), "the search must find them"
    written(path, forget_faces=True)
    kept = inflated(path.read_bytes())
    assert not any(row in part for part in kept for row in rows)
    back = load_observations(path).faces
    assert back is not None
    assert back.embedding.shape == (30, 0)
    np.testing.assert_array_equal(back.values, found.faces.values)
    np.testing.assert_array_equal(load_timeline(path).values, timeline.values)
    assert resolve(load_observations(path)).valid[:, 0].any(), "a person can still be followed"


def spoil(path: Path, how: str) -> None:
    if how == "text":
        path.write_text("time,anger\n")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "other":
        with h5py.File(path, "w") as file:
            file["times"] = np.arange(3)
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "missing":
        path.unlink()
    else:
        with h5py.File(path, "r+") as file:
            if how == "newer":
                file.attrs["version"] = 99
            elif how == "odd version":
                file.attrs["version"] = "two"
            elif how == "no times":
                del file["times"]
            elif how == "no meta":
                file.attrs["meta"] = "{"
            elif how == "short":
                del file["streams/loudness/values"]
                file["streams/loudness/values"] = np.zeros((3, 2))
            elif how == "no group":
                del file["streams/loudness"]
                file["streams/loudness"] = np.zeros(3)


@both
@pytest.mark.parametrize(
    "how",
    [
        *("text", "empty", "cut", "other", "folder", "missing", "newer", "odd version"),
        *("no times", "no meta", "short", "no group"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, how: str, load: Load) -> None:
    path = tmp_path / "나쁜.h5"
    written(path)
    spoil(path, how)
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    if how == "newer":
        assert "newer" in message
        assert "99" in message


def test_times_that_do_not_increase_are_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    written(path)
    with h5py.File(path, "r+") as file:
        file["times"][...] = file["times"][()][::-1]
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_timeline(path)


@both
def test_damage_anywhere_in_the_structure_is_one_clear_line(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "x.h5"
    written(path)
    whole = path.read_bytes()
    messages = []
    for match in re.finditer(b"GCOL|SNOD|TREE|HEAP", whole):
        path.write_bytes(whole[: match.start()] + b"\xff" * 4 + whole[match.end() :])
        try:
            load(path)  # what it does not need may be damaged
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 5
    assert [message for message in messages if not message.startswith(str(path))] == []
