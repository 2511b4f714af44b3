"""The .h5 file: /times, /streams/<name>/values, /faces, and facts as attributes."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.files import atomic_path, readable
from reelpulse.timeline.features import stored_features, write_features
from reelpulse.timeline.model import FACE_COLUMNS, Timeline, assemble
from reelpulse.timeline.observations import Block, Faces, Observations

FORMAT = "reelpulse timeline"
VERSION = 1

_DAMAGE = (KeyError, ValueError, OSError, TypeError, AttributeError, RuntimeError, OverflowError)
"""What h5py and JSON raise on a file whose inside is not what it should be."""

_MARGIN = 64 << 20
"""Bytes that must be free beside a wide table: for all else in the file."""

_MOST_PACKED = 1100
"""Deflate packs at most 1032 to 1: more values than this for the bytes stored are a lie."""

_FACES = {
    "tick": ("i", ()),
    "box": ("f", (4,)),
    "score": ("f", ()),
    "track": ("i", ()),
    "embedding": ("f", (None,)),
    "values": ("f", (len(FACE_COLUMNS),)),
}
"""Kind of number and shape of a row, of each column of ``/faces``; None for any length."""


def write_timeline(
    path: str | Path,
    timeline: Timeline,
    observations: Observations,
    *,
    rows: npt.NDArray[np.int32] | None = None,
    forget_faces: bool = False,
) -> None:
    """Write the resolved timeline and the observations behind it, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The ``.h5`` file.
    timeline : Timeline
        What `resolve` made of the observations.
    observations : Observations
        Kept so that another person can be chosen without decoding.
    rows : ndarray of int32, shape (T,), optional
        The followed person's row in the table of faces a tick, -1 for none: needed where the faces
        have features.
    forget_faces : bool
        Leave the embeddings (biometric data) out.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    with atomic_path(path) as temporary:
        if rows is None or observations.faces is None or observations.faces.features is None:
            # In memory first: HDF5 does not survive a disk that fills up while it writes.
            content = BytesIO()
            with h5py.File(content, "w") as file:
                _write(file, timeline, observations, forget_faces)
            temporary.write_bytes(content.getbuffer())
            return
        # Too wide for that: so at least not begun where there is no room.
        shape = (len(observations.faces), int(observations.face_settings["features"]))
        if shutil.disk_usage(temporary.parent).free < 2 * math.prod(shape) + _MARGIN:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with h5py.File(temporary, "w") as file:
            _write(file, timeline, observations, forget_faces)
            write_features(file, observations.faces.features, shape, rows)


def _write(file: Any, timeline: Timeline, observations: Observations, forget_faces: bool) -> None:
    file.attrs["format"] = FORMAT
    file.attrs["version"] = VERSION
    file.attrs["reelpulse"] = reelpulse.__version__
    file.attrs["meta"] = _dumps(timeline.meta)
    video = file.create_group("video")
    for key, value in timeline.meta.get("video", {}).items():
        plain = isinstance(value, (int, float, bool))
        text = isinstance(value, str)
        video.attrs[key] = readable(value) if text else value if plain else _dumps(value)
    _dataset(file, "times", timeline.times)
    if observations.faces is not None:
        _write_faces(file.create_group("faces"), observations.faces, forget_faces)
        face_values = timeline.select(FACE_COLUMNS).values
        block = Block(FACE_COLUMNS, face_values, observations.face_settings)
        _write_block(file, "face", block)
    for name, block in observations.blocks.items():
        _write_block(file, name, block)


def _dataset(group: Any, name: str, values: Any) -> None:
    rows = max(1, min(len(values), 4096))
    chunks = (rows, *values.shape[1:]) if values.size else None
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if chunks else {}
    group.create_dataset(name, data=values, chunks=chunks, **packing)


def _write_block(file: Any, name: str, block: Block) -> None:
    group = file.create_group(f"streams/{name}")
    group.attrs["columns"] = _dumps(list(block.columns))
    group.attrs["settings"] = _dumps(block.settings)
    group.attrs["model"] = str(block.settings.get("checksum", ""))
    group.attrs["version"] = int(block.settings.get("version", 1))
    _dataset(group, "values", block.values)


def _write_faces(group: Any, faces: Faces, forget: bool) -> None:
    for name in (*Faces.ROWS, "seen"):
        values = getattr(faces, name)
        if name == "embedding" and forget:
            values = values[:, :0]
        _dataset(group, name, values)


def load_timeline(path: str | Path) -> Timeline:
    """Read a timeline that `analyze` wrote.

    Parameters
    ----------
    path : str or Path
        The ``.h5`` file.

    Returns
    -------
    Timeline
        The ten face columns and the two of loudness first, further streams after them.

    Raises
    ------
    DataError
        When the file is missing, damaged, not a reelpulse timeline, or of a newer version.
    """
    with _Opened(path) as file:
        times = _read(file, "times", "fiu")
        meta = _read_meta(file)
        meta["file"] = str(path)
        blocks = {name: _read_block(file, name) for name in _stream_names(file)}
        streams = {name: (block.columns, block.values) for name, block in blocks.items()}
        return assemble(times, streams, meta)


def load_meta(path: str | Path) -> dict[str, Any]:
    """Read a timeline's facts alone; errors as `load_timeline`."""
    with _Opened(path) as file:
        return _read_meta(file)


def load_observations(path: str | Path) -> Observations:
    """Read the observations behind a timeline; errors as `load_timeline`."""
    with _Opened(path) as file:
        observations = Observations(_read(file, "times", "fiu"), meta=_read_meta(file))
        if "faces" in file:
            observations.faces = _read_faces(file["faces"], len(observations.times))
            observations.faces.features = stored_features(Path(path), file)
            if "face" not in _stream_names(file):
                raise ValueError("its faces do not say how they were measured")
        for name in _stream_names(file):
            block = _read_block(file, name)
            if name == "face":
                observations.face_settings = block.settings
            else:
                observations.blocks[name] = block
        return observations


def _stream_names(file: Any) -> list[str]:
    return sorted(file["streams"]) if "streams" in file else []


def _read(group: Any, name: str, kinds: str, row: tuple[int | None, ...] = ()) -> Any:
    """Read a dataset of some kind of numbers, one row of some shape each; see `_FACES`."""
    dataset = group[name]
    shape = dataset.shape
    fits = len(shape) == 1 + len(row) and all(
        wanted in (None, length) for wanted, length in zip(row, shape[1:], strict=True)
    )
    if not fits or dataset.dtype.kind not in kinds:
        raise ValueError(f"{name} holds {dataset.dtype} of shape {shape}")
    if math.prod(shape) * dataset.dtype.itemsize > _MOST_PACKED * dataset.id.get_storage_size():
        raise ValueError(f"{name} declares {shape[0]} rows, and they are not there")
    return dataset[()]


def _read_block(file: Any, name: str) -> Block:
    group = file[f"streams/{name}"]
    columns, settings = (json.loads(group.attrs[key]) for key in ("columns", "settings"))
    known = isinstance(columns, list) and all(isinstance(column, str) for column in columns)
    if not known or not isinstance(settings, dict):
        raise ValueError(f"stream {name} has odd columns or settings")
    values = _read(group, "values", "f", (len(columns),))
    if len(values) != len(file["times"]):
        raise ValueError(f"stream {name} has {len(values)} rows for {len(file['times'])} ticks")
    return Block(tuple(columns), values, settings)


def _read_faces(group: Any, ticks: int) -> Faces:
    columns = {name: _read(group, name, *_FACES[name]) for name in Faces.ROWS}
    faces = Faces(**columns, seen=_read(group, "seen", "i"))
    if {len(column) for column in columns.values()} != {len(faces)} or len(faces.seen) != ticks:
        raise ValueError("the columns of its faces differ in length")
    if len(faces):
        if faces.tick.min() < 0 or faces.tick.max() >= ticks or (np.diff(faces.tick) < 0).any():
            raise ValueError("its faces lie beside the ticks or out of order")
        if faces.track.min() < 0:
            raise ValueError("its tracks have numbers below 0")
        if len(set(zip(faces.tick.tolist(), faces.track.tolist(), strict=True))) != len(faces):
            raise ValueError("a track has two faces in one tick")
    return faces


def _read_meta(file: Any) -> dict[str, Any]:
    """Read the timeline's facts; of those that are used, the kinds are checked."""
    meta: Any = json.loads(file.attrs["meta"])
    if not isinstance(meta, dict):
        raise ValueError("its facts are no table")
    tables = [meta.get(name) or {} for name in ("video", "sampling", "person", "settings")]
    if not all(isinstance(table, dict) for table in tables):
        raise ValueError("its facts of video, sampling or person are no table")
    numbers = (tables[0].get("duration"), tables[1].get("start"), tables[1].get("end"))
    for number in numbers:
        if number is not None and not (math.isfinite(number) and number >= 0):
            raise ValueError(f"it states {number} where seconds belong")
    warnings = meta.get("warnings", [])
    if not isinstance(warnings, list) or not all(isinstance(text, str) for text in warnings):
        raise ValueError("its warnings are no list of texts")
    return meta


class _Opened:
    """Open an .h5 file of ours for reading; every failure becomes one DataError."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file: Any = None

    def __enter__(self) -> Any:
        if self.path.is_dir():
            raise DataError(at(self.path, "is a folder; give the .h5 file inside it"))
        if not self.path.exists():
            raise DataError(at(self.path, "no such file; `reelpulse analyze VIDEO` makes one"))
        try:
            self.file = h5py.File(self.path, "r")
        except OSError:
            raise DataError(
                at(self.path, "is not an HDF5 file or is damaged; analyse the video again")
            ) from None
        try:
            self._check()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self.file

    def _check(self) -> None:
        if self.file.attrs.get("format") != FORMAT:
            raise DataError(
                at(self.path, "is an HDF5 file, but not one that reelpulse analyze wrote")
            )
        version = int(self.file.attrs["version"])
        if version < 1:
            raise ValueError(f"its format is {version}")
        if version > VERSION:
            raise DataError(
                at(
                    self.path,
                    f"was written by a newer reelpulse (format {version}, this one reads up to"
                    f" {VERSION}); upgrade with `pip install -U reelpulse`",
                )
            )

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.file.close()
        if isinstance(error, _DAMAGE) or (
            isinstance(error, DataError) and str(self.path) not in str(error)
        ):
            problem = f"is damaged ({error}); analyse the video again"
            raise DataError(at(self.path, problem)) from error


def _dumps(value: Any) -> str:
    return readable(json.dumps(value, ensure_ascii=False))
