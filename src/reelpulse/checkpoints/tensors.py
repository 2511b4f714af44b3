"""Tensors of a file: name a shape now, read the values when they are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_DIMENSIONS = 64  # as many as PyTorch has

NUMPY = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint64": "<u8",
    "uint32": "<u4",
    "uint16": "<u2",
    "uint8": "|u1",
    "bool": "|b1",
    "complex64": "<c8",
    "complex128": "<c16",
    "float8_e4m3fn": "|u1",
    "float8_e5m2": "|u1",
}
"""How each type lies in a file; numpy has none for bfloat16 and the two of one byte."""

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "UntypedStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
"""PyTorch's names of storages."""


def item_size(dtype: str) -> int:
    """Bytes of one value.

    Raises
    ------
    ValueError
        When the type is not known.
    """
    if dtype not in NUMPY:
        raise ValueError(f"it holds values of a type that is not known ({dtype[:30]})")
    return np.dtype(NUMPY[dtype]).itemsize


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of `size` bytes in a file, of values of one type."""

    dtype: str
    size: int
    read: Callable[[], Any]


@dataclass(eq=False, slots=True)
class Tensor:
    """A view of a storage, checked to lie within it.

    Parameters
    ----------
    storage : Storage
    dtype : str
        As PyTorch names it.
    shape, strides : tuple of int
        Strides in values, not bytes.
    offset : int
        First value's place in the storage, in values.
    """

    storage: Storage
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    def __post_init__(self) -> None:
        sizes = (*self.shape, *self.strides, self.offset)
        if len(self.shape) != len(self.strides) or len(self.shape) > MOST_DIMENSIONS:
            raise ValueError("it holds a tensor of an impossible shape")
        if not all(type(size) is int and 0 <= size < 2**63 for size in sizes):
            raise ValueError("it holds a tensor of an impossible shape")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        held = self.storage.size // item_size(self.dtype)
        # A view that repeats its values could claim any number of them.
        if self.count and (last >= held or self.count > held):
            raise ValueError(
                f"it holds a tensor of shape {list(self.shape)}, more than the {held} values stored"
            )

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def array(self) -> npt.NDArray[Any]:
        """Read the values; bfloat16 comes as float32.

        Raises
        ------
        ValueError
            When numpy knows no such type, or the file holds less than it says.
        """
        if self.dtype.startswith("float8"):
            raise ValueError(f"it holds values of type {self.dtype}, which cannot be converted")
        flat = np.frombuffer(self.storage.read(), NUMPY[self.dtype])
        if self.count == 0:
            return np.zeros(self.shape, flat.dtype)
        strides = [step * flat.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides)
        if self.dtype == "bfloat16":  # the upper half of a float32
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view)


def packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of values that lie one after another, the last dimension fastest."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))
