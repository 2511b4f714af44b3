"""A folder beside a result, in which a stopped training finds what it has done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.files import Busy, atomic_path, only_one
from reelpulse.learn.fit import beside

Array = npt.NDArray[np.float32]


@contextmanager
def alone(parts: Path, data: str | Path, path: Path) -> Iterator[None]:
    """Be the only run at work on a folder of parts; those that train beside it are let in.

    Raises
    ------
    DataError
        When another run is at work on it: `path`, trained on `data`.
    """
    if beside():
        yield
        return
    try:
        with only_one(parts, str(data)):
            yield
    except Busy:
        raise DataError(at(path, "is being trained by another run: wait for it")) from None


def clear(parts: Path) -> None:
    """Remove what was kept to go on from, and nothing else."""
    with suppress(OSError):
        for pattern in ("*.npz", "*.safetensors"):
            for file in parts.glob(pattern):
                file.unlink(missing_ok=True)
        parts.rmdir()


def write_outputs(path: Path, plan: str, outputs: Array) -> None:
    """Keep what a finished network gave for the examples tested on."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, plan=plan, outputs=outputs)


def read_outputs(path: Path, plan: str, shape: tuple[int, int]) -> Array | None:
    """Read `write_outputs`; None where there are none of this very plan."""
    try:
        with np.load(path, allow_pickle=False) as found:
            outputs = np.asarray(found["outputs"], np.float32)
            return outputs if str(found["plan"]) == plan and outputs.shape == shape else None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
