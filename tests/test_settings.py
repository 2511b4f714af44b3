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
from reelpulse.genre import train as genre_train
from reelpulse.moments.dataset import build
from reelpulse.moments.training import train
from reelpulse.settings import (
    RESOLVE_ONLY,
    SECTIONS,
    AnalyzeSettings,
    ReportSettings,
    as_dict,
    changed,
)
from reelpulse.speech import train as speech_train

Item = tuple[str, Any]
"""A table of the settings file, and a field of its group."""

ITEMS: list[Item] = [(table, item) for table, group in SECTIONS.items() for item in fields(group)]
EVERY_DAY = ("analyze", "moments", "report")
"""The tables that `analyze` takes."""

TAKEN_BY = {
    **dict.fromkeys(EVERY_DAY, ("analyze", "x.mp4")),
    "clips": ("moments", "build", "x.csv"),
    "train": ("moments", "train", "x.h5", "-o", "x.onnx"),
    "speech": ("speech", "train", "x", "-o", "x.onnx"),
    "genre": ("genre", "train", "x", "-o", "x.onnx"),
}
"""A command that takes all settings of each table."""

COMMON = {"quiet", "json", "config", "help"}

OTHER: dict[str, dict[str, Any]] = {
    "analyze": {
        "fps": 4.0,
        "ticks": 15,
        "range": "1-2",
        "stream": ("loudness",),
        "detector": "dlib",
        "identity": "none",
        "emotion": "builtin",
        "laughter": "builtin",
        "speech": "builtin",
        "detect_size": 320,
        "person": ("a.jpg", "나.jpg"),
        "region": "0,0,1,1",
        "audio_track": 1,
        "forget_faces": True,
    },
    "moments": {
        "top": 3,
        "min_score": 0.5,
        "per_hour": 20.0,
        "precision": 0.8,
        "shortest": 2.0,
        "longest": 30.0,
        "pre_roll": 8.0,
        "post_roll": 0.0,
        "weight": ("loudness=0.5", "together=0"),
    },
    "report": {"lang": "ko", "proxies": "never"},
    "clips": {
        "task": "levels",
        "length": "pad-front",
        "steps": 20,
        "rate": 4.0,
        "short": "repeat",
        "sample": "clip",
        "max_gap": 1.0,
        "most_missing": 0.5,
        "column": ("face", "loudness"),
        "embeddings": True,
    },
    "train": {
        "network": "lstm",
        "inputs": ("face",),
        "where": ("person=김", "duration<=7"),
        "baseline": "video",
        "time": "delta",
        "missing": "drop",
        "embeddings": True,
        "param": ("dropout=0.3",),
        "pca": 20,
        "epochs": 5,
        "patience": 3,
        "batch": 8,
        "rate": 0.01,
        "decay": 0.5,
        "mixup": 0.0,
        "jitter": 0.0,
        "balance": False,
        "folds": 3,
        "seed": 7,
    },
    "speech": {
        "network": "small",
        "pretrained": False,
        "split": "speaker_sentence",
        "folds": 3,
        "fold": 1,
        "every_fold": True,
        "epochs": 2,
        "patience": 3,
        "batch": 8,
        "accumulate": 2,
        "optimiser": "sgd",
        "rate": 0.01,
        "decay": 0.5,
        "schedule": "constant",
        "warmup": 0.2,
        "smoothing": 0.1,
        "balance": True,
        "dropout": 0.3,
        "bits": "32",
        "devices": 2,
        "threads": 2,
        "normalise": "imagenet",
        "picture": ("size=64",),
        "augment": ("mixup=0.2",),
        "variants": 2,
        "sound": ("speed=0.05",),
        "seed": 7,
    },
    "genre": {
        "network": "fc",
        "preset": "vgg16",
        "pretrained": False,
        "split": "film",
        "folds": 3,
        "fold": 1,
        "every_fold": True,
        "held_back": 0.2,
        "epochs": 2,
        "patience": 3,
        "batch": 8,
        "accumulate": 2,
        "optimiser": "sgd",
        "rate": 0.01,
        "step_decay": 0.9,
        "decay": 0.5,
        "size": "68x120",
        "one_frame": True,
        "bits": "32",
        "devices": 2,
        "threads": 2,
        "seed": 7,
    },
}
"""For each setting a value that is not its default."""

IN_FILE: dict[str, Any] = {
    "shortest": 4.0,
    "longest": 9.0,
    "ticks": 7,
    "audio_track": 7,
    "range": "3-4",
    "region": "1,1,2,2",
    "person": ("other.jpg",),
    "lang": "en",
    "top": 7,
    "min_score": 0.9,
    "precision": 0.9,
    "steps": 7,
    "patience": 7,
    "variants": 7,
    "rate": 7.0,
    "threads": 7,
    "network": "other",
    "preset": "other",
    "epochs": 7,
    "batch": 7,
    "optimiser": "adam",
    "step_decay": 0.7,
    "decay": 0.7,
    "size": "70x70",
}
"""What stands in a file beside what is typed, where that is not the default."""


def item_id(item: Item) -> str:
    return f"{item[0]}.{item[1].name}"


every_setting = pytest.mark.parametrize("item", ITEMS, ids=item_id)


def command(*names: str) -> Any:
    found = typer.main.get_command(cli.app)
    for name in names:
        found = found.commands[name]  # type: ignore[attr-defined]
    return found


def options(*names: str) -> dict[str, Any]:
    return {p.name: p for p in command(*names).get_params(click.Context(command(*names)))}


def help_text(run: Callable[..., Any], *names: str) -> str:
    """The help as one line; lines break behind hyphens too."""
    return " ".join(run(*names, "--help").out.split()).replace("- ", "-")


def name_of(table: str) -> tuple[str, ...]:
    """The name of the command that takes a table."""
    return tuple(part for part in TAKEN_BY[table] if part.isalpha())


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings that commands hand on to the library, by their tables."""
    calls: dict[str, Any] = {}

    def note(*arguments: Any, **more: Any) -> list[Any]:
        for value in (*arguments, *more.values()):
            for table, group in SECTIONS.items():
                if type(value) is group:
                    calls[table] = value
        return []

    def end(*arguments: Any, **more: Any) -> None:
        note(*arguments, **more)
        raise typer.Exit

    monkeypatch.setattr(batch, "analyze_many", note)
    monkeypatch.setattr(build, "build", end)
    monkeypatch.setattr(train, "train", end)
    monkeypatch.setattr(speech_train, "train", end)
    monkeypatch.setattr(genre_train, "train", end)
    return calls


def as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_this_page_knows_every_setting() -> None:
    known = {(table, name) for table, others in OTHER.items() for name in others}
    assert {(table, item.name) for table, item in ITEMS} == known
    assert all(item.default != OTHER[table][item.name] for table, item in ITEMS)


def test_no_name_stands_in_two_groups_of_a_command() -> None:
    made = typer.main.get_command(cli.app)
    pending = list(made.commands.values())  # type: ignore[attr-defined]
    while pending:
        one = pending.pop()
        pending += getattr(one, "commands", {}).values()
        names = [p.name for p in one.get_params(click.Context(one))]
        assert len(names) == len(set(names)), one.name


@pytest.mark.parametrize(
    ("name", "tables", "own", "without"),
    [
        ("analyze", EVERY_DAY, {"videos", "model", "out"}, set()),
        ("detect", EVERY_DAY[1:], {"timelines", "model", "out"}, set()),
        ("export", ("report",), {"timelines", "to", "out"}, set()),
        (
            "moments build",
            ("clips", "analyze"),
            {"labels", "out", "timelines", "append", "overwrite"},
            {"fps", "ticks", "range", "forget_faces"},
        ),
        ("moments train", ("train",), {"clips", "out", "videos", "logs"}, set()),
        ("speech train", ("speech",), {"speech", "out", "logs"}, set()),
        ("genre train", ("genre",), {"frames", "out", "logs"}, set()),
    ],
)
def test_every_setting_is_an_option_and_every_option_a_setting(
    name: str, tables: tuple[str, ...], own: set[str], without: set[str]
) -> None:
    expected = {item.name for table, item in ITEMS if table in tables} - without
    assert set(options(*name.split())) == expected | own | COMMON


@every_setting
def test_help_says_what_a_setting_does_and_its_default(run: Callable[..., Any], item: Item) -> None:
    table, field = item
    text = help_text(run, *name_of(table))
    flag = f"--{field.name.replace('_', '-')}"
    assert any(f"{flag}{end}" in text for end in (" ", "/", ","))
    said = field.metadata["help"].replace("- ", "-")
    assert said in text
    if field.default not in (None, False, ()):
        default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
        assert f"{said} [default: {default}]" in text


@pytest.mark.parametrize("name", ["analyze", "moments build", "moments train", "speech train"])
def test_no_option_has_a_default_of_its_own(name: str) -> None:
    names = {item.name for _, item in ITEMS}
    found = {name: option for name, option in options(*name.split()).items() if name in names}
    assert len(found) > 10
    for option in found.values():
        assert option.default in (None, (), []), option.name


def test_a_command_may_set_some_fields_itself() -> None:
    made = with_settings(ReportSettings, without=("lang",))(_takes_report)
    assert set(inspect.signature(made).parameters) == {"proxies", "config"}


def _takes_report(one: ReportSettings) -> None:
    """A command that takes settings and nothing else."""


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("analyze", "[analyze], [moments] and [report]"),
        ("export", "[report]"),
        ("moments build", "[analyze] and [clips]"),
        ("moments train", "[train]"),
    ],
)
def test_help_names_the_tables_of_a_settings_file(
    run: Callable[..., Any], name: str, tables: str
) -> None:
    assert f"Settings, in {tables}." in help_text(run, *name.split())


def test_help_shows_no_marks_of_its_making(run: Callable[..., Any]) -> None:
    for name in ("analyze", "detect", "moments build", "moments info", "moments train"):
        assert "\\b" not in help_text(run, *name.split())


def test_settings_are_frozen_and_come_back_from_a_file() -> None:
    with pytest.raises(FrozenInstanceError):
        AnalyzeSettings().fps = 3  # type: ignore[misc]
    for table, group in SECTIONS.items():
        settings = changed(group(), OTHER[table])
        assert changed(group(), as_dict(settings)) == settings
    assert {item.name for item in fields(AnalyzeSettings)} >= RESOLVE_ONLY


@pytest.mark.parametrize("line", dict.fromkeys(TAKEN_BY.values()), ids=" ".join)
def test_without_anything_typed_the_defaults_are_used(
    run: Callable[..., Any], used: dict[str, Any], line: tuple[str, ...]
) -> None:
    assert run(*line).code == 0
    assert {table for table, taken in TAKEN_BY.items() if taken == line} <= set(used)
    assert used == {table: SECTIONS[table]() for table in used}


@pytest.mark.parametrize("dash", ["_", "-"])
def test_a_settings_file_sets_every_setting(
    run: Callable[..., Any], used: dict[str, Any], tmp_path: Path, dash: str
) -> None:
    lines = []
    for table, others in OTHER.items():
        lines.append(f"[{table}]")
        lines += [f"{name.replace('_', dash)} = {as_toml(x)}" for name, x in others.items()]
    config = tmp_path / "설정.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    photos = tuple(str(tmp_path / name) for name in OTHER["analyze"]["person"])
    expected = {**OTHER, "analyze": {**OTHER["analyze"], "person": photos}}
    found = read_config(config)
    for line in dict.fromkeys(TAKEN_BY.values()):
        used.clear()
        assert run(*line, "--config", config).code == 0
        for table, settings in used.items():
            group = SECTIONS[table]
            assert {f.name: getattr(settings, f.name) for f in fields(group)} == expected[table]
            assert changed(group(), found[table]) == settings
        assert {table for table, taken in TAKEN_BY.items() if taken == line} <= set(used)


@every_setting
def test_what_is_typed_goes_before_the_file(
    run: Callable[..., Any], used: dict[str, Any], tmp_path: Path, item: Item
) -> None:
    table, field = item
    name, typed = field.name, OTHER[table][field.name]
    in_file = IN_FILE.get(name, field.default)
    config = tmp_path / "my.toml"
    config.write_text(f"[{table}]\n{name} = {as_toml(in_file)}\n", encoding="utf-8")
    flag = "--" + name.replace("_", "-")
    if isinstance(typed, bool):
        arguments = [flag if typed else f"--no-{flag[2:]}"]
    elif isinstance(typed, tuple):
        arguments = [part for value in typed for part in (flag, value)]
    else:
        arguments = [flag, str(typed)]
    ran = run(*TAKEN_BY[table], "--config", config, *arguments)
    assert ran.code == 0, ran
    assert getattr(used[table], name) == typed


def test_a_flag_that_is_set_in_a_file_can_be_unset(
    run: Callable[..., Any], used: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "my.toml").write_text("[analyze]\nforget_faces = true\n")
    assert run("analyze", "x.mp4", "--config", "my.toml", "--no-forget-faces").code == 0
    assert not used["analyze"].forget_faces


def test_what_a_command_sets_itself_may_stand_in_a_file(
    run: Callable[..., Any], used: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "my.toml").write_text("[analyze]\nfps = 4\n[clips]\nrate = 1\n")
    assert run("moments", "build", "x.csv", "--config", "my.toml").code == 0
    assert used["clips"].rate == 1
