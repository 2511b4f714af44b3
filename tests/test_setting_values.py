"""Settings that are unknown, of another kind or impossible, and those brought to their kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reelpulse.config import read_config
from reelpulse.errors import SettingsError
from reelpulse.settings import (
    AnalyzeSettings,
    ClipSettings,
    MomentSettings,
    TrainSettings,
    changed,
)


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


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (ClipSettings, "task", "level"),
        (ClipSettings, "short", "cut"),
        (ClipSettings, "sample", "both"),
        (ClipSettings, "rate", 0.0),
        (ClipSettings, "steps", 1),
        (ClipSettings, "max_gap", -1.0),
        (ClipSettings, "most_missing", 1.5),
        (ClipSettings, "most_missing", float("nan")),
        (TrainSettings, "time", "delt"),
        (TrainSettings, "missing", "fil"),
        (TrainSettings, "baseline", "vid"),
        (TrainSettings, "rate", 0.0),
        (TrainSettings, "folds", 1),
        (TrainSettings, "seed", -1),
        (TrainSettings, "mixup", -0.1),
        (MomentSettings, "per_hour", 0.0),
        (MomentSettings, "precision", 1.1),
    ],
)
def test_values_of_clips_and_training_are_checked(group: Any, name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"`{name}`"):
        changed(group(), {name: value})


def test_numbers_paths_and_lists_are_brought_to_their_kind() -> None:
    settings = changed(
        AnalyzeSettings(), {"fps": 3, "person": Path("a.jpg"), "stream": ["face"], "ticks": None}
    )
    assert settings == changed(AnalyzeSettings(), {"fps": 3.0, "person": "a.jpg", "stream": "face"})
    assert (settings.fps, settings.person, settings.stream) == (3.0, ("a.jpg",), ("face",))
    assert isinstance(settings.fps, float)
