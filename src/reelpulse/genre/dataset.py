"""Pairs of frames on disk in the size that a network takes: decoded once, then read row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.genre.pairs import Pairs
from reelpulse.genre.pictures import read_picture
from reelpulse.genre.spec import RGB, PairSpec, drawn_motion, resized
from reelpulse.learn.rows import OnProgress, fill

FOLDER = "pictures"

_VERSION = 1
"""Of what a row holds; to be raised when that changes."""


class PairSet:
    """What networks are given of a folder of pairs, a row each in its order; see `load_set`.

    Parameters
    ----------
    frames : ndarray of uint8, shape (N, 2, 3, H, W)
    motion : ndarray, shape (N,), optional
        With the fields ``magnitude`` and, where it was asked for, ``flow``.
    """

    def __init__(self, frames: npt.NDArray[np.uint8], motion: npt.NDArray[Any] | None) -> None:
        self._frames, self._motion = frames, motion

    def __len__(self) -> int:
        return len(self._frames)

    def stored(self, rows: npt.NDArray[np.intp], spec: PairSpec) -> dict[str, npt.NDArray[Any]]:
        """What a network with this spec is given of some pairs, not yet normalised.

        Returns
        -------
        dict
            As `reelpulse.genre.spec.drawn_pair` gives it, with a first axis of len(rows).
        """
        frames = self._frames[rows]
        every = frames.reshape(len(rows), 6, *spec.size)
        found: dict[str, npt.NDArray[Any]] = {"frames": every[:, : 3 * spec.frames]}
        if spec.flow:
            found["flow"] = np.asarray(self._moved()["flow"][rows])
        if spec.magnitude:
            found["magnitude"] = self.magnitudes(rows)[:, None]
        return found

    def frames(self, rows: npt.NDArray[np.intp], which: npt.NDArray[np.intp]) -> dict[str, Any]:
        """Single frames, the first (0) or second (1) of some pairs."""
        return {"frames": self._frames[rows, which]}

    def magnitudes(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Magnitude of motion of some pairs, (len(rows),)."""
        return np.array(self._moved()["magnitude"][rows], np.float32)

    def _moved(self) -> npt.NDArray[Any]:
        assert self._motion is not None, "made for a network that is given no motion"
        return self._motion


def load_set(
    pairs: Pairs,
    spec: PairSpec,
    *,
    folder: str | Path | None = None,
    workers: int | None = None,
    progress: OnProgress | None = None,
) -> PairSet:
    """The pairs of a folder as a network looks at them: those on disk, and those missing made.

    Frames are kept in one file and motion in another, which networks of one size share. A file
    belongs to the folder's fingerprint: those of what the folder held before are removed. A stopped
    run keeps the rows it has made, and the next one goes on.

    Parameters
    ----------
    pairs : Pairs
    spec : PairSpec
    folder : str or Path, optional
        Where the files lie; ``pictures/`` in the folder of the pairs without it.
    workers : int, optional
        Processes; as many as this one may use cores without it.
    progress : callable, optional

    Raises
    ------
    DataError
        When the two pictures of a pair are not of one size, the folder cannot be written, the disk
        is full, or another run is making the same.
    MediaError
        When a picture cannot be read.
    """
    if folder is None:
        folder = pairs.folder / FOLDER
        _remove_others(folder, pairs.fingerprint)
    tasks = [
        (str(first), str(second), spec)
        for first, second in zip(pairs.first, pairs.second, strict=True)
    ]

    def filled(
        kind: npt.DTypeLike, make: Callable[[_Task], npt.NDArray[Any]], **of: Any
    ) -> npt.NDArray[Any]:
        about = {"pairs": pairs.fingerprint, "rows": _order(pairs), "version": _VERSION, **of}
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        path = Path(folder) / f"{key}.npy"
        return fill(path, kind, tasks, make, about, lost=_lost, workers=workers, progress=progress)

    frames = filled(_frames_kind(spec), _frames, frames=list(spec.size))["frames"]
    if not spec.moves:
        return PairSet(frames, None)
    size = list(spec.size) if spec.flow else None
    motion = filled(_motion_kind(spec), _motion, flow=size, how=spec.flow_spec.as_dict())
    return PairSet(frames, motion)


_Task = tuple[str, str, PairSpec]


def _frames_kind(spec: PairSpec) -> np.dtype[Any]:
    return np.dtype([("frames", np.uint8, (2, 3, *spec.size))])


def _motion_kind(spec: PairSpec) -> np.dtype[Any]:
    flow = [("flow", np.float16, (2, *spec.size))] if spec.flow else []
    return np.dtype([*flow, ("magnitude", np.float32)])


def _order(pairs: Pairs) -> str:
    """Names the order of pairs: a row must not become another one's."""
    names = "\n".join(str(path.relative_to(pairs.folder)) for path in pairs.first)
    return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16]


def _remove_others(folder: Path, fingerprint: str) -> None:
    """Remove what was kept of other pairs: it is of gigabytes, and of no use any more."""
    for file in folder.glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            if json.loads(file.read_bytes())["pairs"] != fingerprint:
                for suffix in (".npy", ".done", ".json"):
                    file.with_suffix(suffix).unlink(missing_ok=True)


def _lost(task: _Task) -> str:
    return at(task[0], "or the frame after it ends any process that decodes it: leave both out")


def _frames(task: _Task) -> npt.NDArray[Any]:
    row = np.zeros((), _frames_kind(task[2]))
    row["frames"] = [resized(picture, task[2].size) for picture in _read(task)]
    return row


def _motion(task: _Task) -> npt.NDArray[Any]:
    row = np.zeros((), _motion_kind(task[2]))
    first, second = _read(task)
    for name, values in drawn_motion(first, second, task[2]).items():
        row[name] = values if name == "flow" else values[0]
    return row


def _read(task: _Task) -> tuple[RGB, RGB]:
    first, second = (read_picture(path) for path in task[:2])
    if first.shape != second.shape:
        sizes = " and ".join(f"{one.shape[1]}x{one.shape[0]}" for one in (first, second))
        problem = f"and {Path(task[1]).name} are of two sizes ({sizes}): `genre clean` drops them"
        raise DataError(at(task[0], problem))
    return first, second
