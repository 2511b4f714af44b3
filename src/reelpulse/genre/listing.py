"""What a folder of frames lists: by its table, or by the names of its folders and files."""

from __future__ import annotations

import csv
import re
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reelpulse.errors import DataError, at
from reelpulse.files import Busy, atomic_path, only_one, read_rows, readable
from reelpulse.genre.classes import SPLITS, TEST
from reelpulse.genre.pictures import SUFFIXES

TABLE = "pairs.csv"
COLUMNS = (
    *("genre", "film", "split", "first", "second"),
    *("range", "frame", "time_first", "time_second", "source", "drawn"),
)
"""Of the table. `range` is the scene, `frame` the first one's number in the film from 1 on, times
are seconds, `source` names the film's file and content, `drawn` how its pairs were drawn."""

_NEEDED = ("genre", "film", "split", "first", "second")
FOLDER = re.compile(r"(.+)_(train|test)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)_?(\d+)")
_MOST_NAMED = 3

_SECONDS_TO_WAIT, _PAUSE = 60.0, 0.05
"""For another run that is changing the table, which takes it a moment."""

MAKE = "`reelpulse genre extract FILM --genre GENRE -o FOLDER` makes pairs"
"""What to do where there are none."""

Row = dict[str, str]
"""A line of the table, by column."""


@dataclass(frozen=True)
class Listing:
    """What a folder lists.

    Parameters
    ----------
    rows : tuple of Row
        A pair each, both frames there.
    orphans : tuple of Row
        One frame is there and the other is not; `first` or `second` is "".
    table : tuple of Row
        The lines that the folder's table has or, without one, should have: the names of folders
        and files tell then.
    notes : tuple of str
    """

    rows: tuple[Row, ...]
    orphans: tuple[Row, ...]
    table: tuple[Row, ...]
    notes: tuple[str, ...]


def list_pairs(folder: str | Path) -> Listing:
    """List a folder's pairs, orphans apart; none where nothing was extracted yet.

    Raises
    ------
    DataError
        When there is no such folder, or a line of its table is wrong.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = "is not a folder of frames" if folder.exists() else "no such folder"
        raise DataError(at(folder, f"{problem}; {MAKE}"))
    if (folder / TABLE).is_file():
        return _tabled(folder)
    return _laid_out(folder)


def composed(text: str) -> str:
    """Korean in whole syllables: some systems give file names in single letters."""
    return unicodedata.normalize("NFC", text)


# With a table


def _tabled(folder: Path) -> Listing:
    table = folder / TABLE
    there = {
        f"{sub.name}/{path.name}"
        for sub in folder.iterdir()
        if sub.is_dir() and FOLDER.fullmatch(sub.name)
        for path in sub.iterdir()
        if path.suffix.lower() in SUFFIXES
    }
    lines, rows, orphans, gone = list[Row](), list[Row](), list[Row](), list[str]()
    listed: set[str] = set()
    for line, row in read_rows(table, _NEEDED):
        row = _checked(table, line, row)
        names = row["first"], row["second"]
        twice = [name for name in names if name in listed] or names[0] == names[1]
        if twice:
            raise DataError(at(table, f"line {line} lists {names[0]} again: keep one line of it"))
        listed.update(names)
        lines.append(row)
        lacking = [name for name in names if name not in there and not (folder / name).is_file()]
        if not lacking:
            rows.append(row)
        elif len(lacking) == 2:
            gone.append(names[0])
        else:
            orphans.append({k: "" if v in lacking else v for k, v in row.items()})
    loose = sorted(there - listed)
    notes = [
        *_told(len(orphans), "frame", "no partner", [r["first"] or r["second"] for r in orphans]),
        *_told(len(gone), "pair", f"a line in {TABLE} and no pictures", gone),
        *_told(len(loose), "picture", f"no line in {TABLE}", loose),
        *_in_both(rows),
    ]
    return Listing(tuple(rows), tuple(orphans), tuple(lines), tuple(notes))


def _told(count: int, what: str, lack: str, names: Sequence[str]) -> list[str]:
    """One line about what is left out, with the first few names."""
    if not count:
        return []
    named = ", ".join(names[:_MOST_NAMED]) + (", …" if count > _MOST_NAMED else "")
    has = "has" if count == 1 else "have"
    return [f"{count} {what}{'' if count == 1 else 's'} {has} {lack}: left out ({named})"]


def _checked(table: Path, line: int, row: Row) -> Row:
    row = {column: row.get(column, "") for column in COLUMNS}
    for column in ("genre", "film", "first", "second"):
        if not row[column]:
            raise DataError(at(table, f"line {line} says no {column}"))
    if row["split"] not in SPLITS:
        problem = f"line {line}: the split {row['split']!r} is neither train nor test"
        raise DataError(at(table, problem))
    for column in ("first", "second"):
        row[column] = row[column].replace("\\", "/")
        path = Path(row[column])
        if path.is_absolute() or ".." in path.parts:
            raise DataError(at(table, f"line {line}: {path} lies outside the folder"))
    row["genre"], row["film"] = composed(row["genre"]), composed(row["film"])
    return row


def _in_both(rows: Iterable[Row]) -> list[str]:
    """Films of which there are pairs to train on and pairs to test with."""
    splits = defaultdict[str, set[str]](set)
    for row in rows:
        splits[f"{row['genre']}/{row['film']}"].add(row["split"])
    both = [film for film, found in splits.items() if len(found) > 1]
    if not both:
        return []
    return [f"{both[0]} is in train and in test: a test by this table tests on films trained on"]


def write_table(folder: Path, rows: Iterable[Row], name: str = TABLE) -> None:
    """Write a table of pairs, whole or not at all; further columns of the rows are kept.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    rows = list(rows)
    columns = list(dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)]))
    with (
        atomic_path(folder / name) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: readable(value) for key, value in row.items()} for row in rows)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only run that changes a folder's table, while the block lasts.

    Raises
    ------
    DataError
        When another has been at it for a minute, or the folder cannot be written.
    """
    waited = time.monotonic() + _SECONDS_TO_WAIT
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(only_one(folder / TABLE, "changing"))
                break
            except Busy:
                if time.monotonic() > waited:
                    problem = f"another run has been changing {TABLE} for a minute: try again later"
                    raise DataError(at(folder, problem)) from None
                time.sleep(_PAUSE)
        yield


# Without a table


def _laid_out(folder: Path) -> Listing:
    """``<genre>_<train|test>/<genre>_<film>_<number>.<suffix>``, numbers padded or not."""
    subs = sorted(
        (sub for sub in folder.iterdir() if sub.is_dir() and FOLDER.fullmatch(sub.name)),
        key=lambda sub: (sub.name.casefold().endswith(TEST), sub.name),
    )
    rows, orphans, strange = list[Row](), list[Row](), list[str]()
    for sub in subs:
        films, others = _films(sub)
        strange += others
        for film, numbers in films.items():
            for row in _paired(sub, film, numbers):
                (rows if row["first"] and row["second"] else orphans).append(row)
    renamed = _apart(rows, orphans)
    notes = [
        *_told(len(orphans), "frame", "no partner", [r["first"] or r["second"] for r in orphans]),
        *_told(len(strange), "picture", "no number at the end of the name", strange),
        *renamed,
    ]
    return Listing(tuple(rows), tuple(orphans), tuple(rows), tuple(notes))


def _films(sub: Path) -> tuple[dict[str, dict[int, str]], list[str]]:
    """Film to number to file name of a folder's pictures; and names without a number."""
    films = defaultdict[str, dict[int, str]](dict)
    strange = []
    genre = f"{_genre(sub)[0]}_".casefold()
    for path in sorted(sub.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        match = _NUMBERED.fullmatch(composed(path.stem))
        if not match:
            strange.append(f"{sub.name}/{path.name}")
            continue
        film, number = match[1], int(match[2])
        if film.casefold().startswith(genre):
            film = film[len(genre) :]
        numbers = films[film or sub.name]
        if number in numbers:
            problem = f"{numbers[number]} and {path.name} have one number: keep one of them"
            raise DataError(at(sub, problem))
        numbers[number] = path.name
    return films, strange


def _genre(sub: Path) -> tuple[str, str]:
    match = FOLDER.fullmatch(composed(sub.name))
    assert match
    return match[1], match[2].lower()


def _paired(sub: Path, film: str, numbers: Mapping[int, str]) -> Iterator[Row]:
    """Pairs by number: an odd one and the next."""
    genre, split = _genre(sub)
    for odd in sorted({number - 1 + number % 2 for number in numbers}):
        names = (numbers.get(odd), numbers.get(odd + 1))
        first, second = (f"{sub.name}/{name}" if name else "" for name in names)
        known = (genre, film, split, first, second)
        yield dict.fromkeys(COLUMNS, "") | dict(zip(_NEEDED, known, strict=True))


def _apart(rows: Iterable[Row], orphans: Iterable[Row]) -> list[str]:
    """Tell films apart that have one name in train and in test, where numbering began anew."""
    rows = [*rows, *orphans]
    seen = {(row["genre"], row["film"], row["split"]) for row in rows}
    counts = Counter((genre, film) for genre, film, _ in seen)
    both = {key for key, count in counts.items() if count > 1}
    for row in rows:
        if (row["genre"], row["film"]) in both and row["split"] == TEST:
            row["film"] += f" ({TEST})"
    if not both:
        return []
    return [f"{'/'.join(min(both))} is a name in train and in test: taken for two films"]
