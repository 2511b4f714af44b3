"""Ten values from a face crop, by a network that describes itself."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

from fakes import write_emotion_onnx
from reelpulse.errors import ModelError
from reelpulse.faces.align import CropSpec, crop
from reelpulse.faces.detectors import Face
from reelpulse.faces.emotion import EmotionModel, load_emotion
from reelpulse.timeline import FACE_COLUMNS

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def described(size: int = 224, colour: str = "rgb", **more: Any) -> dict[str, Any]:
    """Metadata of a model that wants `size` pixels."""
    grey = colour == "grey"
    return {
        "kind": "face_emotion",
        "outputs": list(FACE_COLUMNS),
        "input": {
            "size": [size, size],
            "colour": colour,
            "mean": [0.5] if grey else MEAN,
            "std": [0.25] if grey else STD,
        },
        "crop": {"geometry": "box", "margin": 0.1},
        **more,
    }


def flat(colour: Sequence[int], shape: tuple[int, int] = (50, 40)) -> np.ndarray:
    return np.full((*shape, 3), colour, np.uint8)


def worked_out(values: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The ten values of normalised channel means, by hand."""
    raw = values @ weight + bias
    powers = np.exp(raw[:8])
    return np.concatenate([powers / powers.sum(), np.clip(raw[8:], -1, 1)])


def assert_ten_values(out: np.ndarray, count: int) -> None:
    assert out.shape == (count, 10)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[:, :8].sum(axis=1), 1, atol=1e-5)
    assert (out[:, :8] >= 0).all()
    assert (np.abs(out[:, 8:]) <= 1).all()


def crops(sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """A real face at several sizes (width, height)."""
    portrait = skimage.data.astronaut()[60:180, 165:285]
    return [cv2.resize(portrait, size) for size in sizes]


SIZES = [(48, 48), (112, 112), (1, 1), (300, 20), (17, 400), (900, 900), (224, 224)]


@pytest.fixture(params=["builtin", "enet"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> EmotionModel:
    """The one that comes with the package, and one of enet's shape."""
    if request.param == "builtin":
        return load_emotion("builtin")
    write_emotion_onnx(tmp_path / "enet.onnx", described())
    return load_emotion(tmp_path / "enet.onnx")


def test_ten_values_from_crops_of_any_size(model: EmotionModel) -> None:
    assert_ten_values(model(crops(SIZES)), len(SIZES))
    assert model.columns == FACE_COLUMNS
    assert model.settings["emotion"]
    assert len(model.settings["checksum"]) == 16
    assert isinstance(model.crop, CropSpec)


def test_no_crops_give_no_rows(model: EmotionModel) -> None:
    assert model([]).shape == (0, 10)
    assert model([]).dtype == np.float32


def test_a_batch_gives_what_one_by_one_does(model: EmotionModel) -> None:
    picture = skimage.data.astronaut()
    many = [picture[9 * k : 9 * k + 120, 8 * k : 8 * k + 100 + k] for k in range(37)]
    together = model(many)
    alone = np.concatenate([model([one]) for one in many])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together.std(axis=0).max() > 1e-4, "the crops must not all look the same"
    np.testing.assert_array_equal(model(many), together)


def test_the_builtin_model_sees_a_smile() -> None:
    model = load_emotion("builtin")
    points = np.array([[204, 101.5], [246, 103.5], [224, 125], [202, 140], [248, 140]])
    found = Face(np.array([175, 62, 95, 115.0]), 1, points)
    (values,) = model([crop(skimage.data.astronaut(), found, model.crop)])
    assert FACE_COLUMNS[int(values[:8].argmax())] == "happiness"
    assert values[8] > 0.2, "and that it is pleasant"


@pytest.mark.parametrize("colour", [(200, 30, 90), (0, 0, 0), (255, 254, 3)])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_model_of_enets_shape_is_fed_as_it_was_trained(
    tmp_path: Path, colour: tuple[int, int, int], with_metadata: bool
) -> None:
    path = tmp_path / "x.onnx"
    weight, bias = write_emotion_onnx(path, described() if with_metadata else None)
    (values,) = load_emotion(path)([flat(colour)])
    normal = (np.array(colour) / 255 - MEAN) / STD
    np.testing.assert_allclose(values, worked_out(normal, weight, bias), atol=1e-4)


def test_without_metadata_it_is_said_what_is_taken_for_granted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_emotion_onnx(tmp_path / "mine.onnx")
    model = load_emotion(tmp_path / "mine.onnx")
    assert "mine.onnx" in caplog.text
    assert "enet_b0_8_va_mtl" in caplog.text
    assert (model.crop.geometry, model.crop.side) == ("box", 224)


def test_outputs_in_another_order_are_put_right(tmp_path: Path) -> None:
    order = np.random.default_rng(4).permutation(10)
    names = [FACE_COLUMNS[k] for k in order]
    weight, bias = write_emotion_onnx(tmp_path / "x.onnx", described(outputs=names))
    colour = (180, 60, 120)
    (values,) = load_emotion(tmp_path / "x.onnx")([flat(colour)])
    normal = (np.array(colour) / 255 - MEAN) / STD
    back = np.argsort(order)
    np.testing.assert_allclose(values, worked_out(normal, weight[:, back], bias[back]), atol=1e-4)


def test_a_grey_model_gets_the_brightness_of_a_colour(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    weight, bias = write_emotion_onnx(path, described(48, "grey"), size=48, channels=1)
    (values,) = load_emotion(path)([flat((200, 100, 50))])
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    normal = np.array([(luma / 255 - 0.5) / 0.25])
    np.testing.assert_allclose(values, worked_out(normal, weight, bias), atol=1e-4)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_serves_any_number_of_crops(tmp_path: Path, batch: int) -> None:
    write_emotion_onnx(tmp_path / "fixed.onnx", described(), batch=batch)
    write_emotion_onnx(tmp_path / "free.onnx", described())
    many = crops([(40 + 9 * k, 60) for k in range(6)])
    expected = load_emotion(tmp_path / "free.onnx")(many)
    np.testing.assert_allclose(load_emotion(tmp_path / "fixed.onnx")(many), expected, atol=1e-5)


def brightest(path: Path, size: int) -> EmotionModel:
    """A model whose valence is the brightest pixel it was given, from 0 to 1, and a bias."""
    weight = np.zeros((3, 10))
    weight[0, 8] = 1
    plain = described(size)
    plain["input"] |= {"mean": [0, 0, 0], "std": [2, 2, 2]}
    write_emotion_onnx(path, plain, size=size, pool="GlobalMaxPool", weight=weight)
    return load_emotion(path)


def checks(width: int, height: int) -> np.ndarray:
    """A checkerboard of single pixels."""
    rows, columns = np.mgrid[:height, :width]
    return np.repeat(((rows + columns) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("size", [(336, 336), (112, 336), (336, 112), (112, 560), (336, 90)])
def test_shrinking_averages_and_does_not_sample(tmp_path: Path, size: tuple[int, int]) -> None:
    model = brightest(tmp_path / "x.onnx", 112)
    grey, fine, white = model([flat((128,) * 3), checks(*size), flat((255,) * 3)])[:, 8]
    assert fine - grey < 0.5 * (white - grey)  # the mean of 3 pixels is 2/3 at most


@pytest.mark.parametrize("geometry", ["box", "points"])
@pytest.mark.parametrize(("side", "period"), [(240, 2), (600, 3), (816, 4), (1632, 8)])
def test_a_large_face_is_averaged_and_not_sampled(
    tmp_path: Path, geometry: str, side: int, period: int
) -> None:
    model = brightest(tmp_path / "x.onnx", 48)
    stripes = np.arange(side + 200) % period < period / 2
    image = np.zeros((side + 200, side + 200, 3), np.uint8)
    image[:, stripes] = 255
    box = np.array([100, 100, side, side], float)
    spec = CropSpec(geometry, side=48)
    cut = crop(image, Face(box, 1, box[:2] + spec.template * box[2:]), spec)
    mean = round(255 * stripes.mean())
    grey, fine, white = model([flat((mean,) * 3), cut, flat((255,) * 3)])[:, 8]
    assert fine - grey < 0.4 * (white - grey)


WRONG: dict[str, tuple[Any, dict[str, Any]]] = {
    "another size": (described(112), {"size": 224}),
    "grey wanted, colour given": (described(224, "grey"), {}),
    "no metadata, grey": (None, {"size": 48, "channels": 1}),
    "three outputs": (described(), {"outputs": 3}),
    "eleven outputs": (described(), {"outputs": 11}),
    "three outputs, no metadata": (None, {"outputs": 3}),
    "another kind": (described(kind="genre"), {}),
    "no arousal": (described(outputs=[*FACE_COLUMNS[:9], "pleasure"]), {}),
    "valence twice": (described(outputs=[*FACE_COLUMNS[:9], "valence"]), {}),
    "too few names": (described(outputs=list(FACE_COLUMNS[:8])), {}),
    "no input": ({"kind": "face_emotion", "outputs": list(FACE_COLUMNS)}, {}),
    "no outputs": ({"kind": "face_emotion", "input": described()["input"]}, {}),
    "one side": (described(input={**described()["input"], "size": [224]}), {}),
    "no mean": (described(input={"size": [224, 224], "colour": "rgb", "std": STD}), {}),
    "two means": (described(input={**described()["input"], "mean": [0.5, 0.5]}), {}),
    "no spread": (described(input={**described()["input"], "std": [0, 0, 0]}), {}),
    "unknown colour": (described(input={**described()["input"], "colour": "hsv"}), {}),
    "unknown crop": (described(crop={"geometry": "oval"}), {}),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_network_of_another_kind_is_refused_by_name(tmp_path: Path, case: str) -> None:
    metadata, shape = WRONG[case]
    path = tmp_path / "모델.onnx"
    write_emotion_onnx(path, metadata, **shape)
    with pytest.raises(ModelError) as caught:
        load_emotion(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_networks_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "pickle.onnx").write_bytes(pickle.dumps({"a": 1}))
    for name in ("text.onnx", "empty.onnx", "pickle.onnx", "missing.onnx"):
        with pytest.raises(ModelError, match=name.replace(".", r"\.")):
            load_emotion(tmp_path / name)
    with pytest.raises(ModelError, match="nonsense"):
        load_emotion("nonsense")


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 1), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((40, 40, 3), np.float32),
        np.zeros((0, 40, 3), np.uint8),
    ],
    ids=["grey", "one channel", "alpha", "float", "empty"],
)
def test_what_is_no_crop_is_refused(tmp_path: Path, bad: np.ndarray) -> None:
    write_emotion_onnx(tmp_path / "x.onnx", described())
    with pytest.raises(ModelError, match="crop"):
        load_emotion(tmp_path / "x.onnx")([flat((9, 9, 9)), bad])
