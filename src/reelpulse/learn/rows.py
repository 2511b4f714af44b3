"""Rows of one shape on disk: made once, by several processes, then read row by row.

A NumPy file of the rows lies beside a file of marks, a byte a row, and a JSON that says what they
are. A stopped run keeps the rows it has made, and the next one goes on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.files import Busy, atomic_path, only_one, write_json
from reelpulse.learn.workers import spread

log = logging.getLogger(__name__)

OnProgress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

Task = TypeVar("Task")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def fill(
    path: Path,
    kind: npt.DTypeLike,
    tasks: Sequence[Task],
    make: Callable[[Task], npt.NDArray[Any]],
    about: dict[str, Any],
    *,
    lost: Callable[[Task], str],
    workers: int | None = None,
    progress: OnProgress | None = None,
) -> npt.NDArray[Any]:
    """Make the rows of a file that are missing, and look at all of them in place.

    Parameters
    ----------
    path : Path
        The file, ``.npy``; its name must be another for other rows.
    kind : dtype
        Of a row; its fields may have shapes.
    tasks : sequence
        What to make each row of, each another.
    make : callable
        A function of a module, from a task to a row: an array of `kind` without an axis.
    about : dict
        What the rows are, for people.
    lost : callable
        Says what is wrong with a task that ended its process.
    workers : int, optional
        Processes; as many as this one may use cores without it.
    progress : callable, optional

    Returns
    -------
    ndarray of `kind`, shape (len(tasks),)
        A memory map.

    Raises
    ------
    DataError
        When the file cannot be written, the disk is full, or another run is making the same.
    """
    row = np.dtype(kind)
    if _missing(path, row, len(tasks)).any():
        try:
            with only_one(path, str(os.getpid())):
                _make_missing(path, row, tasks, make, about, lost, workers, progress)
        except Busy:
            problem = "is being made by another run: wait until that has ended"
            raise DataError(at(path, problem)) from None
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _missing(path: Path, row: np.dtype[Any], count: int) -> npt.NDArray[np.bool_]:
    """Which rows are still to be made, (count,): all where the file is not whole."""
    try:
        done = np.frombuffer(_marks(path).read_bytes(), np.uint8)
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if len(done) == count and stored.shape == (count,) and stored.dtype == row:
            return np.asarray(done == 0)
    except (OSError, ValueError, EOFError):
        pass  # there is none, or a part of one
    return np.ones(count, bool)


def _marks(path: Path) -> Path:
    """Beside the rows: a byte each, 1 where it is made."""
    return path.with_suffix(".done")


def _make_missing(
    path: Path,
    row: np.dtype[Any],
    tasks: Sequence[Task],
    make: Callable[[Task], npt.NDArray[Any]],
    about: dict[str, Any],
    lost: Callable[[Task], str],
    workers: int | None,
    progress: OnProgress | None,
) -> None:
    missing = _missing(path, row, len(tasks))
    places = {tasks[place]: place for place in np.flatnonzero(missing).tolist()}
    done = len(tasks) - len(places)
    if done:
        log.info("%s: %d of %d are there; going on", path, done, len(tasks))
    try:
        if missing.all():
            _start(path, row, len(tasks), about)
        # Written, and not through the memory map: there a full disk would kill the process.
        with path.open("r+b", buffering=0) as rows, _marks(path).open("r+b", 0) as marks:
            begin = path.stat().st_size - len(tasks) * row.itemsize
            with closing(_made(make, list(places), workers)) as made:
                for task, values in made:
                    if values is None:
                        raise DataError(lost(task))
                    _put(rows, begin + places[task] * row.itemsize, values.tobytes())
                    _put(marks, places[task], b"\1")
                    done += 1
                    if progress:
                        progress(done, len(tasks))
    except OSError as error:
        problem = error.strerror or str(error)
        raise DataError(at(path, f"cannot be written ({problem}); make room, then again")) from None


def _made(
    make: Callable[[Task], npt.NDArray[Any]], tasks: Sequence[Task], workers: int | None
) -> Generator[tuple[Task, npt.NDArray[Any] | None], None, None]:
    """Tasks and their rows; when it is closed its processes end."""
    with _one_thread_each():
        yield from spread(make, tasks, workers)


def _put(file: Any, position: int, data: bytes) -> None:
    file.seek(position)
    while data:  # an unbuffered file may take a part, on a disk that is nearly full
        data = data[file.write(data) :]


def _start(path: Path, row: np.dtype[Any], count: int, about: dict[str, Any]) -> None:
    """Lay out an empty file of rows; it takes no room on the disk before rows are written."""
    _marks(path).unlink(missing_ok=True)
    write_json(path.with_suffix(".json"), about)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        described = {
            "descr": np.lib.format.dtype_to_descr(row), "fortran_order": False, "shape": (count,)
        }  # fmt: skip
        np.lib.format.write_array_header_1_0(file, described)
        file.truncate(file.tell() + count * row.itemsize)
    with atomic_path(_marks(path)) as temporary:
        temporary.write_bytes(bytes(count))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile compute in one thread, or cores times cores would.

    The libraries read this as they are loaded, before anything can be called in the process.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
