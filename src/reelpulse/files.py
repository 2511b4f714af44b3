"""Files that appear whole or not at all, and tables that are read with a word on what is wrong."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, at

_FAR = 1 << 30
"""Windows keeps others from reading a locked byte: one that nobody writes is locked."""

_MOMENT, _MOST_ATTEMPTS = 0.01, 100
"""Seconds until a run that was just met has said what it does, or is gone; how often to ask."""


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


def try_lock(descriptor: int, path: Path) -> bool | None:
    """Lock an open file until it is closed, at the latest when the process ends, however it ends.

    Returns
    -------
    bool or None
        False where another holds the lock, or removed the file between our opening and locking it;
        None where the file system knows no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return False
    except OSError:
        return None


class Busy(Exception):
    """Another run holds a lock; `note` is what it wrote there."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


@contextmanager
def only_one(path: str | Path, note: str) -> Iterator[None]:
    """Be the only run on this machine at work on `path` while the block lasts.

    The lock is a file beside `path`, which a killed run leaves behind unlocked.

    Parameters
    ----------
    path : str or Path
        What is worked on; it need not be there.
    note : str
        Who works on it, for those who come later.

    Raises
    ------
    Busy
        When another run is at it.
    DataError
        When the folder cannot be written.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}.lock")
    for attempt in itertools.count():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or error
            raise DataError(at(path, f"cannot be written ({problem}); give another -o")) from error
        held = try_lock(descriptor, lock)
        if held is not False:
            break
        held_by = os.read(descriptor, 4096).decode(errors="replace")
        os.close(descriptor)
        if held_by or attempt == _MOST_ATTEMPTS:
            raise Busy(held_by)
        time.sleep(_MOMENT)  # that run has just begun or ended
    try:
        with suppress(OSError):  # a full disk is met, and said, where the results are written
            os.ftruncate(descriptor, 0)
            os.write(descriptor, note.encode())
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def readable(text: str) -> str:
    """Replace what cannot be written as UTF-8: names of files whose bytes are in another code."""
    return text.encode("utf-8", "replace").decode()


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with Korean kept readable, whole or not at all."""
    with atomic_path(path) as temporary:
        text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
        temporary.write_bytes(readable(text + "\n").encode())


def read_rows(path: Path, needed: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header line.

    Parameters
    ----------
    path : Path
    needed : iterable of str
        Columns that must be there.

    Yields
    ------
    int, dict of str to str
        The number of the line in the file, and its values by column, without spaces around them;
        "" where the line is too short. Lines of nothing are passed over.

    Raises
    ------
    DataError
        When the file cannot be read, is not UTF-8, or a column is missing.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            lacking = [name for name in needed if name not in names]
            if lacking:
                problem = f"its first line must name the columns {','.join(needed)}; not there: "
                raise DataError(at(path, problem + ", ".join(lacking)))
            reader.fieldnames = names
            for row in reader:
                if any(row.pop(None, ())):
                    problem = f"line {reader.line_num} has more values than columns: quote commas"
                    raise DataError(at(path, problem))
                yield reader.line_num, {name: value.strip() for name, value in row.items()}
    except UnicodeDecodeError:
        raise DataError(at(path, "is not UTF-8: save it as “CSV UTF-8”")) from None
    except csv.Error as error:
        raise DataError(at(path, f"line {reader.line_num} is no CSV ({error})")) from None
    except OSError as error:
        raise DataError(at(path, f"cannot be read ({error.strerror or error})")) from None
