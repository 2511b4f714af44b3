"""What the documents say is true: their commands run, and they name every option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from documents import ROOT, blocks, commands, fill, run_commands, run_python, text_of
from reelpulse.cli import app
from reelpulse.config import read_config

PAGES = ["README.md", "README.ko.md"]
DOCUMENTS = [
    *PAGES,
    "benchmarks/README.md",
    *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("user"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_run(
    page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    found = commands(page)
    assert len(found) >= 5
    run_commands(found)
    assert (workplace / "out" / "stream.moments.json").exists()
    assert (workplace / "out" / "stream.csv").exists()


def test_both_readmes_show_the_same_commands() -> None:
    assert commands("README.md") == commands("README.ko.md")


def test_documented_settings_file_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(blocks("README.md", "toml")[0], encoding="utf-8")
    found = read_config(path)
    assert found["analyze"]
    assert found["moments"]
    assert found["report"]


def test_documented_python_runs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    assert run_python("README.md")["moments"]


def test_every_option_is_documented() -> None:
    text = text_of("docs/commands.md")
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
    text = text_of("README.md")
    package = ROOT / "src" / "reelpulse"
    for path in package.iterdir():
        if path.name.startswith("_"):
            continue
        assert f"`{path.name}`" in text or f"`{path.name}/" in text, f"README omits {path.name}"


def headings(page: Path) -> set[str]:
    """A page's headings as they stand in links."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}


@pytest.mark.parametrize("page", DOCUMENTS)
def test_links_lead_somewhere(page: str) -> None:
    for target, place in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text_of(page)):
        if target.startswith("http"):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        assert not place or place in headings(path), f"{page} links to {target}#{place}"
