"""The pages for a user's tasks: their commands run, and what is generated is current."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from documents import (
    ROOT,
    blocks,
    commands,
    fill,
    fill_films,
    fill_labels,
    fill_voices,
    run_commands,
    run_python,
    text_of,
)
from reelpulse.config import read_config
from weights import networks, saved

__all__ = ["networks", "saved"]

TASKS = ["analyse", "person", "privacy", "report", "tension"]
EVERY = [*TASKS, "learn", "speech", "genre", "weights", "api", "architecture", "commands"]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the video of the pages was analysed."""
    folder = fill(tmp_path_factory.mktemp("analysed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_commands(["reelpulse analyze stream.mp4 -o out/"])
    return folder


@pytest.fixture
def folder(analysed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be worked in."""
    shutil.copytree(analysed, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    return tmp_path / "user"


@pytest.mark.slow
@pytest.mark.parametrize("page", TASKS)
def test_commands_and_python_of_the_page_run(page: str, folder: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    from fakes import write_emotion_onnx
    from test_embedding import SEEN

    write_emotion_onnx(folder / "mine.onnx", SEEN, size=16, embedding=True)
    found = commands(f"docs/{page}.md")
    assert found
    run_commands(found)
    run_python(f"docs/{page}.md")


@pytest.mark.slow
def test_commands_of_the_page_on_weights_run(
    folder: Path, saved: dict[tuple[str, str], Path]
) -> None:
    shutil.copy(saved["tf_efficientnet_b0", "state"], folder / "mine.pt")
    run_commands(commands("docs/weights.md"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_of_the_page_on_learning_run(folder: Path) -> None:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    fill_labels(folder)
    run_commands(commands("docs/learn.md"))
    assert (folder / "clips.compare.html").exists()
    assert (folder / "out" / "stream.evaluation.html").exists()
    assert (folder / "next.csv").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_of_the_page_on_speech_run(folder: Path) -> None:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    fill_voices(folder)
    run_commands(commands("docs/speech.md"))
    assert (folder / "speech" / "table.csv").exists()
    assert (folder / "preview.png").exists()
    assert (folder / "speech.onnx").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_of_the_page_on_genre_run(folder: Path) -> None:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    fill_films(folder)
    run_commands(commands("docs/genre.md"))
    assert (folder / "motion.html").exists()
    assert (folder / "genre.onnx").exists()
    assert (folder / "strip.png").exists()
    assert len((folder / "genres.csv").read_text(encoding="utf-8").splitlines()) == 9


@pytest.mark.parametrize("page", EVERY)
def test_settings_files_of_the_page_are_valid(page: str, tmp_path: Path) -> None:
    for text in blocks(f"docs/{page}.md", "toml"):
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        assert any(read_config(path).values())


def test_the_index_lists_every_page() -> None:
    index = text_of("docs/index.md")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "index.md" or f"({path.name})" in index, path.name


@pytest.mark.parametrize("script", ["make_api.py", "make_graph.py"])
def test_generated_pages_are_current(script: str) -> None:
    command = [sys.executable, str(ROOT / "docs" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
