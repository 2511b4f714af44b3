"""The dataset of labelled clips, opened for reading: what is asked for is read, and no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.files import atomic_path
from reelpulse.learn.task import BINARY, Task
from reelpulse.moments.dataset.clip_file import (
    FACTS,
    Rows,
    append_clips,
    check_format,
    create_clips,
    damage,
    distinct_texts,
    open_clips,
    wrong_label,
)
from reelpulse.moments.dataset.selection import matching
from reelpulse.moments.inputs import Steps
from reelpulse.moments.lengths import LONGEST, Shape

_HASHED = 4096
"""Rows at once, where all are read."""


class ClipSet:
    """Labelled clips in a file, opened for reading; what is asked for is read, and no more.

    Parameters
    ----------
    path : str or Path
        A file that ``reelpulse moments build`` wrote.

    Attributes
    ----------
    path : Path
    task : Task
        What the labels are.
    columns : tuple of str, length C
    shape : Shape
        How clips were brought to S steps.
    embeddings : int
        Width E of the statistics of face embeddings; 0 for none.
    sampling : dict
        How the videos were measured: ``rate`` (ticks a second of long ones), ``sample``
        (``timeline``, ``clip`` or ``both``) and ``models`` (role to name).
    labels : ndarray of float32, shape (N,)
        Codes of `task.classes`, or scores.
    features : Rows
        float32 (N, S, C); ``features[100:200]`` reads those rows alone.
    facts : mapping of str to ndarray, shape (N,)
        The names in `FACTS`, and ``label``: texts as objects, numbers as float64.

    Raises
    ------
    DataError
        When the file is missing, not ours, damaged, or of a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_clips(self.path, "r")
        try:
            with damage(self.path):
                self._read_head()
        except BaseException:
            self.close()
            raise

    def _read_head(self) -> None:
        file = self._file
        check_format(self.path, file)
        self.task = Task.from_dict(json.loads(file.attrs["task"]))
        self.shape = Shape.from_dict(json.loads(file.attrs["shape"]))
        columns, sampling = (json.loads(file.attrs[key]) for key in ("columns", "sampling"))
        if not distinct_texts(columns) or not isinstance(sampling, dict):
            raise ValueError("it has odd columns or sampling")
        self.columns = tuple(columns)
        self.sampling: dict[str, Any] = sampling
        self._count = int(file.attrs["rows"])
        steps, wide = self.shape.steps, len(self.columns)
        self.embeddings = int(file["embeddings"].shape[1]) if "embeddings" in file else 0
        self.features = self._rows("features", "f", (steps, wide))
        self._times = self._rows("times", "f", (steps,))
        self._measured = self._rows("measured", "b", (steps,))
        self._usual = self._rows("usual", "f", (wide,))
        self._embedded = (
            self._rows("embeddings", "f", (self.embeddings,)) if self.embeddings else None
        )
        columns_of_facts = {
            name: self._rows(f"facts/{name}", "O" if kind is str else "f", ())
            for name, kind in FACTS.items()
        }
        self.labels = self._rows("labels", "f", ())[:]
        if (problem := wrong_label(self.task, self.labels)) is not None:
            raise ValueError(problem)
        self.facts: Mapping[str, npt.NDArray[Any]] = _Facts(columns_of_facts, self._label_texts)

    def _rows(self, name: str, kinds: str, row: tuple[int, ...]) -> Rows:
        dataset = self._file[name]
        fits = dataset.shape[1:] == row and dataset.dtype.kind in kinds
        per_row = int(np.prod(row, dtype=np.int64)) * dataset.dtype.itemsize
        if not fits or not 0 <= self._count <= len(dataset):
            raise ValueError(f"{name} holds {dataset.dtype} of shape {dataset.shape}")
        if self._count * per_row > dataset.id.get_storage_size():
            raise ValueError(f"{name} declares {self._count} rows, and they are not there")
        return Rows(dataset, self._count, self.path)

    def _label_texts(self) -> npt.NDArray[Any]:
        if self.task.kind == "score":
            return np.asarray(self.labels, np.float64)
        return np.asarray(np.array(self.task.classes, object)[self.labels.astype(int)])

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> ClipSet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self, rows: Any = None) -> Steps:
        """Read clips.

        Parameters
        ----------
        rows : slice, array of int, or array of bool, optional
            Which, in any order; all of them without it.

        Returns
        -------
        Steps
        """
        key = slice(None) if rows is None else rows
        wide = None if self._embedded is None else self._embedded[key]
        return Steps(
            self.features[key], self._times[key], self._measured[key], self._usual[key], wide
        )

    def batches(
        self, size: int = 1024, rows: npt.ArrayLike | None = None
    ) -> Iterator[tuple[npt.NDArray[np.int64], Steps]]:
        """Read clips a batch at a time, in bounded memory.

        Yields
        ------
        tuple of ndarray of int64, Steps
            The batch's rows, and what they hold.
        """
        wanted = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64)
        for start in range(0, len(wanted), size):
            batch = wanted[start : start + size]
            yield batch, self.read(batch)

    def where(self, conditions: Sequence[str]) -> npt.NDArray[np.int64]:
        """Find the clips that fulfil all conditions, such as ``person=Kim`` or ``duration<=7``.

        Returns
        -------
        ndarray of int64
            Their rows, increasing.

        Raises
        ------
        SettingsError
            On a condition that cannot be read, or a fact that is none (the nearest is named).
        """
        return np.flatnonzero(matching(self.facts, conditions, self.task.classes, len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of all that is in it."""
        head = [self.task.as_dict(), self.columns, self.shape.as_dict(), self.sampling]
        found = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        for rows, steps in self.batches(_HASHED):
            for part in (steps.values, steps.times, steps.measured, steps.usual, steps.embeddings):
                found.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
            found.update(self.labels[rows].tobytes())
        for name in FACTS:
            values = self.facts[name]
            plain = "\0".join(values).encode() if FACTS[name] is str else values.tobytes()
            found.update(plain)
        return found.hexdigest()[:16]


class _Facts(Mapping[str, npt.NDArray[Any]]):
    """Every fact by its name, read when asked for."""

    def __init__(self, stored: dict[str, Rows], label: Any) -> None:
        self._stored, self._label = stored, label
        self._known: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._known:
            self._known[name] = self._label() if name == "label" else self._stored[name][:]
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._stored, "label"])

    def __len__(self) -> int:
        return len(self._stored) + 1


def make_clip_file(
    path: str | Path,
    steps: Steps,
    labels: npt.ArrayLike,
    *,
    task: Task = BINARY,
    columns: Sequence[str],
    shape: Shape | None = None,
    facts: Mapping[str, Sequence[Any] | npt.NDArray[Any]] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Path:
    """Write a dataset from arrays, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Replaced, where it is there.
    steps : Steps
        N clips.
    labels : array_like, shape (N,)
        Codes of `task.classes`, or scores.
    task : Task
    columns : sequence of str, length C
    shape : Shape, optional
        As many even steps as there are, without it.
    facts : mapping, optional
        Some of `FACTS`. Without ``source``, each clip is of a video of its own.
    sampling : mapping, optional
        See `ClipSet`.

    Raises
    ------
    DataError
        When the arrays do not agree, or the file cannot be written.
    """
    count, length = steps.values.shape[:2]
    own = [f"clip {number}" for number in range(1, count + 1)]
    lasting = np.full(count, LONGEST)
    known: dict[str, Any] = {
        "video": own,
        "source": own,
        "start": 0 * lasting,
        "end": lasting,
        "duration": lasting,
    }
    wide = 0 if steps.embeddings is None else steps.embeddings.shape[1]
    form = shape or Shape(steps=length)
    with atomic_path(path) as temporary:
        create_clips(temporary, task, columns, form, embeddings=wide, sampling=sampling)
        append_clips(temporary, steps, labels, {**known, **(facts or {})})
    return Path(path)
