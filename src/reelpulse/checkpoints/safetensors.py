"""Safetensors: a JSON table of tensors, then their values; nothing in it could be run."""

from __future__ import annotations

import json
from typing import Any

from reelpulse.checkpoints.tensors import Storage, Tensor, packed

MOST_HEADER = 100_000_000  # as the format itself says

TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


def is_safetensors(data: Any) -> bool:
    """Tell the format by the length of its table, which comes first, and the table's brace."""
    return len(data) > 8 and data[8:9] == b"{" and data[6:8] == b"\0\0"


def read(data: Any) -> dict[str, Tensor]:
    """Read the table; values stay in the file until wanted.

    Parameters
    ----------
    data : bytes-like
        The whole file, mapped.

    Returns
    -------
    dict of Tensor

    Raises
    ------
    ValueError
        When it is damaged, or says what cannot be.
    """
    length = int.from_bytes(data[:8], "little")
    if length > min(MOST_HEADER, len(data) - 8):
        raise ValueError("its table is longer than the file")
    table = json.loads(bytes(data[8 : 8 + length]))
    try:
        return {
            name: _tensor(data, 8 + length, entry)
            for name, entry in table.items()
            if name != "__metadata__"
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("its table is not as the format wants it") from error


def _tensor(data: Any, base: int, entry: Any) -> Tensor:
    if entry["dtype"] not in TYPES:
        raise ValueError(f"it holds values of a type that is not known ({entry['dtype']!r:.30})")
    dtype, shape = TYPES[entry["dtype"]], tuple(entry["shape"])
    begin, end = (base + int(place) for place in entry["data_offsets"])
    if not base <= begin <= end <= len(data):
        raise ValueError("it ends within its values")
    storage = Storage(dtype, end - begin, lambda: bytes(data[begin:end]))
    return Tensor(storage, dtype, shape, packed(shape))
