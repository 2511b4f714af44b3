"""What is in a file of weights, told without running it."""

from __future__ import annotations

import collections
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import write_emotion_onnx
from reelpulse.checkpoints import inspect
from reelpulse.checkpoints.archive import read
from reelpulse.checkpoints.families import SCALES, efficientnet_shapes
from reelpulse.checkpoints.layout import lay_out, without_prefix
from reelpulse.errors import ModelError
from weights import ARCHITECTURES, WAYS, networks, saved

__all__ = ["networks", "saved"]

torch = pytest.importorskip("torch", reason="the extra train is not installed")

Files = dict[tuple[str, str], Path]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("way", WAYS)
def test_the_first_study_of_a_face_model(saved: Files, name: str, way: str) -> None:
    found = inspect(saved[name, way])
    assert found.kind == ("state dict" if way == "state" else "module")
    assert (found.feature_width, found.head) == (1280, 10)
    assert found.split == "8 emotions + valence and arousal"
    assert (found.values, found.parameters) == (4_062_423, 4_020_358)
    assert (len(found.tensors), len(found.layers)) == (360, 131)
    assert found.input_size == (224, 224)
    assert found.choices == ARCHITECTURES
    assert found.architecture == (None if way == "state" else name)
    assert "epsilon" in found.why or way == "state"
    shapes = {tensor.name: tensor.shape for tensor in found.tensors}
    assert shapes["classifier.weight"] == (10, 1280)
    assert shapes["conv_head.weight"] == (1280, 320, 1, 1)


def test_tensors_are_named_and_read_as_torch_does(saved: Files, networks: dict[str, Any]) -> None:
    for (name, way), path in saved.items():
        tensors = lay_out(read(path).root).tensors
        expected = networks[name].state_dict()
        assert list(tensors) == list(expected), (name, way)
        for key, tensor in expected.items():
            np.testing.assert_array_equal(tensors[key].array(), tensor.numpy())


def test_a_state_dict_is_of_what_it_is_said_to_be(saved: Files) -> None:
    path = saved["efficientnet_b0", "state"]
    found = inspect(path, arch="tf_efficientnet_b0")
    assert (found.architecture, found.why) == ("tf_efficientnet_b0", "as told")
    assert inspect(path, arch="tf_efficientnet_b0.ns_jft_in1k").architecture
    for wrong in ("tf_efficientnet_b2", "tf_efficientnet_b", "resnet18"):
        with pytest.raises(ModelError, match="has the shapes of tf_efficientnet_b0 and eff"):
            inspect(path, arch=wrong)
    with pytest.raises(ModelError, match="is efficientnet_b0, by its classes"):
        inspect(saved["efficientnet_b0", "whole"], arch="tf_efficientnet_b0")


def test_classes_that_speak_for_neither_are_not_guessed(
    networks: dict[str, Any], tmp_path: Path
) -> None:
    import copy

    network = copy.deepcopy(networks["efficientnet_b0"])
    network.bn1.eps = 1e-3
    torch.save(network, tmp_path / "mixed.pt")
    found = inspect(tmp_path / "mixed.pt")
    assert found.architecture is None
    assert "fit neither" in found.why


@pytest.mark.parametrize("size", SCALES)
def test_shapes_are_those_of_timm(size: str) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        network = timm.create_model(f"efficientnet_{size}")
    theirs = {k: tuple(t.shape) for k, t in network.state_dict().items() if t.ndim == 4}
    assert efficientnet_shapes(*SCALES[size][:2]) == theirs


# Other files


def small() -> dict[str, Any]:
    """Tensors of many types, some of them views."""
    base = torch.arange(24.0).reshape(4, 6)
    return {
        "a.weight": base,
        "a.bias": base[1],
        "turned": base.T,
        "half": base.half(),
        "brain": base.bfloat16(),
        "whole": torch.tensor(3),
        "yes": torch.tensor([True, False]),
        "none": torch.zeros(0, 3),
        "inner": base[1:3, 2:4],
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_type_and_view_is_read(tmp_path: Path, zipped: bool, protocol: int) -> None:
    path = tmp_path / "x.pt"
    torch.save(small(), path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    tensors = lay_out(read(path).root).tensors
    assert list(tensors) == list(small())
    for name, tensor in small().items():
        np.testing.assert_array_equal(tensors[name].array(), tensor.float().numpy())


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_pickle_of_arrays_is_read(tmp_path: Path, protocol: int) -> None:
    values = {name: t.numpy() for name, t in small().items() if name != "brain"}
    values["swapped"] = np.arange(5, dtype=">f4")
    values["columns"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(collections.OrderedDict(values), protocol))
    tensors = lay_out(read(path).root).tensors
    for name, array in values.items():
        np.testing.assert_array_equal(tensors[name].array(), array)


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_plain_pickle_of_tensors_is_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(small(), protocol))
    tensors = lay_out(read(path).root).tensors
    for name, tensor in small().items():
        np.testing.assert_array_equal(tensors[name].array(), tensor.float().numpy())


def test_safetensors_are_read(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    values = {name: tensor.contiguous().clone() for name, tensor in small().items()}
    save(values, tmp_path / "x.safetensors", metadata={"format": "pt"})
    tensors = lay_out(read(tmp_path / "x.safetensors").root).tensors
    assert set(tensors) == set(values)
    for name, tensor in values.items():
        np.testing.assert_array_equal(tensors[name].array(), tensor.float().numpy())
    assert inspect(tmp_path / "x.safetensors").format == "safetensors file"


def test_the_weights_of_a_checkpoint_are_found(tmp_path: Path) -> None:
    from argparse import Namespace

    wrapped = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Linear(4, 10)))
    optimiser = torch.optim.Adam(wrapped.parameters())
    wrapped(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    torch.save(
        {
            "epoch": 3,
            "lr": torch.tensor(0.1),
            "args": Namespace(path=Path("x")),
            "optimizer": optimiser.state_dict(),
            "state_dict": wrapped.state_dict(),
        },
        tmp_path / "x.pt",
    )
    found = inspect(tmp_path / "x.pt")
    assert (found.kind, found.within) == ("state dict", "state_dict")
    assert [tensor.name for tensor in found.tensors] == ["module.0.weight", "module.0.bias"]
    assert (found.feature_width, found.head, found.unknown) == (4, 10, ())
    assert without_prefix([tensor.name for tensor in found.tensors]) == "module."


def test_other_networks_are_told_as_far_as_can_be(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("resnet10t", num_classes=7), tmp_path / "x.pt")
    found = inspect(tmp_path / "x.pt")
    assert (found.architecture, found.why) == ("resnet10t", "its own settings say so")
    assert (found.feature_width, found.head) == (512, 7)
    torch.save(torch.nn.Sequential(torch.nn.Linear(4, 10)), tmp_path / "y.pt")
    found = inspect(tmp_path / "y.pt")
    assert found.architecture is None
    assert "Sequential" in found.why
    assert inspect(tmp_path / "y.pt", arch="mine").why == "as told, not checked"


def test_a_torchscript_archive_is_read(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 10), torch.nn.BatchNorm1d(10)).eval()
    torch.jit.save(torch.jit.trace(network, torch.ones(1, 4)), tmp_path / "x.pt")
    found = inspect(tmp_path / "x.pt")
    assert found.format == "TorchScript archive"
    assert {tensor.name for tensor in found.tensors} == set(network.state_dict())


def test_classes_nobody_knows_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(torch.nn.Linear):
        pass

    monkeypatch.setattr(sys.modules[__name__], "Mine", Mine, raising=False)
    Mine.__qualname__ = "Mine"
    torch.save(Mine(4, 10), tmp_path / "x.pt")
    found = inspect(tmp_path / "x.pt")
    assert found.unknown == (f"{__name__}.Mine",)
    assert (found.kind, found.head) == ("module", 10)


def test_an_object_without_tensors_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": [1, 2.5, "x", {3}, frozenset()]}))
    found = inspect(tmp_path / "x.pkl")
    assert (found.kind, found.tensors) == ("object", ())
    assert "no tensors" in found.why


def test_the_real_older_files_are_read(test_models: Path) -> None:
    found = inspect(test_models / "facenet_pytorch_mtcnn_onet.pt")
    assert (found.format, found.values) == ("PyTorch file (before 1.6)", 389_040)
    assert found.split == "", "ten outputs of another kind of network"


# ONNX


def test_an_onnx_file_tells_its_ends(tmp_path: Path) -> None:
    described = {"kind": "face_emotion", "source": {"architecture": "mine"}}
    write_emotion_onnx(tmp_path / "x.onnx", described)
    found = inspect(tmp_path / "x.onnx")
    assert (found.kind, found.head, found.architecture) == ("onnx", 10, "mine")
    assert found.input_size == (224, 224)
    assert found.metadata["reelpulse"] == described
    assert found.tensors
    assert found.values > 0


def test_an_onnx_file_is_told_of_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_emotion_onnx(tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    found = inspect(tmp_path / "x.onnx")
    assert (found.head, found.tensors) == (10, ())
    assert "reelpulse[train]" in found.note


def test_any_other_file_is_taken_for_what_it_is(tmp_path: Path, saved: Files) -> None:
    copied = tmp_path / "weights.bin"
    copied.write_bytes(saved["efficientnet_b0", "state"].read_bytes())
    assert inspect(copied).values == 4_062_423


def test_inspecting_needs_no_torch(saved: Files) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'timm', 'onnx', 'safetensors'): sys.modules[name] = None\n"
        "from reelpulse.checkpoints import inspect\n"
        "import json, dataclasses\n"
        f"found = inspect({str(saved['tf_efficientnet_b0', 'whole'])!r})\n"
        "print(json.dumps(dataclasses.asdict(found)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["architecture"] == "tf_efficientnet_b0"
