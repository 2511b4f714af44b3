"""Files that nobody should trust: named as such, never run, never a hang."""

from __future__ import annotations

import io
import pickle
import random
import struct
import subprocess
import zipfile
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reelpulse.checkpoints import archive, inspect
from reelpulse.errors import ModelError
from weights import rewrite

torch = pytest.importorskip("torch", reason="the extra train is not installed")


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def refused(path: Path, *parts: str) -> None:
    """Check that a file is refused in one line."""
    with pytest.raises(ModelError) as caught:
        inspect(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert len(text) < 600
    for part in parts:
        assert part in text


def mark(folder: Path) -> str:
    """A shell command that leaves a trace."""
    return f"touch {folder / 'ran'}"


def payload(folder: Path) -> Any:
    import os

    return Calls(os.system, mark(folder))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("way", ["plain", "zip", "legacy", "within", "nested", "partial"])
def test_a_pickle_that_runs_a_command_is_named(tmp_path: Path, way: str, protocol: int) -> None:
    path, bad = tmp_path / "x.pt", payload(tmp_path)
    if way in ("zip", "legacy"):
        zipped = way == "zip"
        state = {"a": torch.ones(2), "b": bad}
        torch.save(
            state, path, pickle_protocol=max(protocol, 2), _use_new_zipfile_serialization=zipped
        )
    elif way == "nested":
        inner = io.BytesIO()
        torch.save({"a": bad}, inner)
        inner = Calls(torch.storage._load_from_bytes, inner.getvalue())
        path.write_bytes(pickle.dumps({"a": inner}, protocol))
    else:
        whole = {"plain": bad, "within": {"state_dict": [(1, bad)]}}
        whole["partial"] = {"forward": partial(__import__("os").system, mark(tmp_path))}
        path.write_bytes(pickle.dumps(whole[way], protocol))
    verb = "holds" if way == "partial" else "tries to run"
    refused(path, f"{verb} ", ".system", "not a model to trust", "nothing of it was run")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"cbuiltins\neval\n(S'1'\ntR.", "tries to run builtins.eval"),
        (b"c__builtin__\nexec\n(S'1'\ntR.", "tries to run builtins.exec"),
        (b"(S'ls'\nios\nsystem\n.", "tries to run os.system"),
        (b"(cnt\nsystem\nS'ls'\no.", "tries to run nt.system"),
        (b"\x80\x02csubprocess\nPopen\n)\x81.", "tries to run subprocess.Popen"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.", "tries to run os.system"),
        (b"cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.", "utils.runstring"),
        (b"ctorch\nload\n(S'x'\ntR.", "tries to run torch.load"),
        (b"ctorch.hub\nload\n(S'x'\ntR.", "tries to run torch.hub.load"),
        (b"\x80\x04\x8c\x05torch\x8c\x0dhub.os.system\x93\x8c\x02ls\x85R.", "hub.os.system"),
        (b"\x80\x04\x8c\x08torch.nn\x8c\x0aX.Y.System\x93\x8c\x02ls\x85R.", "X.Y.System"),
        (b"cbuiltins\ngetattr\n(ctorch.nn\nModule\nS'load'\ntR(tR.", "torch.nn.Module.load"),
        (b"cbuiltins\ngetattr\n(cos\n_\nS'system'\ntR(S'ls'\ntR.", "tries to run os._.system"),
        (b"cbuiltins\ngetattr\n(S'x'\nS'system'\ntR.", "tries to look into"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN(S'x'\nt}tR.", "run os.system"),
        (b"ctorch\nload\n}S'__code__'\nNsb.", "tries to change torch.load"),
        (b"ctorch\nload\nS'a'\nS'b'\ns.", "tries to change torch.load"),
        (b"csys\npath\nS'a'\na.", "tries to change sys.path"),
        (b"}(tR.", "tries to run what it has itself put together"),
        (b"cwebbrowser\nopen\n.", "holds webbrowser.open"),
        (b"csome.where\nrun\n(tR.", "tries to run some.where.run"),
        (b"c\x1b[31mred\nevil\x07\n(tR.", "tries to run ?[31mred.evil?"),
    ],
)
def test_every_way_to_run_something_is_seen(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / "x.pkl").write_bytes(data)
    refused(tmp_path / "x.pkl", name, "not a model to trust")


def test_a_call_hidden_in_a_real_model_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)
    hidden = b"cposix\nsystem\n(S'" + mark(tmp_path).encode() + b"'\ntR0"
    rewrite(path, lambda data: data[:2] + hidden + data[2:])
    refused(path, "tries to run posix.system")
    assert not (tmp_path / "ran").exists()


# Bombs


def test_deep_nesting_ends_well(tmp_path: Path) -> None:
    deep = 300_000
    for data in (b"]" * deep + b"a" * (deep - 1), b")" + b"\x85" * deep, b"(" * deep):
        (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + data + b".")
        with suppress(ModelError):
            assert inspect(tmp_path / "x.pkl").kind == "object"


def test_a_tuple_nested_deeply_is_no_key(tmp_path: Path) -> None:
    data = b"\x80\x02}(" + b")" + b"\x85" * 300_000 + b"K\x01u."
    (tmp_path / "x.pkl").write_bytes(data)
    assert inspect(tmp_path / "x.pkl").kind == "object"


def test_modules_within_themselves_end_well(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    module._modules["1"] = module
    torch.save(module, path)
    refused(path, "more parts than any model")


def test_modules_that_double_again_and_again_end_well(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 2)
    for _ in range(40):
        module = torch.nn.Sequential(OrderedDict(a=module, b=module))
    torch.save(module, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "more parts than any model")


STORAGE = b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI%d\ntQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"I0\n(%st(%stI00\n}tR."


@pytest.mark.parametrize(
    ("count", "shape", "strides", "problem"),
    [
        (10**12, b"I2\n", b"I1\n", "more values than there are in the file"),
        (10**30, b"I2\n", b"I1\n", "nothing sensible"),
        (-1, b"I2\n", b"I1\n", "nothing sensible"),
        (4, b"I5\n", b"I1\n", "more than the 4 values stored"),
        (4, b"I2\nI2\n", b"I9\nI1\n", "more than the 4 values stored"),
        (4, b"I1000000000000\n", b"I0\n", "more than the 4 values stored"),
        (4, b"I-2\n", b"I1\n", "impossible shape"),
        (4, b"I2\n", b"", "impossible shape"),
        (4, b"I1\n" * 100, b"I1\n" * 100, "impossible shape"),
    ],
)
def test_impossible_tensors_are_refused(
    tmp_path: Path, count: int, shape: bytes, strides: bytes, problem: str
) -> None:
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + TENSOR % (count, shape, strides))
    refused(tmp_path / "x.pkl", problem)


def test_copies_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    call = b"c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR"
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + text + b"q\x00" + b"]" + call * 2000 + b".")
    refused(tmp_path / "x.pkl", "fill the memory")


def test_a_pickle_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_OPERATIONS", 1000)
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + b"N0" * 1000 + b"N.")
    refused(tmp_path / "x.pkl", "longer than a model's")


def test_an_entry_that_inflates_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_PICKLE", 100_000)
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(3)}, path)
    rewrite(path, lambda data: data[:2] + b"N0" * 1_000_000 + data[2:], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    refused(path, "larger than a model's can be")


def test_compressed_values_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(3)}, path)
    rewrite(path, bytes, zipfile.ZIP_DEFLATED)
    refused(path, "compressed")


@pytest.mark.parametrize("header", [b'{"a":1}', b"{" * 5000, b'{"a":', b'["a"]' + b" " * 9])
def test_damaged_safetensors_are_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(path)
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{}" + bytes(100))
    refused(path, "longer than the file")


# Damage


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    refused(tmp_path / "away.pt", "cannot be read (No such file")
    refused(tmp_path, "is not a file")
    for name in ("x.pt", "x.onnx", "x.safetensors"):
        path = tmp_path / name
        path.write_bytes(b"")
        refused(path, "empty")
    for text in (b"hello\n", b"import os\n", b"# weights\n" * 99, b"\0" * 999, b"{}", b"PK"):
        (tmp_path / "x.pt").write_bytes(text)
        refused(tmp_path / "x.pt", "no file of weights that is known here")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a.txt", "a")
    refused(tmp_path / "x.zip", "without one data.pkl")
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    refused(folder, "is not a file")
    (tmp_path / "y.onnx").write_bytes(b"hello")
    refused(tmp_path / "y.onnx", "not a usable ONNX model")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, zipped: bool, share: float) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.nn.Linear(30, 30), path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "again")


@pytest.mark.parametrize("way", ["zip", "legacy", "pickle", "safetensors"])
def test_damage_anywhere_is_told_or_harmless(tmp_path: Path, way: str) -> None:
    path = tmp_path / "x.pt"
    state = torch.nn.Linear(3, 2).state_dict()
    if way == "pickle":
        path.write_bytes(pickle.dumps({k: v.numpy() for k, v in state.items()}))
    elif way == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=way == "zip")
    whole, chance = path.read_bytes(), random.Random(5)
    refusals: list[str] = []
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 20])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            inspect(path)
        except ModelError as error:
            refusals.append(str(error))
    assert len(refusals) > 5
    assert not any("\n" in text for text in refusals)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.pt"
    try:
        subprocess.run(["mkfifo", str(pipe)], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no named pipes here")
    refused(pipe, "is not a file")
