"""Whole labelled videos: how right a model is on them, threshold by threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

from conftest import Command
from fakes import calm, with_burst
from moment_models import kept, write_moment_model
from reelpulse.errors import DataError, ModelError
from reelpulse.moments.detect import detect
from reelpulse.moments.model import MomentModel, load_model
from reelpulse.moments.training.operating import LabelledVideo, operating_points, read_videos
from reelpulse.settings import MomentSettings
from reelpulse.timeline import Timeline


@pytest.fixture
def model(tmp_path: Path) -> MomentModel:
    return load_model(write_moment_model(tmp_path / "m.onnx", bias=-8.0))


def burst(*starts: float) -> Timeline:
    timeline = calm(300)
    for start in starts:
        timeline = with_burst(timeline, start, start + 3)
    return timeline


def test_what_is_right_and_what_was_missed_is_counted(model: MomentModel) -> None:
    video = LabelledVideo(Path("a.h5"), burst(60, 200), ((58.0, 65.0), (120.0, 126.0)))
    points = operating_points(model, [video])
    assert len(points) == 1
    assert points[0].recall == 0.5
    assert points[0].precision in (0.5, 1.0)  # both bursts score alike


def test_a_threshold_keeps_its_promise_on_those_videos(model: MomentModel) -> None:
    truths = [((58.0, 65.0),), ((28.0, 34.0), (248.0, 254.0))]
    videos = [
        LabelledVideo(Path(f"{name}.h5"), timeline, truth)
        for name, timeline, truth in zip(
            "ab", [burst(60, 140), burst(30, 250)], truths, strict=True
        )
    ]
    points = operating_points(model, videos)
    assert [point.threshold for point in points] == sorted(point.threshold for point in points)
    recalls = [point.recall for point in points]
    assert recalls == sorted(recalls, reverse=True)
    for point in points:
        found = [
            [
                (moment.start, moment.end)
                for moment in detect(
                    video.timeline, MomentSettings(per_hour=3600, min_score=point.threshold), model
                ).moments
            ]
            for video in videos
        ]
        hits = sum(
            any(start < end_ and start_ < end for start, end in found[place])
            for place, truth in enumerate(truths)
            for start_, end_ in truth
        )
        assert hits == round(point.recall * 3)
        assert sum(map(len, found)) == round(hits / point.precision)


def test_without_anything_right_there_is_nothing_to_promise(model: MomentModel) -> None:
    video = LabelledVideo(Path("a.h5"), burst(60), ((120.0, 126.0),))
    assert operating_points(model, [video]) == []


def test_columns_that_a_video_lacks_are_named(model: MomentModel) -> None:
    video = LabelledVideo(Path("a.h5"), burst(60).select(["valence"]), ((58.0, 65.0),))
    with pytest.raises(ModelError, match="loudness"):
        operating_points(model, [video])


# The table


def test_the_table_names_timelines_beside_it(tmp_path: Path) -> None:
    for name in ("하나", "b"):
        kept(burst(60), tmp_path / f"{name}.h5")
    (tmp_path / "truth.csv").write_text(
        "file,start,end\n하나.h5,0:58,1:05\nb.h5,20,26\nb.h5,61,66\n", encoding="utf-8"
    )
    videos, warnings = read_videos(tmp_path / "truth.csv")
    assert [video.path.name for video in videos] == ["하나.h5", "b.h5"]
    assert [video.truth for video in videos] == [((58.0, 65.0),), ((20.0, 26.0), (61.0, 66.0))]
    assert [video.fingerprint for video in videos] == ["하나", "b"]
    assert warnings == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("file,start,end\n", "truth.csv"),
        ("start,end\n1,2\n", "line 2: does not say which video"),
        ("file,start,end\na.h5,1,2\ngone.h5,1,2\n", "line 3: .*gone.h5"),
        ("file,start,end\na.h5,1,2\na.h5,9,8\n", "line 3"),
        ("file,start,end\na.h5,500,600\n", "line 2"),
        ("file,start\na.h5,1\n", "no column end"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(table: str, problem: str, tmp_path: Path) -> None:
    kept(calm(60), tmp_path / "a.h5")
    (tmp_path / "truth.csv").write_text(table, encoding="utf-8")
    with pytest.raises(DataError, match=problem):
        read_videos(tmp_path / "truth.csv")


def test_a_model_tried_on_videos_can_be_asked_for_a_precision(run: Command, tmp_path: Path) -> None:
    """From labelled clips to moments, by the command line alone."""
    for needed in ("torch", "lightning", "skl2onnx"):
        pytest.importorskip(needed)
    from reelpulse.moments.dataset.clips import make_clip_file
    from reelpulse.moments.inputs import Steps
    from reelpulse.moments.lengths import Shape
    from reelpulse.moments.sampling import Sampler

    columns, shape = ("valence", "loudness"), Shape()
    timelines = [burst(*range(20 + i, 280, 20)) for i in range(10)]
    parts = []
    for shift, timeline in enumerate(timelines):
        starts = np.array([*range(18, 270, 20), *range(28, 270, 20)], float)
        starts += shift
        parts.append(Sampler(timeline.select(columns), shape)(starts, starts + 6))
    each = len(parts[0])
    steps = Steps(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in
          ("values", "times", "measured", "usual"))
    )  # fmt: skip
    labels = np.tile(np.repeat([1.0, 0.0], each // 2), 10)
    sources = [f"stream-{i // each}" for i in range(len(labels))]
    make_clip_file(
        tmp_path / "clips.h5", steps, labels, columns=columns, shape=shape,
        facts={"source": sources, "fingerprint": ["seen"] * len(labels)},
        sampling={"rate": 2.0, "sample": "timeline", "models": {}},
    )  # fmt: skip
    kept(burst(60, 200), tmp_path / "new.h5")
    kept(burst(100), tmp_path / "seen.h5")
    (tmp_path / "truth.csv").write_text(
        "file,start,end\nnew.h5,59,64.5\nnew.h5,199,204.5\nseen.h5,99,104.5\n", encoding="utf-8"
    )
    ran = run(
        "moments", "train", "clips.h5", "-o", "m.onnx", "--network", "svm", "--videos", "truth.csv"
    )
    assert ran.code == 0, ran
    assert "precision 1.00" in ran.out
    assert any("seen.h5" in line and "flatters" in line for line in ran.errors), ran.errors
    points = load_model(tmp_path / "m.onnx").operating
    assert points[0].recall == 1
    assert not (tmp_path / "m.onnx.parts").exists()
    ran = run("detect", "new.h5", "--model", "m.onnx", "--precision", "0.9", "--json")
    assert ran.code == 0, ran
    assert '"peak"' in ran.out
