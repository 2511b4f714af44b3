"""Weights: the table, finding and opening them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub_server import (
    CONTENT,
    Server,
    cache,
    entry,
    is_one_line,
    put,
    server,
    tiny,
)
from reelpulse import hub
from reelpulse.errors import ModelError

__all__ = ["cache", "server", "tiny"]


# The table


@pytest.mark.parametrize("name", list(hub.WEIGHTS))
def test_every_entry_is_whole(name: str) -> None:
    weights = hub.WEIGHTS[name]
    assert weights.name == name
    assert weights.licence
    assert weights.about
    assert Path(weights.file).name == weights.file
    if weights.url is not None:
        assert weights.url.startswith("https://")
        assert weights.url.endswith((".onnx", ".tflite"))
        assert len(weights.sha256 or "") == 64 or len(weights.git_blob or "") == 40


def test_the_recommended_ones_cover_the_face() -> None:
    recommended = {w.name: w.kind for w in hub.WEIGHTS.values() if w.recommended}
    assert recommended == {
        "yunet": "detector",
        "mobilefacenet": "identity",
        "enet_b0_8_va_mtl": "emotion",
    }


def test_import_is_light() -> None:
    code = (
        "import sys, reelpulse.hub, reelpulse.cli.models;"
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "numpy", "onnxruntime", "urllib.request", "rich.table"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Finding


def test_a_path_is_taken_unchecked(tiny: hub.Weights, tmp_path: Path) -> None:
    path = put(tmp_path, b"anything")
    assert hub.locate(path) == path
    assert hub.locate(str(path)) == path


def test_nothing_is_found_without_a_file(tiny: hub.Weights, cache: Path, server: Server) -> None:
    put(cache / "tiny.onnx", name="a folder is no file")
    assert hub.locate("tiny") is None
    assert hub.locate("other") is None
    for odd in ("", ".", "..", "x" * 5000, "~nobody-of-this-name/x", "nul\0"):
        assert hub.locate(odd) is None
    assert server.ranges == []


def test_order_of_places(
    tiny: hub.Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache = put(cache)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    monkeypatch.setenv("REELPULSE_MODELS", "")
    assert hub.locate("tiny") == in_cache
    monkeypatch.setenv("REELPULSE_MODELS", os.pathsep.join(["", str(first), str(second)]))
    assert hub.locate("tiny") == in_cache
    in_second = put(second)
    assert hub.locate("tiny") == in_second
    in_first = put(first)
    assert hub.locate("tiny") == in_first
    assert hub.locate("tiny.onnx") == in_first


def test_an_empty_variable_is_not_the_working_folder(
    tiny: hub.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELPULSE_MODELS", "")
    assert hub.locate("tiny") is None


def test_a_known_name_beats_a_file_of_that_name(
    tiny: hub.Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, b"stray", name="tiny")
    monkeypatch.chdir(tmp_path)
    assert hub.locate("tiny") is None
    assert hub.locate("./tiny") == Path("./tiny")
    assert hub.locate("tiny") is None
    assert hub.locate("tiny") != put(cache, name="tiny")


def test_other_models_are_found_by_bare_name(
    tiny: hub.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    mine = put(folder, b"mine", name="mine.onnx")
    put(tmp_path, b"outside", name="outside.onnx")
    monkeypatch.setenv("REELPULSE_MODELS", str(folder))
    assert hub.locate("mine.onnx") == mine
    assert hub.locate("../outside.onnx") is None


@pytest.mark.parametrize("name", ["tiny", "tiny.onnx"])
def test_a_wrong_file_is_named(name: str, tiny: hub.Weights, cache: Path) -> None:
    path = put(cache, b"wrong")
    with pytest.raises(ModelError) as error:
        hub.locate(name)
    expected, found = str(tiny.sha256)[:12], hashlib.sha256(b"wrong").hexdigest()[:12]
    is_one_line(error, str(path), expected, found, "delete", "`reelpulse models fetch tiny`")
    put(cache)
    assert hub.locate("tiny") == path


def test_a_file_is_checked_once_until_it_changes(
    tiny: hub.Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(cache)
    counted: list[int] = []
    real = hashlib.sha256

    def counting(*args: Any, **kwargs: Any) -> Any:
        counted.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(hashlib, "sha256", counting)
    hub.locate("tiny")
    hub.locate("tiny")
    assert len(counted) == 1
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(ModelError):
        hub.locate("tiny")


def test_git_blob_id(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # `printf 'hello\n' | git hash-object --stdin`
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"
    weights = entry(None, sha256=None, git_blob=blob, size=6)
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": weights})
    path = put(cache, b"hello\n")
    assert hub.locate("tiny") == path
    path = put(cache, b"hullo\n")
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(ModelError, match=blob[:12]):
        hub.locate("tiny")


def test_builtin_comes_with_the_package(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    monkeypatch.setattr("importlib.resources.files", lambda name: package)
    assert hub.locate("builtin") is None
    with pytest.raises(ModelError, match="reinstall"):
        hub.obtain("builtin")
    path = put(package / "assets", name=hub.WEIGHTS["builtin"].file)
    assert hub.locate("builtin") == path
    assert hub.obtain("builtin") == path
    assert hub.fetch("builtin") == path
    put(package / "assets", name=hub.WEIGHTS["yunet"].file)
    assert hub.locate("yunet") is None


def test_best_at_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = {name: entry(None, name=name, file=f"{name}.onnx") for name in ("a", "b", "c")}
    monkeypatch.setattr(hub, "WEIGHTS", {**known, "ear": entry(None, name="ear", kind="voice")})
    assert hub.best_at_hand("emotion", ["a", "b", "c"]) is None
    put(cache, name="c.onnx")
    put(cache, b"damaged", name="b.onnx")
    with caplog.at_level(logging.WARNING, logger="reelpulse"):
        assert hub.best_at_hand("emotion", ["a", "b", "c"]) == "c"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "b.onnx" in caplog.text
    put(cache, name="a.onnx")
    assert hub.best_at_hand("emotion", ["a", "b", "c"]) == "a"
    with pytest.raises(ModelError, match="voice"):
        hub.best_at_hand("emotion", ["ear"])


def test_unknown_name(cache: Path) -> None:
    with pytest.raises(ModelError) as error:
        hub.obtain("YuNett")
    is_one_line(error, "YuNett", "did you mean `yunet`?", *hub.WEIGHTS)
    with pytest.raises(ModelError) as error:
        hub.obtain(Path("no/such/file.onnx"))
    is_one_line(error, "no/such/file.onnx", *hub.WEIGHTS)
    assert "did you mean" not in str(error.value)


# Opening


def network(metadata: dict[str, str] | None = None) -> bytes:
    """An ONNX file that adds one to three numbers."""
    from onnx import TensorProto, helper

    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    one = helper.make_tensor("one", TensorProto.FLOAT, [3], [1.0, 1.0, 1.0])
    node = helper.make_node("Add", ["x", "one"], ["y"])
    graph = helper.make_graph([node], "g", [shape], [result], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return bytes(model.SerializeToString())


def test_open_onnx(tmp_path: Path) -> None:
    import numpy as np

    about = {"kind": "emotion", "steps": 15}
    content = network({"reelpulse": json.dumps(about)})
    model = hub.open_onnx(put(tmp_path, content), threads=2)
    assert model.path == tmp_path / "tiny.onnx"
    assert model.metadata == about
    assert model.checksum == hashlib.sha256(content).hexdigest()[:16]
    (result,) = model.session.run(None, {"x": np.arange(3, dtype=np.float32)})
    assert result.tolist() == [1, 2, 3]
    options = model.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert model.session.get_providers() == ["CPUExecutionProvider"]


def test_open_onnx_without_metadata(tmp_path: Path) -> None:
    model = hub.open_onnx(str(put(tmp_path, network({"other": "{"}))))
    assert model.metadata == {}
    assert model.session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", "[" * 100_000])
def test_lying_metadata(text: str, tmp_path: Path) -> None:
    path = put(tmp_path, network({"reelpulse": text}))
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path), "metadata")


class Bomb:
    """Pickles as the creation of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", ["model.onnx", "model.pt", "model.pkl", "model.PTH"])
def test_a_pickle_is_never_run(protocol: int, name: str, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    content = pickle.dumps(Bomb(proof), protocol)
    path = put(tmp_path, content, name=name)
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path))
    if protocol or name != "model.onnx":
        assert "pickles are never loaded" in str(error.value)
    assert not proof.exists()
    pickle.loads(content)
    assert proof.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\x80",
        b"some text\nof two lines\n",
        bytes(1000),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    ],
    ids=["empty", "newline", "byte", "text", "zeros", "pointer"],
)
def test_no_usable_file(content: bytes, tmp_path: Path) -> None:
    path = put(tmp_path, content)
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path), "" if content else "it is empty")
    assert str(error.value).count(str(path)) == 1


def test_a_zipped_pickle_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, b"PK\3\4" + bytes(100))
    with pytest.raises(ModelError, match="pickles are never loaded"):
        hub.open_onnx(path)


@pytest.mark.parametrize("length", [2, 20, -20, -1])
def test_truncated(length: int, tmp_path: Path) -> None:
    path = put(tmp_path, network()[:length])
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path), "not a usable ONNX model")


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(ModelError) as error:
            hub.open_onnx(path)
        is_one_line(error, str(path), "cannot be read")
