"""SFace by OpenCV, with a network of the same shape and random weights: no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelpulse.errors import ModelError
from reelpulse.faces.detectors import Face
from reelpulse.faces.identity import SFace


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 7, stride=4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 27 * 27, 128),
    ).eval()
    path = tmp_path_factory.mktemp("sface") / "sface.onnx"
    torch.onnx.export(
        network,
        torch.zeros(1, 3, 112, 112),
        str(path),
        input_names=["data"],
        output_names=["fc1"],
        dynamo=False,
    )
    return path


def face_at(x: float, y: float, size: float) -> Face:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return Face(np.array([x, y, size, size]), 1.0, np.array([x, y]) + points * size)


def test_faces_become_vectors_of_unit_length(weights: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    faces = [face_at(20, 20, 100), face_at(150, 40, 120), face_at(20, 20, 100)]
    vectors = SFace(weights)(image, faces)
    assert vectors.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])


def test_no_faces_are_no_vectors(weights: Path) -> None:
    assert SFace(weights)(np.zeros((10, 10, 3), np.uint8), []).shape == (0, 128)


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sface.onnx"
    path.write_text("not a network")
    with pytest.raises(ModelError, match=r"sface\.onnx"):
        SFace(path)
