"""The recipe of the ladder: four trainings, and two columns."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reelpulse.settings import SpeechTrainSettings
from voices import make_plain, write_voices

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    pytest.importorskip("lightning")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return importlib.import_module("speech_ladder")


def test_the_rungs_are_those_published(recipe: ModuleType) -> None:
    assert [rung.published[0] for rung in recipe.RUNGS] == [0.6886, 0.8399, 0.8665, 0.9083]
    first, second, third, last = recipe.RUNGS
    assert first.changes["normalise"] == "imagenet"
    assert second.changes == {"schedule": "constant"}
    assert third.changes == last.changes == {}
    assert [round(recipe.LAST.epochs * rung.share) for rung in recipe.RUNGS] == [10, 10, 10, 20]
    assert SpeechTrainSettings() == recipe.LAST


def test_it_climbs_goes_on_and_prints_both_columns(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make_plain(monkeypatch)
    speech = write_voices(tmp_path / "speech", speakers=3)
    fits: list[Any] = []
    real = recipe.train

    def counted(*given: Any, **named: Any) -> Any:
        fits.append(given[2])
        return real(*given, **named)

    monkeypatch.setattr(recipe, "train", counted)
    typed = [str(speech), "--network", "resnet18", "--epochs", "2", "--folds", "3", "--batch", "16",
             "--picture", "size=32", "-o", str(tmp_path / "ladder.json")]  # fmt: skip
    assert recipe.main(typed) == 0
    out = capsys.readouterr().out
    assert [(one.epochs, one.schedule, one.normalise) for one in fits] == [
        (1, "constant", "imagenet"),
        (1, "constant", "corpus"),
        (1, "cosine", "corpus"),
        (2, "cosine", "corpus"),
    ]
    assert fits[0].picture == ("size=32", "margin=none")
    assert "published: F1" in out
    assert "ours: F1" in out
    assert "0.9083, 0.9088, 0.9083" in out
    assert "reproduc" not in out
    rows = json.loads((tmp_path / "ladder.json").read_text())["rungs"]
    assert [row["rung"] for row in rows] == [1, 2, 3, 4]
    assert recipe.main(typed) == 0  # nothing is trained again
    assert len(fits) == 4
    assert capsys.readouterr().out == out


def test_a_folder_that_cannot_be_used_is_one_line(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recipe.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: has no table.csv")
