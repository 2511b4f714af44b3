"""A genre model as a file: what it says of pairs, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genre_models import COLOURS, MOTION, SECOND, SINGLE, coloured, textured, write_genre_model
from reelpulse.errors import DataError, ModelError
from reelpulse.genre.model import load_genre
from reelpulse.genre.spec import PairSpec


@pytest.mark.parametrize("which", range(3))
def test_a_single_frame_is_enough_for_a_network_of_single_frames(
    tmp_path: Path, which: int
) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx"))
    assert not model.needs_pair
    found = model([(coloured(which), None)])
    assert found.shape == (1, 3)
    assert found.dtype == np.float32
    assert found[0].argmax() == which


def test_a_network_of_single_frames_says_the_mean_of_both(tmp_path: Path) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx"))
    red, blue = coloured(0), coloured(2, (80, 20))
    mixed = model([(red, blue), (blue, None), (red, red)])
    alone = model([(red, None), (blue, None)])
    assert mixed == pytest.approx(np.stack([alone.mean(axis=0), alone[1], alone[0]]), abs=1e-6)


def test_a_network_of_pairs_is_given_both_in_order(tmp_path: Path) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx", SECOND))
    red, blue = coloured(0), coloured(2)
    assert model.needs_pair
    assert [COLOURS[row.argmax()] for row in model([(red, blue), (blue, red)])] == ["sf", "horror"]


def test_motion_between_the_two_is_seen(tmp_path: Path) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx", MOTION))
    still, moved = model([(textured(), textured()), (textured(), textured(8))])
    assert dict(zip(model.classes, still, strict=True))["romance"] > 0.9
    assert dict(zip(model.classes, moved, strict=True))["action"] > 0.9


@pytest.mark.parametrize("spec", [SECOND, MOTION], ids=["frames", "magnitude"])
def test_a_network_of_pairs_refuses_one_picture_and_two_sizes(
    tmp_path: Path, spec: PairSpec
) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx", spec))
    with pytest.raises(DataError, match=r"m\.onnx needs two pictures"):
        model([(coloured(0), None)])
    with pytest.raises(DataError, match="64×48 and 32×48"):
        model([(coloured(0), coloured(0, (32, 48)))])


def test_many_pairs_are_what_each_is_alone(tmp_path: Path) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx", MOTION))
    pairs = [(textured(), textured(shift)) for shift in range(19)]
    alone = np.concatenate([model([pair]) for pair in pairs])
    assert np.array_equal(model(pairs), alone)
    assert model([]).shape == (0, 2)


def test_threads_share_a_model(tmp_path: Path) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx", MOTION))
    pairs = [(textured(), textured(shift % 9)) for shift in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: model([pair])[0], pairs))
    assert np.array_equal(np.stack(found), model(pairs))


def test_a_model_says_what_it_is(tmp_path: Path) -> None:
    model = load_genre(write_genre_model(tmp_path / "m.onnx", MOTION))
    assert (model.name, model.classes, model.spec) == ("m.onnx", ("romance", "action"), MOTION)
    assert model.description["name"] == "tiny"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"metadata": {"kind": "speech"}}, "of the kind 'speech'"),
    ({"metadata": {"version": 2}}, "newer reelpulse"),
    ({"metadata": {"classes": []}}, "does not name the classes"),
    ({"metadata": {"classes": ["a", "a", "b"]}}, "does not name the classes"),
    ({"metadata": {"classes": ["a", "b"]}}, "of shape (4, 3), where (4, 2) is right"),
    ({"metadata": {"spec": {}}}, "does not say what its network is given"),
    ({"metadata": {"spec": None}}, "does not say what its network is given"),
    ({"metadata": {"spec": SECOND.as_dict()}}, "cannot be run"),
    ({"inputs": ["input"]}, "takes input, where its description says frames"),
    ({"last": "Identity"}, "gives something that is no probabilities"),
]


@pytest.mark.parametrize(("options", "problem"), BAD, ids=[problem for _, problem in BAD])
def test_a_bad_model_is_refused_in_a_line(
    tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    path = write_genre_model(tmp_path / "모델.onnx", SINGLE, **options)
    with pytest.raises(ModelError) as caught:
        load_genre(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_found_by_name_in_the_folder_of_models(models_folder: Path) -> None:
    write_genre_model(models_folder / "mine.onnx")
    assert load_genre("mine.onnx").path == models_folder / "mine.onnx"
    with pytest.raises(ModelError, match=r"none\.onnx"):
        load_genre("none.onnx")
