"""``reelpulse models`` on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conftest import Command
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
from weights import networks, saved

__all__ = ["cache", "networks", "saved", "server", "tiny"]

Files = dict[tuple[str, str], Path]


@pytest.fixture
def run_all(run: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The whole command line, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "300")
    return run


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


# Weights of one's own


def test_inspect_tells_a_face_model(saved: Files, run_all: Command) -> None:
    ran = run_all("models", "inspect", saved["tf_efficientnet_b0", "older"])
    assert (ran.code, ran.errors) == (0, [])
    for text in (
        "tf_efficientnet_b0 (its classes: Conv2dSame, batch-norm epsilon 0.001)",
        "224 × 224 (usual for this architecture)",
        "1,280",
        "10 (8 emotions + valence and arousal)",
        "4,062,423 in 360 tensors, 4,020,358 of them parameters",
        "timm.models.efficientnet.EfficientNet",
    ):
        assert text in ran.out
    assert re.search(r"conv_head +Conv2d +1280×320×1×1 +409,600", ran.out)
    assert "unknown" not in ran.out


def test_inspect_asks_for_what_a_state_dict_does_not_tell(saved: Files, run_all: Command) -> None:
    path = saved["tf_efficientnet_b0", "state"]
    ran = run_all("models", "inspect", path, "--keys")
    assert "say which: --arch tf_efficientnet_b0 or --arch efficientnet_b0" in ran.out
    assert re.search(r"bn1.num_batches_tracked +1 +int64", ran.out)
    ran = run_all("models", "inspect", path, "--arch", "tf_efficientnet_b0")
    assert "tf_efficientnet_b0 (as told)" in ran.out
    run_all("models", "inspect", path, "--arch", "b9").one_line("has the shapes of", "not of b9")


def test_inspect_as_json(saved: Files, run_all: Command) -> None:
    found = json.loads(
        run_all("models", "inspect", saved["efficientnet_b0", "whole"], "--json").out
    )
    assert found["architecture"] == "efficientnet_b0"
    assert found["tensors"][0] == {
        "name": "conv_stem.weight",
        "shape": [32, 3, 3, 3],
        "dtype": "float32",
    }
    assert found["metadata"]["architecture"] == "efficientnet_b0"


def test_inspect_says_in_one_line_what_is_wrong(tmp_path: Path, run_all: Command) -> None:
    (tmp_path / "bad.pt").write_bytes(b"cos\nsystem\n(S'ls'\ntR.")
    named = ("bad.pt: tries to run os.system when loaded", "nothing of it was run")
    run_all("models", "inspect", "bad.pt").one_line(*named)
    run_all("models", "convert", "bad.pt", "-o", "x.onnx").one_line(*named)
    run_all("models", "inspect", "away.pt").one_line("away.pt: cannot be read")
    run_all("models", "inspect", ".").one_line("is not a file")
    (tmp_path / "[red]name.pt").write_text("hello")
    run_all("models", "inspect", "[red]name.pt").one_line("[red]name.pt: is no file of weights")
    assert not (tmp_path / "x.onnx").exists()


def test_names_from_a_file_cannot_paint_the_terminal(tmp_path: Path, run_all: Command) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"\x1b[31m[bold]a\nb.weight": torch.ones(10, 3)}, tmp_path / "x.pt")
    ran = run_all("models", "inspect", "x.pt")
    assert "?[31m[bold]a?b" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--mean", "a,b"], "--mean a,b: must be three numbers"),
        (["--std", "0.5,0.5"], "--std must be three numbers above 0"),
        (["--std", "0,1,1"], "--std must be three numbers above 0"),
        (["--mean", "nan,0,0"], "--mean must be three numbers from 0 to 1"),
        (["--size", "7"], "takes no pictures of 7 x 7 pixels: --size from 32 to 1024"),
        (["--outputs", "joy"], "not known: joy"),
        (["--arch", "efficientnet_b1"], "has the shapes of"),
    ],
)
def test_convert_says_in_one_line_what_is_wrong(
    saved: Files, tmp_path: Path, run_all: Command, options: list[str], problem: str
) -> None:
    path = saved["efficientnet_b0", "whole"]
    run_all("models", "convert", path, "-o", "x.onnx", *options).one_line(problem)
    assert list(tmp_path.iterdir()) == []
