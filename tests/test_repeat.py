"""Videos analysed before: known again, measured no more than needed, never mixed up."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelpulse
from films import Sound, make_video, noise
from reelpulse import measure
from reelpulse.batch import analyze_many
from reelpulse.settings import AnalyzeSettings

SETTINGS: dict[str, Any] = {"detector": "dlib", "identity": "none"}


@pytest.fixture
def video(face_clip: Path, tmp_path: Path, tiny_emotion: Path) -> Path:
    (tmp_path / "a").mkdir()
    return Path(shutil.copy(face_clip, tmp_path / "a" / "stream.mp4"))


@pytest.fixture
def namesake(tmp_path: Path) -> Path:
    """Another video of the same name in another folder: shorter, other sound, no face."""
    sounds = [Sound(wave=noise)]
    return make_video(tmp_path / "b" / "stream.mp4", seconds=3, sounds=sounds)


def analyze(video: Path, out: Path, **settings: Any) -> reelpulse.Timeline:
    return reelpulse.analyze(video, out=out, **{**SETTINGS, **settings})


def test_the_same_settings_again_measure_nothing(
    video: Path, tmp_path: Path, no_decoding: Any
) -> None:
    first = analyze(video, tmp_path / "out")
    no_decoding()
    second = analyze(video, tmp_path / "out")
    np.testing.assert_array_equal(first.times, second.times)
    np.testing.assert_array_equal(first.values, second.values)
    assert np.isfinite(second.column("valence")).any()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["stream.h5"]
    with pytest.raises(AssertionError, match="was opened"):
        analyze(video, tmp_path / "out", fps=3.0)


def test_whom_to_follow_is_asked_again_without_decoding(
    video: Path, tmp_path: Path, no_decoding: Any
) -> None:
    whole = analyze(video, tmp_path / "out")
    assert np.isfinite(whole.column("valence")).any()
    no_decoding()
    nobody = analyze(video, tmp_path / "out", region="0,0,0.05,0.05")
    assert not np.isfinite(nobody.column("valence")).any()
    np.testing.assert_array_equal(analyze(video, tmp_path / "out").values, whole.values)


@pytest.mark.parametrize("change", [{"fps": 4.0}, {"ticks": 15}, {"range": "1-3"}], ids=str)
def test_another_sampling_is_measured_anew(
    video: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    before = analyze(video, tmp_path / "out")
    after = analyze(video, tmp_path / "out", **change)
    fresh = analyze(video, tmp_path / "fresh", **change)
    assert len(after) != len(before)
    np.testing.assert_array_equal(after.times, fresh.times)
    np.testing.assert_array_equal(after.values, fresh.values)


@pytest.mark.parametrize("first", ["face", "loudness"])
def test_a_further_stream_joins_those_measured(video: Path, tmp_path: Path, first: str) -> None:
    whole = analyze(video, tmp_path / "whole")
    part = analyze(video, tmp_path / "out", stream=[first])
    assert len(part.columns) == 12
    joined = analyze(video, tmp_path / "out", stream=["face", "loudness", "laughter"])
    assert joined.columns == whole.columns
    np.testing.assert_array_equal(joined.times, whole.times)
    np.testing.assert_array_equal(joined.values, whole.values)
    kept = reelpulse.load_timeline(tmp_path / "out" / "stream.h5")
    np.testing.assert_array_equal(kept.values, whole.values)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_videos_of_one_name_keep_to_themselves(
    video: Path, namesake: Path, tmp_path: Path, order: tuple[int, int], no_decoding: Any
) -> None:
    out, videos = tmp_path / "out", (video, namesake)
    settings = AnalyzeSettings(detector="dlib", identity="none")
    pair = [videos[i] for i in order]
    results = list(analyze_many(pair, out, settings))
    assert [result.error for result in results] == [None, None]
    files = [path for result in results for path in result.files]
    assert len(set(files)) == len(files) == 8
    assert all(path.is_file() for path in files)
    assert len(list(out.iterdir())) == 8
    alone = [analyze(path, tmp_path / f"alone-{i}") for i, path in enumerate(pair)]
    assert len(alone[0]) != len(alone[1])
    for result, own in zip(results, alone, strict=True):
        np.testing.assert_array_equal(reelpulse.load_timeline(result.files[0]).values, own.values)
    no_decoding()
    repeated = list(analyze_many(pair, out, settings))
    assert [result.files for result in repeated] == [result.files for result in results]


def test_one_stem_of_two_containers(video: Path, namesake: Path, tmp_path: Path) -> None:
    other = namesake.rename(namesake.with_suffix(".mov"))
    files = {analyze(path, tmp_path / "out").meta["file"] for path in (video, other)}
    assert len(files) == 2


@pytest.mark.parametrize("how", ["moved", "copied", "linked"])
def test_a_video_is_known_again_elsewhere(
    video: Path, tmp_path: Path, how: str, no_decoding: Any
) -> None:
    first = analyze(video, tmp_path / "out")
    other = tmp_path / "elsewhere" / "stream.mp4"
    other.parent.mkdir()
    if how == "moved":
        video.rename(other)
    elif how == "copied":
        shutil.copy(video, other)
    else:
        other.symlink_to(video)
    no_decoding()
    second = analyze(other, tmp_path / "out")
    assert second.meta["file"] == first.meta["file"]
    np.testing.assert_array_equal(first.values, second.values)


def test_another_video_in_the_old_place_is_another_video(
    video: Path, namesake: Path, tmp_path: Path
) -> None:
    old = analyze(video, tmp_path / "out")
    before = Path(old.meta["file"]).read_bytes()
    shutil.copy(namesake, video)
    new = analyze(video, tmp_path / "out")
    assert len(new) != len(old)
    assert new.meta["file"] != old.meta["file"]
    assert Path(old.meta["file"]).read_bytes() == before


def test_an_unfinished_namesake_does_not_stand_in_the_way(
    video: Path, namesake: Path, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(progress: measure.Progress) -> None:
        raise Stopped

    for path in (video, namesake):
        with pytest.raises(Stopped):
            analyze(path, tmp_path / "out", progress=stop)
    for i, path in enumerate((namesake, video)):
        done = analyze(path, tmp_path / "out")
        np.testing.assert_array_equal(done.values, analyze(path, tmp_path / f"own-{i}").values)
    assert len(list((tmp_path / "out").glob("*.h5"))) == 2
    assert not list((tmp_path / "out").glob("*.parts"))


def test_nothing_is_kept_without_a_folder(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    timeline = reelpulse.analyze(video, **SETTINGS)
    assert len(timeline) == 12
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_forgot_its_faces_still_knows_who_was_followed(
    test_data: Path, test_models: Path, tmp_path: Path
) -> None:
    clip = test_data / "faces" / "face_recognition_short_hamilton_clip.mp4"
    known = reelpulse.analyze(clip, out=tmp_path / "known")
    forgot = reelpulse.analyze(clip, out=tmp_path / "forgot", forget_faces=True)
    np.testing.assert_array_equal(known.values, forgot.values)
    again = reelpulse.analyze(clip, out=tmp_path / "forgot")
    np.testing.assert_array_equal(known.values, again.values)
    assert again.meta["person"]["people"] == known.meta["person"]["people"]
