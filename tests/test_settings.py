"""Settings: defaults that stand once, the TOML file, and what is typed before it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from reelpulse import batch, cli
from reelpulse.cli.options import with_settings
from reelpulse.config import read_config
from reelpulse.errors import SettingsError
from reelpulse.settings import (
    RESOLVE_ONLY,
    SECTIONS,
    AnalyzeSettings,
    MomentSettings,
    ReportSettings,
    as_dict,
    changed,
)

OWN = {"videos", "out", "quiet", "json", "config", "help"}
"""What `analyze` takes beside the settings."""

GROUPS = tuple(SECTIONS.values())
FIELDS = [item for group in GROUPS for item in fields(group)]
OTHER: dict[str, Any] = {
    "fps": 4.0,
    "ticks": 15,
    "range": "1-2",
    "stream": ("loudness",),
    "detector": "dlib",
    "identity": "none",
    "emotion": "builtin",
    "laughter": "builtin",
    "detect_size": 320,
    "person": ("a.jpg", "나.jpg"),
    "region": "0,0,1,1",
    "audio_track": 1,
    "forget_faces": True,
    "top": 3,
    "min_score": 0.5,
    "shortest": 2.0,
    "longest": 30.0,
    "pre_roll": 8.0,
    "post_roll": 0.0,
    "weight": ("loudness=0.5", "together=0"),
    "lang": "ko",
    "proxies": "never",
}
"""For each setting a value that is not its default."""


def command(name: str) -> Any:
    return typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]


def options(name: str) -> dict[str, Any]:
    return {p.name: p for p in command(name).get_params(click.Context(command(name)))}


def help_text(run: Callable[..., Any], name: str) -> str:
    return " ".join(run(name, "--help").out.split())


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The settings that `analyze` hands on to the library, a group after the other."""
    calls: list[tuple[Any, ...]] = []

    def many(
        videos: Any, out: Any, settings: Any, moments: Any, *, options: Any, **more: Any
    ) -> list[Any]:
        calls.append((settings, moments, options))
        return []

    monkeypatch.setattr(batch, "analyze_many", many)
    return calls


def as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_this_page_knows_every_setting() -> None:
    assert {item.name for item in FIELDS} == set(OTHER)
    assert len(FIELDS) == len(OTHER), "no name stands in two groups"
    assert all(item.default != OTHER[item.name] for item in FIELDS)


@pytest.mark.parametrize(
    ("name", "groups", "own"),
    [("analyze", GROUPS, OWN), ("detect", GROUPS[1:], OWN - {"videos", "out"} | {"timelines"})],
)
def test_every_setting_is_an_option_and_every_option_a_setting(
    name: str, groups: tuple[type, ...], own: set[str]
) -> None:
    expected = {item.name for group in groups for item in fields(group)}
    assert set(options(name)) - own == expected
    assert own - {"help"} <= set(options(name))


@pytest.mark.parametrize("item", FIELDS, ids=lambda item: item.name)
def test_help_says_what_a_setting_does_and_its_default(run: Callable[..., Any], item: Any) -> None:
    text = help_text(run, "analyze")
    assert f"--{item.name.replace('_', '-')} " in text
    assert item.metadata["help"] in text
    if item.default not in (None, False, ()):
        default = " ".join(item.default) if isinstance(item.default, tuple) else item.default
        assert f"{item.metadata['help']} [default: {default}]" in text


def test_no_option_has_a_default_of_its_own() -> None:
    names = {item.name for item in FIELDS}
    for name, option in options("analyze").items():
        if name in names:
            assert option.default in (None, (), []), name
    signature = inspect.signature(with_settings(*GROUPS)(_takes_all))
    assert all(signature.parameters[name].default is None for name in names)


def _takes_all(one: AnalyzeSettings, two: MomentSettings, three: ReportSettings) -> None:
    """A command that takes all settings and nothing else."""


def test_help_shows_no_marks_of_its_making(run: Callable[..., Any]) -> None:
    for name in ("analyze", "detect"):
        assert "\\b" not in help_text(run, name)


def test_settings_are_frozen_and_come_back_from_a_file() -> None:
    with pytest.raises(FrozenInstanceError):
        AnalyzeSettings().fps = 3  # type: ignore[misc]
    for group in GROUPS:
        settings = changed(group(), {f.name: OTHER[f.name] for f in fields(group)})
        assert changed(group(), as_dict(settings)) == settings
    assert {item.name for item in fields(AnalyzeSettings)} >= RESOLVE_ONLY


def test_without_anything_typed_the_defaults_are_used(
    run: Callable[..., Any], used: list[tuple[Any, ...]]
) -> None:
    assert run("analyze", "x.mp4").code == 0
    assert used == [(AnalyzeSettings(), MomentSettings(), ReportSettings())]


@pytest.mark.parametrize("dash", ["_", "-"])
def test_a_settings_file_sets_every_setting(
    run: Callable[..., Any], used: list[tuple[Any, ...]], tmp_path: Path, dash: str
) -> None:
    lines = []
    for table, group in SECTIONS.items():
        lines.append(f"[{table}]")
        for item in fields(group):
            lines.append(f"{item.name.replace('_', dash)} = {as_toml(OTHER[item.name])}")
    config = tmp_path / "설정.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    assert run("analyze", "x.mp4", "--config", config).code == 0
    (groups,) = used
    assert {f.name: getattr(group, f.name) for group in groups for f in fields(group)} == {
        **OTHER,
        "person": tuple(str(tmp_path / name) for name in OTHER["person"]),
    }
    found = read_config(config)
    for (table, kind), group in zip(SECTIONS.items(), groups, strict=True):
        assert changed(kind(), found[table]) == group


@pytest.mark.parametrize("item", FIELDS, ids=lambda item: item.name)
def test_what_is_typed_goes_before_the_file(
    run: Callable[..., Any], used: list[tuple[Any, ...]], tmp_path: Path, item: Any
) -> None:
    name, typed = item.name, OTHER[item.name]
    in_file = {"shortest": 4.0, "longest": 9.0, "forget_faces": True}.get(name, item.default)
    if name in ("ticks", "audio_track"):
        in_file = 7
    elif name in ("range", "region"):
        in_file = "3-4" if name == "range" else "1,1,2,2"
    elif name == "person":
        in_file = ("other.jpg",)
    elif name == "lang":
        in_file = "en"
    elif name == "forget_faces":
        typed = False
    table = next(table for table, group in SECTIONS.items() if item in fields(group))
    config = tmp_path / "my.toml"
    config.write_text(f"[{table}]\n{name} = {as_toml(in_file)}\n", encoding="utf-8")
    flag = "--" + name.replace("_", "-")
    if name == "forget_faces":
        arguments = ["--no-forget-faces"]
    elif isinstance(typed, tuple):
        arguments = [part for value in typed for part in (flag, value)]
    else:
        arguments = [flag, str(typed)]
    ran = run("analyze", "x.mp4", "--config", config, *arguments)
    assert ran.code == 0, ran
    assert getattr(used[0][list(SECTIONS).index(table)], name) == typed


@pytest.mark.parametrize(
    ("name", "near"),
    [("fsp", "fps"), ("persons", "person"), ("detector_", "detector"), ("forget", "forget_faces")],
)
def test_an_unknown_setting_names_the_nearest(name: str, near: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"`{name}`.*`{near}`"):
        changed(AnalyzeSettings(), {name: 1})
    (tmp_path / "my.toml").write_text(f"[analyze]\n{name} = 1\n")
    with pytest.raises(SettingsError, match=rf"my\.toml: \[analyze\].*`{name}`.*`{near}`"):
        read_config(tmp_path / "my.toml")


def test_a_setting_like_no_other_lists_those_known() -> None:
    with pytest.raises(SettingsError, match=r"zzz.*fps.*region"):
        changed(AnalyzeSettings(), {"zzz": 1})
    with pytest.raises(SettingsError, match="`top`"):
        changed(MomentSettings(), {"tops": 1})


WRONG = [
    ("fps", "two"),
    ("fps", True),
    ("fps", None),
    ("ticks", 1.5),
    ("ticks", "15"),
    ("ticks", False),
    ("range", 5),
    ("stream", 5),
    ("stream", None),
    ("stream", ["face", 1]),
    ("detector", None),
    ("detector", 1),
    ("detect_size", 640.0),
    ("person", 5),
    ("person", [1]),
    ("person", {"a": 1}),
    ("region", [0, 0, 1, 1]),
    ("audio_track", "0"),
    ("forget_faces", "yes"),
    ("forget_faces", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda part: repr(part))
def test_a_value_of_another_kind_is_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"`{name}`"):
        changed(AnalyzeSettings(), {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("fps", value) for value in (0, -1, float("nan"), float("inf"))),
        *(("ticks", value) for value in (0, -15)),
        *(("top", value) for value in (0, -1)),
        *(("min_score", value) for value in (-0.1, 1.1, float("nan"))),
        *(("pre_roll", value) for value in (-1, float("nan"))),
        ("shortest", 8.0),
        ("longest", 4.0),
    ],
)
def test_an_impossible_value_is_refused(name: str, value: float) -> None:
    group = AnalyzeSettings if name in ("fps", "ticks") else MomentSettings
    with pytest.raises(SettingsError, match=f"`{name}`|`shortest`"):
        changed(group(), {name: value})


def test_numbers_paths_and_lists_are_brought_to_their_kind() -> None:
    settings = changed(
        AnalyzeSettings(), {"fps": 3, "person": Path("a.jpg"), "stream": ["face"], "ticks": None}
    )
    assert settings == changed(AnalyzeSettings(), {"fps": 3.0, "person": "a.jpg", "stream": "face"})
    assert (settings.fps, settings.person, settings.stream) == (3.0, ("a.jpg",), ("face",))
    assert isinstance(settings.fps, float)
