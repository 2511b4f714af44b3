"""What the few calls that a model's pickle makes come to, by functions of our own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from reelpulse.checkpoints.tensors import NUMPY, STORAGES, Storage, Tensor, item_size, packed
from reelpulse.checkpoints.trust import Global, Made, Untrusted, check_call

NUMPY_TYPE = re.compile(r"[<>|=]?[biufc][1-9]\d?")
NAMES = {np.dtype(code).str: name for name, code in reversed(NUMPY.items())}


class Budget:
    """Counts what a file makes its reader do, and ends it where no model would go on.

    Parameters
    ----------
    operations : int
        Most operations.
    items : int
        Most items and bytes copied.
    """

    def __init__(self, operations: int, items: int) -> None:
        self._operations = operations
        self._items = items

    def step(self) -> None:
        """Count an operation."""
        self._operations -= 1
        if self._operations < 0:
            raise ValueError("it goes on for longer than a model's would")

    def copy(self, values: Any) -> Any:
        """Count what is about to be copied."""
        self._items -= len(values)
        if self._items < 0:
            raise ValueError("it would fill the memory")
        return values


class NumpyType:
    """Stands in for a numpy dtype; its state brings the order of bytes."""

    def __init__(self, code: Any) -> None:
        self.code = str(code)[:30]

    def __setstate__(self, state: Any) -> None:
        """Take the order of bytes; types of several fields are none of ours."""
        order, fields = state[1], state[3]
        self.code = "fields" if fields else order + self.code.lstrip("<>|=")


class NumpyArray:
    """Stands in for a numpy array; its state brings shape, type and values."""

    tensor: Tensor | None = None

    def __setstate__(self, state: Any) -> None:
        """Take the values, unless they are objects."""
        shape, kind, in_columns, values = state[-4:]
        if isinstance(values, bytes | bytearray | str) and isinstance(kind, NumpyType):
            self.tensor = from_numpy(values, kind, shape, bool(in_columns))


def from_numpy(values: Any, kind: NumpyType, shape: Any, in_columns: bool) -> Tensor | None:
    """Make a tensor of an array's bytes; None where its values are no plain numbers."""
    if not NUMPY_TYPE.fullmatch(kind.code):
        return None
    # Python 2 wrote bytes as text.
    data = values.encode("latin-1") if isinstance(values, str) else values
    shape = tuple(shape)
    strides = packed(shape[::-1])[::-1] if in_columns else packed(shape)
    order = kind.code if kind.code[0] in "<>|=" else "<" + kind.code
    if order[0] == ">":
        data = np.frombuffer(data, order).astype(order.replace(">", "<")).tobytes()
    dtype = NAMES.get(np.dtype(order).newbyteorder("<").str, order)
    return Tensor(Storage(dtype, len(data), lambda: data), dtype, shape, strides)


def key(value: Any) -> Any:
    """Turn anything into a key; numbers become text, whose hashes nobody can make collide."""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str | bytes | Global) or value is None:
        return value
    return object()  # kept apart, and never looked for


def dtype_name(value: Any) -> str:
    """PyTorch's name of a type or of a kind of storage."""
    if not isinstance(value, Global):
        raise TypeError
    return STORAGES.get(value.name, value.name)


class Builders:
    """Functions by the name that a pickle calls.

    Parameters
    ----------
    nested : callable
        From the bytes of a file within the pickle to what it holds.
    budget : Budget
    """

    def __init__(self, nested: Callable[[bytes], Any], budget: Budget) -> None:
        self._nested = nested
        self._budget = budget
        self._make: dict[str, Callable[..., Any]] = {
            "collections.OrderedDict": self._dict,
            "collections.defaultdict": lambda *given: self._dict(*given[1:]),
            "collections.Counter": self._dict,
            "builtins.dict": self._dict,
            **dict.fromkeys(("builtins.set", "builtins.frozenset", "builtins.list"), self._list),
            "collections.deque": self._list,
            "builtins.tuple": lambda *given: tuple(self._list(*given)),
            "torch.Size": lambda *given: tuple(self._list(*given)),
            "builtins.bytearray": self._bytes,
            "builtins.bytes": self._bytes,
            "builtins.getattr": _attribute,
            "_codecs.encode": self._encode,
            "torch._utils._rebuild_tensor": _tensor,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch._utils._rebuild_tensor_v3": _tensor_v3,
            "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
            "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
            "torch._tensor._rebuild_from_type_v2": self._of_type,
            "torch.storage._load_from_bytes": self._load,
            "torch.storage.TypedStorage": _refused,
            "torch.storage.UntypedStorage": _refused,
            "numpy.dtype": lambda code, *_: NumpyType(code),
        }
        for core in ("numpy.core", "numpy._core"):
            self._make[f"{core}.multiarray._reconstruct"] = lambda *_: NumpyArray()
            self._make[f"{core}.numeric._frombuffer"] = self._from_buffer

    def call(self, function: Global, arguments: Any) -> Any:
        """Do what a name that may be called would do, or stand in for its result."""
        make = self._make.get(str(function))
        return Made(function, arguments) if make is None else make(*arguments)

    def build(self, target: Any, state: Any) -> None:
        """Give a stand-in its state; plain containers and tensors need none."""
        if isinstance(target, Made):
            target.state = state
        elif isinstance(target, NumpyType | NumpyArray):
            target.__setstate__(state)

    def _dict(self, items: Any = ()) -> dict[Any, Any]:
        pairs = items.items() if isinstance(items, dict) else items
        return {key(name): value for name, value in self._budget.copy(pairs)}

    def _list(self, items: Any = ()) -> list[Any]:
        return list(self._budget.copy(items))

    def _bytes(self, value: Any = b"", *_: Any) -> bytes:
        if isinstance(value, str):
            return self._encode(value)
        if not isinstance(value, bytes | bytearray):
            raise TypeError
        return bytes(self._budget.copy(value))

    def _encode(self, text: str, *_: Any) -> bytes:
        return str(self._budget.copy(text)).encode("latin-1")  # how bytes are written for Python 2

    def _of_type(self, function: Any, _type: Any, arguments: Any, _state: Any) -> Any:
        return self.call(check_call(function), arguments)

    def _load(self, data: Any) -> Any:
        if not isinstance(data, bytes | bytearray):
            raise TypeError
        return self._nested(bytes(self._budget.copy(data)))

    def _from_buffer(self, data: Any, kind: Any, shape: Any, order: Any) -> NumpyArray:
        made = NumpyArray()
        made.__setstate__((shape, kind, order == "F", data))
        return made


def _attribute(owner: Any, name: Any, *_: Any) -> Global:
    if not isinstance(owner, Global) or not isinstance(name, str):
        raise Untrusted("tries to look into what it has itself put together when loaded")
    return Global(owner.module, f"{owner.name}.{name}")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise TypeError
    return Tensor(storage, storage.dtype, tuple(shape), tuple(strides), offset)


def _tensor_v3(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Any,
    *_: Any,
) -> Tensor:
    if not isinstance(storage, Storage):
        raise TypeError
    name = dtype_name(dtype)
    item_size(name)
    return Tensor(storage, name, tuple(shape), tuple(strides), offset)


def _refused(*_: Any) -> Any:
    raise ValueError("it makes storages in a way that is not known")
