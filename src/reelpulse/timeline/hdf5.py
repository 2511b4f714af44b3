"""The .h5 file: /times, /streams/<name>/values, /faces, and facts as attributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.files import atomic_path, readable
from reelpulse.timeline.model import FACE_COLUMNS, Timeline, assemble
from reelpulse.timeline.observations import Block, Faces, Observations

FORMAT = "reelpulse timeline"
VERSION = 1

_DAMAGE = (KeyError, ValueError, OSError, TypeError, AttributeError, RuntimeError, OverflowError)
"""What h5py and JSON raise on a file whose inside is not what it should be."""


def write_timeline(
    path: str | Path, timeline: Timeline, observations: Observations, *, forget_faces: bool = False
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
    forget_faces : bool
        Leave the embeddings (biometric data) out.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
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
        times = file["times"][()]
        meta = json.loads(file.attrs["meta"])
        meta["file"] = str(path)
        blocks = {name: _read_block(file, name) for name in _stream_names(file)}
        streams = {name: (block.columns, block.values) for name, block in blocks.items()}
        return assemble(times, streams, meta)


def load_observations(path: str | Path) -> Observations:
    """Read the observations behind a timeline; errors as `load_timeline`."""
    with _Opened(path) as file:
        observations = Observations(file["times"][()], meta=json.loads(file.attrs["meta"]))
        if "faces" in file:
            group = file["faces"]
            observations.faces = Faces(**{n: group[n][()] for n in (*Faces.ROWS, "seen")})
        for name in _stream_names(file):
            block = _read_block(file, name)
            if name == "face":
                observations.face_settings = block.settings
            else:
                observations.blocks[name] = block
        return observations


def _stream_names(file: Any) -> list[str]:
    return sorted(file["streams"]) if "streams" in file else []


def _read_block(file: Any, name: str) -> Block:
    group = file[f"streams/{name}"]
    columns = tuple(json.loads(group.attrs["columns"]))
    values = group["values"][()]
    if values.shape != (len(file["times"]), len(columns)):
        raise ValueError(f"stream {name} has values of shape {values.shape}")
    return Block(columns, values, json.loads(group.attrs["settings"]))


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
