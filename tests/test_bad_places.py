"""Places that make trouble: full disks, closed folders, two runs at once, videos replaced."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Sound, make_video, noise
from reelpulse import files
from reelpulse.batch import analyze_many
from reelpulse.errors import DataError, MediaError
from reelpulse.files import Busy, only_one
from reelpulse.measure import Progress
from reelpulse.settings import AnalyzeSettings

LOUD: dict[str, Any] = {"stream": ["loudness"]}
PLAIN = AnalyzeSettings(stream=("loudness",))
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    return make_video(path, seconds=4, sounds=[Sound()])


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another video: longer, with other sound."""
    path = tmp_path_factory.mktemp("other") / "clip.mp4"
    return make_video(path, seconds=6, sounds=[Sound(wave=noise)])


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes and a half: three segments."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return make_video(path, fps=2, seconds=150, size=(64, 48), sounds=[Sound(rate=22_050)])


@pytest.fixture
def clip(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(source, tmp_path / "clip.mp4"))


# Full disks and folders that cannot be written


@posix
@pytest.mark.parametrize("out", ["/proc/none/out", "/dev/full", "/dev/null/out", "clip.mp4/out"])
def test_a_folder_that_cannot_be_is_one_line(loud: Command, clip: Path, out: str) -> None:
    loud(clip, "-o", out).one_line(out.split("/")[-1])


def test_a_folder_without_leave_to_write(loud: Command, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o555)
    if os.access(out, os.W_OK):
        pytest.skip("this user may write anywhere")
    loud(clip, "-o", out).one_line("out", "cannot be written")


@pytest.mark.parametrize("name", ["x" * 300, "가" * 90, "nul\0byte"], ids=["300", "Korean", "nul"])
def test_a_folder_whose_name_cannot_be(clip: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        reelpulse.analyze(clip, out=tmp_path / name, **LOUD)
    assert "\n" not in str(caught.value)
    assert "-o" in str(caught.value)


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from reelpulse.cli import main
main()
"""


def limited(limit: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line where no file may grow beyond `limit` bytes."""
    command = [sys.executable, "-c", FULL.format(limit=limit), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@posix
@pytest.mark.parametrize("limit", [0, 500, 2000, 9000])
def test_a_disk_that_fills_up_is_one_line_and_loses_nothing(
    source: Path, long: Path, tmp_path: Path, limit: int
) -> None:
    out = tmp_path / "out"
    reelpulse.analyze(source, out=out, **LOUD)
    before = {path: path.read_bytes() for path in out.iterdir()}
    ran = limited(limit, "analyze", "-q", "--stream", "loudness", long, "-o", out)
    assert ran.returncode == 1, ran
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"error: {out}")
    assert "cannot be written" in line
    assert {path: path.read_bytes() for path in before} == before
    assert not list(out.glob("**/*.tmp"))
    done = reelpulse.analyze(long, out=out, **LOUD)
    fresh = reelpulse.analyze(long, **LOUD)
    np.testing.assert_array_equal(done.values, fresh.values)
    assert sorted(path.name for path in out.iterdir()) == ["clip.h5", "long.h5"]


@pytest.mark.parametrize("when", range(6))
def test_whichever_write_fails_the_next_run_is_whole(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    real, count = Path.replace, [0]

    def full(self: Path, target: Path) -> Path:
        count[0] += 1
        if count[0] == when + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(DataError, match="No space left"):
            reelpulse.analyze(long, out=tmp_path / "out", **LOUD)
    whole = reelpulse.analyze(long, out=tmp_path / "out", **LOUD)
    np.testing.assert_array_equal(whole.values, reelpulse.analyze(long, **LOUD).values)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["long.h5"]


def test_a_batch_goes_on_where_one_result_cannot_be_written(
    clip: Path, other: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "clip.h5").mkdir(parents=True)
    videos = [clip, Path(shutil.copy(other, tmp_path / "b.mp4"))]
    first, second = analyze_many(videos, tmp_path / "out", PLAIN)
    assert "clip.h5" in str(first.error)
    assert second.error is None


# Two runs on one output

BESIDE = """
import sys, time
from pathlib import Path
import reelpulse
def wait(progress):
    Path(sys.argv[3]).touch()
    while not Path(sys.argv[4]).exists():
        time.sleep(0.01)
reelpulse.analyze(sys.argv[1], out=sys.argv[2], stream=["loudness"], progress=wait)
"""


def beside(video: Path, out: Path, folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """A run in a process of its own, held up after its first ticks until a file appears."""
    begun, go = folder / "begun", folder / "go"
    command = [sys.executable, "-c", BESIDE, str(video), str(out), str(begun), str(go)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, go


def finished(process: subprocess.Popen[bytes]) -> None:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)


def test_a_second_run_on_one_output_says_so_and_the_first_ends_well(
    loud: Command, clip: Path, tmp_path: Path
) -> None:
    process, go = beside(clip, tmp_path / "out", tmp_path)
    try:
        loud(clip, "-o", "out").one_line("clip.h5", "another run", "-o")
        assert loud(clip, "-o", "elsewhere").code == 0
    finally:
        go.touch()
    finished(process)
    whole = reelpulse.load_timeline(tmp_path / "out" / "clip.h5")
    alone = reelpulse.load_timeline(tmp_path / "elsewhere" / "clip.h5")
    np.testing.assert_array_equal(whole.values, alone.values)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.h5"]


def test_a_namesake_at_the_same_time_has_its_own_file(
    clip: Path, other: Path, tmp_path: Path
) -> None:
    process, go = beside(clip, tmp_path / "out", tmp_path)
    try:
        second = reelpulse.analyze(other, out=tmp_path / "out", **LOUD)
        part = reelpulse.analyze(clip, out=tmp_path / "out", range="1-3", **LOUD)
    finally:
        go.touch()
    finished(process)
    kept = [reelpulse.load_timeline(t.meta["file"]) for t in (second, part)]
    np.testing.assert_array_equal(kept[0].values, reelpulse.analyze(other, **LOUD).values)
    np.testing.assert_array_equal(
        kept[1].values, reelpulse.analyze(clip, range="1-3", **LOUD).values
    )
    first = reelpulse.load_timeline(tmp_path / "out" / "clip.h5")
    np.testing.assert_array_equal(first.values, reelpulse.analyze(clip, **LOUD).values)


@posix
def test_a_killed_run_stands_in_nobodys_way(clip: Path, tmp_path: Path) -> None:
    process, _ = beside(clip, tmp_path / "out", tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    reelpulse.analyze(clip, out=tmp_path / "out", **LOUD)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.h5"]


def test_many_runs_at_once_leave_one_whole_file(clip: Path, tmp_path: Path) -> None:
    code = "import sys, reelpulse; from reelpulse.cli import main; main()"
    command = [sys.executable, "-c", code, "analyze", "-q", "--stream", "loudness", str(clip)]
    runs = [
        subprocess.Popen(
            [*command, "-o", str(tmp_path / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [run.communicate(timeout=120)[1].splitlines() for run in runs]
    assert any(run.returncode == 0 for run in runs)
    for run, lines in zip(runs, said, strict=True):
        if run.returncode:
            (line,) = lines
            assert "another run" in line
    whole = reelpulse.load_timeline(tmp_path / "out" / "clip.h5")
    np.testing.assert_array_equal(whole.values, reelpulse.analyze(clip, **LOUD).values)
    assert {path.name.split(".")[0] for path in (tmp_path / "out").iterdir()} == {"clip"}


def test_who_is_at_work_is_told_to_those_who_come_later(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.h5"
    with only_one(path, "first"):
        with pytest.raises(Busy) as caught, only_one(path, "second"):
            pass
        assert caught.value.note == "first"
    with only_one(path, "second"):
        pass
    assert list(path.parent.iterdir()) == []


@posix
def test_a_file_system_without_locks_does_not_stop_a_run(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def none(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    assert len(reelpulse.analyze(clip, out=tmp_path / "out", **LOUD)) == 8


@posix
def test_a_lock_just_removed_by_its_holder_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = files.try_lock, [0]

    def too_late(descriptor: int, lock: Path) -> bool | None:
        count[0] += 1
        if count[0] == 1:
            lock.unlink()
        return real(descriptor, lock)

    monkeypatch.setattr(files, "try_lock", too_late)
    with only_one(tmp_path / "x.h5", "me"):
        assert (tmp_path / ".x.h5.lock").read_text() == "me"
    assert count == [2]


# A video replaced while it is analysed


def replacing(video: Path, by: Path, how: str, after: float = 0.0) -> Callable[[Progress], None]:
    """A callback that puts another file in the video's place, once."""
    todo = [True]

    def replace(progress: Progress) -> None:
        if todo and progress.done >= after:
            todo.clear()
            if how == "renamed":
                shutil.copy(by, video.with_name("new"))
                video.with_name("new").replace(video)
            else:
                shutil.copyfile(by, video)

    return replace


@pytest.mark.parametrize("how", ["renamed", "overwritten"])
@pytest.mark.parametrize("after", [0.0, 70.0])
def test_a_video_replaced_while_analysed_is_one_line(
    long: Path, other: Path, tmp_path: Path, how: str, after: float
) -> None:
    video = Path(shutil.copy(long, tmp_path / "long.mp4"))
    with pytest.raises(MediaError) as caught:
        reelpulse.analyze(
            video, out=tmp_path / "out", progress=replacing(video, other, how, after), **LOUD
        )
    assert str(caught.value).startswith(str(video))
    assert "replaced" in str(caught.value)
    assert "run again" in str(caught.value)
    assert not list(tmp_path.glob("out/*.h5"))
    # Neither video is mixed up with what was measured of the two.
    for path in (other, long):
        shutil.copyfile(path, video)
        now = reelpulse.analyze(video, out=tmp_path / "out", **LOUD)
        np.testing.assert_array_equal(now.values, reelpulse.analyze(path, **LOUD).values)


def test_a_batch_goes_on_past_a_replaced_video(clip: Path, other: Path, tmp_path: Path) -> None:
    replace = replacing(clip, other, "overwritten")
    second = Path(shutil.copy(other, tmp_path / "b.mp4"))
    results = list(
        analyze_many([clip, second], tmp_path / "out", PLAIN, progress=lambda _: replace)
    )
    assert "replaced" in str(results[0].error)
    assert results[1].error is None


def test_a_video_replaced_between_two_runs_is_measured_anew(
    long: Path, other: Path, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done > 70:
            raise Stopped

    video = Path(shutil.copy(long, tmp_path / "long.mp4"))
    with pytest.raises(Stopped):
        reelpulse.analyze(video, out=tmp_path / "out", progress=stop, **LOUD)
    shutil.copyfile(other, video)
    now = reelpulse.analyze(video, out=tmp_path / "out", **LOUD)
    np.testing.assert_array_equal(now.values, reelpulse.analyze(other, **LOUD).values)


def test_a_recording_that_still_grows_is_used_as_far_as_it_went(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.ts", seconds=20, sounds=[Sound()])
    content = whole.read_bytes()
    video = tmp_path / "growing.ts"
    video.write_bytes(content[: len(content) // 2])

    def grow(progress: Progress) -> None:
        with open(video, "ab") as file:
            file.write(content[video.stat().st_size :])

    timeline = reelpulse.analyze(video, out=tmp_path / "out", progress=grow, **LOUD)
    known = reelpulse.analyze(whole, **LOUD)
    count = min(len(timeline), len(known)) - 3
    assert count > 10
    np.testing.assert_allclose(timeline.values[:count], known.values[:count], atol=1e-6)


@posix
def test_a_video_deleted_while_analysed_was_still_read_to_its_end(
    clip: Path, tmp_path: Path
) -> None:
    timeline = reelpulse.analyze(
        clip, out=tmp_path / "out", progress=lambda _: clip.unlink(missing_ok=True), **LOUD
    )
    assert len(timeline) == 8


def test_parts_of_another_folder_are_left_alone(clip: Path, tmp_path: Path) -> None:
    """A folder of the user's own that has the name of ours is not deleted."""
    folder = tmp_path / "out" / "clip.h5.parts"
    folder.mkdir(parents=True)
    (folder / "diary.txt").write_text("mine")
    reelpulse.analyze(clip, out=tmp_path / "out", **LOUD)
    assert (folder / "diary.txt").read_text() == "mine"
