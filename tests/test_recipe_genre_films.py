"""The made films: no frame tells their class, two do."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from films import Array

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def films() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return importlib.import_module("genre_films")


def moved(first: Array, second: Array, most: int) -> int:
    """By how many pixels a picture went to the right, looked for between -most and most."""
    steps = range(-most, most + 1)
    return min(
        steps, key=lambda step: np.abs(np.roll(first, step, axis=1) - second.astype(int)).sum()
    )


@pytest.mark.parametrize("kind", ["amount", "direction"])
def test_twins_have_the_very_same_frames_in_another_order(films: ModuleType, kind: str) -> None:
    plan = films.Plan(shots=2)
    one, other = (films.film(kind, name, 3, plan) for name in films.STEPS[kind])
    assert one.shape == (2 * films.PERIOD, *films.SIZE, 3)
    assert not np.array_equal(one, other)
    frames = [sorted(picture.tobytes() for picture in film) for film in (one, other)]
    assert frames[0] == frames[1]
    assert len(set(frames[0])) == len(one)


def test_pairs_differ_in_the_amount_or_the_direction_of_motion(films: ModuleType) -> None:
    plan = films.Plan(shots=6)
    most = films.PERIOD // 2 - 1
    steps = {
        (kind, name): {
            moved(film[at], film[at + 1], most)
            for number in range(3)
            for film in [films.film(kind, name, number, plan)]
            for at in range(0, len(film), 8)
        }
        for kind, names in films.STEPS.items()
        for name in names
    }
    assert steps["amount", "slow"] == {-1, 1}
    assert steps["amount", "fast"] == {-5, 5}
    assert steps["direction", "left"] == {-3}
    assert steps["direction", "right"] == {3}


def test_other_films_have_other_textures_and_the_same_seed_the_same(films: ModuleType) -> None:
    plan = films.Plan(shots=1)
    first = films.film("amount", "slow", 0, plan)
    assert np.array_equal(first, films.film("amount", "slow", 0, plan))
    for other in (
        films.film("amount", "slow", 1, plan),
        films.film("direction", "left", 0, plan),
        films.film("amount", "slow", 0, films.Plan(shots=1, seed=1)),
    ):
        assert not {one.tobytes() for one in first} & {one.tobytes() for one in other}


def test_films_of_both_splits_are_dealt_and_named(films: ModuleType) -> None:
    dealt = films.Plan(train=8, test=4).films
    assert [split for *_, split in dealt] == ["train"] * 8 + ["test"] * 4
    assert len({name for _, name, _ in dealt}) == 12
    assert dealt[0][1] == "봄바람"


def test_films_are_written_without_loss(films: ModuleType, tmp_path: Path) -> None:
    typed = ["direction", "-o", str(tmp_path), "--videos", "--train", "1", "--test", "1"]
    assert films.main(typed) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}_{film}.mkv" for name in ("left", "right") for film in ("봄바람", "물결")
    )
    made = films.film("direction", "right", 1, films.Plan())
    capture = cv2.VideoCapture(str(tmp_path / "right_물결.mkv"))
    seen = [picture[..., ::-1] for ok, picture in iter(capture.read, (False, None)) if ok]
    assert capture.get(cv2.CAP_PROP_FPS) == films.FPS
    assert np.array_equal(seen, made)


@pytest.mark.parametrize("kind", ["amount", "direction"])
def test_a_folder_of_frames_holds_every_pair(
    films: ModuleType, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from reelpulse.genre.pairs import load_pairs
    from reelpulse.genre.pictures import read_picture

    typed = [kind, "-o", str(tmp_path), "--train", "2", "--test", "1", "--shots", "1"]
    assert films.main(typed) == 0
    assert "8 pairs of each of 6 films" in capsys.readouterr().out
    pairs = load_pairs(tmp_path)
    assert len(pairs) == 6 * films.PERIOD // 2
    assert sorted(pairs.classes) == sorted(films.STEPS[kind])
    assert set(pairs.splits) == {"train", "test"}
    twins = []
    for name in films.STEPS[kind]:
        rows = np.flatnonzero((pairs.genres == name) & (pairs.films == "봄바람"))
        seen = [
            read_picture(path) for row in rows for path in (pairs.first[row], pairs.second[row])
        ]
        made = films.film(kind, name, 0, films.Plan(shots=1))
        assert sorted(one.tobytes() for one in seen) == sorted(one.tobytes() for one in made)
        twins.append(sorted(one.tobytes() for one in seen))
    assert twins[0] == twins[1]
