"""Crowds, huge pictures, videos that are not there: bounded work and memory, clear words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import reelpulse
from conftest import Command
from fakes import FakeEmotion, FakeIdentity, Somebody, face, observed, tick, vector
from films import Array, Sound, make_video
from reelpulse.faces import detectors
from reelpulse.faces.detectors import Face
from reelpulse.resolve import Thresholds, resolve
from reelpulse.streams.face import MOST_FACES, FaceStream, Focus

CROWD = 1000


def crowd(seed: int, count: int = CROWD) -> list[Face]:
    """Faces in rows and columns, each about where it was."""
    random = np.random.default_rng(seed)
    return [
        face(40 * (i % 40) + random.uniform(0, 2), 30 * (i // 40), 20 + i % 3, person=i % 4)
        for i in range(count)
    ]


class Everybody:
    """Finds a thousand faces in whatever it is shown."""

    name = "everybody"
    strict, loose = 0.9, 0.7

    def __init__(self, size: int = 640) -> None:
        self.settings = {"detector": self.name, "detect_size": size}
        self.looks = 0

    def __call__(self, image: Array) -> list[Face]:
        self.looks += 1
        return crowd(self.looks)


class Counting(FakeIdentity):
    """Counts how many faces it is asked about."""

    asked = 0

    def __call__(self, image: Array, faces: Sequence[Face]) -> Array:
        self.asked += len(faces)
        return super().__call__(image, faces)


@pytest.mark.parametrize("photos", [0, 1])
def test_of_a_thousand_faces_two_are_measured_and_all_are_counted(photos: int) -> None:
    emotion, identity = FakeEmotion(), Counting()
    focus = Focus(vector(0)[None]) if photos else Focus()
    stream = FaceStream(Everybody(), emotion, identity, focus)
    ticks = [tick(i, number=i) for i in range(12)]
    faces = stream.process(ticks)
    assert faces.seen.tolist() == [CROWD] * 12
    assert np.bincount(faces.tick, minlength=12).tolist() == [MOST_FACES] * 12
    assert emotion.seen == 12 * MOST_FACES
    assert identity.asked <= 12 * (MOST_FACES + 8)
    timeline = resolve(observed(faces), focus, Thresholds(0.9, 0.5, 0.3))
    assert np.isfinite(timeline.column("valence")).all()


def test_a_thousand_strangers_a_tick_cost_no_memory_of_their_own() -> None:
    """Tracks are numbered far beyond those measured: nothing is kept for each."""
    stream = FaceStream(Everybody(), FakeEmotion(), FakeIdentity())
    faces = stream.process([tick(i, number=i) for i in range(3)])
    faces.track = (faces.track + 1_000_000_000).astype(np.int32)
    timeline = resolve(observed(faces), None, Thresholds(0.9, 0.5, 0.3))
    assert np.isfinite(timeline.column("valence")).all()


@pytest.mark.usefixtures("tiny_emotion")
def test_a_video_of_a_crowd(
    analyze: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(detectors.DETECTORS, "everybody", Everybody)
    make_video(tmp_path / "x.mp4", seconds=3, size=(640, 480), sounds=[Sound()])
    models = ("--detector", "everybody", "--identity", "none")
    ran = analyze("x.mp4", "-o", "out", *models)
    assert ran.code == 0, ran
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert np.isfinite(timeline.column("valence")).all()
    assert isinstance(crowd(0)[0], Somebody)


EIGHT_K = """
import re, sys
import reelpulse
timeline = reelpulse.analyze(
    sys.argv[1], stream=["face"], detector="dlib", identity="none", fps=4
)
# Not what getrusage says: that begins with the peak of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1)
print(len(timeline), int(peak) / 1024)
"""


@pytest.mark.usefixtures("tiny_emotion")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in its own way")
def test_pictures_of_8k_stay_within_bounds(tmp_path: Path) -> None:
    size = (7680, 4320)
    video = make_video(
        tmp_path / "8k.mkv",
        codec="mjpeg",
        fps=4,
        seconds=0.75,
        size=size,
        pix_fmt="yuvj420p",
        paint=lambda number, size: np.full((size[1], size[0]), 40 + number, np.uint8),
    )
    command = [sys.executable, "-c", EIGHT_K, str(video)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ticks, peak = done.stdout.split()
    assert int(ticks) == 3
    assert float(peak) < 1500, "MB"


# Videos that are not there


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("clp.mp4", "clip.mp4"),
        ("clip.mp", "clip.mp4"),
        ("Clip.mp4", "clip.mp4"),
        ("방숑.mp4", "방송.mp4"),
    ],
)
def test_a_missing_file_comes_with_the_nearest(
    loud: Command, tmp_path: Path, given: str, meant: str
) -> None:
    (tmp_path / meant).touch()
    loud(given).one_line(given, "no such file", f"did you mean {meant}?")


def test_nothing_near_is_not_made_up(loud: Command, tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").touch()
    ran = loud("interview.mp4")
    ran.one_line("interview.mp4", "no such file")
    assert "mean" not in ran.errors[0]


@pytest.mark.parametrize(
    "address", ["http://example.com/a.mp4", "https://x.y/watch?v=1", "rtmp://x/live", "HTTP://x/a"]
)
def test_an_address_is_no_file(loud: Command, address: str) -> None:
    ran = loud(address)
    ran.one_line("address", "download")
    assert len(ran.errors[0]) < 200


def test_an_address_from_python(tmp_path: Path) -> None:
    for given in ("https://x.y/a.mp4", Path("https://x.y/a.mp4")):
        with pytest.raises(reelpulse.ReelpulseError, match="address"):
            reelpulse.analyze(given)


@pytest.mark.parametrize(("shown", "hidden"), [(1.0, True), (9.0, False)])
def test_pictures_hidden_by_an_edit_list_are_told(
    tmp_path: Path, shown: float, hidden: bool
) -> None:
    video = make_video(tmp_path / "cut.mp4", fps=20, seconds=6)
    content = bytearray(video.read_bytes())
    place = content.index(b"elst") + 12  # past the type, version, flags and count
    scale = int.from_bytes(content[(at := content.index(b"mvhd") + 16) : at + 4], "big")
    content[place : place + 4] = round(shown * scale).to_bytes(4, "big")
    video.write_bytes(content)
    timeline = reelpulse.analyze(video, stream=("loudness", "face"), detector="dlib")
    said = [text for text in timeline.meta["warnings"] if "hidden by its edit list" in text]
    assert bool(said) == hidden
    assert timeline.times[-1] < 7
