"""Trained networks as ONNX: the same numbers, on any number of examples, with a description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse import hub
from reelpulse.errors import DataError, ModelError
from reelpulse.learn.onnx_file import check, from_torch, from_trees, joined, runner, write_onnx

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Softmax(1))


def answers(network: Any, values: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(values)).numpy()


def test_a_written_model_is_read_with_its_description(
    network: Any, values: np.ndarray, tmp_path: Path
) -> None:
    proto = from_torch(network, {"input": values[:2]})
    check(proto, {"input": values}, answers(network, values))
    write_onnx(tmp_path / "웃음.onnx", proto, {"kind": "test", "이름": "웃음"})
    opened = hub.open_onnx(tmp_path / "웃음.onnx")
    assert opened.metadata == {"kind": "test", "이름": "웃음"}
    for size in (0, 1, 90):
        found = opened.session.run(["output"], {"input": values[:size]})[0]
        np.testing.assert_allclose(found, answers(network, values[:size]), atol=1e-6)


def test_a_model_tells_nothing_of_the_machine_it_was_made_on(
    network: Any, values: np.ndarray
) -> None:
    written = from_torch(network, {"input": values[:2]}).SerializeToString()
    assert str(Path(__file__).parents[1]).encode() not in written
    assert b"site-packages" not in written


def test_a_model_that_differs_is_refused(network: Any, values: np.ndarray) -> None:
    proto = from_torch(network, {"input": values[:2]})
    expected = answers(network, values)
    check(proto, {"input": values}, expected + 5e-5)
    expected[80, 1] += 5e-4
    with pytest.raises(ModelError, match=r"differs from the trained one by 5\.\de-04"):
        check(proto, {"input": values}, expected)
    with pytest.raises(ModelError, match="differs"):
        check(proto, {"input": values}, expected[:, :2])
    expected[80, 1] = np.nan
    with pytest.raises(ModelError, match="differs"):
        check(proto, {"input": values}, expected)


def test_no_broken_file_is_left_where_none_can_be_written(
    network: Any, values: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    proto = from_torch(network, {"input": values[:2]})
    with pytest.raises(DataError, match="cannot be written"):
        write_onnx(tmp_path / "taken" / "x.onnx", proto, {})
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("library", ["sklearn", "xgboost"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_trees_give_what_their_trainer_gives(
    library: str, classes: int, values: np.ndarray
) -> None:
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxmltools")
    made = pytest.importorskip("sklearn.ensemble" if library == "sklearn" else "xgboost")
    short = {"sklearn": "RandomForest", "xgboost": "XGB"}[library]
    kind = getattr(made, short + ("Classifier" if classes else "Regressor"))
    ranked = np.argsort(np.argsort(values[:, 0]))
    target = ranked * classes // len(ranked) if classes else values[:, 0] * 3 + 7
    trees = kind(n_estimators=12, random_state=0).fit(values, target)
    expected = trees.predict_proba(values) if classes else trees.predict(values)[:, None]
    proto = joined([from_trees(trees, "input", "output")], 5, max(classes, 1))
    check(proto, {"input": values}, expected)
    assert runner(proto)({"input": values[:1]}).shape == (1, max(classes, 1))
