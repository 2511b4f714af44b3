"""Settings, timelines and weights that cannot be used, through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Sound, make_video

LOUD = ("--stream", "loudness")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    return make_video(path, seconds=4, sounds=[Sound()])


@pytest.fixture
def clip(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(source, tmp_path / "clip.mp4"))


@pytest.fixture
def timeline(clip: Path, analyze: Command) -> Path:
    """An .h5 of ours."""
    assert analyze(*LOUD, clip, "-o", "out").code == 0
    return clip.parent / "out" / "clip.h5"


# Settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abc", "START-END"),
        ("5", "START-END"),
        ("3-1", "ends before it starts"),
        ("2-2", "START-END"),
        ("-3", "'-3'"),
        ("1:75-2:00", "'1:75'"),
        ("1e1-20", "'1e1'"),
        ("nan-5", "'nan'"),
        ("1-2-3", "'2-3'"),
        ("90-95", "90-95"),
    ],
)
def test_a_bad_range_is_one_line(analyze: Command, clip: Path, text: str, said: str) -> None:
    analyze(*LOUD, clip, f"--range={text}").one_line(said)


def test_how_to_write_a_time_is_said_letter_by_letter(analyze: Command, clip: Path) -> None:
    analyze(*LOUD, clip, "--range=x-5").one_line("'x'", "h:m:s")


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,0,0,0", "-1,0,5,5", "nan,0,1,1", "0,0,inf,1"]
)
def test_a_bad_region_is_one_line(analyze: Command, clip: Path, text: str) -> None:
    analyze(*LOUD, clip, f"--region={text}").one_line("x,y,w,h", repr(text))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fps", "0"], "fps"),
        (["--fps", "nan"], "fps"),
        (["--ticks", "0"], "ticks"),
        (["--ticks", "-15"], "ticks"),
        (["--audio-track", "-1"], "audio_track"),
        (["--audio-track", "7"], "clip.mp4"),
        (["--shortest", "8", "--longest", "6"], "shortest"),
        (["--stream", "smell"], "smell"),
        (["--detector", "nope"], "dlib"),
        (["--detect-size", "1"], "detect_size"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--out", "clip.mp4"], "clip.mp4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("tiny_emotion")
def test_a_bad_setting_is_one_line(
    analyze: Command, clip: Path, options: list[str], said: str
) -> None:
    streams = () if "--detector" in options else LOUD
    analyze(*streams, clip, *options).one_line(said)


@pytest.mark.parametrize(
    ("role", "known"),
    [("detector", "yunet"), ("identity", "mobilefacenet"), ("emotion", "enet_b0_8_va_mtl")],
)
@pytest.mark.usefixtures("tiny_emotion")
def test_an_unknown_model_is_named_with_those_known(
    analyze: Command, clip: Path, role: str, known: str
) -> None:
    ran = analyze(clip, "--detector", "dlib", f"--{role}", "nope")
    ran.one_line("nope", known)


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"],
        ["analyze", "clip.mp4", "--no-such-option"],
        ["analyze", "clip.mp4", "--fps", "two"],
        ["analyze", "clip.mp4", "--ticks", "1.5"],
        ["no-such-command"],
        ["detect"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(run: Command, clip: Path, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert any("Error" in line for line in ran.errors)


# The settings file


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[analyze]\nfsp = 4\n", ("fsp", "`fps`")),
        ("[moments]\ntpo = 4\n", ("tpo", "`top`")),
        ("[analyse]\nfps = 4\n", ("analyse", "[analyze]")),
        ("fps = 4\n", ("fps",)),
        ("[analyze]\nfps = 4\n\nfps = = 5\n", ("line 4",)),
        ("[analyze\nfps = 4\n", ("line 1",)),
        ("[analyze]\nfps = 'two'\n", ("fps", "two")),
        ("[analyze]\nfps = 0\n", ("fps",)),
        ("[analyze]\nticks = true\n", ("ticks", "True")),
        ("[analyze]\nrange = 5\n", ("range",)),
        ("[analyze]\nperson = 5\n", ("person",)),
        ("[analyze]\nregion = [0, 0, 1, 1]\n", ("region",)),
        (b"[analyze]\n\xff\xfe\n", ()),
    ],
)
def test_a_bad_settings_file_is_one_line(
    analyze: Command, clip: Path, content: str | bytes, said: tuple[str, ...]
) -> None:
    config = clip.parent / "my.toml"
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    analyze(*LOUD, clip, "--config", config).one_line("my.toml", *said)


def test_a_folder_is_no_settings_file(analyze: Command, clip: Path) -> None:
    analyze(*LOUD, clip, "--config", clip.parent).one_line(clip.parent.name)


def test_a_good_settings_file_is_used_and_what_is_typed_goes_before_it(
    analyze: Command, clip: Path
) -> None:
    config = clip.parent / "my.toml"
    config.write_text('[analyze]\nfps = 4\nrange = "0-2"\nstream = ["loudness"]\n')
    assert analyze(clip, "--config", config, "-o", "a").code == 0
    np.testing.assert_allclose(np.diff(reelpulse.load_timeline("a/clip.h5").times), 0.25)
    assert analyze(clip, "--config", config, "--fps", 10, "-o", "b").code == 0
    np.testing.assert_allclose(np.diff(reelpulse.load_timeline("b/clip.h5").times), 0.1)


# Timelines


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["times"] = np.arange(4.0)


def newer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def torn(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["times"]


def text(path: Path) -> None:
    path.write_text("time,anger\n0,1\n")


BROKEN: dict[str, tuple[Any, str]] = {
    "foreign": (foreign, "not one that reelpulse analyze wrote"),
    "newer": (newer, "newer"),
    "truncated": (truncated, "damaged"),
    "torn": (torn, "damaged"),
    "text": (text, "not an HDF5 file"),
    "gone": (Path.unlink, "no such file"),
}


@pytest.mark.parametrize("kind", list(BROKEN))
def test_detect_refuses_what_is_not_ours(run: Command, timeline: Path, kind: str) -> None:
    shutil.copy(timeline, timeline.with_name("good.h5"))
    make, said = BROKEN[kind]
    make(timeline)
    run("detect", "--quiet", timeline).one_line("clip.h5", said)
    both = run("detect", "--quiet", timeline, timeline.with_name("good.h5"))
    assert both.code == 1
    assert timeline.with_name("good.moments.json").is_file()


@pytest.mark.parametrize("kind", [kind for kind in BROKEN if kind != "gone"])
def test_analyze_leaves_what_is_not_ours_alone(
    analyze: Command, timeline: Path, clip: Path, kind: str
) -> None:
    BROKEN[kind][0](timeline)
    before = timeline.read_bytes()
    ran = analyze(*LOUD, clip, "-o", "out")
    if ran.code == 0:  # beside it, then, under another name
        assert timeline.read_bytes() == before
        assert len(list(timeline.parent.glob("*.h5"))) == 2
        return
    ran.one_line("clip.h5")
    assert timeline.read_bytes() == before
    # To analyse again is what was just done: the way out is another folder, or to delete it.
    advice = ran.errors[0].split("clip.h5", 1)[1]
    assert "delete" in advice or "--out" in advice or "-o " in advice or "upgrade" in advice


def test_detect_refuses_a_video(run: Command, clip: Path) -> None:
    run("detect", clip).one_line("clip.mp4", "analyze")


# Weights


@pytest.mark.parametrize(
    ("role", "name", "file"),
    [
        ("detector", "yunet", "face_detection_yunet_2023mar.onnx"),
        ("identity", "mobilefacenet", "mobilefacenet_foamliu.onnx"),
        ("emotion", "enet_b0_8_va_mtl", "enet_b0_8_va_mtl.onnx"),
    ],
)
@pytest.mark.usefixtures("tiny_emotion")
def test_weights_with_a_wrong_checksum_are_refused(
    analyze: Command, clip: Path, models_folder: Path, role: str, name: str, file: str
) -> None:
    (models_folder / file).write_bytes(b"not these weights")
    ran = analyze(clip, "--detector", "dlib", f"--{role}", name)
    ran.one_line(file, "checksum", "models fetch")
    auto = analyze(clip, *(() if role == "detector" else ("--detector", "dlib")), "-o", "auto")
    assert auto.code == 0
    assert any(file in line and "checksum" in line for line in auto.errors)


@pytest.mark.parametrize("role", ["detector", "identity", "emotion"])
@pytest.mark.usefixtures("tiny_emotion")
def test_weights_that_are_not_at_hand_say_how_to_get_them(
    analyze: Command, clip: Path, role: str
) -> None:
    name = {"detector": "yunet", "identity": "sface", "emotion": "enet_b0_8_va_mtl"}[role]
    ran = analyze(clip, "--detector", "dlib", f"--{role}", name)
    ran.one_line(name, "REELPULSE_MODELS")


@pytest.mark.usefixtures("tiny_emotion")
def test_a_model_file_that_is_none(analyze: Command, clip: Path) -> None:
    for name in ("text.onnx", "weights.pt"):
        (clip.parent / name).write_text("not a network")
        ran = analyze(clip, "--detector", "dlib", "--emotion", clip.parent / name)
        ran.one_line(name)
