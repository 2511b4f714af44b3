"""Files whose names make trouble: long, quoted, broken over lines, in no code."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelpulse
from conftest import Command
from films import Sound, make_video

LOUD: dict[str, Any] = {"stream": ["loudness"]}
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    return make_video(path, seconds=4, sounds=[Sound()])


NAMES = {
    "255 bytes": "n" * 251 + ".mp4",
    "85 Korean syllables": "가" * 83 + ".mp4",
    "quotes": 'it\'s "live".mp4',
    "a newline": "one\ntwo.mp4",
    "a tab and a bell": "one\ttwo\a.mp4",
    "an escape": "\x1b[31mred.mp4",
    "emoji": "😂😂 ㅋㅋㅋ.mp4",
    "a leading dash": "-rf.mp4",
    "a trailing dot": "clip.",
    "no ending": "clip",
    "only an ending": ".mp4",
    "spaces": " . .mp4",
    "percent": "100%d%s %(x)s.mp4",
    "braces and brackets": "{0}[bold]*?.mp4",
    "a backslash": "a\\b.mp4",
    "a scheme": "http:x.mp4",
    "decomposed Korean": "\u1112\u1161\u11ab.mp4",
    "not UTF-8": os.fsdecode(b"\xff\xfe\xb0.mp4"),
    "dots": "...mp4",
}


@posix
@pytest.mark.parametrize("name", list(NAMES))
def test_a_name_is_only_a_name(loud: Command, source: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    try:
        shutil.copy(source, folder / NAMES[name])
    except OSError:
        pytest.skip("this file system does not take the name")
    ran = loud("-o", "out", "--json", "--", folder / NAMES[name])
    assert ran.code == 0, ran
    (said,) = json.loads(ran.out)
    written = list((tmp_path / "out").iterdir())
    assert len(written) == len(set(said["files"])) >= 3, written
    (path,) = (tmp_path / "out").glob("*.h5")
    timeline = reelpulse.load_timeline(path)
    np.testing.assert_array_equal(
        timeline.values, reelpulse.analyze(folder / NAMES[name], **LOUD).values
    )
    again = loud("-o", "out", "--", folder / NAMES[name])
    assert again.code == 0
    assert sorted((tmp_path / "out").iterdir()) == sorted(written)


@posix
@pytest.mark.parametrize("name", list(NAMES))
def test_an_odd_name_in_an_error_is_one_line(loud: Command, tmp_path: Path, name: str) -> None:
    ran = loud("--", tmp_path / "videos" / NAMES[name])
    assert ran.code == 1
    (line,) = ran.errors
    assert "no such" in line
    assert line.isprintable()


@posix
def test_a_settings_file_of_any_name_is_one_line(
    run: Command, source: Path, tmp_path: Path
) -> None:
    for name in ("one\ntwo.toml", "-x.toml", "😂.toml"):
        (tmp_path / name).write_text("[analyze]\nfps = = 4\n")
        ran = run("analyze", str(source), f"--config={tmp_path / name}")
        assert ran.code == 1
        assert len(ran.errors) == 1
