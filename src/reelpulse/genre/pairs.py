"""Pairs of consecutive frames, as training reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.genre.classes import ordered
from reelpulse.genre.listing import FOLDER, MAKE, TABLE, Listing, Row, composed, list_pairs

_EDGE_BYTES = 4096


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of consecutive frames.

    Parameters
    ----------
    folder : Path
    first, second : tuple of Path
        The N earlier and the N later frames.
    genres, films, splits, scenes : ndarray of str, shape (N,)
        A split is ``"train"`` or ``"test"``; a scene is the range of the film that the pair was
        drawn from, "" where it is not known.
    notes : tuple of str
        A line for all that was left out, and why.
    fingerprint : str
        Changes with the names, sizes, beginnings and ends (4 KiB) of the files, and with what the
        table says of genre, film, split and scene: reading 30,000 pictures whole takes minutes.
    """

    folder: Path
    first: tuple[Path, ...]
    second: tuple[Path, ...]
    genres: npt.NDArray[np.str_]
    films: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]
    scenes: npt.NDArray[np.str_]
    notes: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The genres there are, in the order of codes."""
        return ordered(map(str, self.genres))

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Places in `classes`, shape (N,)."""
        codes = {genre: code for code, genre in enumerate(self.classes)}
        return np.array([codes[str(genre)] for genre in self.genres], np.int64)

    @cached_property
    def film_keys(self) -> npt.NDArray[np.str_]:
        """``genre/film`` of each pair, shape (N,): films of two genres may share a name."""
        return np.array([f"{g}/{f}" for g, f in zip(self.genres, self.films, strict=True)], np.str_)


def load_pairs(folder: str | Path) -> Pairs:
    """Read a folder of pairs: by its table, or, without one, by the names of folders and files.

    Raises
    ------
    DataError
        When it holds no pair, has neither a table nor such a layout, a line of the table is wrong,
        or a genre has a folder and no pair.
    """
    folder = Path(folder)
    found = list_pairs(folder)
    rows = found.rows
    if not found.table and not _genres_of_folders(folder) and _visible(folder):
        problem = f"has neither {TABLE} nor folders named GENRE_train and GENRE_test; {MAKE}"
        raise DataError(at(folder, problem))
    if not rows:
        raise DataError(at(folder, f"holds no pair of frames{_why(found)}; {MAKE}"))
    bare = sorted(_genres_of_folders(folder) - {row["genre"].casefold() for row in rows})
    if bare:
        problem = f"{bare[0]} has a folder and no film in it: extract one, or remove the folder"
        raise DataError(at(folder, problem))
    return Pairs(
        folder=folder,
        first=tuple(folder / row["first"] for row in rows),
        second=tuple(folder / row["second"] for row in rows),
        genres=_column(rows, "genre"),
        films=_column(rows, "film"),
        splits=_column(rows, "split"),
        scenes=_column(rows, "range"),
        notes=found.notes,
        fingerprint=_fingerprint(folder, rows),
    )


def _column(rows: Sequence[Row], name: str) -> npt.NDArray[np.str_]:
    return np.array([row[name] for row in rows], np.str_)


def _why(found: Listing) -> str:
    return f" ({found.notes[0]})" if found.notes else ""


def _visible(folder: Path) -> bool:
    return any(not path.name.startswith(".") for path in folder.iterdir())


def _genres_of_folders(folder: Path) -> set[str]:
    matches = [FOLDER.fullmatch(path.name) for path in folder.iterdir() if path.is_dir()]
    return {composed(match[1]).casefold() for match in matches if match}


def _fingerprint(folder: Path, rows: Iterable[Row]) -> str:
    lines = []
    for row in rows:
        texts = [row[column] for column in ("genre", "film", "split", "range")]
        for column in ("first", "second"):
            texts += [row[column], _edges(folder / row[column])]
        lines.append("\x1f".join(texts))
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "replace")).hexdigest()[:16]


def _edges(path: Path) -> str:
    """A file's size, beginning and end."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            digest = hashlib.sha256(f"{size}:".encode() + file.read(_EDGE_BYTES))
            file.seek(max(0, size - _EDGE_BYTES))
            digest.update(file.read(_EDGE_BYTES))
    except OSError as error:
        raise DataError(at(path, f"cannot be read ({error.strerror or error})")) from None
    return digest.hexdigest()
