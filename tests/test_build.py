"""Building a dataset: from short files, from ranges, and from what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import reelpulse
from conftest import Command
from fakes import calm, write_emotion_onnx
from films import Sound, make_video, noise
from labelled import HEARD, RANGES, heard, write_gappy_stream, write_stream, write_table
from reelpulse.errors import DataError, PersonError, SettingsError
from reelpulse.moments.dataset.build import build
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.moments.lengths import LENGTHS, Shape
from reelpulse.moments.normal import running_normal
from reelpulse.moments.sampling import Sampler
from reelpulse.moments.tension import tension
from reelpulse.settings import AnalyzeSettings, ClipSettings
from reelpulse.timeline import (
    EMOTIONS,
    FACE_COLUMNS,
    LOUDNESS_COLUMNS,
    Block,
    Faces,
    Observations,
    load_timeline,
    write_timeline,
)


def sound(path: Path, seconds: float = 6.0) -> Path:
    return make_video(path, codec="", seconds=seconds, sounds=[Sound(wave=noise)])


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two short clips and a long recording."""
    folder = tmp_path_factory.mktemp("sounds")
    sound(folder / "하나.m4a", 6)
    sound(folder / "둘.m4a", 5)
    sound(folder / "stream.m4a", 70)
    return folder


@pytest.fixture
def short(sounds: Path) -> Path:
    return write_table(sounds / "short.csv", [("하나.m4a", "funny"), ("둘.m4a", "ordinary")])


@pytest.fixture
def ranges(sounds: Path) -> Path:
    rows = [("stream.m4a", 20, "0:26.5", "funny"), ("stream.m4a", 40, 45, "ordinary")]
    return write_table(sounds / "ranges.csv", rows, RANGES)


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    return write_gappy_stream(tmp_path / "stream.h5")


# Short files


def test_short_files_are_measured_at_their_steps(short: Path, sounds: Path, tmp_path: Path) -> None:
    built = heard(short, tmp_path / "clips.h5")
    assert (built.added, built.total) == (2, 2)
    assert built.labels == {"funny": 1, "ordinary": 1}
    assert built.warnings == []
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert clips.columns == LOUDNESS_COLUMNS
        assert clips.shape == Shape()
        assert clips.sampling["sample"] == "clip"
        for row, name in enumerate(["하나.m4a", "둘.m4a"]):
            alone = reelpulse.analyze(sounds / name, stream=("loudness",), ticks=15)
            expected = alone.select(LOUDNESS_COLUMNS).values
            assert np.array_equal(clips.features[row], expected, equal_nan=True)
        times = clips.read().times
        assert times[0] == pytest.approx((np.arange(15) + 0.5) * 6 / 15, abs=0.01)
        assert times[1] == pytest.approx((np.arange(15) + 0.5) * 5 / 15, abs=0.01)
        facts = clips.facts
        assert facts["video"].tolist() == ["하나.m4a", "둘.m4a"]
        assert facts["source"].tolist() == ["하나", "둘"]
        assert facts["sampled"].tolist() == ["clip", "clip"]
        assert facts["duration"] == pytest.approx([6, 5], abs=0.05)
        assert np.isnan(clips.read().usual).all()
        # The first tick, 0.2 s in, has too little sound before it.
        assert facts["missing"] == pytest.approx([1 / 15, 1 / 15])


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_is_built_from_files_and_ranges(
    length: str, short: Path, ranges: Path, tmp_path: Path
) -> None:
    for name, labels in (("short", short), ("ranges", ranges)):
        heard(labels, tmp_path / f"{name}.h5", length=length)
        with ClipSet(tmp_path / f"{name}.h5") as clips:
            assert clips.shape == Shape.from_settings(ClipSettings(length=length))
            steps = clips.read()
            there = np.isfinite(steps.times)
            assert there.any(axis=1).all()
            values = steps.values[..., 0]
            assert (
                np.isfinite(values[there]).mean() >= 0.9
            )  # the first tick of a file hears nothing
            assert not np.isfinite(values[~there]).any()


# Ranges


def test_ranges_are_taken_from_the_whole_measured_once(
    ranges: Path, sounds: Path, tmp_path: Path, no_decoding: Callable[[], None]
) -> None:
    built = heard(ranges, tmp_path / "clips.h5")
    assert built.added == 2
    whole = load_timeline(tmp_path / "clips.timelines" / "stream.h5")
    assert [path.name for path in (tmp_path / "clips.timelines").glob("*.h5")] == ["stream.h5"]
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert clips.sampling == {"rate": 2.0, "max_gap": 5.0, "sample": "timeline", "models": {}}
        kept = whole.select(LOUDNESS_COLUMNS)
        for row, (start, end) in enumerate([(20, 26.5), (40, 45)]):
            assert clips.features[row] == pytest.approx(kept.steps(start, end), abs=1e-6)
            assert clips.facts["tension"][row] >= 0
        assert clips.facts["source"].tolist() == ["stream", "stream"]
        usual = running_normal(kept.times, kept.values.astype(float)).median
        assert clips.read().usual == pytest.approx(usual[[47, 85]], rel=1e-4)
    no_decoding()
    for length in LENGTHS:
        heard(
            ranges, tmp_path / f"{length}.h5", length=length, timelines=tmp_path / "clips.timelines"
        )


def test_ranges_measured_by_themselves(ranges: Path, sounds: Path, tmp_path: Path) -> None:
    heard(ranges, tmp_path / "clips.h5", sample="clip")
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert clips.sampling["sample"] == "clip"
        alone = reelpulse.analyze(
            sounds / "stream.m4a", stream=("loudness",), ticks=15, range="20-26.5"
        )
        assert np.array_equal(clips.features[0], alone.select(LOUDNESS_COLUMNS).values)
        assert clips.facts["start"].tolist() == [20, 40]
        assert np.isnan(clips.read().usual).all()


def test_a_timeline_beside_the_video_is_used(
    ranges: Path, sounds: Path, tmp_path: Path, no_decoding: Callable[[], None]
) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    for name in ("stream.m4a", "ranges.csv"):
        (folder / name).write_bytes((sounds / name).read_bytes())
    reelpulse.analyze(folder / "stream.m4a", out=folder, stream=("loudness",))
    no_decoding()
    assert heard(folder / "ranges.csv", tmp_path / "clips.h5").added == 2
    assert not (tmp_path / "clips.timelines").exists()
    # Of another sound track it would not be what is asked for.
    other = AnalyzeSettings(stream=("loudness",), audio_track=1)
    with pytest.raises(DataError, match="no clip can be used"):
        heard(folder / "ranges.csv", tmp_path / "other.h5", analysis=other)


def test_a_clip_is_what_a_window_of_the_timeline_is(stream: Path, tmp_path: Path) -> None:
    rows = [("stream.h5", 10.3, 16.3, 1), ("stream.h5", 50, 55, 0), ("stream.h5", "1:20", 87, 0)]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    build(labels, tmp_path / "clips.h5")
    timeline = load_timeline(stream)
    window = Sampler(timeline, Shape())([10.3, 50, 80], [16.3, 55, 87])
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert clips.columns == timeline.columns
        steps = clips.read()
        for name in ("values", "times", "measured", "usual"):
            assert np.array_equal(getattr(steps, name), getattr(window, name)), name
        expected = tension(timeline)[(timeline.times >= 50) & (timeline.times < 55)].max()
        assert clips.facts["tension"][1] == pytest.approx(expected, abs=1e-3)
        assert clips.facts["fingerprint"].tolist() == ["stream"] * 3


# What is missing


def test_gaps_are_filled_counted_and_too_large_ones_left_out(stream: Path, tmp_path: Path) -> None:
    rows = [
        ("stream.h5", 10, 16, 1),
        ("stream.h5", 31.7, 38.7, 0),
        ("stream.h5", 28, 34, 0),
        ("stream.h5", 62, 68, 1),
    ]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    built = build(labels, tmp_path / "clips.h5")
    assert [(entry.line, entry.file) for entry in built.left_out] == [
        (4, "stream.h5"),
        (5, "stream.h5"),
    ]
    assert "53% of it was not measured (face)" in built.left_out[0].why
    assert "100% of it was not measured (face)" in built.left_out[1].why
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert clips.facts["missing"] == pytest.approx([0, 3 / 15])
        assert clips.facts["filled"] == pytest.approx([0, 3 / 15])
        assert clips.read().measured.sum(axis=1).tolist() == [15, 12]
        assert np.isfinite(clips.features[:]).all()
    more = build(labels, tmp_path / "more.h5", most_missing=0.7, max_gap=0.0)
    assert more.added == 3
    with ClipSet(tmp_path / "more.h5") as clips:
        assert clips.facts["filled"].tolist() == [0, 0, 0]
        assert np.isnan(clips.features[2]).any()


def test_columns_that_are_not_kept_may_be_missing(stream: Path, tmp_path: Path) -> None:
    rows = [("stream.h5", 62, 68, 1), ("stream.h5", 10, 16, 0)]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    assert build(labels, tmp_path / "a.h5", column=("sound",)).added == 2
    with ClipSet(tmp_path / "a.h5") as clips:
        assert clips.columns == LOUDNESS_COLUMNS
    build(labels, tmp_path / "b.h5", column=("valence", "emotions"), most_missing=1.0)
    with ClipSet(tmp_path / "b.h5") as clips:
        assert clips.columns == (*EMOTIONS, "valence")
    with pytest.raises(SettingsError, match="laughter"):
        build(labels, tmp_path / "c.h5", column=("laughter",))
    assert not (tmp_path / "c.h5").exists()


def test_clips_of_odd_lengths_are_taken_with_one_warning(stream: Path, tmp_path: Path) -> None:
    rows = [("stream.h5", 1, 7, 1), *(("stream.h5", 10, 12 + row, row % 2) for row in range(8))]
    built = build(write_table(tmp_path / "l.csv", rows, RANGES), tmp_path / "c.h5")
    assert built.added == 9
    (warning,) = built.warnings
    assert "5 of 9 clips do not last 5 to 7 s, but 2.0 to 9.0 s (first: line 3)" in warning


# What cannot be used


def test_files_and_ranges_that_cannot_be_used_do_not_stop_the_others(
    stream: Path, tmp_path: Path, run: Command
) -> None:
    (tmp_path / "text.mp4").write_text("not a film")
    (tmp_path / "text.h5").write_text("not a timeline")
    rows = [
        ("stream.h5", 1, 7, "funny"),
        ("nothing.mp4", 1, 7, "funny"),
        ("text.mp4", "", "", "ordinary"),
        ("text.h5", 1, 7, "ordinary"),
        ("stream.h5", 86, 93, "funny"),
        ("stream.h5", 100, 106, "funny"),
        ("stream.h5", 84, "1:30.8", "ordinary"),
        (".", "", "", "funny"),
    ]
    write_table(tmp_path / "l.csv", rows, RANGES)
    done = run("moments", "build", "l.csv", "-o", "clips.h5", "--quiet")
    assert done.code == 1
    assert done.out == "clips.h5: 2 clips added (1 funny, 1 ordinary)\n"
    said = [line for line in done.errors if line.startswith("error: ")]
    assert len(said) == len(done.errors) == 6
    for line, parts in zip(
        said,
        [
            ("line 3", "nothing.mp4", "no such file"),
            ("line 4", "text.mp4", "not a video"),
            ("line 5", "text.h5", "not an HDF5 file"),
            ("line 6", "1:26.0 to 1:33.0 lies outside of what there is: 0:00.0 to 1:30.0"),
            ("line 7", "1:40.0 to 1:46.0 lies outside"),
            ("line 9", "is a folder"),
        ],
        strict=True,
    ):
        assert all(part in line for part in parts), line
    with ClipSet(tmp_path / "clips.h5") as clips:
        assert clips.facts["end"].tolist() == [7, 90]
    done = run("moments", "build", "l.csv", "-o", "clips.h5", "--overwrite", "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert [entry["line"] for entry in found["failed"]] == [3, 4, 5, 6, 7, 9]
    assert (found["clips"], found["labels"]) == (2, {"funny": 1, "ordinary": 1})


def test_nothing_usable_leaves_no_file(tmp_path: Path, run: Command) -> None:
    write_table(tmp_path / "l.csv", [("a.mp4", 1), ("b.mp4", 0)])
    run("moments", "build", "l.csv", "-o", "c.h5").one_line(
        "l.csv", "no clip can be used", "line 2: a.mp4: no such file", "and 1 more"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.csv"]


def test_a_malformed_table_is_refused_before_any_decoding(
    short: Path, tmp_path: Path, run: Command, no_decoding: Callable[[], None]
) -> None:
    no_decoding()
    (short.parent / "bad.csv").write_text(short.read_text(encoding="utf-8") + "x.mp4,funy\n")
    done = run("moments", "build", short.parent / "bad.csv", "-o", "c.h5")
    done.one_line("bad.csv", "line 4", "did you mean funny")


def test_a_timeline_that_lacks_columns_is_named(stream: Path, tmp_path: Path) -> None:
    rows = [("stream.h5", 1, 7, 1), ("two.h5", 1, 7, 0), ("stream.h5", 10, 16, 0)]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    write_stream(tmp_path / "two.h5")
    _write_with_laughter(stream)
    built = build(labels, tmp_path / "clips.h5")
    (failed,) = built.failed
    assert (failed.line, failed.file) == (3, "two.h5")
    assert "no column laughter" in failed.why


def _write_with_laughter(path: Path) -> None:
    timeline = calm(90)
    timeline.meta["video"]["fingerprint"] = "other"
    blocks = {
        "loudness": Block(LOUDNESS_COLUMNS, timeline.select(LOUDNESS_COLUMNS).values),
        "laughter": Block(("laughter",), np.zeros((len(timeline), 1), np.float32)),
    }
    seen = Observations(
        timeline.times, Faces.empty(len(timeline)), {"version": 1}, blocks, timeline.meta
    )
    write_timeline(path, timeline, seen)


def test_a_photo_that_is_not_there_is_said_at_once(short: Path, tmp_path: Path) -> None:
    with pytest.raises(PersonError, match="no such photo"):
        heard(short, tmp_path / "c.h5", analysis=replace(HEARD, person=("me.jpg",)))


# Stopping, progress, facts


def test_a_build_that_was_stopped_goes_on(
    short: Path, tmp_path: Path, no_decoding: Callable[[], None]
) -> None:
    def stop(done: float, total: int, name: str) -> None:
        if done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        heard(short, tmp_path / "c.h5", progress=stop)
    kept = list((tmp_path / "c.timelines").glob("*.h5"))
    assert len(kept) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.timelines"]
    write_table(short.parent / "one.csv", [("하나.m4a", 1)])
    heard(short, tmp_path / "c.h5")
    no_decoding()
    assert heard(short, tmp_path / "c.h5", overwrite=True).added == 2


def test_progress_counts_clips(ranges: Path, short: Path, tmp_path: Path) -> None:
    text = ranges.read_text(encoding="utf-8") + "하나.m4a,,,funny\nnone.m4a,,,funny\n"
    (ranges.parent / "all.csv").write_text(text, encoding="utf-8")
    seen: list[tuple[float, int, str]] = []
    heard(
        ranges.parent / "all.csv",
        tmp_path / "c.h5",
        progress=lambda *now: seen.append(now),
    )
    assert seen[0] == (0, 4, "stream.m4a")
    assert seen[-1] == (4, 4, "none.m4a")
    assert all(one[0] <= other[0] for one, other in pairwise(seen))
    assert any(0 < done < 2 for done, _, _ in seen), "a long video is measured bit by bit"


def test_facts_of_people_are_kept(stream: Path, tmp_path: Path) -> None:
    rows = [
        ("stream.h5", 1, 7, 4, "kim", "지수", ""),
        ("stream.h5", 1, 7, 8, "lee", "", "channel 1"),
        ("stream.h5", 10, 16, 0, "", "", ""),
    ]
    header = f"{RANGES},annotator,person,source"
    build(write_table(tmp_path / "l.csv", rows, header), tmp_path / "c.h5")
    with ClipSet(tmp_path / "c.h5") as clips:
        assert clips.labels.tolist() == [6, 0]
        facts = clips.facts
        assert facts["annotator"].tolist() == ["kim, lee", ""]
        assert facts["annotators"].tolist() == [2, 1]
        assert facts["spread"].tolist() == [2, 0]
        assert facts["person"].tolist() == ["지수", ""]
        assert facts["source"].tolist() == ["channel 1", "stream"]


def test_face_embeddings_are_kept_on_request(face_clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    described = {
        "kind": "face_emotion",
        "outputs": list(FACE_COLUMNS),
        "input": {"size": [16, 16], "colour": "rgb", "mean": [0.0], "std": [1.0]},
        "crop": {"geometry": "box", "margin": 0.0},
    }
    write_emotion_onnx(tmp_path / "e.onnx", described, size=16, embedding=True)
    rows = [(face_clip, "", "", 1), (face_clip, 0.5, 2.5, 0)]
    labels = write_table(tmp_path / "l.csv", rows, RANGES)
    by = AnalyzeSettings(detector="dlib", identity="none", emotion=str(tmp_path / "e.onnx"))
    build(
        labels,
        tmp_path / "c.h5",
        analysis=by,
        embeddings=True,
        column=("face",),
    )
    with ClipSet(tmp_path / "c.h5") as clips:
        assert clips.embeddings == 6
        assert clips.sampling["sample"] == "both"
        assert clips.sampling["models"]["detector"] == "dlib"
        wide = clips.read().embeddings
        assert wide is not None
        assert wide.dtype == np.float16
        assert np.isfinite(wide).all()
        whole = next((tmp_path / "c.timelines").glob("face*2fps.h5"), None)
        assert whole is not None
        expected = reelpulse.embedding_summary(whole, [(0.5, 2.5)])
        assert wide[1] == pytest.approx(expected[0], abs=1e-2)
