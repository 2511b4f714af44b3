"""Input that cannot be used, through the command line: one clear line, its status, and on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Array, Sound, make_video, painted
from reelpulse.faces.detectors import dlib_model


def film(path: Path, seconds: float = 2, **what: Any) -> Path:
    return make_video(path, **{"seconds": seconds, "sounds": [Sound()], **what})


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


# Files that are no videos


def nothing(path: Path) -> None:
    """No such file."""


def text(path: Path) -> None:
    path.write_text("This is not a video.\n" * 50)


def noise_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(30_000))


def subtitles(path: Path) -> None:
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")


def without_index(path: Path) -> None:
    cut(film(path), 0.7)


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mp4": (nothing, "no such file"),
    "folder.mp4": (Path.mkdir, "folder"),
    "empty.mp4": (Path.touch, "empty"),
    "text.mp4": (text, "is not a video"),
    "noise.mkv": (noise_bytes, "is not a video"),
    "subtitles.srt": (subtitles, "neither a video nor a sound"),
    "no-index.mp4": (without_index, "moov"),
    "no-index.mov": (without_index, "moov"),
    "오류 영상.mp4": (text, "is not a video"),
    "[red] :fire: 100%.mp4": (text, "is not a video"),
}


@pytest.mark.parametrize("name", list(UNUSABLE))
def test_a_file_that_is_no_video_is_one_line(analyze: Command, tmp_path: Path, name: str) -> None:
    make, said = UNUSABLE[name]
    make(tmp_path / name)
    analyze(tmp_path / name, "-o", "out").one_line(name, said)
    assert not list(tmp_path.glob("out/**/*"))


def test_a_batch_goes_on_past_bad_files(loud: Command, tmp_path: Path) -> None:
    film(tmp_path / "first.mp4")
    film(tmp_path / "last.mp4")
    for name in ("missing.mp4", "empty.mp4", "text.mp4", "no-index.mp4"):
        UNUSABLE[name][0](tmp_path / name)
    names = ["first.mp4", "missing.mp4", "empty.mp4", "text.mp4", "no-index.mp4", "last.mp4"]
    ran = loud(*names, "-o", "out")
    assert ran.code == 1
    assert [line.split(":")[1].strip() for line in ran.errors[:-1]] == names[1:5]
    for name in names:
        assert (name in ran.errors[-1]) == (name in names[1:5])
    for stem in ("first", "last"):
        assert (tmp_path / "out" / f"{stem}.h5").is_file()
        assert (tmp_path / "out" / f"{stem}.moments.json").is_file()
        assert (tmp_path / "out" / f"{stem}.csv").is_file()


def test_scripts_are_told_too(loud: Command, tmp_path: Path) -> None:
    film(tmp_path / "good.mp4")
    ran = loud("good.mp4", "missing.mp4", "--json", "-o", "out")
    assert ran.code == 1
    good, bad = json.loads(ran.out)
    assert good["video"] == "good.mp4"
    assert good["ticks"] >= 4
    assert bad["video"] == "missing.mp4"
    assert "no such file" in bad["error"]


def test_as_a_process_of_its_own(tmp_path: Path) -> None:
    text(tmp_path / "text.mp4")
    film(tmp_path / "good.mp4")
    command = [sys.executable, "-m", "reelpulse", "analyze", "--stream", "loudness", "-q"]
    done = subprocess.run(
        [*command, "text.mp4", "good.mp4"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert [line[:17] for line in done.stderr.splitlines()] == [
        "error: text.mp4: ",
        "1 of 2 failed: te",
    ]
    assert (tmp_path / "out" / "good.h5").is_file()


# Files that hold less than usual


@pytest.mark.parametrize(
    ("name", "states_its_length"),
    [("x.mp4", True), ("x.mkv", True), ("x.flv", True), ("x.webm", True), ("x.ts", False)],
)
def test_what_decodes_of_a_cut_off_file_is_used(
    loud: Command, tmp_path: Path, name: str, states_its_length: bool
) -> None:
    codecs = {"codec": "libvpx-vp9", "sounds": [Sound("libopus")]} if name == "x.webm" else {}
    faststart = {"container_options": {"movflags": "faststart"}} if name == "x.mp4" else {}
    path = cut(film(tmp_path / name, 20, **codecs, **faststart), 0.6)
    ran = loud(path, "-o", "out")
    assert ran.code == 0
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    end = float(timeline.times[-1])
    assert 9 < end < 14
    assert np.isfinite(timeline.column("loudness")[1:-2]).all()
    if states_its_length:
        (line,) = ran.errors
        assert line.startswith("warning: ")
        assert name in line
        assert any(f"0:{second:02d}" in line for second in (int(end), int(end) + 1))
        assert line.split("warning: ")[1] in timeline.meta["warnings"]


@pytest.mark.usefixtures("tiny_emotion")
def test_the_pictures_of_a_cut_off_file_are_used(analyze: Command, tmp_path: Path) -> None:
    path = film(tmp_path / "x.mp4", 20, container_options={"movflags": "faststart"})
    ran = analyze(cut(path, 0.6), "-o", "out", "--stream", "face", "--detector", "dlib")
    assert ran.code == 0
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert 9 < timeline.times[-1] < 14
    assert any("cut off" in line and "x.mp4" in line for line in ran.errors)


@pytest.mark.parametrize("name", ["x.ts", "x.mkv", "x.mp4", "x.avi"])
def test_damage_in_the_middle_is_passed_over(loud: Command, tmp_path: Path, name: str) -> None:
    codecs = {"codec": "mpeg4", "b_frames": 0} if name == "x.avi" else {}
    path = film(tmp_path / name, 20, **codecs)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = np.random.default_rng(1).bytes(5000)
    path.write_bytes(content)
    assert loud(path, "-o", "out").code == 0
    timeline = reelpulse.load_timeline(tmp_path / "out" / "x.h5")
    assert timeline.times[-1] >= 19.5
    loudness = timeline.column("loudness")
    assert np.isfinite(loudness[1:16]).all()
    assert np.isfinite(loudness[28:-1]).all()


@pytest.mark.usefixtures("tiny_emotion")
def test_sound_without_pictures_is_measured_and_said_so(analyze: Command, tmp_path: Path) -> None:
    path = film(tmp_path / "voice.m4a", codec="")
    ran = analyze(path, "-o", "out")
    assert ran.code == 0
    (line,) = ran.errors
    assert "voice.m4a" in line
    assert "no video" in line
    timeline = reelpulse.load_timeline(tmp_path / "out" / "voice.h5")
    assert np.isfinite(timeline.column("loudness")[1:4]).all()
    assert np.isnan(timeline.column("happiness")).all()


@pytest.mark.usefixtures("tiny_emotion")
def test_pictures_without_sound_are_measured_and_said_so(
    analyze: Command, tmp_path: Path, face_clip: Path
) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(face_clip)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    ran = analyze(path, "-o", "out", "--detector", "dlib", "--identity", "none")
    assert ran.code == 0
    (line,) = ran.errors
    assert "silent.mp4" in line
    assert "no sound" in line
    timeline = reelpulse.load_timeline(tmp_path / "out" / "silent.h5")
    assert np.isnan(timeline.column("loudness")).all()
    assert np.isfinite(timeline.column("happiness")).mean() > 0.5


@pytest.mark.parametrize(
    ("what", "stream"), [({"codec": ""}, "face"), ({"sounds": []}, "loudness")], ids=["m4a", "mp4"]
)
@pytest.mark.usefixtures("tiny_emotion")
def test_nothing_left_to_measure_is_an_error(
    analyze: Command, tmp_path: Path, what: dict[str, Any], stream: str
) -> None:
    path = film(tmp_path / ("x.mp4" if "sounds" in what else "x.m4a"), **what)
    ran = analyze(path, "-o", "out", "--stream", stream)
    assert ran.code == 1
    assert path.name in ran.errors[-1]
    assert ran.errors[-1].startswith("error: ")


@pytest.mark.usefixtures("tiny_emotion")
def test_no_face_anywhere_is_said(analyze: Command, tmp_path: Path) -> None:
    path = film(tmp_path / "blocks.mp4", 3)
    ran = analyze(path, "-o", "out", "--detector", "dlib")
    assert ran.code == 0
    (line,) = ran.errors
    assert "blocks.mp4" in line
    assert "no face" in line
    timeline = reelpulse.load_timeline(tmp_path / "out" / "blocks.h5")
    assert not timeline.valid[:, :10].any()
    assert timeline.valid[1:, 10].all()


@pytest.mark.parametrize("sampling", [(), ("--ticks", 15), ("--fps", 60)])
@pytest.mark.usefixtures("tiny_emotion")
def test_a_film_of_one_frame_has_a_timeline(
    analyze: Command, tmp_path: Path, sampling: tuple[Any, ...]
) -> None:
    path = make_video(tmp_path / "one.mp4", seconds=0.04)
    ran = analyze(path, "-o", "out", "--detector", "dlib", *sampling)
    assert ran.code == 0
    timeline = reelpulse.load_timeline(tmp_path / "out" / "one.h5")
    assert len(timeline) == {(): 1, ("--ticks", 15): 15, ("--fps", 60): 3}[sampling]
    assert timeline.times[-1] < 0.04
    assert json.loads((tmp_path / "out" / "one.moments.json").read_text())


# Photos


@pytest.fixture
def portrait() -> Array:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    if dlib_model("dlib_face_recognition_resnet_model_v1.dat") is None:
        pytest.skip("face_recognition_models is not installed")
    return np.ascontiguousarray(data.astronaut()[:300, 80:380, ::-1])


@pytest.mark.parametrize("kind", ["none", "no-face", "two-faces", "text", "empty", "folder"])
@pytest.mark.usefixtures("tiny_emotion")
def test_a_photo_that_shows_no_one_person(
    analyze: Command, tmp_path: Path, portrait: Array, kind: str
) -> None:
    photo = tmp_path / f"{kind}.png"
    if kind == "no-face":
        cv2.imwrite(str(photo), painted(1234, (300, 300)))
    elif kind == "two-faces":
        cv2.imwrite(str(photo), np.hstack([portrait, portrait]))
    elif kind in ("text", "empty"):
        photo.write_text("not a photo" * (kind == "text"))
    elif kind == "folder":
        photo.mkdir()
    video = film(tmp_path / "x.mp4", 1)
    said = {
        "none": "no such",
        "no-face": "no face",
        "two-faces": "2 faces",
        "text": "not a picture",
    }
    models = ("--detector", "dlib", "--identity", "dlib")
    ran = analyze(video, "-o", "out", *models, "--person", photo)
    ran.one_line(photo.name, said.get(kind, photo.name))


@pytest.mark.usefixtures("tiny_emotion")
def test_a_photo_needs_a_model_to_compare_it(analyze: Command, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "me.png"), painted(1, (64, 64)))
    video = film(tmp_path / "x.mp4", 1)
    models = ("--detector", "dlib", "--identity", "none")
    analyze(video, "-o", "out", *models, "--person", "me.png").one_line("photo", "models fetch")
