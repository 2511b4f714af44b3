"""From foreign weights to an ONNX file that measures faces."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from conftest import REPOSITORY, Command
from reelpulse.checkpoints import Converted, convert
from reelpulse.errors import DataError, MissingExtra, ModelError
from reelpulse.faces.emotion import load_emotion
from reelpulse.timeline import FACE_COLUMNS
from weights import networks, rewrite, saved

__all__ = ["networks", "saved"]

torch = pytest.importorskip("torch", reason="the extra train is not installed")

Files = dict[tuple[str, str], Path]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(3, 3, 224, 224)).astype(np.float32)


def outputs(path: Path, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [end.name for end in session.get_outputs()] == ["values", "embedding"]
    values, embedding = session.run(None, {"input": pictures})
    return values, embedding


def assert_same(path: Path, network: Any, pictures: np.ndarray) -> None:
    values, embedding = outputs(path, pictures)
    with torch.no_grad():
        expected = network(torch.from_numpy(pictures)).numpy()
        seen = network.global_pool(network.forward_features(torch.from_numpy(pictures))).numpy()
    assert np.abs(expected).max() > 0.1
    assert (values.shape, embedding.shape) == ((3, 10), (3, 1280))
    np.testing.assert_allclose(values, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(embedding, seen, atol=1e-4 * np.abs(seen).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("tf_efficientnet_b0", "whole"),
        ("tf_efficientnet_b0", "older"),
        ("efficientnet_b0", "state"),
        ("efficientnet_b0", "older"),
    ],
)
def test_the_onnx_file_gives_what_the_network_gave(
    saved: Files,
    networks: dict[str, Any],
    pictures: np.ndarray,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    way: str,
) -> None:
    path = tmp_path / "new" / "x.onnx"
    done = convert(saved[name, way], path, arch=name if way == "state" else None)
    assert done == Converted(path, name, FACE_COLUMNS, 1280, done.difference)
    assert done.difference < 1e-4
    assert_same(path, networks[name], pictures)
    assert capfd.readouterr() == ("", ""), "the exporter's words stay inside"
    model = load_emotion(path)
    assert (model.crop.geometry, model.crop.margin, model.crop.side) == ("box", 0.0, 224)
    assert [entry.name for entry in path.parent.iterdir()] == ["x.onnx"]


def test_the_two_architectures_are_different_functions(
    networks: dict[str, Any], pictures: np.ndarray
) -> None:
    plain, same = networks["efficientnet_b0"], networks["tf_efficientnet_b0"]
    before = {key: tensor.clone() for key, tensor in same.state_dict().items()}
    same.load_state_dict(plain.state_dict())
    with torch.no_grad():
        difference = (same(torch.from_numpy(pictures)) - plain(torch.from_numpy(pictures))).abs()
    same.load_state_dict(before)
    assert difference.max() > 0.01


@pytest.mark.parametrize("name", ["tf_efficientnet_b0", "efficientnet_b0"])
def test_the_older_files_do_not_load_otherwise(saved: Files, name: str) -> None:
    def use() -> None:
        torch.load(saved[name, "older"], weights_only=False)(torch.zeros(1, 3, 64, 64))

    with pytest.raises((AttributeError, ImportError)):
        use()


@pytest.mark.slow
def test_names_of_other_tools_are_brought_back(
    networks: dict[str, Any], pictures: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As DataParallel, Lightning and a head in a Sequential leave them; float16; no counters."""
    network = networks["efficientnet_b0"]
    state = OrderedDict(
        (f"model.module.{key}".replace("classifier.", "classifier.0."), tensor)
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    )
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "x.pt")
    caplog.set_level("INFO", logger="reelpulse")
    order = [*FACE_COLUMNS[8:], *FACE_COLUMNS[:8]]
    convert(
        tmp_path / "x.pt",
        tmp_path / "x.onnx",
        arch="efficientnet_b0",
        outputs=order,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.5),
    )
    assert "without model.module. before each" in caplog.text
    assert "taking classifier.0 as classifier" in caplog.text
    assert_same(tmp_path / "x.onnx", network, pictures)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"))
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["reelpulse"])
    assert metadata["outputs"] == order
    assert metadata["input"] == {
        "size": [224, 224],
        "colour": "rgb",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.5],
    }
    assert metadata["source"]["file"] == "x.pt"
    assert metadata["source"]["architecture"] == "efficientnet_b0"
    load_emotion(tmp_path / "x.onnx")


@pytest.mark.slow
def test_a_converted_file_measures_a_clip(saved: Files, face_clip: Path, run: Command) -> None:
    weights = saved["tf_efficientnet_b0", "whole"]
    ran = run("models", "convert", weights, "-o", "mine.onnx")
    assert (ran.code, len(ran.out.splitlines())) == (0, 1), ran
    assert "tf_efficientnet_b0, 10 values and an embedding of 1,280" in ran.out
    assert all(line.startswith(("exporting", "checking")) for line in ran.errors), ran.errors
    shown = run("models", "inspect", "mine.onnx", "--json")
    found = json.loads(shown.out)
    assert (found["feature_width"], found["head"]) == (1280, 10)
    assert found["architecture"] == "tf_efficientnet_b0"
    ran = run("analyze", "--quiet", face_clip, "--emotion", "mine.onnx", "--detector", "dlib")
    assert (ran.code, ran.errors) == (0, [])
    assert "emotions" in ran.out


# What cannot be converted


def refused(path: Path, *parts: str, **options: Any) -> None:
    target = path.with_name("result.onnx")
    with pytest.raises(ModelError) as caught:
        convert(path, target, **options)
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text
    assert not target.exists()
    assert not list(path.parent.glob(".*.tmp"))


def test_a_state_dict_is_not_guessed_at(saved: Files) -> None:
    path = saved["efficientnet_b0", "state"]
    refused(path, "not clear", "--arch tf_efficientnet_b0 or --arch efficientnet_b0")
    refused(path, "has the shapes of", "not of efficientnet_b1", arch="efficientnet_b1")


def test_other_architectures_are_named_by_their_nearest(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.nn.Sequential(torch.nn.Linear(4, 10)).state_dict(), path)
    refused(path, "--arch")
    refused(path, "no architecture resnet10tt: did you mean resnet10t?", arch="resnet10tt")
    missing = ("missing conv1.0.weight", "…", "unexpected 0.weight, 0.bias")
    refused(path, "does not fit", *missing, arch="resnet10t")


def test_heads_of_another_kind_are_refused(networks: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    state = networks["efficientnet_b0"].state_dict()
    state["classifier.weight"], state["classifier.bias"] = torch.ones(8, 1280), torch.ones(8)
    torch.save(state, path)
    refused(path, "gives 8 values, not the ten of a face", arch="efficientnet_b0")
    torch.save({"a": torch.ones(3)}, path)
    refused(path, "has no last layer", arch="mine")
    torch.save({"a": 1}, path)
    refused(path, "holds no weights")


def test_weights_that_do_not_fit_are_named(networks: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    state = networks["efficientnet_b0"].state_dict()
    state["bn1.weight"] = torch.ones(31)
    del state["bn2.bias"]
    torch.save(state, path)
    named = ("missing bn2.bias", "other shapes: bn1.weight is [31], not [32]")
    refused(path, *named, arch="efficientnet_b0")
    state = networks["efficientnet_b0"].state_dict()
    state["bn2.bias"] = torch.full((1280,), float("nan"))
    torch.save(state, path)
    refused(path, "no numbers, in bn2.bias", arch="efficientnet_b0")


def test_damaged_values_are_refused(saved: Files, tmp_path: Path) -> None:
    data = bytearray(saved["efficientnet_b0", "whole"].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    (tmp_path / "x.pt").write_bytes(data)
    refused(tmp_path / "x.pt", "cannot be read as weights", "CRC")


def test_a_model_that_runs_code_is_not_converted(saved: Files, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(saved["efficientnet_b0", "whole"].read_bytes())
    rewrite(path, lambda data: data[:2] + b"cos\nsystem\n(S'ls'\ntR0" + data[2:])
    refused(path, "tries to run os.system")


def test_a_result_that_differs_is_not_written(
    saved: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm

    network = timm.create_model("efficientnet_b0", num_classes=10)
    monkeypatch.setattr(type(network), "get_classifier", lambda self: torch.nn.Linear(1280, 10))
    path = tmp_path / "x.pt"
    path.write_bytes(saved["efficientnet_b0", "whole"].read_bytes())
    refused(path, "not where timm says")


def test_where_the_result_goes_is_checked_first(saved: Files, tmp_path: Path) -> None:
    path = saved["efficientnet_b0", "whole"]
    with pytest.raises(DataError, match=r"must end in \.onnx"):
        convert(path, tmp_path / "x.pt")
    with pytest.raises(DataError, match="must end in"):
        convert(path, tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        convert(path, tmp_path / "file" / "x.onnx")
    (tmp_path / "own.onnx").write_bytes(b"x")
    with pytest.raises(DataError, match="is the file to be converted"):
        convert(tmp_path / "own.onnx", tmp_path / "own.onnx")
    with pytest.raises(ModelError, match="an ONNX file already"):
        convert(tmp_path / "own.onnx", tmp_path / "x.onnx")
    with pytest.raises(ModelError, match="No such file"):
        convert(tmp_path / "away.pt", tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["joy", *FACE_COLUMNS[1:]], "not known: joy"),
        (FACE_COLUMNS[:8], "missing: valence, arousal"),
        ([*FACE_COLUMNS, "anger"], "named twice"),
    ],
)
def test_names_of_outputs_are_checked(tmp_path: Path, names: list[str], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        convert(tmp_path / "x.pt", tmp_path / "x.onnx", outputs=names)


@pytest.mark.parametrize("package", ["torch", "timm", "onnx", "onnxscript"])
def test_without_the_extra_it_says_which(
    saved: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"reelpulse\[train\]"):
        convert(saved["efficientnet_b0", "whole"], tmp_path / "x.onnx")


@pytest.mark.slow
def test_the_documented_commands_work(
    saved: Files, face_clip: Path, run: Command, tmp_path: Path
) -> None:
    page = (REPOSITORY / "docs" / "weights.md").read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) >= 4
    (tmp_path / "mine.pt").write_bytes(saved["tf_efficientnet_b0", "state"].read_bytes())
    (tmp_path / "stream.mp4").write_bytes(face_clip.read_bytes())
    for line in lines:
        ran = run(*shlex.split(line)[1:])
        assert ran.code == 0, (line, ran)
