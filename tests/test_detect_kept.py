"""Moments by a trained model as they are kept and shown, and the command line that finds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

import reelpulse
from conftest import Command
from fakes import calm, with_burst, write_clip
from moment_models import kept, write_moment_model
from reelpulse.batch import export_again
from reelpulse.errors import DataError
from reelpulse.export import WRITERS, export
from reelpulse.export.tables import load_moments, load_scores, moments_of
from reelpulse.moments.detect import detect, find_moments
from reelpulse.moments.model import MomentModel, load_model
from test_report import data_of
from test_structure import HEAVY, modules_after


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_moment_model(tmp_path / "웃음.onnx", bias=-8.0)


@pytest.fixture
def model(path: Path) -> MomentModel:
    return load_model(path)


# Kept and shown


@pytest.fixture
def found(tmp_path: Path, run: Command, path: Path) -> Path:
    """A timeline in which the command line found moments by the model."""
    timeline = kept(with_burst(calm(120), 60, 63), tmp_path / "stream.h5")
    ran = run("detect", timeline, "--model", path, "--per-hour", "60")
    assert ran.code == 0, ran
    assert ran.errors == []
    assert "웃음.onnx: 60 an hour" in ran.out
    return timeline


def test_the_file_tells_what_found_them(found: Path, model: MomentModel) -> None:
    beside = found.with_name("stream.moments.json")
    table = json.loads(beside.read_text(encoding="utf-8"))
    assert table["by"] == "웃음.onnx"
    assert table["settings"]["model"] == "웃음.onnx"
    assert table["settings"]["checksum"] == model.checksum
    assert table["settings"]["threshold"] == table["moments"][-1]["score"]
    scores = load_scores(beside)
    assert (scores.by, scores.start, scores.step) == ("웃음.onnx", 0.0, 1.0)
    assert len(scores.values) == 120
    score = detect(found, model=model).score.reshape(-1, 2).max(axis=1)
    np.testing.assert_allclose(scores.values, score, atol=1e-4)
    assert load_moments(beside)[0].score == pytest.approx(scores.values.max(), abs=1e-4)


def test_tension_keeps_its_scores_too(found: Path, run: Command) -> None:
    assert run("detect", found).code == 0
    scores = load_scores(found.with_name("stream.moments.json"))
    assert scores.by == "tension"
    assert 58 <= int(np.argmax(scores.values)) <= 63


def test_a_report_written_later_is_the_same(found: Path, tmp_path: Path) -> None:
    page = found.with_suffix(".html").read_text(encoding="utf-8")
    data = data_of(page)
    assert data["texts"]["tension"] == "Score of 웃음.onnx"
    labels = [note["text"] for note in data["figures"]["timeline"]["layout"]["annotations"]]
    assert any("Score of 웃음.onnx" in text for text in labels)
    assert data["series"]["parts"] == {}
    export_again(found, out=found.parent)
    assert found.with_suffix(".html").read_text(encoding="utf-8") == page


def test_a_korean_report_names_the_model(found: Path, run: Command) -> None:
    assert run("export", found, "--lang", "ko").code == 0
    page = found.with_suffix(".html").read_text(encoding="utf-8")
    assert data_of(page)["texts"]["tension"] == "웃음.onnx 점수"


def test_a_model_of_any_name_leaves_the_page_whole(tmp_path: Path) -> None:
    odd = write_moment_model(tmp_path / f"<b>{{count}}{'가' * 60}.onnx")
    timeline = with_burst(calm(120), 60, 63)
    timeline.meta["moment_scores"] = {
        "by": odd.name,
        **detect(timeline, model=odd).scores.as_dict(),
    }
    page = export(timeline, find_moments(timeline, model=odd), tmp_path, "page", "html").read_text(
        encoding="utf-8"
    )
    labels = data_of(page)["figures"]["timeline"]["layout"]["annotations"]
    assert "&lt;b&gt;{count}가" in labels[0]["text"]
    assert len(labels[0]["text"]) < 130


def test_what_is_good_to_know_is_kept(tmp_path: Path, run: Command) -> None:
    path = write_moment_model(tmp_path / "a.onnx", metadata={"sampling": {"rate": 5.0}})
    timeline = kept(with_burst(calm(60), 30, 33), tmp_path / "stream.h5")
    ran = run("detect", timeline, "--model", path)
    assert ran.code == 0
    assert ran.errors == [
        "warning: the clips that a.onnx learnt from were measured otherwise"
        " (5 ticks a second, here 2): its scores may be off"
    ]
    again = reelpulse.load_timeline(timeline)
    moments_of(again, timeline.with_name("stream.moments.json"))
    assert again.meta["warnings"] == [ran.errors[0].removeprefix("warning: ")]


def test_files_without_or_with_damaged_scores(found: Path, run: Command) -> None:
    beside = found.with_name("stream.moments.json")
    table = json.loads(beside.read_text(encoding="utf-8"))
    older = {key: value for key, value in table.items() if key not in ("scores", "by", "warnings")}
    beside.write_text(json.dumps(older), encoding="utf-8")
    with pytest.raises(DataError, match="detect` again"):
        load_scores(beside)
    assert run("export", found).code == 0, "an older file's report shows tension"
    for scores in (3, {}, {"start": 0, "step": 0, "values": []}, {"start": 0, "step": 1}):
        beside.write_text(json.dumps({**table, "scores": scores}), encoding="utf-8")
        with pytest.raises(DataError, match="damaged"):
            load_scores(beside)
        run("export", found).one_line("stream.moments.json", "damaged")
    bad = {"start": 0, "step": 1, "values": [0.1, "x"]}
    beside.write_text(json.dumps({**table, "scores": bad}), encoding="utf-8")
    run("export", found).one_line("damaged")


@pytest.mark.parametrize("form", list(WRITERS))
def test_every_format_is_written_with_a_model(tmp_path: Path, path: Path, form: str) -> None:
    timeline = with_burst(calm(60), 30, 33)
    assert export(timeline, find_moments(timeline, model=path), tmp_path, "a", form).stat().st_size


# The command line


def test_several_files_go_on_past_a_bad_one(run: Command, tmp_path: Path, path: Path) -> None:
    good = [kept(with_burst(calm(60), 30, 33), tmp_path / f"{name}.h5") for name in "ab"]
    ran = run("detect", good[0], "gone.h5", good[1], "--model", path, "--json")
    assert ran.code == 1
    assert len(ran.errors) == 1
    assert "gone.h5" in ran.errors[0]
    first, bad, last = json.loads(ran.out)
    assert first["by"] == last["by"] == "웃음.onnx"
    assert first["settings"]["threshold"] > 0
    assert bad["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "gone.onnx"], "gone.onnx"),
        (["--model", "stream.h5"], "not a usable ONNX model"),
        (["--precision", "0.5"], "--model"),
        (["--model", "웃음.onnx", "--precision", "0.5"], "labelled videos"),
        (["--model", "wide.onnx"], "--stream laughter"),
        (["--model", "웃음.onnx", "--per-hour", "0"], "per_hour"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Command, tmp_path: Path, path: Path, arguments: list[str], said: str
) -> None:
    columns = ("laughter", "loudness")
    write_moment_model(tmp_path / "wide.onnx", columns)
    kept(calm(30), tmp_path / "stream.h5")
    run("detect", "stream.h5", *arguments).one_line(said)
    assert not (tmp_path / "stream.moments.json").exists()


def test_a_video_is_analysed_first(run: Command, tmp_path: Path, tiny_emotion: Path) -> None:
    path = write_moment_model(
        tmp_path / "loud.onnx", ["loudness"], weights=[1.0], mean=[0.0], std=[1.0]
    )
    write_clip(tmp_path / "말.mp4", 12)
    ran = run("detect", "말.mp4", "nothing.mp4", "--model", path, "-o", "results", "--quiet")
    assert ran.code == 1
    assert [line for line in ran.errors if line.startswith("error")] == [
        "error: nothing.mp4: no such file"
    ]
    table = json.loads((tmp_path / "results" / "말.moments.json").read_text(encoding="utf-8"))
    assert table["by"] == "loud.onnx"
    assert len(table["moments"]) == 1
    assert (tmp_path / "results" / "말.html").exists()
    run("detect", "말.mp4").one_line("analyze")


def test_analyze_takes_a_model_too(loud: Command, tmp_path: Path) -> None:
    path = write_moment_model(
        tmp_path / "loud.onnx", ["loudness"], weights=[1.0], mean=[0.0], std=[1.0]
    )
    write_clip(tmp_path / "a.mp4", 12)
    loud("a.mp4", "--precision", "0.5").one_line("--model")
    assert not (tmp_path / "out" / "a.h5").exists(), "refused before it is measured"
    assert loud("a.mp4", "--model", path).code == 0
    scores = load_scores(tmp_path / "out" / "a.moments.json")
    assert scores.by == "loud.onnx"


def test_detection_loads_no_training_library(tmp_path: Path, path: Path) -> None:
    kept(with_burst(calm(60), 30, 33), tmp_path / "stream.h5")
    code = "import reelpulse\nassert reelpulse.find_moments('stream.h5', model='웃음.onnx')"
    loaded = modules_after(code, tmp_path)
    assert not loaded & (HEAVY | {"onnx"})
