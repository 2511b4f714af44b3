"""What a face emotion network sees in a face: wide rows, kept on disk and read a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at

STATISTICS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "std": np.std,
    "max": np.max,
    "min": np.min,
}

_DATASET = "faces/feature"
_ROWS = "faces/person"
_CHUNK = 512

Rows = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Features:
    """A table of F rows, one a measured face, in parts that are read when asked for.

    Six hours of two faces would be 220 MB; so they go from file to file and never lie in memory
    together.
    """

    parts: tuple[Callable[[], Rows], ...]

    def __iter__(self) -> Iterator[Rows]:
        for part in self.parts:
            yield part()

    def whole(self) -> Rows:
        """All rows, float16 (F, D)."""
        return np.concatenate(list(self))

    @staticmethod
    def of(rows: npt.NDArray[Any]) -> Features:
        """Hold rows that are in memory, (F, D)."""
        kept = rows.astype(np.float16)
        return Features((lambda: kept,))

    @staticmethod
    def joined(tables: Sequence[Features]) -> Features:
        """One table after the other."""
        return Features(tuple(part for table in tables for part in table.parts))


def write_features(
    file: Any, features: Features, shape: tuple[int, int], rows: npt.NDArray[np.int32]
) -> None:
    """Write the table, and which of its rows is the followed person's a tick (-1: none)."""
    count, width = shape
    chunks = (min(count, _CHUNK), width) if count else None
    table = file.create_dataset(_DATASET, shape, np.float16, chunks=chunks)
    start = 0
    for part in features:
        table[start : start + len(part)] = part
        start += len(part)
    if start != count:
        raise ValueError(f"{start} rows of features for {count} faces")
    file.create_dataset(_ROWS, data=rows)


def stored_features(path: Path, file: Any) -> Features | None:
    """Find the table in an open file; None where it has none."""
    if _DATASET not in file:
        return None
    starts = range(0, len(file[_DATASET]), _CHUNK)
    return Features(tuple(partial(_part, path, start) for start in starts))


def _part(path: Path, start: int) -> Rows:
    with h5py.File(path, "r") as file:
        return np.asarray(file[_DATASET][start : start + _CHUNK])


def embedding_summary(
    path: str | Path,
    windows: Sequence[tuple[float, float]],
    statistics: Sequence[str] = ("mean", "std"),
) -> npt.NDArray[np.float32]:
    """Summarise the followed person's face embeddings over windows of a timeline.

    Only the rows of the windows are read.

    Parameters
    ----------
    path : str or Path
        An ``.h5`` that was measured with ``--stream embedding``.
    windows : sequence of (start, end)
        Seconds; ticks with start ≤ time < end are in it.
    statistics : sequence of str
        Of `STATISTICS`, in this order: mean and standard deviation, and also maximum and minimum.

    Returns
    -------
    ndarray of float32, shape (N, len(statistics) * D)
        D is the width of the network's embedding: 1,280 for an EfficientNet-B0, so 2,560 values a
        window with mean and std and 5,120 with all four. NaN where the person was not seen.

    Raises
    ------
    DataError
        When the file has no embeddings, or on an unknown statistic.
    """
    unknown = [name for name in statistics if name not in STATISTICS]
    if unknown or not statistics:
        known = ", ".join(STATISTICS)
        raise DataError(f"no statistic is named {unknown[0] if unknown else ''!r}: use {known}")
    try:
        with h5py.File(path, "r") as file:
            if _DATASET not in file or _ROWS not in file:
                raise DataError(
                    at(path, "keeps no embeddings: analyse the video with --stream embedding")
                )
            table, rows, times = file[_DATASET], file[_ROWS][()], file["times"][()]
            out = np.full((len(windows), len(statistics), table.shape[1]), np.nan, np.float32)
            for summary, (start, end) in zip(out, windows, strict=True):
                inside = rows[(times >= start) & (times < end) & (rows >= 0)]
                if len(inside):
                    seen = table[inside.min() : inside.max() + 1][inside - inside.min()]
                    values = seen.astype(np.float32)
                    summary[:] = [STATISTICS[name](values, axis=0) for name in statistics]
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(at(path, f"cannot be read ({error})")) from None
    return out.reshape(len(windows), -1)
