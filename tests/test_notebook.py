"""The notebook runs from top to bottom, as far as it is not the notebook's own page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from documents import ROOT

NOTEBOOK = ROOT / "docs" / "colab.ipynb"
OF_THE_PAGE = ("%pip ", "%load_ext ", "%tensorboard ")
"""Lines that install, or draw into the page: what they are given is looked at instead."""


def cells() -> list[str]:
    """Sources of the code cells."""
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]


def as_script(found: list[str]) -> str:
    """The cells as one script: commands of the shell are run as such, and must succeed."""
    lines = ["import subprocess"]
    for cell in found:
        if cell.startswith("%%bash\n"):
            command = cell.removeprefix("%%bash\n")
            lines.append(f"subprocess.run(['bash', '-e', '-c', {command!r}], check=True)")
            continue
        for line in cell.split("\n"):
            if line.startswith("!"):
                line = f"subprocess.run({line[1:]!r}, shell=True, check=True)"
            if not line.startswith(OF_THE_PAGE):
                assert not line.startswith("%"), line
                lines.append(line)
    return "\n".join(lines)


def test_it_holds_no_outputs() -> None:
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_it_installs_trains_and_shows_tensorboard_in_the_page() -> None:
    every = "\n".join(cells())
    assert "%pip install --quiet 'reelpulse[train]'" in every
    assert "%tensorboard --logdir logs" in every


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_cells_run(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "REELPULSE_OFFLINE": "1"}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "page").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", as_script(cells())],
        cwd=tmp_path / "page",
        env={**os.environ, **home, "PATH": tools},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "page" / "genre.onnx").stat().st_size > 10_000
    assert list((tmp_path / "page" / "logs").rglob("events.out.tfevents.*"))
    told = done.stdout.split("\n")
    assert any("fast" in line for line in told), done.stdout
