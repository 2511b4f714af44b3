"""A dataset that is there already: replacing it, adding to it, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conftest import Command
from labelled import RANGES, write_gappy_stream, write_table
from reelpulse.errors import DataError
from reelpulse.files import only_one
from reelpulse.learn.task import LEVELS, SCORE
from reelpulse.moments.dataset.build import build
from reelpulse.moments.dataset.clips import ClipSet


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    return write_gappy_stream(tmp_path / "stream.h5")


# A dataset that is there already


def test_a_dataset_is_not_replaced_unasked(stream: Path, tmp_path: Path, run: Command) -> None:
    rows = [("stream.h5", 1, 7, 1), ("stream.h5", 10, 16, 0)]
    write_table(tmp_path / "l.csv", rows, RANGES)
    assert run("moments", "build", "l.csv").code == 0
    run("moments", "build", "l.csv").one_line("clips.h5", "--append", "--overwrite")
    run("moments", "build", "l.csv", "--append", "--overwrite").one_line("exclude each other")
    run("moments", "build", "l.csv", "-o", ".").one_line("is a folder")
    run("moments", "build", "l.csv", "-o", "none.h5", "--append").one_line("no such file")
    assert run("moments", "build", "l.csv", "--overwrite").code == 0


def test_appending_adds_what_is_new(stream: Path, tmp_path: Path, run: Command) -> None:
    rows = [("stream.h5", 1, 7, "funny"), ("stream.h5", 10, 16, "ordinary")]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    build(labels, tmp_path / "clips.h5")
    with ClipSet(tmp_path / "clips.h5") as clips:
        before = clips.read().values
    write_table(labels, [*rows, ("stream.h5", 20, 26, "funny")], RANGES)
    done = run("moments", "build", "l.csv", "--append")
    assert done.code == 0
    assert done.out == "clips.h5: 1 clips added (1 funny)\nclips.h5: now holds 3\n"
    assert [line for line in done.errors if "line 2" in line and "there already" in line]
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert np.array_equal(clips.features[:2], before)
        assert clips.facts["start"].tolist() == [1, 10, 20]
    # One label alone is enough to add, and all of it there already is no error.
    write_table(labels, [("stream.h5", 20, 26, "funny")], RANGES)
    assert run("moments", "build", "l.csv", "--append", "--quiet").errors == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--length", "pad"), "--length even --steps 15"),
        (("--steps", "12"), "--length even --steps 15"),
        (("--task", "score"), "of the kind binary"),
        (("--column", "face"), "holds other columns"),
        (("--embeddings",), "keeps no embeddings"),
    ],
)
def test_what_is_added_must_be_like_what_is_there(
    stream: Path, tmp_path: Path, run: Command, options: tuple[str, ...], said: str
) -> None:
    rows = [("stream.h5", 1, 7, "funny"), ("stream.h5", 10, 16, "ordinary")]
    write_table(tmp_path / "l.csv", rows, RANGES)
    assert run("moments", "build", "l.csv").code == 0
    run("moments", "build", "l.csv", "--append", *options).one_line("clips.h5", said)


def test_the_task_of_the_dataset_reads_the_labels_added(stream: Path, tmp_path: Path) -> None:
    labels = tmp_path / "l.csv"
    write_table(labels, [("stream.h5", 1, 7, 7.5), ("stream.h5", 10, 16, 2)], RANGES)
    assert build(labels, tmp_path / "s.h5").task == SCORE
    write_table(labels, [("stream.h5", 20, 26, 0), ("stream.h5", 40, 46, 1)], RANGES)
    assert build(labels, tmp_path / "s.h5", append=True).task == SCORE
    write_table(labels, [("stream.h5", 1, 7, "boring"), ("stream.h5", 10, 16, "funny")], RANGES)
    assert build(labels, tmp_path / "l.h5").task == LEVELS
    write_table(labels, [("stream.h5", 20, 26, "ordinary")], RANGES)
    build(labels, tmp_path / "l.h5", append=True)
    with ClipSet(tmp_path / "l.h5") as clips:
        assert clips.labels.tolist() == [0, 2, 1]


def test_one_build_at_a_time(stream: Path, tmp_path: Path) -> None:
    rows = [("stream.h5", 1, 7, 1), ("stream.h5", 10, 16, 0)]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    with only_one(tmp_path / "c.h5", "me"), pytest.raises(DataError, match="another run"):
        build(labels, tmp_path / "c.h5")
    assert build(labels, tmp_path / "c.h5").added == 2


def test_the_same_clip_twice_is_taken_once(stream: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.h5").write_bytes(stream.read_bytes())
    rows = [("stream.h5", 1, 7, 1), ("copy.h5", 1, 7, 0), ("copy.h5", 10, 16, 0)]
    built = build(write_table(tmp_path / "l.csv", rows, RANGES), tmp_path / "c.h5")
    assert built.added == 2
    assert [entry.line for entry in built.there_already] == [3]


# What is in it


@pytest.fixture
def built(stream: Path, tmp_path: Path) -> Path:
    rows = [
        ("stream.h5", 1, 7, "funny", "지수"),
        ("stream.h5", 10, 16, "ordinary", "지수"),
        ("stream.h5", 40, 45, "funny", ""),
    ]
    build(write_table(tmp_path / "l.csv", rows, f"{RANGES},person"), tmp_path / "clips.h5")
    return tmp_path / "clips.h5"


def test_info_tells_what_is_in_a_dataset(built: Path, run: Command) -> None:
    done = run("moments", "info", built)
    assert done.code == 0
    for said in (
        "clips      3",
        "1 ordinary, 2 funny",
        "지수 (2)",
        "not said (1)",
        "5 to 6 s",
        "15, even",
        "loudness loudness_change",
        "2 ticks a second",
    ):
        assert said in done.out, said
    assert any("'ordinary'" in line for line in done.errors)
    assert all(line.startswith("warning: ") for line in done.errors)


def test_info_as_json_filtered_and_listed(built: Path, run: Command) -> None:
    found = json.loads(run("moments", "info", built, "--json").out)
    with ClipSet(built) as clips:
        assert found["fingerprint"] == clips.fingerprint
    assert found["seconds"]["middle"] == 6
    assert "rows" not in found
    ran = run("moments", "info", built, "--json", "--rows", "--where", "person=지수")
    found = json.loads(ran.out)
    assert (found["clips"], found["of"]) == (2, 3)
    assert [row["row"] for row in found["rows"]] == [0, 1]
    assert found["rows"][0]["label"] == "funny"
    assert found["rows"][0]["fps"] is None
    listed = run("moments", "info", built, "--rows", "--where", "label=funny").out
    assert "2 of 3" in listed
    assert "0:40.0" in listed
    assert "0:10.0" not in listed
    nothing = run("moments", "info", built, "--where", "person=nobody")
    assert nothing.code == 0
    assert nothing.errors == ["warning: no clip is like that"]


def test_info_of_what_is_no_dataset(stream: Path, run: Command) -> None:
    run("moments", "info", stream).one_line("stream.h5", "no dataset")
    run("moments", "info", "none.h5").one_line("none.h5", "moments build")
    run("moments", "info", stream, "--where", "x").one_line("stream.h5")


def test_help_teaches(run: Command) -> None:
    for name in ("build", "info"):
        text = run("moments", name, "--help").out
        assert text.count(f"\n  reelpulse moments {name} ") == 2
        assert "\\b" not in text
