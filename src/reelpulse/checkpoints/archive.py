"""From a file to what it holds: PyTorch's two formats, plain pickles and safetensors."""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelpulse.checkpoints import safetensors
from reelpulse.checkpoints.builders import Budget, dtype_name
from reelpulse.checkpoints.machine import MOST_OPERATIONS, Machine
from reelpulse.checkpoints.tensors import Storage, item_size
from reelpulse.checkpoints.trust import Global, Untrusted
from reelpulse.errors import ModelError, at

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # PyTorch before 1.6
MOST_PICKLE = 1 << 28  # the pickle of a large network is a megabyte; tensors lie beside it
DEEPEST = 3  # files within files
ADVICE = "download it again, or save it again"
DAMAGE = (
    *(ValueError, OverflowError, MemoryError, EOFError, KeyError, struct.error),
    *(zipfile.BadZipFile, NotImplementedError),
)
"""What reading a damaged file comes to."""


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes
    ----------
    format : str
        How the file is written, in words.
    root : object
        Plain values, `Tensor`, `Global` and `Made`.
    globals : tuple of Global
        Names in its pickle.
    """

    format: str
    root: Any
    globals: tuple[Global, ...] = ()


def read(path: str | Path) -> Content:
    """Read a file of weights; nothing in it is run, and values stay in the file until wanted.

    Parameters
    ----------
    path : str or Path
        A file by ``torch.save`` (either format), a TorchScript archive, a pickle or safetensors.

    Raises
    ------
    ModelError
        When there is no such file, it is none of these, is damaged, or tries to run code.
    """
    path = Path(path)
    data = _mapped(path)
    try:
        return _read(data, Budget(MOST_OPERATIONS, max(len(data) * 4, 1 << 26)), DEEPEST)
    except Untrusted as error:
        problem = f"{error}: not a model to trust; nothing of it was run"
    except RecursionError:
        problem = "is nested more deeply than a model's file can be"
    except DAMAGE as error:
        problem = _not_read(data, str(error)[:200])
    raise ModelError(at(path, problem))


def _mapped(path: Path) -> Any:
    try:
        if path.exists() and not path.is_file():
            raise ModelError(at(path, "is not a file: name the file of weights in it"))
        with open(path, "rb") as file:
            if not file.read(1):
                raise ModelError(at(path, f"is empty: {ADVICE}"))
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(at(path, f"cannot be read ({error.strerror or error})")) from error


def _not_read(data: Any, reason: str) -> str:
    if data[:4] == b"PK\3\4" or _is_pickle(data) or safetensors.is_safetensors(data):
        return f"cannot be read as weights ({reason}): {ADVICE}"
    return "is no file of weights that is known here: .pt, .pth, .pkl, .safetensors or .onnx"


def _is_pickle(data: Any) -> bool:
    return data[:1] == b"\x80" and data[1:2] in (b"\2", b"\3", b"\4", b"\5")


def _read(data: Any, budget: Budget, depth: int) -> Content:
    if depth == 0:
        raise ValueError("files lie within files in it")
    if data[:4] == b"PK\3\4":
        return _read_zip(data, budget, depth)
    if safetensors.is_safetensors(data):
        return Content("safetensors file", safetensors.read(data))
    return _read_pickles(data, budget, depth)


def _nested(budget: Budget, depth: int) -> tuple[Callable[[bytes], Any], dict[Global, None]]:
    """Give a reader of files within a pickle, and the names that it will have met."""
    met: dict[Global, None] = {}

    def read_inner(data: bytes) -> Any:
        content = _read(io.BytesIO(data).getbuffer(), budget, depth - 1)
        met.update(dict.fromkeys(content.globals))
        return content.root

    return read_inner, met


# A zip file with a pickle, and a file for each storage


def _read_zip(data: Any, budget: Budget, depth: int) -> Content:
    archive = zipfile.ZipFile(_File(data))
    entries = {entry.filename: entry for entry in archive.infolist()}
    pickled = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickled) != 1:
        raise ValueError("it is a zip file without one data.pkl")
    base = pickled[0].removesuffix("data.pkl")
    order = _entry(archive, entries.get(base + "byteorder"), 16)
    if order not in (b"", b"little"):
        raise ValueError("its values are in big-endian order")

    def persistent(identity: Any) -> Storage:
        kind, key, count = _storage(identity)
        entry = entries.get(f"{base}data/{key}")
        if entry is None:
            raise ValueError(f"its storage {str(key)[:30]} is missing")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError("its values are compressed, as PyTorch never writes them")
        size = count * item_size(kind)
        if size > entry.file_size or entry.file_size > len(data):
            raise ValueError(f"its storage {str(key)[:30]} is shorter than it says")
        return Storage(kind, size, lambda: archive.read(entry)[:size])

    inner, met = _nested(budget, depth)
    machine = Machine(persistent, inner, budget)
    root = machine.run(io.BytesIO(_entry(archive, entries[pickled[0]], MOST_PICKLE)))
    scripted = f"{base}constants.pkl" in entries
    how = "TorchScript archive" if scripted else "PyTorch file (zip)"
    return Content(how, root, (*machine.globals, *met))


class _File(io.RawIOBase):
    """A mapped file, or bytes, to be read: never more at once than there is."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, len(self._data))[whence])
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = len(self._data) if size is None or size < 0 else self._at + size
        part = bytes(self._data[self._at : end])
        self._at += len(part)
        return part

    def readline(self, size: int | None = -1) -> bytes:
        for longest in (1 << 8, 1 << 16, 1 << 24):
            part = bytes(self._data[self._at : self._at + longest])
            if (end := part.find(b"\n") + 1) or self._at + longest >= len(self._data):
                return self.read(end or len(part))
        raise ValueError("it has a line that does not end")


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None, most: int) -> bytes:
    """Read an entry that may say less than it inflates to."""
    if entry is None:
        return b""
    with archive.open(entry) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"its {entry.filename[-30:]} is larger than a model's can be")
    return found


def _storage(identity: Any) -> tuple[str, Any, int]:
    """Take a storage's type, name and number of values from its persistent id."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise ValueError("it refers to something outside of it")
    _, kind, key, _, count = identity[:5]
    if type(count) is not int or not 0 <= count < 2**63 or not isinstance(key, str | int):
        raise ValueError("it says nothing sensible of a storage")
    return dtype_name(kind), key, count


# Pickles one after another, then the storages: PyTorch before 1.6; or one pickle alone


def _read_pickles(data: Any, budget: Budget, depth: int) -> Content:
    file = _File(data)
    inner, met = _nested(budget, depth)
    widths: dict[str, int] = {}
    places: dict[str, tuple[int, int]] = {}

    def persistent(identity: Any) -> Any:
        if isinstance(identity, tuple) and identity[:1] == ("module",):
            return identity[1]  # a class, with its source beside it
        kind, key, count = _storage(identity)
        skipped = 0
        if len(identity) > 5 and identity[5] is not None:  # a view of another storage
            _, skipped, count = identity[5]
        width = widths[str(key)] = item_size(kind)
        if not (type(skipped) is type(count) is int and skipped >= 0 and count >= 0):
            raise ValueError("it says nothing sensible of a storage")
        if (skipped + count) * width > len(data):
            raise ValueError("it speaks of more values than there are in the file")

        def values() -> bytes:
            start, size = places[str(key)]
            if (skipped + count) * width > size:
                raise ValueError("a storage is shorter than it says")
            begin = start + skipped * width
            return bytes(data[begin : begin + count * width])

        return Storage(kind, count * width, values)

    machine = Machine(persistent, inner, budget)
    root = machine.run(file)
    if root != LEGACY_MAGIC:
        return Content("pickle", root, (*machine.globals, *met))
    _version, system, root, keys = (machine.run(file) for _ in range(4))
    if not isinstance(system, dict) or not system.get("little_endian", True):
        raise ValueError("its values are in big-endian order")
    for key in keys:
        if str(key) not in widths:
            raise ValueError(f"its storage {str(key)[:30]} is of no known type")
        size = int.from_bytes(file.read(8), "little") * widths[str(key)]
        places[str(key)] = file.tell(), size
        if file.seek(size, io.SEEK_CUR) > len(data):
            raise ValueError("it ends within its values")
    if widths.keys() - places.keys():
        raise ValueError("it ends before its values")
    return Content("PyTorch file (before 1.6)", root, (*machine.globals, *met))
