"""What the documents say is true: their commands run, and they name every option."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import pytest
import typer.main
from typer.testing import CliRunner

from reelpulse import settings
from reelpulse.cli import app

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "README.ko.md"]

NEEDS_NETWORK = {"reelpulse models fetch"}
"""Their options are checked; test_hub_fetch.py runs them against a server of its own."""


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("reelpulse ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = pytest.importorskip("skimage.data")
    from reelpulse.demo import make_clip

    folder = tmp_path_factory.mktemp("user")
    make_clip(folder / "stream.mp4", seconds=40, fps=5, size=(320, 240))
    portrait = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    for name in ("me.jpg", "me2.jpg"):
        cv2.imwrite(str(folder / name), portrait)
    (folder / "settings.toml").write_text(example_settings(), encoding="utf-8")
    return folder


def example_settings() -> str:
    found = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_run(
    page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    found = commands(page)
    assert len(found) >= 5
    for command in found:
        arguments = shlex.split(command)[1:]
        if command in NEEDS_NETWORK:
            arguments.append("--help")
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output} {result.exception!r}"
    assert (workplace / "out" / "stream.moments.json").exists()
    assert (workplace / "out" / "stream.csv").exists()


def test_both_readmes_show_the_same_commands() -> None:
    assert commands("README.md") == commands("README.ko.md")


def test_documented_settings_file_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(example_settings(), encoding="utf-8")
    analyze, moments = settings.read_config(path)
    assert analyze
    assert moments


def test_documented_python_runs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    names: dict[str, object] = {}
    exec(compile(found[1], "README.md", "exec"), names)
    assert names["moments"]


def test_every_option_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    root = typer.main.get_command(app)
    missing = []

    def walk(command: object, name: str) -> None:
        for parameter in command.params:  # type: ignore[attr-defined]
            options = [option for option in parameter.opts if option.startswith("-")]
            missing.extend(
                f"{name} {option}"
                for option in options
                if f"`{option}`" not in text and option not in ("--help", "--version")
            )
        for child, inner in getattr(command, "commands", {}).items():
            if f"{name} {child}" not in text and not getattr(inner, "commands", None):
                missing.append(f"{name} {child}")
            walk(inner, f"{name} {child}")

    walk(root, "reelpulse")
    assert not missing


def test_readme_lists_every_file() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "reelpulse"
    for path in package.iterdir():
        if path.name.startswith("_"):
            continue
        assert f"`{path.name}`" in text or f"`{path.name}/" in text, f"README omits {path.name}"


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, "docs/architecture.md", "docs/commands.md", "benchmarks/README.md"]:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
            if not target.startswith("http"):
                assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
