"""A corpus as pictures on disk: drawn once, by several processes, then read row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.learn.rows import OnProgress, fill
from reelpulse.speech.corpus import prepared_sound
from reelpulse.speech.picture import Picture, PictureSpec, picture
from reelpulse.speech.sound import SoundChange, changed, trimmed

Bytes = npt.NDArray[np.uint8]

FOLDER = "pictures"
HIGHEST = 255
"""What 1 is stored as: so a stored value is at most 1/510 off, 0.16 dB at a floor of -80 dB."""

_VERSION = 2
"""Of what a row holds; to be raised when that changes."""

_FIELD = "picture"
_CHUNK = 64


class Sounds(Protocol):
    """What is asked of a prepared corpus."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of what it holds."""
        ...

    def __len__(self) -> int: ...

    def path(self, row: int, /) -> Path:
        """The sound file of a row."""
        ...


class PictureSet:
    """The pictures of a corpus, a row each in the corpus' order; made by `load_pictures`.

    Attributes
    ----------
    spec : PictureSpec
    path : Path
        A NumPy file of bytes, looked at in place and never read whole.
    variants : tuple of PictureSet
        The same sounds changed, to train on.
    """

    def __init__(self, path: Path, spec: PictureSpec, variants: Sequence[PictureSet] = ()) -> None:
        self.path, self.spec, self.variants = path, spec, tuple(variants)
        self._rows: Bytes = np.load(path, mmap_mode="r", allow_pickle=False)[_FIELD]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: npt.ArrayLike) -> Picture:
        """Pictures of some rows, float32 (len(rows), height, width) in [0, 1]."""
        return np.multiply(self.stored(rows), np.float32(1 / HIGHEST), dtype=np.float32)

    def varied(self, rows: npt.ArrayLike, rng: np.random.Generator) -> Picture:
        """Pictures of some rows, each as it is or of one of its variants, as it falls."""
        if not self.variants:
            return self[rows]
        wanted = np.asarray(rows)
        kind = rng.integers(0, 1 + len(self.variants), len(wanted))
        found = np.empty((len(wanted), *self.spec.size), np.float32)
        for number in np.unique(kind):
            source = self.variants[number - 1] if number else self
            found[kind == number] = source[wanted[kind == number]]
        return found

    def stored(self, rows: npt.ArrayLike) -> Bytes:
        """The same as they lie on disk, uint8 in 0 to 255: a quarter to move to another device."""
        wanted = np.asarray(rows)
        if wanted.dtype == bool:
            wanted = np.flatnonzero(wanted)
        return np.asarray(self._rows[wanted.astype(np.int64)])

    def statistics(self, rows: npt.ArrayLike) -> tuple[float, float]:
        """Mean and standard deviation over all points of some rows: those trained on.

        Exact for what is stored, whatever the number of rows; a chunk is in memory at a time.

        Parameters
        ----------
        rows : array_like of int, or of bool
            Which.

        Raises
        ------
        DataError
            When there are none.
        """
        wanted = np.asarray(rows)
        wanted = np.flatnonzero(wanted) if wanted.dtype == bool else np.sort(wanted)
        if not len(wanted):
            raise DataError("the mean of no pictures was asked for: nothing to train on")
        counts = np.zeros(HIGHEST + 1, np.int64)
        for first in range(0, len(wanted), _CHUNK):
            chunk = self.stored(wanted[first : first + _CHUNK])
            counts += np.bincount(chunk.reshape(-1), minlength=HIGHEST + 1)
        shares, values = counts / counts.sum(), np.arange(HIGHEST + 1) / HIGHEST
        mean = float(shares @ values)
        # Pictures all of one value are none of anybody's voice, but must not divide by 0.
        return mean, max(float(np.sqrt(shares @ np.square(values - mean))), 1 / HIGHEST)


def load_pictures(
    corpus: Sounds,
    spec: PictureSpec,
    *,
    folder: str | Path | None = None,
    variant: int = 0,
    changes: SoundChange | None = None,
    workers: int | None = None,
    progress: OnProgress | None = None,
) -> PictureSet:
    """The pictures of a corpus: those on disk, and those still missing drawn.

    A file belongs to a corpus' fingerprint and to what draws the pictures; with another of either
    there is another file. A stopped run keeps the rows it has drawn, and the next one goes on.

    Parameters
    ----------
    corpus : Sounds
        Such as `load_corpus` gives.
    spec : PictureSpec
    folder : str or Path, optional
        Where the files lie; ``pictures/`` in the corpus' own folder without it.
    variant : int
        0 for the sounds as they are; 1, 2, ... each for another draw of the sounds changed.
    changes : SoundChange, optional
        How the sounds of a variant from 1 on are changed.
    workers : int, optional
        Processes; as many as this one may use cores without it. 1 draws in this process.
    progress : callable, optional

    Returns
    -------
    PictureSet

    Raises
    ------
    DataError
        When a sound is damaged or ends the process that decodes it, the folder cannot be written,
        the disk is full, or another run is drawing the same pictures.
    """
    folder = corpus.folder / FOLDER if folder is None else Path(folder)
    about: dict[str, Any] = {
        "corpus": corpus.fingerprint,
        "rows": _order(corpus),
        "drawing": spec.drawing(),
        "version": _VERSION,
        "variant": variant,
        "changes": asdict(changes or SoundChange()) if variant else None,
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{key}.npy"
    if not len(corpus):
        raise DataError(at(corpus.folder, "holds no sounds: nothing to draw"))
    change = changes or SoundChange() if variant else None
    tasks = [(str(corpus.path(row)), row, spec, change, variant) for row in range(len(corpus))]
    fill(path, _kind(spec), tasks, _draw, about, lost=_lost, workers=workers, progress=progress)
    return PictureSet(path, spec)


def _order(corpus: Sounds) -> str:
    """Names the order of a corpus' sounds: a row must not become another one's picture."""
    names = "\n".join(corpus.path(row).name for row in range(len(corpus)))
    return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16]


_Task = tuple[str, int, PictureSpec, SoundChange | None, int]


def _kind(spec: PictureSpec) -> np.dtype[Any]:
    """What is kept of a sound."""
    return np.dtype([(_FIELD, np.uint8, spec.size)])


def _lost(task: _Task) -> str:
    return at(task[0], "ends any process that decodes it: leave it out")


def _draw(task: _Task) -> npt.NDArray[Any]:
    path, row, spec, change, variant = task
    sound = prepared_sound(path, spec.mel.rate)
    if change is not None:
        if spec.trim_db is not None:  # before noise hides where the voice begins
            sound = trimmed(sound, spec.mel.rate, spec.trim_db)[0]
        sound = changed(sound, spec.mel.rate, change, np.random.default_rng([variant, row]))
    drawn = np.zeros((), _kind(spec))
    drawn[_FIELD] = np.rint(picture(sound, spec) * HIGHEST)
    return drawn
