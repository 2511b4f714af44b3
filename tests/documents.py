"""What the tests of the documents share: a page's blocks and commands, a folder to run them in."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from films import Sound, make_video
from reelpulse.cli import app

ROOT = Path(__file__).parent.parent

NEEDS_NETWORK = "reelpulse models fetch"
"""Its options are checked; test_hub_fetch.py runs it against a server of its own."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), re.DOTALL)


def commands(page: str) -> list[str]:
    """The commands of a page's ```bash blocks, in order."""
    lines = [
        line.split("#")[0].strip() for part in blocks(page, "bash") for line in part.split("\n")
    ]
    return [line for line in lines if line.startswith("reelpulse ")]


def run_commands(found: list[str]) -> None:
    """Run commands in the current folder, as a shell would."""
    for command in found:
        arguments = [
            name
            for word in shlex.split(command)[1:]
            for name in (sorted(str(path) for path in Path().glob(word)) if "*" in word else [word])
        ]
        if command.startswith(NEEDS_NETWORK):
            arguments.append("--help")
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output} {result.exception!r}"


def run_python(page: str) -> dict[str, object]:
    """Run a page's ```python blocks in the current folder; gives the names they leave."""
    names: dict[str, object] = {}
    for part in blocks(page, "python"):
        exec(compile(part, page, "exec"), names)
    return names


def fill_labels(folder: Path) -> None:
    """Label parts of the analysed video as the page on learning does, as if of many recordings."""
    rows = []
    for number in range(16):
        start = 1 + 1.5 * number  # ten seconds are left to be suggested
        label = "funny" if number % 2 else "ordinary"
        rows.append(f"out/stream.h5,{start},{start + 5.5},{label},recording {number},김")
    head = "file,start,end,label,source,person"
    for name, part in (("labels.csv", rows[:14]), ("more.csv", rows[14:])):
        (folder / name).write_text("\n".join([head, *part]) + "\n", encoding="utf-8")
    (folder / "truth.csv").write_text("start,end\n0:20,0:26\n", encoding="utf-8")
    # All of the video, so that whatever is found is right, and a precision can be asked for.
    of_videos = "file,start,end\n" + "".join(
        f"out/stream.h5,{start},{start + 6}\n" for start in range(0, 36, 6)
    )
    (folder / "truth_videos.csv").write_text(of_videos, encoding="utf-8")


def fill_voices(folder: Path) -> None:
    """Make what the page on speech speaks of: a recording, and a corpus with its table."""
    from reelpulse.media import write_sound
    from reelpulse.speech.corpus import EMOTIONS

    rng = np.random.default_rng(0)
    lines = ["file,label,speaker,sentence"]
    at = np.arange(20_000) / 16_000
    for speaker in ("김", "이", "박", "최"):
        for number, label in enumerate(EMOTIONS):
            tone = np.sin(2 * np.pi * (150 + 90 * number) * at) * np.sin(2 * np.pi * 3 * at)
            sound = 0.3 * tone + 0.01 * rng.standard_normal(len(at))
            write_sound(folder / "voices" / f"{speaker}_{number}.flac", sound.astype(np.float32))
            lines.append(f"voices/{speaker}_{number}.flac,{label},{speaker},1")
    (folder / "recordings.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    make_video(folder / "voice.wav", seconds=2, codec="", sounds=[Sound(codec="pcm_s16le")])


def fill_films(folder: Path) -> None:
    """Make what the page on genre speaks of: a film, a folder of films, and frames of others."""
    from reelpulse.genre.listing import write_table
    from reelpulse.genre.pictures import write_picture

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "recipes")
        films = importlib.import_module("genre_films")
    genres = {"romance": "slow", "horror": "fast"}
    long = films.film("amount", "fast", 9, films.Plan(shots=11))
    films.write_film(folder / "film.mkv", long)
    rows = []
    for number, split in enumerate(("train", "train", "train", "test")):
        for genre, painted in genres.items():
            pictures = films.film("amount", painted, number, films.Plan(shots=2))
            films.write_film(folder / "films" / f"{genre} {number}.mkv", pictures)
            names = [f"{genre}_{split}/{genre}_{number}_{at + 1:03d}.png" for at in range(16)]
            for name, picture in zip(names, pictures, strict=False):
                write_picture(folder / "frames" / name, picture)
            about = {"genre": genre, "film": f"film {number}", "split": split}
            pairs = zip(names[::2], names[1::2], strict=True)
            rows += [{**about, "first": first, "second": second} for first, second in pairs]
    write_table(folder / "frames", rows)
    for place in range(2):
        shutil.copy(folder / "frames" / names[place], folder / f"{'ab'[place]}.png")


def fill(folder: Path) -> Path:
    """Put what the pages speak of into a folder: videos, photos, a settings file."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    from reelpulse.demo import make_clip

    make_clip(folder / "stream.mp4", seconds=40, fps=5, size=(320, 240))
    make_video(folder / "second.mp4", fps=10, seconds=2, sounds=[Sound()])
    make_video(folder / "recording.mkv", fps=10, seconds=2, sounds=[Sound(), Sound()])
    portrait = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    for name in ("me.jpg", "me2.jpg"):
        cv2.imwrite(str(folder / name), portrait)
    (folder / "settings.toml").write_text(blocks("README.md", "toml")[0], encoding="utf-8")
    return folder
