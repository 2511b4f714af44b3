"""A corpus: recordings as they were found, and the prepared folder that all training reads."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MediaError, at
from reelpulse.files import read_rows
from reelpulse.media import read_sound

log = logging.getLogger(__name__)

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""The classes; a label is stored as its place here."""

TABLE = "table.csv"
REPORT = "prepare.json"
JOURNAL = "prepare.jsonl"
SUFFIX = ".flac"
COLUMNS = (
    *("name", "speaker", "sentence", "label", "duration", "source"),
    *("peak_db", "rms_db", "clipped", "cut_head", "cut_tail", "checksum"),
)
"""Of the table; the last, of the decoded samples, tells recordings apart."""

_READ = ("name", "speaker", "sentence", "label", "duration", "checksum")


@dataclass(frozen=True)
class Recording:
    """One clip of a corpus, as its layout tells: `sentence` is empty where it is not known."""

    path: Path
    speaker: str
    number: str
    label: str
    sentence: str = ""


@dataclass(frozen=True)
class Found:
    """What a layout found: recordings in order; a line for each that cannot be used, and notes.

    `gaps` has a line for each speaker who lacks some.
    """

    recordings: tuple[Recording, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


def prepared_sound(path: str | Path, rate: int) -> npt.NDArray[np.float32]:
    """The samples of a prepared recording, mono at a rate.

    Raises
    ------
    DataError
        When its file is damaged.
    """
    try:
        return read_sound(path, rate)
    except MediaError as error:
        again = "remove it, and run `reelpulse speech prepare` again"
        raise DataError(f"{error}; {again}") from None


@dataclass(frozen=True, eq=False)
class Corpus:
    """A prepared folder.

    Parameters
    ----------
    folder : Path
    names : tuple of str
        Of the recordings, without the ending.
    labels : ndarray of int64, shape (N,)
        Places in `EMOTIONS`.
    speakers, sentences : ndarray of str, shape (N,)
        A sentence is empty where it is not known.
    durations : ndarray of float64, shape (N,)
        Seconds.
    fingerprint : str
        Changes with any recording's sound, name, speaker, sentence or label.
    """

    folder: Path
    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    speakers: npt.NDArray[np.str_]
    sentences: npt.NDArray[np.str_]
    durations: npt.NDArray[np.float64]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        """The sound file of a recording."""
        return self.folder / f"{self.names[index]}{SUFFIX}"

    def sound(self, index: int, rate: int) -> npt.NDArray[np.float32]:
        """The samples of a recording, mono at a rate.

        Raises
        ------
        DataError
            When its file is damaged.
        """
        return prepared_sound(self.path(index), rate)

    def counts(self) -> dict[str, int]:
        """How many recordings there are of each class."""
        return class_counts(EMOTIONS[label] for label in self.labels)


def class_counts(labels: Iterable[str]) -> dict[str, int]:
    """Count labels, in the order of `EMOTIONS`; a class without any has 0."""
    counted = Counter(labels)
    return {label: counted[label] for label in EMOTIONS}


def load_corpus(folder: str | Path) -> Corpus:
    """Read a prepared folder's table, and see that the sound files are there.

    Raises
    ------
    DataError
        When the folder was not prepared, a line of its table is wrong, or a sound file is missing.
    """
    folder = Path(folder)
    table = folder / TABLE
    if not table.is_file():
        problem = f"has no {TABLE}: make it with `reelpulse speech prepare CORPUS -o {folder}`"
        raise DataError(at(folder, problem))
    rows = [_checked(table, line, row) for line, row in read_rows(table, _READ)]
    if not rows:
        raise DataError(at(table, "lists no recording: see the problems in prepare.json"))
    names = tuple(row["name"] for row in rows)
    (most, count), *_ = Counter(names).most_common(1)
    if count > 1:
        raise DataError(at(table, f"lists {most} {count} times: keep one line of it"))
    there = {path.name for path in folder.iterdir()}
    missing = [name for name in names if f"{name}{SUFFIX}" not in there]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        problem = f"{missing[0]}{SUFFIX}{more} is not there: run `reelpulse speech prepare` again"
        raise DataError(at(folder, problem))
    if REPORT not in there:
        log.warning("%s: was not prepared to its end: %d recordings are used", folder, len(rows))
    return Corpus(
        folder=folder,
        names=names,
        labels=np.array([EMOTIONS.index(row["label"]) for row in rows], np.int64),
        speakers=np.array([row["speaker"] for row in rows], np.str_),
        sentences=np.array([row["sentence"] for row in rows], np.str_),
        durations=np.array([float(row["duration"]) for row in rows]),
        fingerprint=_fingerprint(rows),
    )


def _checked(table: Path, line: int, row: dict[str, str]) -> dict[str, str]:
    """Check a line of the table."""
    name = row["name"]
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise DataError(at(table, f"line {line}: {name!r} is not the name of a recording"))
    if row["label"] not in EMOTIONS:
        known = ", ".join(EMOTIONS)
        raise DataError(at(table, f"line {line}: unknown label {row['label']!r}; known: {known}"))
    try:
        duration = float(row["duration"])
    except ValueError:
        duration = math.nan
    if not 0 < duration < math.inf:
        problem = f"line {line}: the duration must be seconds, not {row['duration']!r}"
        raise DataError(at(table, problem))
    return row


def _fingerprint(rows: Iterable[Mapping[str, Any]]) -> str:
    columns = ("name", "speaker", "sentence", "label", "checksum")
    lines = sorted("\x1f".join(str(row[column]) for column in columns) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
