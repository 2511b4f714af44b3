"""Runs that are stopped, killed, repeated or moved: nothing is lost, measured twice or mixed up."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reelpulse
from films import Array, Sound, make_video, read_number
from reelpulse import analysis
from reelpulse.faces import detectors
from reelpulse.faces.detectors import Face
from reelpulse.measure import Progress
from reelpulse.timeline import Timeline

FPS, SECONDS, SEGMENT = 4, 150, 240
"""The film's frames a second, its length, and the frames of one segment of 60 s."""

SCRIPTED = ("--detector", "scripted", "--identity", "none")
SETTINGS = {"detector": "scripted", "identity": "none"}


class Scripted:
    """Finds faces where the number that the picture shows puts them; can wait to be killed."""

    name = "scripted"
    strict, loose = 0.9, 0.7
    seen: list[int] = []  # noqa: RUF012  of the whole process

    def __init__(self, size: int = 640) -> None:
        self.settings: dict[str, Any] = {"detector": self.name, "detect_size": size}

    def __call__(self, image: Array) -> list[Face]:
        number = read_number(image)
        self.seen.append(number)
        if "SEEN" in os.environ:
            with open(os.environ["SEEN"], "a") as file:
                file.write(f"{number}\n")
        while number >= int(os.environ.get("WAIT_AT", number + 1)):
            time.sleep(0.02)
        faces = []
        for i in range(0 if number % 14 == 0 else 1 + number % 3):
            box = np.array([4.0 + 14 * i + number % 5, 10.0, 16.0, 16.0])
            points = box[:2] + box[2:] * np.array(
                [[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.3, 0.8], [0.7, 0.8]]
            )
            faces.append(Face(box, 0.99 - 0.02 * i, points))
        return faces


def main() -> None:
    """Run the command line with the scripted detector, in a process of its own."""
    from reelpulse.cli import main

    detectors.DETECTORS["scripted"] = Scripted
    main()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "stream.mp4"
    return make_video(path, fps=FPS, seconds=SECONDS, size=(64, 48), sounds=[Sound(rate=44_100)])


@pytest.fixture
def video(
    source: Path, tmp_path: Path, tiny_emotion: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setitem(detectors.DETECTORS, "scripted", Scripted)
    monkeypatch.setattr(Scripted, "seen", [])
    return Path(shutil.copy(source, tmp_path / "stream.mp4"))


def parts_of(out: Path, stem: str = "stream") -> dict[str, tuple[int, int]]:
    """The finished segments of an unfinished run: name to inode and time of writing."""
    folder = out / f"{stem}.h5.parts"
    stats = {path.name: path.stat() for path in sorted(folder.glob("*.npz"))}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def contents(path: Path) -> dict[str, Any]:
    """All that an .h5 holds, but for the sound."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = value
        if isinstance(item, h5py.Dataset) and "loudness" not in name:
            found[name] = item[()]

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    found["@meta"] = {**json.loads(found["@meta"]), "file": None}
    return found


def assert_same(path: Path, other: Path) -> None:
    one, two = contents(path), contents(other)
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)
    sounds = [
        reelpulse.load_timeline(file).select(("loudness", "loudness_change"))
        for file in (path, other)
    ]
    np.testing.assert_allclose(sounds[0].values, sounds[1].values, atol=1e-3)
    assert np.isfinite(sounds[0].values[2:]).all()


class Stopped(Exception):
    """Whatever ends a run from within."""


def stopped(video: Path, out: Path, after: float, **settings: Any) -> None:
    """Analyse up to some second, and break off."""

    def stop(progress: Progress) -> None:
        if progress.done >= after:
            raise Stopped

    with pytest.raises(Stopped):
        reelpulse.analyze(video, out=out, progress=stop, **{**SETTINGS, **settings})


def again(video: Path, out: Path, **settings: Any) -> Timeline:
    return reelpulse.analyze(video, out=out, **{**SETTINGS, **settings})


# Stopped from outside


def killed(
    video: Path, seen: Path, wait_at: int, how: signal.Signals
) -> subprocess.CompletedProcess[str]:
    """Run the command until it reaches a frame, and then end it."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "WAIT_AT": str(wait_at),
        "SEEN": str(seen),
    }
    command = [sys.executable, "-c", "import test_resume; test_resume.main()"]
    process = subprocess.Popen(
        [*command, "analyze", str(video), "-o", str(video.parent / "out"), *SCRIPTED],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (seen.exists() and str(wait_at) in seen.read_text().split()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_a_run_ended_from_outside_goes_on_where_it_was(
    video: Path, tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "out"
    done = killed(video, tmp_path / "1", SEGMENT + 60, how)
    first = parts_of(out)
    assert list(first) == ["0000.npz"]
    assert not (out / "stream.h5").exists()
    if how == signal.SIGKILL:
        assert done.returncode == -signal.SIGKILL
    else:
        assert done.returncode in (1, 130)
        assert "Traceback" not in done.stderr
        assert "goes on" in done.stderr.splitlines()[-1]

    killed(video, tmp_path / "2", 2 * SEGMENT + 60, how)
    second = parts_of(out)
    assert list(second) == ["0000.npz", "0001.npz"]
    assert second["0000.npz"] == first["0000.npz"]
    assert int((tmp_path / "2").read_text().split()[0]) == SEGMENT

    again(video, out)
    assert Scripted.seen == list(range(2 * SEGMENT, FPS * SECONDS, 2))
    again(video, tmp_path / "whole")
    assert_same(out / "stream.h5", tmp_path / "whole" / "stream.h5")
    assert sorted(path.name for path in out.iterdir()) == ["stream.h5"]


# Stopped from within


@pytest.mark.parametrize("after", [61, 100, 121, 149])
def test_a_stopped_run_equals_one_in_a_single_go(video: Path, tmp_path: Path, after: float) -> None:
    stopped(video, tmp_path / "out", after)
    kept = parts_of(tmp_path / "out")
    assert len(kept) == after // 60
    Scripted.seen.clear()
    again(video, tmp_path / "out")
    assert Scripted.seen[0] == SEGMENT * len(kept)
    again(video, tmp_path / "whole")
    assert_same(tmp_path / "out" / "stream.h5", tmp_path / "whole" / "stream.h5")


def test_real_faces_are_the_same_after_a_stop(tmp_path: Path, tiny_emotion: Path) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    portrait = data.astronaut()[::2, ::2]

    def paint(number: int, size: tuple[int, int]) -> Array:
        x = 60 + round(12 * np.sin(number))
        return np.ascontiguousarray(portrait[15 : 15 + size[1], x : x + size[0]])

    film = {"fps": 1, "seconds": 130, "size": (100, 80), "paint": paint}
    video = make_video(tmp_path / "stream.mp4", **film, sounds=[Sound(rate=44_100)])
    settings = {"detector": "dlib", "fps": 0.5}
    stopped(video, tmp_path / "out", 100, **settings)
    assert len(parts_of(tmp_path / "out")) == 1
    timeline = again(video, tmp_path / "out", **settings)
    assert np.isfinite(timeline.column("valence")).mean() > 0.8
    again(video, tmp_path / "whole", **settings)
    assert_same(tmp_path / "out" / "stream.h5", tmp_path / "whole" / "stream.h5")


@pytest.mark.parametrize(
    "other",
    [
        {"fps": 1.0},
        {"range": "10-140"},
        {"detect_size": 320},
        {"stream": ["face"]},
        {"detector": "dlib"},
    ],
    ids=str,
)
def test_other_settings_start_anew_and_say_so(
    video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, other: dict[str, Any]
) -> None:
    stopped(video, tmp_path / "out", 100)
    Scripted.seen.clear()
    with caplog.at_level(logging.INFO, "reelpulse"):
        again(video, tmp_path / "out", **other)
    said = [line for line in caplog.messages if "stream" in line and "settings" in line]
    assert len(said) == 1
    assert "anew" in said[0]
    fresh = reelpulse.analyze(video, out=tmp_path / "fresh", **{**SETTINGS, **other})
    kept = reelpulse.load_timeline(tmp_path / "out" / "stream.h5")
    np.testing.assert_array_equal(kept.times, fresh.times)
    np.testing.assert_array_equal(kept.values, fresh.values)


def test_a_run_that_had_only_to_write_does_not_decode(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_decoding: Any
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(analysis, "write_timeline", full)
        with pytest.raises(Stopped):
            again(video, tmp_path / "out")
    no_decoding()
    assert len(again(video, tmp_path / "out")) == 2 * SECONDS


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_part_is_measured_again_or_named(
    video: Path, tmp_path: Path, share: float
) -> None:
    stopped(video, tmp_path / "out", 130)
    part = tmp_path / "out" / "stream.h5.parts" / "0001.npz"
    content = part.read_bytes()
    part.write_bytes(content[: int(len(content) * share)])
    try:
        again(video, tmp_path / "out")
    except reelpulse.ReelpulseError as error:
        assert "0001.npz" in str(error)  # noqa: PT017  either will do
        assert "delete" in str(error)  # noqa: PT017
        return
    again(video, tmp_path / "whole")
    assert_same(tmp_path / "out" / "stream.h5", tmp_path / "whole" / "stream.h5")
