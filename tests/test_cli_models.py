"""``reelpulse models`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub_server import (
    Server,
    cache,
    entry,
    names,
    put,
    server,
    tiny,
)
from reelpulse import hub
from reelpulse.cli import models as models_cli

__all__ = ["cache", "server", "tiny"]


# The command line


def run(*args: str) -> Any:
    return CliRunner().invoke(models_cli.app, list(args))


def test_list_as_json(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "here": entry(None, name="here", file="here.onnx"),
        "bad": entry(None, name="bad", file="bad.onnx", recommended=True),
        "away": entry("https://example.org/a", name="away", file="a.onnx", non_commercial=True),
    }
    monkeypatch.setattr(hub, "WEIGHTS", known)
    path = put(cache, name="here.onnx")
    put(cache, b"damaged", name="bad.onnx")
    result = run("list", "--json")
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(rows) == list(known)
    assert (rows["here"]["path"], rows["here"]["problem"]) == (str(path), None)
    assert rows["bad"]["path"] is None
    assert "delete it" in rows["bad"]["problem"]
    assert (rows["away"]["path"], rows["away"]["problem"]) == (None, None)
    assert rows["away"]["non_commercial"]
    assert not rows["here"]["non_commercial"]
    assert rows["away"]["licence"] == "CC0"


def test_list_as_table(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    folder = tmp_path / "[bold]models"
    path = put(folder, name="free.onnx")
    monkeypatch.setenv("REELPULSE_MODELS", str(folder))
    known = {
        "free": entry(None, name="free", file="free.onnx", licence="MIT", size=12_340_000),
        "research": entry("https://example.org/a", name="research", non_commercial=True),
    }
    monkeypatch.setattr(hub, "WEIGHTS", known)
    result = run("list")
    assert result.exit_code == 0
    free = next(line for line in result.stdout.splitlines() if "free" in line)
    assert "MIT " in free
    assert "MIT *" not in free
    assert str(path) in free
    assert "12.3 MB" in free
    assert "emotion" in free
    research = next(line for line in result.stdout.splitlines() if "research" in line)
    assert "CC0 *" in research
    assert " no " in research
    assert (
        "* trained on data given for non-commercial use, or without a stated licence"
        in result.stdout
    )


def test_fetch_takes_the_recommended_ones(
    tiny: hub.Weights, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = entry(tiny.url, name="good", file="good.onnx", recommended=True)
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": tiny, "good": good})
    result = run("fetch")
    assert (result.exit_code, result.stdout) == (0, f"good: {cache / 'good.onnx'}\n")
    assert names(cache) == ["good.onnx"]
    assert run("fetch").exit_code == 0
    assert server.ranges == [None]


def test_fetch_goes_on_past_a_failure(
    tiny: hub.Weights, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = entry(tiny.url, name="bad", file="bad.onnx", sha256="0" * 64)
    monkeypatch.setattr(hub, "WEIGHTS", {"bad": bad, "tiny": tiny})
    result = run("fetch", "bad", "unknown", "bad", "tiny")
    assert result.exit_code == 1
    assert result.stdout == f"tiny: {cache / 'tiny.onnx'}\n"
    assert "000000000000 expected" in result.stderr
    assert result.stderr.splitlines()[-1] == "Not fetched: bad, unknown"
    assert "Traceback" not in result.output
    assert server.ranges == [None, None]
    assert names(cache) == ["tiny.onnx"]


def test_fetch_names_no_file(
    tiny: hub.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, name="some.onnx")
    result = run("fetch", str(path))
    assert result.exit_code == 1
    assert "Known: tiny" in result.stderr


def test_fetch_shows_progress_unless_quiet(tiny: hub.Weights, cache: Path) -> None:
    loud = run("fetch", "tiny")
    assert "tiny" in loud.stderr
    assert "384.0" in loud.stderr
    (cache / "tiny.onnx").unlink()
    quiet = run("fetch", "--quiet", "tiny")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert (cache / "tiny.onnx").exists()
