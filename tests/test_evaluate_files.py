"""``reelpulse moments evaluate``: from files of moments to figures, a page, and plain errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from fakes import calm, with_burst
from reelpulse.batch import detect_again
from reelpulse.export.evaluation import LABELS, evaluate_files
from reelpulse.moments.judging.matching import Judged
from reelpulse.timeline import (
    LOUDNESS_COLUMNS,
    Block,
    Faces,
    Observations,
    write_timeline,
)

BURSTS = (60.0, 150.0, 240.0)


@pytest.fixture
def stream(tmp_path: Path) -> Callable[..., Path]:
    """Write an analysed video of five minutes with laughs in it, and find its moments."""

    def made(name: str = "웃음", bursts: Sequence[float] = BURSTS, **video: Any) -> Path:
        timeline = calm(300, seed=len(name))
        for start in bursts:
            timeline = with_burst(timeline, start, start + 3)
        facts = {"path": f"/videos/{name}.mp4", "fingerprint": name, "duration": 300.0, **video}
        timeline = replace(timeline, meta={"video": facts})
        loudness = Block(LOUDNESS_COLUMNS, timeline.select(LOUDNESS_COLUMNS).values)
        faces = Faces.empty(len(timeline))
        seen = Observations(
            timeline.times, faces, {"version": 1}, {"loudness": loudness}, timeline.meta
        )
        path = tmp_path / f"{name}.h5"
        write_timeline(path, timeline, seen)
        # Without faces in the file the emotions are not kept: loudness tells.
        detect_again(path, formats=["json"])
        return tmp_path / f"{name}.moments.json"

    return made


def truth(text: str, name: str = "truth.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def true_ranges(starts: Sequence[float] = BURSTS, file: str = "") -> str:
    rows = [f"{file},{start - 1:g},{start + 5:g}" for start in starts]
    return "file,start,end\n" + "\n".join(rows) + "\n"


def edited(path: Path, **changes: Any) -> Path:
    table = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**table, **changes}), encoding="utf-8")
    return path


# What comes out


def test_a_table_and_a_page_for_one_video(run: Command, stream: Callable[..., Path]) -> None:
    done = run("moments", "evaluate", stream(), "--truth", truth(true_ranges(file="웃음.mp4")))
    assert done.code == 0, done
    assert done.errors == []
    lines = done.out.splitlines()
    assert lines[0] == "웃음: 3 moments by tension, 3 true ranges"
    assert lines[1].split() == ["tension", "loudness", "random"]
    assert next(line for line in lines if line.startswith("recall, IoU 0.3")).split()[3] == "1.00"
    assert all(any(line.startswith(label) for line in lines) for label in LABELS.values())
    assert Path(lines[-1]).name == "웃음.evaluation.html"
    assert Path(lines[-1]).exists()


def test_json_says_the_same(run: Command, stream: Callable[..., Path]) -> None:
    video = stream(bursts=BURSTS[:2])
    rows = truth(true_ranges(BURSTS[1:], "웃음"))
    done = run("moments", "evaluate", video, "--truth", rows, "--json", "-o", "a/page.html")
    found = json.loads(done.out)
    assert found["by"] == "tension"
    assert list(found["figures"]) == ["tension", "loudness", "random"]
    assert list(found["figures"]["tension"]) == list(LABELS)
    assert found["figures"]["tension"]["precision_iou_0.3"][0] == 0.5
    assert found["figures"]["tension"]["false_alarms_an_hour"][0] == pytest.approx(12)
    assert found["figures"]["tension"]["hit_at_1"][1] is None
    only = found["videos"][0]
    assert {moment["matches"] for moment in only["moments"]} == {None, 0}
    assert found["page"] == "a/page.html"
    assert Path("a/page.html").exists()


def test_the_order_of_files_changes_nothing(stream: Callable[..., Path], tmp_path: Path) -> None:
    paths = [stream(name, BURSTS[:count]) for name, count in (("a", 1), ("b", 2), ("c", 3))]
    table = tmp_path / "truth.csv"
    rows = [true_ranges(BURSTS, name).split("\n", 1)[1] for name in "cab"]
    table.write_text("file,start,end\n" + "".join(rows), encoding="utf-8")
    one, other = (evaluate_files(order, table) for order in (paths, paths[::-1]))
    assert json.dumps(one.as_dict()) == json.dumps(other.as_dict())
    assert [file.name for file in one.files] == [f"{name}.moments.json" for name in "abc"]
    again = evaluate_files([*paths, paths[0]], table)
    assert json.dumps(again.as_dict()) == json.dumps(one.as_dict())


def test_a_video_without_truth_counts_its_false_alarms(
    run: Command, stream: Callable[..., Path]
) -> None:
    paths = [stream("a"), stream("b", BURSTS[:1])]
    done = run("moments", "evaluate", *paths, "--truth", truth(true_ranges(file="a")), "--json")
    found = json.loads(done.out)["figures"]["tension"]
    assert found["hit_at_1"][0] == 1
    assert found["false_alarms_an_hour"][0] == pytest.approx(6)
    assert found["recall_iou_0.3"][0] == 1


def test_rivals_are_given_as_many_moments(stream: Callable[..., Path], tmp_path: Path) -> None:
    path = edited(stream(), by="conv1d")
    (tmp_path / "truth.csv").write_text(true_ranges(file="웃음"), encoding="utf-8")
    tried = evaluate_files([path], tmp_path / "truth.csv")
    assert list(tried.videos) == ["conv1d", "tension", "loudness"]
    assert {len(row[0].found) for row in tried.videos.values()} == {3}
    assert set(tried.evaluation.ahead) == {"tension", "loudness"}
    assert tried.evaluation.ahead["tension"]["average_precision"].value == pytest.approx(
        0, abs=0.05
    )


def test_without_the_timeline_it_says_so_and_goes_on(
    run: Command, stream: Callable[..., Path], tmp_path: Path
) -> None:
    path = stream()
    (tmp_path / "웃음.h5").unlink()
    done = run("moments", "evaluate", path, "--truth", truth(true_ranges(file="웃음")), "--json")
    found = json.loads(done.out)
    assert list(found["figures"]) == ["tension", "random"]
    assert any("not compared with tension and loudness" in text for text in found["warnings"])


def test_a_timeline_of_another_video_is_no_rival(
    stream: Callable[..., Path], tmp_path: Path
) -> None:
    video = json.loads(stream().read_text("utf-8"))["video"]
    path = edited(tmp_path / "웃음.moments.json", video={**video, "fingerprint": "other"})
    (tmp_path / "truth.csv").write_text(true_ranges(file="웃음"), encoding="utf-8")
    assert list(evaluate_files([path], tmp_path / "truth.csv").videos) == ["tension"]


def test_moved_together_the_timeline_is_still_found(
    stream: Callable[..., Path], tmp_path: Path
) -> None:
    path = stream()
    folder = tmp_path / "moved"
    folder.mkdir()
    for name in ("웃음.h5", "웃음.moments.json"):
        (tmp_path / name).rename(folder / name)
    (tmp_path / "truth.csv").write_text(true_ranges(file="웃음"), encoding="utf-8")
    assert "loudness" in evaluate_files([folder / path.name], tmp_path / "truth.csv").videos


# The page


def page_data(path: Path) -> Any:
    text = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_the_page_holds_every_mark_and_needs_no_other_file(
    run: Command, stream: Callable[..., Path]
) -> None:
    path = stream("<b>&\"odd'", BURSTS[:2])
    run(
        "moments", "evaluate", path, "--truth", truth("start,end\n59,65\n200,206\n"), "-o", "p.html"
    )
    data = page_data(Path("p.html"))
    traces = {trace["name"]: trace for trace in data["videos"][0]["traces"]}
    marks = ("true, found", "true, missed", "found, right", "found, false")
    assert [len(traces[name]["x"]) for name in marks] == [1, 1, 1, 1]
    assert traces["true, missed"]["x"] == [86_400_000 + 203_000]
    text = Path("p.html").read_text("utf-8")
    head = text[: text.index("<style>")]
    assert "<b>&" not in head
    assert "&lt;b&gt;&amp;" in head
    assert not re.search(r'<(?:link|script|img)[^>]+(?:src|href)="(?!data:)', text)


def test_many_hours_are_drawn_with_few_points() -> None:
    from reelpulse.export.evaluation.page import score_figure

    scores = np.random.default_rng(0).random(36_000)
    figure = score_figure(Judged("a", (), (), 0.0, 36_000.0, scores))
    assert len(figure["traces"][0]["x"]) <= 10_000


def test_without_truth_or_moments_there_is_a_page(
    run: Command, stream: Callable[..., Path]
) -> None:
    path = stream(bursts=())
    done = run("moments", "evaluate", path, "--truth", truth("start,end\n"), "-o", "p.html")
    assert done.code == 0, done
    assert any("nothing true" in line for line in done.errors)
    assert page_data(Path("p.html"))["curve"]["traces"]


# What can be wrong


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("start,end\n1,7\n290,310\n", "line 3: 4:50.0–5:10.0 lies past 웃음.mp4"),
        ("start,end\n1,7\n9,8\n", "line 3: ends (8) before it starts (9)"),
        ("start,end\n1,x\n", "line 2: 'x' is not a time"),
        ("begin,end\n1,7\n", "has no column start"),
        ("file,start,end\nother.mp4,1,7\n", "line 2 left out: 'other.mp4'"),
    ],
)
def test_a_truth_that_cannot_be_used_is_one_line(
    run: Command, stream: Callable[..., Path], rows: str, said: str
) -> None:
    run("moments", "evaluate", stream(), "--truth", truth(rows)).one_line("truth.csv", said)


def test_files_that_cannot_be_used_are_one_line(
    run: Command, stream: Callable[..., Path], tmp_path: Path
) -> None:
    path = stream()
    rows = truth("start,end\n1,7\n")
    run("moments", "evaluate", "gone.json", "--truth", rows).one_line("gone.json")
    run("moments", "evaluate", tmp_path / "웃음.h5", "--truth", rows).one_line("웃음.h5")
    run("moments", "evaluate", path, "--truth", "gone.csv").one_line("gone.csv")
    run("moments", "evaluate", path, "--truth", rows, "-o", "p.txt").one_line("p.txt", ".html")
    table = json.loads(path.read_text("utf-8"))
    del table["scores"]
    path.write_text(json.dumps(table), encoding="utf-8")
    run("moments", "evaluate", path, "--truth", rows).one_line("웃음", "detect")


def test_moments_by_two_models_are_not_mixed(run: Command, stream: Callable[..., Path]) -> None:
    paths = [stream("a"), edited(stream("b"), by="conv1d")]
    done = run("moments", "evaluate", *paths, "--truth", truth(true_ranges(file="a")))
    done.one_line("b.moments.json", "conv1d", "tension", "detect")


@pytest.mark.parametrize("video", [None, {}, {"duration": "long", "path": 5}, {"duration": -1}])
def test_a_file_that_says_little_of_its_video_is_judged_all_the_same(
    run: Command, stream: Callable[..., Path], video: Any
) -> None:
    path = edited(stream(), video=video, timeline=None)
    done = run("moments", "evaluate", path, "--truth", truth("start,end\n59,65\n"), "--json")
    assert json.loads(done.out)["figures"]["tension"]["recall_iou_0.3"][0] == 1


def test_several_videos_need_a_column_of_files(run: Command, stream: Callable[..., Path]) -> None:
    paths = [stream("a"), stream("b")]
    done = run("moments", "evaluate", *paths, "--truth", truth("start,end\n1,7\n"))
    done.one_line("truth.csv", "line 2", "2 videos", "file")


def test_the_first_seconds_are_not_drawn_as_years() -> None:
    """Plotly takes a number of four digits on an axis of dates for a year."""
    from reelpulse.export.evaluation.page import _date

    drawn = _date([0.0, 1.0, 5.5, 9.999])
    assert all(value > 9999 for value in drawn)
    assert [value - drawn[0] for value in drawn] == [0, 1000, 5500, 9999]
