"""A corpus as pictures on disk: drawn once, by several processes, then read row by row."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MediaError, at
from reelpulse.files import Busy, atomic_path, only_one, write_json
from reelpulse.learn.workers import spread
from reelpulse.speech.corpus import prepared_sound
from reelpulse.speech.picture import Picture, PictureSpec, picture
from reelpulse.speech.sound import SoundChange, changed, trimmed

log = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]
OnProgress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

FOLDER = "pictures"
HIGHEST = 255
"""What 1 is stored as: so a stored value is at most 1/510 off, 0.16 dB at a floor of -80 dB."""

_VERSION = 1
"""Of what `picture` draws; to be raised when that changes."""

_CHUNK = 64
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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
        A NumPy file of bytes (N, height, width), looked at in place and never read whole.
    variants : tuple of PictureSet
        The same sounds changed, to train on.
    """

    def __init__(self, path: Path, spec: PictureSpec, variants: Sequence[PictureSet] = ()) -> None:
        self.path, self.spec, self.variants = path, spec, tuple(variants)
        self._rows: Bytes = np.load(path, mmap_mode="r", allow_pickle=False)

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
    MediaError
        When a sound ends the process that decodes it.
    DataError
        When a sound is damaged, the folder cannot be written, the disk is full, or another run is
        drawing the same pictures.
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
    shape = (len(corpus), *spec.size)
    if not len(corpus):
        raise DataError(at(corpus.folder, "holds no sounds: nothing to draw"))
    if _missing(path, shape).any():
        try:
            with only_one(path, str(os.getpid())):
                _draw_missing(corpus, spec, path, about, workers, progress)
        except Busy:
            problem = "is being made by another run: wait until that has ended"
            raise DataError(at(path, problem)) from None
    return PictureSet(path, spec)


def _order(corpus: Sounds) -> str:
    """Names the order of a corpus' sounds: a row must not become another one's picture."""
    names = "\n".join(corpus.path(row).name for row in range(len(corpus)))
    return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16]


def _missing(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Which rows of a file are still to be drawn, (N,): all where it is not whole."""
    try:
        done = np.frombuffer(_marks(path).read_bytes(), np.uint8)
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if len(done) == shape[0] and stored.shape == shape and stored.dtype == np.uint8:
            return np.asarray(done == 0)
    except (OSError, ValueError, EOFError):
        pass  # there is none, or a part of one
    return np.ones(shape[0], bool)


def _marks(path: Path) -> Path:
    """Beside the pictures: a byte a row, 1 where it is drawn."""
    return path.with_suffix(".done")


def _draw_missing(
    corpus: Sounds,
    spec: PictureSpec,
    path: Path,
    about: dict[str, Any],
    workers: int | None,
    progress: OnProgress | None,
) -> None:
    shape = (len(corpus), *spec.size)
    missing = _missing(path, shape)
    change = SoundChange(**about["changes"]) if about["changes"] else None
    todo = [
        (str(corpus.path(int(row))), int(row), spec, change, about["variant"])
        for row in np.flatnonzero(missing)
    ]
    done = len(missing) - len(todo)
    if done:
        log.info("%s: %d of %d pictures are there; going on", path, done, len(missing))
    size = int(np.prod(spec.size))
    try:
        if missing.all():
            _start(path, shape, about)
        # Written, and not through the memory map: there a full disk would kill the process.
        with path.open("r+b", buffering=0) as pictures, _marks(path).open("r+b", 0) as marks:
            begin = path.stat().st_size - len(corpus) * size
            with closing(_drawn(todo, workers)) as rows:  # ends the processes, whatever comes
                for row, drawn in rows:
                    _put(pictures, begin + row * size, drawn.tobytes())
                    _put(marks, row, b"\1")
                    done += 1
                    if progress:
                        progress(done, len(missing))
    except OSError as error:
        problem = error.strerror or str(error)
        raise DataError(at(path, f"cannot be written ({problem}); make room, then again")) from None


def _put(file: Any, position: int, data: bytes) -> None:
    file.seek(position)
    while data:  # an unbuffered file may take a part, on a disk that is nearly full
        data = data[file.write(data) :]


def _start(path: Path, shape: tuple[int, ...], about: dict[str, Any]) -> None:
    """Lay out an empty file of pictures; it takes no room on the disk before rows are written."""
    _marks(path).unlink(missing_ok=True)
    write_json(path.with_suffix(".json"), about)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        described = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        file.truncate(file.tell() + int(np.prod(shape)))
    with atomic_path(_marks(path)) as temporary:
        temporary.write_bytes(bytes(shape[0]))


_Task = tuple[str, int, PictureSpec, SoundChange | None, int]


def _drawn(todo: list[_Task], workers: int | None) -> Generator[tuple[int, Bytes], None, None]:
    """Rows and their pictures, as they are done."""
    with _one_thread_each():
        for task, drawn in spread(_draw, todo, workers):
            if drawn is None:
                raise MediaError(at(task[0], "ends any process that decodes it: leave it out"))
            yield task[1], drawn


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile multiply matrices in one thread, or cores times cores would.

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


def _draw(task: _Task) -> Bytes:
    path, row, spec, change, variant = task
    sound = prepared_sound(path, spec.mel.rate)
    if change is not None:
        if spec.trim_db is not None:  # before noise hides where the voice begins
            sound = trimmed(sound, spec.mel.rate, spec.trim_db)[0]
        sound = changed(sound, spec.mel.rate, change, np.random.default_rng([variant, row]))
    return np.asarray(np.rint(picture(sound, spec) * HIGHEST), np.uint8)
