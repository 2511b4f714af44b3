"""The recipe of the table: presets on any set, two columns, the films at hand."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reelpulse.genre.pairs import load_pairs

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def recipes() -> tuple[ModuleType, ModuleType]:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return importlib.import_module("genre_table"), importlib.import_module("genre_films")


@pytest.fixture
def frames(
    recipes: tuple[ModuleType, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A small set; one of its films has the title of one on the list, spelt a little otherwise."""
    _, films = recipes
    monkeypatch.setattr(films, "STEPS", {"amount": {"sf": 1, "action": 5}})
    monkeypatch.setattr(films, "NAMES", ("인터 스텔라", "물결", "tide"))
    made: Path = films.write_frames("amount", tmp_path / "frames", films.Plan(2, 1, 1))
    return made


def test_its_rows_are_those_published(recipes: tuple[ModuleType, ModuleType]) -> None:
    recipe, _ = recipes
    published = {name: recipe.PRESETS[name].published for name in recipe.ROWS}
    assert published == {
        "fc": 36.7,
        "vgg16": 44.1,
        "resnet50": 48.4,
        "flownet_fc": 51.8,
        "inception_v3": 59.2,
        "inception_v3_64": 52.0,
        "six_channel": 53.8,
        "six_channel_128": None,
        "double_stack": 52.7,
        "double_stack_128": None,
        "motion_magnitude": 55.2,
        "motion_magnitude_128": None,
        "flow_pair": None,
    }
    for name in ("six_channel", "double_stack", "motion_magnitude"):
        assert recipe.PRESETS[name].batch == 64
        assert recipe.PRESETS[f"{name}_128"].batch == 128


def test_the_list_has_nine_films_a_genre(recipes: tuple[ModuleType, ModuleType]) -> None:
    recipe, _ = recipes
    films = recipe.listed()
    assert Counter(film.genre for film in films) == dict.fromkeys(
        ("action", "horror", "romance", "animation_2d", "animation_3d", "sf"), 9
    )
    assert Counter(film.split for film in films) == {"train": 48, "test": 6}
    assert len({(film.genre, recipe.plain(film.title)) for film in films}) == 54


def test_it_knows_which_films_are_at_hand(
    recipes: tuple[ModuleType, ModuleType], frames: Path
) -> None:
    recipe, _ = recipes
    told = recipe.told(load_pairs(frames), recipe.listed())
    assert told[0].startswith("48 pairs of 6 films, 2 classes (action, sf): 32 pairs to train on")
    assert told[1:] == ["Films of the published table at hand: 1 of 54:", "- sf, train: 인터스텔라"]


def test_a_limit_takes_pairs_of_every_film_with_their_frames(
    recipes: tuple[ModuleType, ModuleType], frames: Path, tmp_path: Path
) -> None:
    recipe, _ = recipes
    whole = load_pairs(frames)
    few = load_pairs(recipe.limited(whole, 3, tmp_path / "few"))
    assert set(Counter(few.film_keys).values()) == {3}
    assert set(few.film_keys) == set(whole.film_keys)
    assert Counter(few.splits) == {"train": 12, "test": 6}
    at = whole.first.index(frames / few.first[0].relative_to(few.folder))
    assert few.second[0].read_bytes() == whole.second[at].read_bytes()


@pytest.mark.slow
def test_it_trains_goes_on_and_prints_both_columns(
    recipes: tuple[ModuleType, ModuleType], frames: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    recipe, _ = recipes
    fits: list[Any] = []
    real = recipe.train

    def counted(*given: Any, **named: Any) -> Any:
        fits.append(given[2])
        return real(*given, **named)

    monkeypatch.setattr(recipe, "train", counted)
    typed = [str(frames), "--row", "fc", "--row", "vgg16", "--epochs", "2", "--size", "24x40",
             "--limit", "4", "--no-pretrained", "-o", str(tmp_path / "table.json")]  # fmt: skip
    assert recipe.main(typed) == 1  # VGG takes no picture that small: said, and the others go on
    out, errors = capsys.readouterr()
    assert errors.count("error: ") == 1
    assert "error: vgg16: " in errors
    assert "Cut short: at most 2 passes, pictures of 24x40, at most 4 pairs a film." in out
    assert "| published | ours (95 %) |" in out
    assert "| fc | 24x40 | 2 | 128 | adam, 0.0001 | 36.7 | " in out
    assert "reproduc" not in out
    assert len(fits) == 1
    found = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [row["row"] for row in found["rows"]] == ["fc"]
    assert list(found["failed"]) == ["vgg16"]
    recipe.main(typed)
    assert len(fits) == 1  # nothing is trained again
    assert capsys.readouterr().out == out


def test_a_folder_that_cannot_be_used_is_one_line(
    recipes: tuple[ModuleType, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, _ = recipes
    assert recipe.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: ")
