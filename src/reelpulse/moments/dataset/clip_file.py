"""The file of labelled clips: what lies where, and adding to it in place.

``/features`` (N, S, C), ``/times`` (N, S), ``/measured`` (N, S), ``/usual`` (N, C), ``/labels``
(N,), ``/embeddings`` (N, E) where they are kept, and ``/facts/<name>`` (N,): each in chunks of 64
rows and not packed, so that adding moves nothing. The attribute ``rows`` says how many there are;
it is written last, and what lies beyond it is what an interrupted run left.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, ModelError, at
from reelpulse.files import readable
from reelpulse.learn.task import Task
from reelpulse.moments.inputs import Steps
from reelpulse.moments.lengths import Shape

FORMAT = "reelpulse clips"
VERSION = 1

FACTS: dict[str, type] = {
    "video": str,
    "source": str,
    "start": float,
    "end": float,
    "duration": float,
    "fps": float,
    "person": str,
    "annotator": str,
    "annotators": float,
    "spread": float,
    "filled": float,
    "missing": float,
    "sampled": str,
    "fingerprint": str,
    "tension": float,
}
"""What is known of a clip besides its label: the file as the labels name it, what it was taken
from, its range and length in seconds, the video's frames a second, who is in it, who labelled it
and how many did, the spread of what they said, the shares of its steps that filling gave and that
were not measured, whether it was taken from a ``timeline`` or measured as a ``clip``, the
fingerprint of the video, and the highest tension in it."""

_CHUNK = 64
_MARGIN = 16 << 20
"""Bytes that must stay free beside what is added: HDF5 does not survive a full disk."""

_DAMAGE = (KeyError, ValueError, OSError, TypeError, AttributeError, RuntimeError, OverflowError)
"""What h5py and JSON raise on a file whose inside is not what it should be."""

_AT_ONCE = 1024
"""Rows that are read together, where rows here and there are wanted."""


class Rows:
    """The first rows of an HDF5 dataset, as an array that is read when it is sliced.

    Parameters
    ----------
    dataset : h5py.Dataset
    count : int
        How many of its rows count.
    path : Path
        Of its file, for errors.
    """

    def __init__(self, dataset: Any, count: int, path: Path) -> None:
        self._dataset, self._count, self._path = dataset, count, path
        texts = h5py.check_string_dtype(dataset.dtype) is not None
        self._read_from = dataset.asstr(errors="replace") if texts else dataset

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (self._count, *self._dataset.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of an array."""
        dtype: np.dtype[Any] = self._dataset.dtype
        return dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype)

    def __getitem__(self, key: Any) -> Any:
        """Read by a number, slice, list of rows or mask; further axes as of an array."""
        if isinstance(key, tuple):
            first, rest = key[0], key[1:]
            one = isinstance(first, int | np.integer)
            return self[first][rest if one else (slice(None), *rest)]
        if isinstance(key, int | np.integer):
            return self._taken(np.array([key]))[0]
        if isinstance(key, slice):
            start, stop, step = key.indices(self._count)
            if step == 1:
                return self._read(start, max(start, stop))
            return self._taken(np.arange(start, stop, step))
        index = np.asarray(key)
        if index.dtype == bool:
            if index.shape != (self._count,):
                raise IndexError(f"a mask of shape {index.shape} for {self._count} rows")
            index = np.flatnonzero(index)
        return self._taken(index.astype(np.int64))

    def _taken(self, index: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Read rows in any order, nowhere more than `_AT_ONCE` at a time."""
        if len(index) and not -self._count <= index.min() <= index.max() < self._count:
            raise IndexError(f"row {index.max()} of {self._count}")
        index = np.where(index < 0, index + self._count, index)
        order = np.argsort(index, kind="stable")
        increasing = index[order]
        out = np.empty((len(index), *self._dataset.shape[1:]), self._dataset.dtype)
        borders = np.flatnonzero(np.diff(increasing // _AT_ONCE)) + 1
        for places in np.split(np.arange(len(index)), borders):
            if len(places):
                rows = increasing[places]
                out[order[places]] = self._read(rows[0], rows[-1] + 1)[rows - rows[0]]
        return out

    def _read(self, start: int, stop: int) -> npt.NDArray[Any]:
        try:
            return np.asarray(self._read_from[int(start) : int(stop)])
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(at(self._path, f"is damaged ({error}); build it again")) from None


def create_clips(
    path: str | Path,
    task: Task,
    columns: Sequence[str],
    shape: Shape,
    *,
    embeddings: int = 0,
    sampling: Mapping[str, Any] | None = None,
) -> None:
    """Write a dataset without clips, for `append_clips`; see `ClipSet` for what is given."""
    known = {"rate": shape.rate, "sample": "timeline", "models": {}, **(sampling or {})}
    texts = {
        "task": task.as_dict(),
        "columns": list(columns),
        "shape": shape.as_dict(),
        "sampling": known,
    }
    wide = len(columns)
    with open_clips(Path(path), "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["reelpulse"] = reelpulse.__version__
        for name, value in texts.items():
            file.attrs[name] = _dumps(value)
        _add_dataset(file, "features", np.float32, (shape.steps, wide))
        _add_dataset(file, "times", np.float32, (shape.steps,))
        _add_dataset(file, "measured", np.bool_, (shape.steps,))
        _add_dataset(file, "usual", np.float32, (wide,))
        _add_dataset(file, "labels", np.float32)
        if embeddings:
            _add_dataset(file, "embeddings", np.float16, (embeddings,))
        for name, kind in FACTS.items():
            _add_dataset(file, f"facts/{name}", h5py.string_dtype() if kind is str else np.float64)
        file.attrs["rows"] = np.int64(0)


def _add_dataset(file: Any, name: str, dtype: Any, row: tuple[int, ...] = ()) -> None:
    file.create_dataset(
        name, (0, *row), dtype, maxshape=(None, *row), chunks=(_CHUNK, *(max(1, n) for n in row))
    )


def append_clips(
    path: str | Path,
    steps: Steps,
    labels: npt.ArrayLike,
    facts: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    *,
    sampling: Mapping[str, Any] | None = None,
) -> int:
    """Add clips behind those that are there, which are not touched.

    Parameters
    ----------
    path : str or Path
        A dataset.
    steps : Steps
        N clips of the dataset's columns and steps.
    labels : array_like, shape (N,)
    facts : mapping of str to sequence, length N
        Names of `FACTS`; texts that are left out are empty, numbers NaN.
    sampling : mapping, optional
        What `ClipSet.sampling` is from now on.

    Returns
    -------
    int
        How many clips there are now.

    Raises
    ------
    DataError
        When the clips do not fit the dataset, or it cannot be written.
    """
    path, stored = Path(path), np.asarray(labels, np.float32)
    parts: dict[str, Any] = {
        "features": steps.values,
        "times": steps.times,
        "measured": steps.measured,
        "usual": steps.usual,
        "labels": stored,
    }
    if steps.embeddings is not None:
        parts["embeddings"] = steps.embeddings
    for name, kind in FACTS.items():
        given = facts.get(name, [""] * len(steps) if kind is str else [np.nan] * len(steps))
        clean = [readable(str(text)) for text in given] if kind is str else given
        parts[f"facts/{name}"] = np.asarray(clean, object if kind is str else np.float64)
    if unknown := sorted(set(facts) - {*FACTS, "label"}):
        raise DataError(at(path, f"cannot keep {unknown[0]!r}: the facts are {', '.join(FACTS)}"))
    needed = sum(part.nbytes for part in parts.values()) + _MARGIN
    with open_clips(path, "r+") as file, damage(path):
        if shutil.disk_usage(path.parent).free < needed:
            problem = f"cannot be written ({os.strerror(errno.ENOSPC)})"
            raise DataError(at(path, problem))
        check_format(path, file)
        task = Task.from_dict(json.loads(file.attrs["task"]))
        if (wrong := wrong_label(task, stored)) is not None:
            raise DataError(at(path, f"cannot take these clips: {wrong}"))
        before = int(file.attrs["rows"])
        after = before + len(steps)
        for name, values in parts.items():
            if name not in file or values.shape != (len(steps), *file[name].shape[1:]):
                raise DataError(at(path, f"holds no {name} of shape {values.shape[1:]}"))
        for name, values in parts.items():
            file[name].resize(after, axis=0)
            file[name][before:after] = values
        if sampling is not None:
            file.attrs["sampling"] = _dumps(dict(sampling))
        file.flush()  # so that the rows are there before they count
        file.attrs.modify("rows", np.int64(after))
    return after


def open_clips(path: Path, mode: str) -> Any:
    """Open a dataset; every failure becomes one DataError."""
    if path.is_dir():
        raise DataError(at(path, "is a folder; give the .h5 file inside it"))
    if mode != "w" and not path.exists():
        raise DataError(at(path, "no such file; `reelpulse moments build LABELS.csv` makes one"))
    try:
        return h5py.File(path, mode)
    except OSError as error:
        locked = error.errno in (errno.EAGAIN, errno.EACCES) or "already open" in str(error)
        if locked:
            problem = "is in use by another program, or not yours to write: close it there"
        elif mode == "w":
            problem = f"cannot be written ({error})"
        else:
            problem = "is not an HDF5 file or is damaged; build it again"
        raise DataError(at(path, problem)) from None


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what a file's damaged inside raises into one line about the file."""
    try:
        yield
    except (*_DAMAGE, ModelError, DataError) as error:
        if isinstance(error, DataError) and str(path) in str(error):
            raise
        raise DataError(at(path, f"is damaged ({error}); build it again")) from error


def check_format(path: Path, file: Any) -> None:
    """Refuse a file that is no dataset of ours, or of a newer version."""
    if file.attrs.get("format") != FORMAT:
        problem = "is an HDF5 file, but no dataset that reelpulse moments build wrote"
        raise DataError(at(path, problem))
    version = int(file.attrs["version"])
    if version < 1:
        raise ValueError(f"its format is {version}")
    if version > VERSION:
        problem = (
            f"was written by a newer reelpulse (format {version}, this one reads up to {VERSION});"
            " upgrade with `pip install -U reelpulse`"
        )
        raise DataError(at(path, problem))


def wrong_label(task: Task, labels: npt.NDArray[np.float32]) -> str | None:
    """Say what is wrong with labels; None where they are what the task has."""
    if task.kind == "score":
        odd = labels[~((labels >= 0) & (labels <= task.highest))]
    else:
        odd = labels[~np.isin(labels, np.arange(len(task.classes)))]
    return f"a label is {odd[0]:g}" if len(odd) else None


def distinct_texts(value: Any) -> bool:
    """Whether a value from a file is a list of names, none of them twice."""
    texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return texts and 0 < len(set(value)) == len(value)


def _dumps(value: Any) -> str:
    return readable(json.dumps(value, ensure_ascii=False))
