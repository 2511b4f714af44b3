"""The dataset of clips: what comes back, and adding to it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelled import COLUMNS, some_clips, some_steps
from reelpulse.errors import DataError, SettingsError
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.dataset.clip_file import FACTS, append_clips, create_clips
from reelpulse.moments.dataset.clips import ClipSet, make_clip_file
from reelpulse.moments.inputs import Steps
from reelpulse.moments.lengths import Shape

ARRAYS = ("values", "times", "measured", "usual", "embeddings")


def same(one: Steps, other: Steps) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name != "measured")
        for name in ARRAYS
        if getattr(one, name) is not None or getattr(other, name) is not None
    )


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return some_clips(tmp_path / "클립.h5")


# What comes back


@pytest.mark.parametrize("embeddings", [0, 8])
@pytest.mark.parametrize("task", [BINARY, LEVELS, SCORE], ids=lambda task: task.kind)
def test_what_is_written_comes_back(tmp_path: Path, task: Task, embeddings: int) -> None:
    steps = some_steps(70, embeddings=embeddings)
    labels = np.arange(70) % 3 % max(task.outputs + (task.kind == "binary"), 2)
    shape = Shape("pad_front", 15, 2.5)
    facts = {"video": [f"영상 {row}.mp4" for row in range(70)], "spread": np.linspace(0, 2, 70)}
    sampling = {"rate": 4.0, "sample": "clip", "models": {"emotion": "builtin"}}
    path = tmp_path / "c.h5"
    made = make_clip_file(
        path,
        steps,
        labels,
        task=task,
        columns=COLUMNS,
        shape=shape,
        facts=facts,
        sampling=sampling,
    )
    assert made == path
    with ClipSet(path) as found:
        assert len(found) == 70
        assert (found.task, found.columns, found.shape) == (task, COLUMNS, shape)
        assert (found.embeddings, found.sampling) == (embeddings, sampling)
        assert same(found.read(), steps)
        assert found.labels.dtype == np.float32
        assert found.labels.tolist() == labels.tolist()
        assert found.facts["video"][69] == "영상 69.mp4"
        assert found.facts["spread"][69] == 2
        assert set(found.facts) == {*FACTS, "label"}
        assert all(len(values) == 70 for values in found.facts.values())
        assert np.isnan(found.facts["tension"]).all()
        if task.kind == "score":
            assert found.facts["label"][1] == 1
        else:
            assert found.facts["label"][1] == task.classes[1]


KEYS = [
    slice(100, 200),
    slice(None),
    slice(-5, None),
    slice(180, 20, -7),
    slice(7, 7),
    slice(9, 3),
    5,
    -1,
    np.array([3, 199, 3, 0]),
    [],
    np.arange(200) % 3 == 0,
    (slice(10, 20), slice(None), 1),
    (np.array([9, 2]), 4),
    (8, 2),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_features_are_sliced_like_an_array(tmp_path: Path, key: Any) -> None:
    steps = some_steps(200)
    make_clip_file(tmp_path / "c.h5", steps, np.arange(200) % 2, columns=COLUMNS)
    with ClipSet(tmp_path / "c.h5") as found:
        index = np.array(key, np.int64) if isinstance(key, list) else key
        expected = steps.values[index]
        assert np.array_equal(found.features[key], expected, equal_nan=True)
        assert found.features[key].dtype == np.float32
        assert found.features.shape == (200, 15, 3)


@pytest.mark.parametrize("key", [200, -201, [0, 200], np.ones(3, bool)], ids=str)
def test_rows_that_are_not_there(tmp_path: Path, key: Any) -> None:
    some_clips(tmp_path / "c.h5", 200)
    with ClipSet(tmp_path / "c.h5") as found, pytest.raises(IndexError):
        found.features[key]


def test_slicing_reads_only_the_chunks_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_clips(tmp_path / "c.h5", 4000)
    wide = []
    read = h5py.Dataset.__getitem__

    def counted(self: Any, key: Any, **more: Any) -> Any:
        out = read(self, key, **more)
        wide.append(len(out))
        return out

    with ClipSet(tmp_path / "c.h5") as found:
        monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
        found.features[100:200]
        assert wide == [100]
        wide.clear()
        found.features[[3999, 5, 7]]
        assert sorted(wide) == [1, 3]


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(-150, 149), max_size=200), size=st.integers(1, 70))
def test_batches_are_the_clips_asked_for(
    rows: list[int], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    steps, path = some_steps(150), tmp_path_factory.getbasetemp() / "batches.h5"
    if not path.exists():
        make_clip_file(path, steps, np.arange(150) % 2, columns=COLUMNS)
    with ClipSet(path) as found:
        parts = list(found.batches(size, rows))
        assert all(len(part) <= size for part, _ in parts)
        assert [row for part, _ in parts for row in part] == rows
        for part, read in parts:
            assert same(read, steps[part])


def test_all_clips_come_in_batches_without_rows(clips: Path) -> None:
    with ClipSet(clips) as found:
        assert [len(part) for part, _ in found.batches(64)] == [64, 36]


# Facts


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ([], lambda row: True),
        (["person=김"], lambda row: row % 2 == 0),
        (["person==김"], lambda row: row % 2 == 0),
        (["person = 김"], lambda row: row % 2 == 0),
        (["person!=김"], lambda row: row % 2 == 1),
        (["duration<=7"], lambda row: row % 4 <= 2),
        (["duration<7", "duration>5"], lambda row: row % 4 == 1),
        (["duration>=8", "source=stream 3"], lambda row: row % 4 == 3 and row // 10 == 3),
        (["label=funny"], lambda row: row % 2 == 1),
        (["label!=funny"], lambda row: row % 2 == 0),
        (["tension>0"], lambda row: False),
        (["person=nobody"], lambda row: False),
    ],
)
def test_clips_are_found_by_their_facts(
    clips: Path, conditions: list[str], fits: Callable[[int], bool]
) -> None:
    with ClipSet(clips) as found:
        assert found.where(conditions).tolist() == [row for row in range(100) if fits(row)]


def test_a_name_with_its_letters_taken_apart_is_the_same_name(clips: Path) -> None:
    with ClipSet(clips) as found:
        assert len(found.where(["person=\u1100\u1175\u11b7"])) == 50


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("persn=김", "did you mean `person`"),
        ("zzz=1", "known: video"),
        ("person", "FACT=VALUE"),
        ("=3", "FACT=VALUE"),
        ("", "FACT=VALUE"),
        ("duration<=long", "'long'"),
        ("person<김", "by = or !="),
        ("label=funy", "did you mean `funny`"),
    ],
)
def test_a_condition_that_cannot_be_read_says_why(clips: Path, condition: str, said: str) -> None:
    with ClipSet(clips) as found, pytest.raises(SettingsError, match=said):
        found.where([condition])


def test_scores_are_compared_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    make_clip_file(path, some_steps(4), [0, 2.5, 7, 10], task=SCORE, columns=COLUMNS)
    with ClipSet(path) as found:
        assert found.where(["label>=7"]).tolist() == [2, 3]


# Fingerprint


def test_the_fingerprint_is_of_what_is_in_it(tmp_path: Path) -> None:
    def of(name: str, **what: Any) -> str:
        with ClipSet(some_clips(tmp_path / name, **what)) as found:
            return found.fingerprint

    first = of("a.h5")
    assert len(first) == 16
    assert int(first, 16) >= 0
    assert of("b.h5") == first
    others = [
        of("c.h5", facts={"person": ["김"] * 100}),
        of("d.h5", shape=Shape("pad", 15)),
        of("e.h5", columns=("a", "b", "c")),
        of("f.h5", sampling={"rate": 1.0}),
        of("g.h5", count=99),
    ]
    assert len({first, *others}) == 6


# Adding


def chunks(path: Path) -> dict[tuple[str, int], tuple[int, bytes]]:
    """Where each full chunk of each table lies in the file, and what is there."""
    content, found = path.read_bytes(), {}
    with h5py.File(path) as file:
        count = int(file.attrs["rows"])
        tables = [name for name in file if name != "facts"]
        for name in [*tables, *(f"facts/{fact}" for fact in file["facts"])]:
            for index in range(count // 64):
                table = file[name]
                info = table.id.get_chunk_info_by_coord((index * 64, *[0] * (table.ndim - 1)))
                start = info.byte_offset
                found[name, index] = start, content[start : start + info.size]
    return found


def test_adding_leaves_what_is_there_where_it_is(tmp_path: Path) -> None:
    path = some_clips(tmp_path / "c.h5", 150)
    before = chunks(path)
    assert len(before) == 2 * (5 + len(FACTS))
    more = some_steps(90, seed=1)
    assert append_clips(path, more, np.ones(90), {"person": ["새 사람"] * 90}) == 240
    after = chunks(path)
    assert {key: after[key] for key in before} == before
    with ClipSet(path) as found:
        assert len(found) == 240
        assert same(found.read(slice(0, 150)), some_steps(150))
        assert same(found.read(slice(150, None)), more)
        assert found.facts["person"][149:151].tolist() == ["Lee", "새 사람"]
        assert found.facts["source"][150] == ""


def test_adding_writes_little_more_than_what_is_added(tmp_path: Path) -> None:
    path = some_clips(tmp_path / "c.h5", 5000)
    size = path.stat().st_size
    append_clips(path, some_steps(64), np.ones(64), {})
    assert path.stat().st_size - size < size / 20


def test_a_half_written_addition_does_not_show(tmp_path: Path) -> None:
    path = some_clips(tmp_path / "c.h5", 100)
    with h5py.File(path, "r+") as file:  # as after a kill: rows, and the count not yet raised
        for name in ("features", "labels"):
            file[name].resize(130, axis=0)
            file[name][100:] = 9
    with ClipSet(path) as found:
        assert len(found) == len(found.labels) == len(found.facts["label"]) == 100
        assert found.features[90:].shape == (10, 15, 3)
    more = some_steps(50, seed=2)
    assert append_clips(path, more, np.zeros(50), {}) == 150
    with ClipSet(path) as found:
        assert same(found.read(slice(100, None)), more)
        assert not found.labels[100:].any()


@pytest.mark.parametrize(
    ("steps", "labels", "said"),
    [
        (some_steps(2, steps=14), [0, 1], "features"),
        (some_steps(2, embeddings=4), [0, 1], "embeddings"),
        (some_steps(2), [0, 2], "a label is 2"),
        (some_steps(2), [0, np.nan], "a label is nan"),
        (some_steps(2), [0, 0.5], "a label is 0.5"),
        (some_steps(2), [0], "labels"),
    ],
)
def test_what_does_not_fit_is_not_added(
    clips: Path, steps: Steps, labels: list[float], said: str
) -> None:
    before = clips.read_bytes()
    with pytest.raises(DataError, match=said) as caught:
        append_clips(clips, steps, labels, {})
    assert "\n" not in str(caught.value)
    with ClipSet(clips) as found:
        assert len(found) == 100
    assert clips.stat().st_size == len(before)


def test_an_unknown_fact_is_refused(clips: Path) -> None:
    with pytest.raises(DataError, match="colour"):
        append_clips(clips, some_steps(1), [1], {"colour": ["red"]})


def test_a_full_disk_is_met_before_anything_is_written(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reelpulse.moments.dataset import clip_file

    before = clips.read_bytes()
    usage = clip_file.shutil.disk_usage(clips.parent)
    monkeypatch.setattr(clip_file.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(DataError, match="No space left"):
        append_clips(clips, some_steps(1), [1], {})
    assert clips.read_bytes() == before


def test_a_dataset_that_is_read_is_not_added_to(clips: Path) -> None:
    with ClipSet(clips), pytest.raises(DataError, match="in use"):
        append_clips(clips, some_steps(1), [1], {})
    assert append_clips(clips, some_steps(1), [1], {}) == 101


def test_a_hundred_thousand_clips_in_bounded_memory(tmp_path: Path) -> None:
    path, part = tmp_path / "big.h5", some_steps(4000, steps=4)
    create_clips(path, BINARY, COLUMNS, Shape(steps=4))
    labels, facts = np.arange(4000) % 2, {"source": ["stream"] * 4000}
    tracemalloc.start()
    try:
        for _ in range(25):
            append_clips(path, part, labels, facts)
        with ClipSet(path) as found:
            assert len(found) == 100_000
            total = sum(len(steps) for _, steps in found.batches())
            assert same(found.read([0, 99_999]), part[[0, 3999]])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 100_000
    assert most < 5_000_000 < path.stat().st_size
