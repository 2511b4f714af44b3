"""What happened to people who tried it: commands after each other, and odd names."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Sound, make_video
from reelpulse.media import RegularTicks, TickReader, probe

RATE = 22_050


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "stream.mp4", fps=10, seconds=12, sounds=[Sound()])


def test_the_version_is_told(run: Command) -> None:
    ran = run("--version")
    assert ran.code == 0
    assert ran.out.strip() == f"reelpulse {reelpulse.__version__}"


def test_a_part_does_not_replace_the_whole(loud: Command, video: Path, tmp_path: Path) -> None:
    assert loud(video, "-o", "out").code == 0
    whole = (tmp_path / "out" / "stream.h5").read_bytes()
    for _ in range(2):
        assert loud(video, "-o", "out", "--range", "2-8.5", "--ticks", "15").code == 0
    assert (tmp_path / "out" / "stream.h5").read_bytes() == whole
    part = reelpulse.load_timeline(tmp_path / "out" / "stream-2s-8.5s-15ticks.h5")
    assert len(part) == 15
    assert len(list((tmp_path / "out").glob("*.h5"))) == 2


def test_a_range_beyond_the_end_is_said_to_be_cut(loud: Command, video: Path) -> None:
    ran = loud(video, "-o", "out", "--range", "2-30")
    assert ran.code == 0
    assert any("12.0 long" in line for line in ran.errors), ran.errors


def test_an_earlier_choice_leaves_no_warning(
    test_data: Path, test_models: Path, run: Command
) -> None:
    faces = test_data / "faces"
    clip = faces / "face_recognition_short_hamilton_clip.mp4"
    wrong = run("analyze", clip, "-o", "out", "--person", faces / "alex-lacamoire.png")
    assert any("shows nobody like" in line for line in wrong.errors)
    right = run("analyze", clip, "-o", "out", "--person", faces / "lin-manuel-miranda.png")
    assert not any("shows nobody like" in line for line in right.errors), right.errors


def test_forgetting_faces_is_no_bar_to_the_same_command(
    test_data: Path, test_models: Path, analyze: Command
) -> None:
    faces = test_data / "faces"
    clip = faces / "face_recognition_short_hamilton_clip.mp4"
    command = [clip, "-o", "out", "--forget-faces", "--person", faces / "lin-manuel-miranda.png"]
    first = analyze(*command)
    again = analyze(*command)
    assert first.code == again.code == 0
    assert first.out == again.out


def test_a_picture_is_no_video(analyze: Command, tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    import cv2

    cv2.imwrite(str(tmp_path / "me.png"), data.astronaut())
    ran = analyze("me.png", "-o", "out")
    assert ran.code == 1
    (line,) = ran.errors
    assert "me.png" in line
    assert "--person" in line


def test_a_missing_track_changes_nothing(loud: Command, video: Path, tmp_path: Path) -> None:
    assert loud(video, "-o", "out").code == 0
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    ran = loud(video, "-o", "out", "--audio-track", "2")
    assert ran.code == 1
    assert len(ran.errors) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_a_name_in_another_code_page(loud: Command, video: Path, tmp_path: Path) -> None:
    name = os.fsdecode("철수.mp4".encode("cp949"))
    shutil.copy(video, tmp_path / name)
    ran = loud(tmp_path / name, "-o", "out")
    assert ran.code == 0, ran.errors
    (found,) = (tmp_path / "out").glob("*.h5")
    assert len(reelpulse.load_timeline(found)) == 24


@pytest.mark.parametrize("letters", [83, 63, 60])
def test_long_names_find_room(loud: Command, video: Path, tmp_path: Path, letters: int) -> None:
    path = tmp_path / f"{'가' * letters}.mp4"
    shutil.copy(video, path)
    for _ in range(2):
        assert loud(path, "-o", "out").code == 0
    (found,) = (tmp_path / "out").glob("*.moments.json")
    assert len(os.fsencode(found.name)) <= 255


def test_a_folder_name_that_cannot_be(loud: Command, video: Path) -> None:
    ran = loud(video, "-o", "a" * 300)
    assert ran.code == 1
    assert len(ran.errors) == 1


def test_jittering_times_give_one_sound_from_anywhere(tmp_path: Path) -> None:
    """Some recorders' sound packets come with times up to 20 ms off."""
    clean = make_video(tmp_path / "clean.mkv", fps=10, seconds=45, gop=10, sounds=[Sound("aac")])
    path = tmp_path / "jitter.mkv"
    with av.open(str(clean)) as source, av.open(str(path), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        number = 0
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                number += 1
                late = round((number * 7 % 20) / 1000 / packet.time_base)
                packet.pts += late
                packet.dts += late
            packet.stream = streams[packet.stream.index]
            target.mux(packet)

    facts = probe(path)
    clock = RegularTicks(8)

    def heard(first: int) -> dict[int, np.ndarray]:
        reader = TickReader(path, facts, clock, first=first, pictures=False, sound={RATE: 0.5})
        return {tick.index: tick.sound(RATE, 0.5) for tick in reader}

    whole = heard(0)
    for start in (25 * 8, 31 * 8, 40 * 8):
        part = heard(start)
        assert part
        for index, samples in part.items():
            np.testing.assert_allclose(samples, whole[index], atol=1e-3)
