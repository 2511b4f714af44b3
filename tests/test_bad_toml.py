"""Settings files with mistakes in them: the line or the nearest name, in words for people."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Sound, make_video
from reelpulse.config import read_config
from reelpulse.errors import SettingsError
from reelpulse.settings import AnalyzeSettings, MomentSettings, changed

BOM = b"\xef\xbb\xbf"


def message(path: Path, content: str | bytes) -> str:
    """What is said of a settings file of this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as caught:
        read_config(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("[analyze]\n\nfps 4\n", 3),
        ('[analyze]\nfps = 4\nrange = "0-2\n', 3),
        ("[analyze]\nfps = 4\nfps = 5\n", 3),
        ("[analyze]\nfps = 4\n[analyze]\nticks = 5\n", 3),
        ("[moments]\r\ntop = 5\r\n= 6\r\n", 3),
        ('[analyze]\nperson = ["a.jpg"\nfps = 2\n', 3),
        ("[analyze]\nrange = 0:20-0:30\n", 2),
        ("[analyze]\nfps = 4,5\n", 2),
        ("[analyze]\nforget_faces = yes\n", 2),
        ("[analyze]\nstream = [loudness]\n", 2),
        ("[analyze]\nperson = 'C:\\me.jpg\n", 2),
        ("[analyze]\nregion = “0,0,1,1”\n", 2),
    ],
)
def test_a_broken_file_names_the_line(tmp_path: Path, content: str, line: int) -> None:
    assert re.search(rf"\bline {line}\b", message(tmp_path / "my.toml", content))


def test_a_file_that_breaks_off_names_its_last_line(tmp_path: Path) -> None:
    assert "line 2" in message(tmp_path / "my.toml", "[analyze]\nfps = ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[analyze]\nframe_rate = 4\n", ["`frame_rate`", "[analyze]", "fps"]),
        ("[analyze]\ndetectsize = 4\n", ["`detectsize`", "`detect_size`"]),
        ("[analyze]\nDetector = 'dlib'\n", ["`Detector`", "`detector`"]),
        ("[analyze]\npersons = ['a.jpg']\n", ["`persons`", "`person`"]),
        ("[analyze]\ntop = 5\n", ["`top`", "[moments]"]),
        ("[moments]\nfps = 5\n", ["`fps`", "[analyze]"]),
        ("[moments]\npre-rol = 5\n", ["`pre-rol`", "`pre_roll`"]),
        ("[moment]\ntop = 5\n", ["[moment]", "[moments]"]),
        ("[Analyze]\nfps = 5\n", ["[Analyze]", "[analyze]"]),
        ("[analyse.face]\nfps = 5\n", ["[analyse]", "[analyze]"]),
        ("[analyze.face]\nfps = 5\n", ["`face`"]),
        ("[[analyze]]\nfps = 5\n", ["[analyze]", "[[analyze]]"]),
        ("top = 5\n", ["`top`", "[moments]"]),
        ("tpo = 5\n", ["`tpo`", "`top`", "[moments]"]),
        ("analyze = 5\n", ["[analyze]"]),
        ("[colours]\nred = 1\n", ["[colours]", "[analyze]", "[moments]"]),
        ("'' = 5\n", ["``"]),
        ("[moments]\npre-roll = 5\npre_roll = 6\n", ["`pre_roll`", "twice"]),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(
    tmp_path: Path, content: str, said: list[str]
) -> None:
    text = message(tmp_path / "my.toml", content)
    for part in said:
        assert part in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[analyze]\nfps = 'two'\n", ["`fps`", "a number", "'two'"]),
        ("[analyze]\nfps = true\n", ["`fps`", "a number"]),
        ("[analyze]\nfps = nan\n", ["`fps`", "between"]),
        ("[analyze]\nfps = inf\n", ["`fps`", "between"]),
        ("[analyze]\nticks = 1.5\n", ["`ticks`", "a whole number", "1.5"]),
        ("[analyze]\nticks = '15'\n", ["`ticks`", "a whole number", "'15'"]),
        ("[analyze]\nticks = 99999999999999999999\n", ["`ticks`", "between"]),
        (f"[analyze]\nticks = 1{'0' * 400}\n", ["`ticks`", "between"]),
        (f"[analyze]\nfps = 1{'0' * 400}\n", ["`fps`", "between"]),
        ("[analyze]\naudio_track = false\n", ["`audio_track`", "a whole number"]),
        ("[analyze]\nforget_faces = 'yes'\n", ["`forget_faces`", "true or false", "'yes'"]),
        ("[analyze]\nforget_faces = 1\n", ["`forget_faces`", "true or false"]),
        ("[analyze]\nrange = 20\n", ["`range`", "a text", "20"]),
        ("[analyze]\nrange = 07:32:00\n", ["`range`", "a text"]),
        ("[analyze]\nregion = [0, 0, 1, 1]\n", ["`region`", "a text"]),
        ("[analyze]\nstream = ['face', 2]\n", ["`stream`", "a list of texts"]),
        ("[analyze]\nperson = {a = 'b'}\n", ["`person`", "a list of texts"]),
        ("[moments]\ntop = -3\n", ["`top`", "between 1 and", "-3"]),
        ("[moments]\nshortest = 1979-05-27\n", ["`shortest`", "a number"]),
    ],
)
def test_a_wrong_kind_of_value_is_said_in_words(
    tmp_path: Path, content: str, said: list[str]
) -> None:
    text = message(tmp_path / "my.toml", content)
    for part in said:
        assert part in text
    for word in ("int", "float", "str ", "bool", "tuple", "NoneType", "datetime"):
        assert not re.search(rf"\b{word}\b", text), text


def test_an_endless_value_is_cut(tmp_path: Path) -> None:
    text = message(tmp_path / "my.toml", f"[analyze]\nfps = '{'x' * 100_000}'\n")
    assert len(text) < 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[analyze]\nfps = 4\n".encode("utf-16"), "UTF-8"),
        ("[analyze]\nfps = 4\n".encode("utf-16-le"), "UTF-8"),
        ("[analyze]\nperson = ['사진.jpg']\n".encode("cp949"), "UTF-8"),
        (b"[analyze]\nfps = \0\n", "line 2"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), ""),
        (("x = " + "[" * 100_000).encode(), ""),
    ],
    ids=["utf-16", "utf-16 without a mark", "cp949", "a zero byte", "a picture", "deep"],
)
def test_what_is_no_text_in_utf_8_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in message(tmp_path / "my.toml", content)


GOOD = '[analyze]\nfps = 4\ndetect-size = 320\nperson = ["me.jpg"]\n\n[moments]\ntop = 3\n'


@pytest.mark.parametrize(
    "content",
    [GOOD.encode(), BOM + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()],
    ids=["plain", "with a mark at its start", "of Windows"],
)
def test_files_of_any_editor_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "my.toml").write_bytes(content)
    found = read_config(tmp_path / "my.toml")
    settings = changed(AnalyzeSettings(), found["analyze"])
    assert (settings.fps, settings.detect_size) == (4.0, 320)
    assert settings.person == (str(tmp_path / "me.jpg"),)
    assert changed(MomentSettings(), found["moments"]).top == 3


def test_the_home_of_nobody_is_a_folder_like_others(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('[analyze]\nperson = ["~nobody-of-this-name/me.jpg"]\n')
    (photo,) = read_config(tmp_path / "my.toml")["analyze"]["person"]
    assert photo == str(tmp_path / "~nobody-of-this-name" / "me.jpg")


@pytest.mark.parametrize("content", [b"", BOM, b"\n\n# nothing\n", b"[analyze]\n", b"\r\n"])
def test_a_file_without_settings_changes_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "my.toml").write_bytes(content)
    assert not any(read_config(tmp_path / "my.toml").values())


@pytest.mark.parametrize("name", ["missing.toml", "folder", "a" * 300 + ".toml", "nul\0.toml"])
def test_a_file_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SettingsError) as caught:
        read_config(tmp_path / name)
    assert "cannot be read" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fps": "2"}, ["`fps`", "a number", "'2'"]),
        ({"ticks": 1.5}, ["`ticks`", "a whole number"]),
        ({"tikcs": 15}, ["`tikcs`", "`ticks`"]),
        ({"fps": None}, ["`fps`", "a number", "nothing"]),
        ({"fps": np.nan}, ["`fps`", "between"]),
        ({"stream": "smell"}, ["smell", "loudness"]),
    ],
)
def test_from_python_the_same_is_said(
    tmp_path: Path, options: dict[str, object], said: list[str]
) -> None:
    video = make_video(tmp_path / "x.mp4", seconds=1, sounds=[Sound()])
    with pytest.raises(SettingsError) as caught:
        reelpulse.analyze(video, **options)
    for part in said:
        assert part in str(caught.value)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    settings = changed(AnalyzeSettings(), {"fps": np.float32(4), "ticks": np.int64(15)})
    assert settings == AnalyzeSettings(fps=4.0, ticks=15)
    assert type(settings.fps) is float
    assert type(settings.ticks) is int


@pytest.mark.parametrize("command", ["analyze", "detect"])
def test_the_command_says_one_line(run: Command, tmp_path: Path, command: str) -> None:
    make_video(tmp_path / "x.mp4", seconds=1, sounds=[Sound()])
    (tmp_path / "my.toml").write_bytes("[moments]\ntop = 4\n".encode("utf-16"))
    run(command, "x.mp4", "--config", "my.toml").one_line("my.toml", "UTF-8")
