"""What to label next: uncertain, unlike what is known, apart, well measured; and its table."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from fakes import calm, hidden
from moment_models import COLUMNS, write_moment_model
from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.moments.dataset.clips import ClipSet, make_clip_file
from reelpulse.moments.dataset.labels import read_table
from reelpulse.moments.judging.suggest import suggest, uncertainty, write_suggestions
from reelpulse.moments.lengths import Shape
from reelpulse.moments.model import MomentModel, load_model
from reelpulse.moments.sampling import Sampler
from reelpulse.timeline import (
    LOUDNESS_COLUMNS,
    Block,
    Faces,
    Observations,
    Timeline,
    write_timeline,
)


def loud(path: Path, gain: float = 1.0) -> Path:
    """A model that doubts windows whose loudest step has a loudness of 0.5."""
    middle, spread = (0.5, 0.0), (0.1, 0.1)
    return write_moment_model(path, weights=(gain, 0.0), bias=0.0, mean=middle, std=spread)


@pytest.fixture
def model(tmp_path: Path) -> MomentModel:
    return load_model(loud(tmp_path / "loud.onnx"))


def stream(seconds: float = 300, levels: Sequence[tuple[float, float, float, float]] = ()) -> Any:
    """Quiet, but for stretches: start, end, loudness, valence."""
    times = np.arange(0, seconds, 0.5)
    values = np.tile(np.float32([0.1, 0.0]), (len(times), 1))
    for start, end, loudness, valence in levels:
        values[(times >= start) & (times < end)] = loudness, valence
    video = {"path": "/videos/웃음.mp4", "duration": seconds, "fingerprint": "aaaa"}
    return Timeline(times, values, COLUMNS, {"video": video, "file": "/out/웃음.h5"})


def clips_of(path: Path, timeline: Timeline, ranges: Sequence[tuple[float, float]]) -> ClipSet:
    starts, ends = np.array(ranges).T
    steps = Sampler(timeline, Shape())(starts, ends)
    facts = {"fingerprint": ["aaaa"] * len(starts), "start": starts, "end": ends}
    labels = np.arange(len(starts)) % 2
    return ClipSet(make_clip_file(path, steps, labels, columns=timeline.columns, facts=facts))


UNSURE = (100.0, 110.0, 0.5, 0.0)
SURE = (200.0, 210.0, 0.9, 0.0)


def test_the_first_is_the_one_it_is_least_sure_of(model: MomentModel) -> None:
    found = suggest([stream(levels=[UNSURE, SURE])], model, count=3).windows
    assert 94 <= found[0].start <= 110
    assert found[0].score == pytest.approx(0.5, abs=1e-3)
    assert found[0].uncertainty == pytest.approx(1, abs=1e-3)
    assert found[0].distance is None
    assert found[1].distance is not None


def test_of_two_as_uncertain_the_one_unlike_the_labelled_is_taken(
    model: MomentModel, tmp_path: Path
) -> None:
    strange = (250.0, 260.0, 0.5, 0.8)
    timeline = stream(levels=[(20.0, 30.0, 0.5, 0.0), UNSURE, strange])
    with clips_of(tmp_path / "clips.h5", timeline, [(20, 26), (50, 56)]) as clips:
        found = suggest([timeline], model, clips, count=2).windows
    assert 245 < found[0].start < 260
    assert "less like the labelled clips than" in found[0].why
    assert found[0].distance is not None
    assert found[0].distance > 1


def test_they_overlap_neither_each_other_nor_what_is_labelled(
    model: MomentModel, tmp_path: Path
) -> None:
    timeline = stream(120, levels=[(0, 120, 0.5, 0.0)])
    labelled = [(20.0, 26.0), (60.0, 66.5)]
    with clips_of(tmp_path / "clips.h5", timeline, labelled) as clips:
        found = suggest([timeline], model, clips, count=100)
    ranges = sorted([*labelled, *((window.start, window.end) for window in found.windows)])
    assert len(found.windows) >= 10
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert any("only" in warning for warning in found.warnings)


def test_the_same_video_given_twice_is_suggested_once(model: MomentModel) -> None:
    timeline = stream(levels=[UNSURE])
    found = suggest([timeline, timeline], model, count=4).windows
    starts = sorted(window.start for window in found)
    assert min(np.diff(starts)) >= 6


def test_a_labelled_range_of_another_video_takes_nothing_away(
    model: MomentModel, tmp_path: Path
) -> None:
    timeline = stream(levels=[UNSURE])
    other = replace(timeline, meta={**timeline.meta, "video": {"fingerprint": "bbbb"}})
    with clips_of(tmp_path / "clips.h5", stream(), [(99, 106), (104, 111)]) as clips:
        assert 95 < suggest([other], model, clips, count=1).windows[0].start < 110
        assert not 95 < suggest([timeline], model, clips, count=1).windows[0].start < 110


def test_what_was_not_measured_is_not_suggested(model: MomentModel) -> None:
    timeline = stream(levels=[UNSURE])
    gone = (timeline.times >= 95) & (timeline.times < 115)
    found = suggest([hidden(timeline, ["valence"], gone)], model, count=40).windows
    assert found
    assert not any(98 < window.start < 106 for window in found)
    nothing = hidden(timeline, COLUMNS)
    assert suggest([nothing], model, count=3).windows == []


def test_the_threshold_is_where_it_is_least_sure() -> None:
    scores = np.linspace(0.01, 0.99, 99)
    for threshold in (0.2, 0.5, 0.9):
        bits = uncertainty(scores, threshold)
        assert scores[bits.argmax()] == pytest.approx(threshold)
        assert bits.max() == pytest.approx(1)
        assert ((bits > 0) & (bits <= 1)).all()
    assert np.isfinite(uncertainty([0.0, 1.0], 0.5)).all()


def test_an_order_of_videos_changes_nothing_but_ties(model: MomentModel) -> None:
    one = stream(levels=[UNSURE])
    two = stream(levels=[(40.0, 47.0, 0.45, 0.3), SURE])
    two = replace(two, meta={**two.meta, "video": {"fingerprint": "bbbb"}, "file": "two.h5"})
    ways = [suggest(order, model, count=3).windows for order in ([one, two], [two, one])]
    assert [(w.file, w.start) for w in ways[0]] == [(w.file, w.start) for w in ways[1]]


def test_clips_without_the_models_columns_are_refused(model: MomentModel, tmp_path: Path) -> None:
    timeline = stream().select(["loudness"])
    with (
        clips_of(tmp_path / "clips.h5", timeline, [(0, 6), (10, 16)]) as clips,
        pytest.raises(DataError, match=r"clips\.h5: has no column valence"),
    ):
        suggest([stream()], model, clips, count=1)
    with pytest.raises(ModelError, match="valence"):
        suggest([timeline], model, count=1)
    with pytest.raises(SettingsError, match="count"):
        suggest([stream()], model, count=0)


def test_the_table_is_one_of_labels_to_fill_in(model: MomentModel, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    timeline = stream(levels=[UNSURE])
    timeline.meta["file"] = str(tmp_path / "out" / "웃음, 하나.h5")
    found = suggest([timeline], model, count=2).windows
    write_suggestions(found, folder / "next.csv")
    columns, rows = read_table(folder / "next.csv")
    assert columns[:4] == ["file", "start", "end", "label"]
    first = rows[0][1]
    assert first["file"] == "../out/웃음, 하나.h5"
    assert (float(first["start"]), float(first["end"])) == (found[0].start, found[0].end)
    assert first["label"] == ""
    assert first["video"] == "웃음.mp4"
    with pytest.raises(DataError, match="is there already"):
        write_suggestions(found, folder / "next.csv")


# The command


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Two analysed videos, and a model beside them."""
    loud(tmp_path / "loud.onnx", gain=0.2)
    paths = []
    for name in ("하나", "둘"):
        timeline = calm(90, seed=len(paths))
        timeline.meta["video"] |= {"fingerprint": name, "path": f"{name}.mp4"}
        loudness = Block(LOUDNESS_COLUMNS, timeline.select(LOUDNESS_COLUMNS).values)
        faces = Faces.empty(len(timeline))
        seen = Observations(
            timeline.times, faces, {"version": 1}, {"loudness": loudness}, timeline.meta
        )
        paths.append(tmp_path / f"{name}.h5")
        write_timeline(paths[-1], timeline, seen)
    return paths


def test_suggesting_from_the_command_line(run: Command, videos: list[Path]) -> None:
    done = run("moments", "suggest", *videos, "--model", "loud.onnx", "--count", 5, "-o", "n.csv")
    assert done.code == 0, done
    assert done.errors == []
    assert "하나.mp4" in done.out
    assert done.out.splitlines()[-1] == "n.csv"
    with open("n.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert all(Path(row["file"]).exists() and not row["label"] for row in rows)
    again = run("moments", "suggest", *videos, "--model", "loud.onnx", "-o", "n.csv")
    again.one_line("n.csv", "is there already")


def test_as_json(run: Command, videos: list[Path]) -> None:
    done = run("moments", "suggest", *videos, "--model", "loud.onnx", "--count", 2, "--json")
    found = json.loads(done.out)
    assert [set(row) >= {"file", "start", "end", "score", "why"} for row in found["suggestions"]]
    assert len(found["suggestions"]) == 2
    assert found["errors"] == []


def test_a_timeline_that_cannot_be_read_is_named_and_the_others_are_taken(
    run: Command, videos: list[Path]
) -> None:
    done = run("moments", "suggest", "gone.h5", videos[0], "--model", "loud.onnx", "--count", 1)
    assert done.code == 1
    assert len(done.errors) == 1
    assert "gone.h5" in done.errors[0]
    assert "하나.mp4" in done.out


def test_without_a_timeline_that_can_be_read_nothing_is_written(
    run: Command, videos: list[Path]
) -> None:
    done = run("moments", "suggest", "gone.h5", "--model", "loud.onnx", "-o", "next.csv")
    done.one_line("gone.h5")
    assert done.out == ""
    assert not Path("next.csv").exists()


def test_filled_in_the_table_is_built_from(run: Command, videos: list[Path]) -> None:
    run("moments", "suggest", *videos, "--model", "loud.onnx", "--count", 4, "-o", "next.csv")
    run("moments", "build", "next.csv", "-o", "clips.h5").one_line("next.csv", "label")
    lines = Path("next.csv").read_text("utf-8-sig").splitlines()
    head = lines[0].split(",")
    filled = [lines[0]]
    for place, line in enumerate(lines[1:]):
        cells = next(csv.reader([line]))
        cells[head.index("label")] = ("funny", "ordinary")[place % 2]
        filled.append(",".join(f'"{cell}"' for cell in cells))
    Path("next.csv").write_text("\n".join(filled), encoding="utf-8")
    done = run("moments", "build", "next.csv", "-o", "clips.h5", "--quiet")
    assert done.code == 0, done
    with ClipSet("clips.h5") as clips:
        assert len(clips) == 4
        assert set(clips.facts["fingerprint"]) <= {"하나", "둘"}
    done = run(
        *("moments", "suggest", *videos, "--model", "loud.onnx", "--count", 3),
        *("--clips", "clips.h5", "--json"),
    )
    assert all(row["distance"] is not None for row in json.loads(done.out)["suggestions"])
