"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, at


def digest(path: str | Path) -> str:
    """Name a file's content: the first 16 hexadecimal digits of its SHA-256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well.

    Raises
    ------
    DataError
        When the folder cannot be written or the disk is full.
    """
    path = Path(path)
    # Short, so that a name near the file system's limit of 255 bytes still fits.
    temporary = path.parent / f".{os.getpid()}.{abs(hash(path.name)) % 0xFFFFFF:06x}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DataError(at(path, f"cannot be written ({error.strerror or error})")) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def readable(text: str) -> str:
    """Replace what cannot be written as UTF-8: names of files whose bytes are in another code."""
    return text.encode("utf-8", "replace").decode()


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with Korean kept readable, whole or not at all."""
    with atomic_path(path) as temporary:
        text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
        temporary.write_bytes(readable(text + "\n").encode())
