"""Many films in one table: looked at one after the other, kept after each."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, ReelpulseError, SettingsError, at
from reelpulse.files import Busy, atomic_path, only_one, readable, write_json
from reelpulse.genre.model import GenreModel
from reelpulse.genre.predict import FilmPrediction, predict_film
from reelpulse.media import probe

FORMATS = (".csv", ".json")
FORMAT = "reelpulse genre table"
VERSION = 1

_VIDEO = ".mp4 .m4v .mov .avi .mkv .webm .mts .m2ts .ts .mpg .mpeg .wmv .flv .3gp .mxf .ogv .vob"
_ENDINGS = frozenset(_VIDEO.split())
_FACTS = (
    "duration", "shots", "folder", "pairs", "seed", "fingerprint", "model", "checksum", "error"
)  # fmt: skip

OnProgress = Callable[[float, int, str], None]
"""Called with how many films are done, of how many, and the one at hand."""


@dataclass(frozen=True)
class Row:
    """A film in the table, named within `folder`; `kept` where it was there before."""

    film: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    duration: float | None = None
    shots: int | None = None
    fingerprint: str | None = None
    model: str | None = None
    checksum: str | None = None
    error: str | None = None
    folder: str | None = None
    pairs: int | None = None
    seed: int | None = None
    kept: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        said = {name: value for name, value in vars(self).items() if name != "kept"}
        if self.error is None:
            del said["error"]
        return said


def films_in(folder: str | Path) -> list[Path]:
    """Name the films of a folder and of those below it, by their endings, in order.

    Raises
    ------
    DataError
        When there are none.
    """
    folder = Path(folder)
    try:
        found = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in _ENDINGS and path.is_file() and path.name[0] != "."
        )
    except OSError as error:
        raise DataError(at(folder, f"cannot be read ({error.strerror})")) from error
    if not found:
        raise DataError(at(folder, "holds no films (mp4, mkv, webm, mov, avi and the like)"))
    return found


def catalogue(
    films: Sequence[str | Path],
    model: GenreModel,
    table: str | Path | None = None,
    *,
    base: str | Path | None = None,
    force: bool = False,
    pairs: int = 3,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Iterator[Row]:
    """Look at films one after the other, past those that fail.

    The table is written anew after each film, so that a run that was stopped goes on where it was.

    Parameters
    ----------
    films : sequence of str or Path
    model : GenreModel
    table : str or Path, optional
        A ``.csv`` or ``.json``. Films that stand there already, looked at by the same model with
        the same `pairs` and `seed`, are not looked at again; rows of other films stay.
    base : str or Path, optional
        The folder that the films' names in the table are relative to.
    force : bool
        Look at all films again.
    pairs, seed : int
        As in `predict_film`.
    progress : callable, optional

    Yields
    ------
    Row
        In the order of `films`; `error` is set where one failed.

    Raises
    ------
    SettingsError
        When the table's name ends otherwise.
    DataError
        When the table cannot be read or written, or another run writes it.
    """
    if table is not None and Path(table).suffix.lower() not in FORMATS:
        raise SettingsError(at(table, "a table is written as .csv or .json: end its name so"))
    if table is not None and Path(table).is_dir():
        raise DataError(at(table, "is a folder: give -o the name of a file"))
    with ExitStack() as held:
        if table is not None:
            try:
                held.enter_context(only_one(table, "another run of reelpulse"))
            except Busy as busy:
                raise DataError(at(table, f"{busy.note or 'another run'} is writing it")) from None
        rows = _read(Path(table)) if table is not None and Path(table).exists() else {}
        for number, film in enumerate(films):
            named = _named(film, base, table)
            row = None if force else _known(rows.get(_key(named)), film, model, pairs, seed)
            if row is None:
                tell = _telling(progress, number, len(films), Path(film).name)
                row = rows[_key(named)] = _row(named, film, model, pairs, seed, tell)
                if table is not None:
                    _write(Path(table), list(rows.values()))
            yield row


def _telling(
    progress: OnProgress | None, number: int, count: int, name: str
) -> Callable[[float, float], None]:
    def tell(done: float, total: float) -> None:
        if progress is not None:
            progress(number + (done / total if total > 0 else 0.0), count, name)

    return tell


def _row(
    named: Row,
    film: str | Path,
    model: GenreModel,
    pairs: int,
    seed: int,
    tell: Callable[[float, float], None],
) -> Row:
    by: dict[str, Any] = {
        "model": model.name,
        "checksum": model.checksum,
        "pairs": pairs,
        "seed": seed,
    }
    try:
        tell(0.0, 1.0)
        fingerprint = probe(film).fingerprint
        found: FilmPrediction = predict_film(film, model, pairs=pairs, seed=seed, progress=tell)
    except ReelpulseError as error:
        return replace(named, error=str(error), **by)
    except MemoryError:
        problem = at(film, "needs more memory than there is")
        return replace(named, error=problem, **by)
    return replace(
        named,
        label=found.label,
        probabilities=found.probabilities,
        duration=found.duration,
        shots=len(found.shots),
        fingerprint=fingerprint,
        **by,
    )


def _known(
    row: Row | None, film: str | Path, model: GenreModel, pairs: int, seed: int
) -> Row | None:
    """The row of a film that need not be looked at again."""
    if row is None or row.error is not None:
        return None
    if (row.checksum, row.pairs, row.seed) != (model.checksum, pairs, seed):
        return None
    try:
        same = probe(film).fingerprint == row.fingerprint
    except ReelpulseError:
        return None
    return replace(row, kept=True) if same else None


def _named(film: str | Path, base: str | Path | None, table: str | Path | None) -> Row:
    """An empty row: the film within its folder, and that seen from the table."""
    if base is None:
        return Row(readable(Path(film).as_posix()))
    folder = Path(base)
    if table is not None:
        with suppress(ValueError):  # another drive, on Windows
            folder = Path(os.path.relpath(base, Path(table).parent))
    name = Path(film).relative_to(base).as_posix()
    return Row(readable(name), folder=readable(folder.as_posix()))


def _key(row: Row) -> tuple[str, str]:
    """What tells films of one name in two folders apart."""
    return row.folder or "", row.film


def _write(table: Path, rows: Sequence[Row]) -> None:
    if table.suffix.lower() == ".json":
        films = [row.as_dict() for row in rows]
        write_json(table, {"format": FORMAT, "version": VERSION, "films": films})
        return
    classes = list(dict.fromkeys(name for row in rows for name in row.probabilities or ()))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["film", "label", *(f"share_{name}" for name in classes), *_FACTS])
    for row in rows:
        shares = row.probabilities or {}
        plain = [row.film, row.label, *map(shares.get, classes)]
        writer.writerow([*plain, *(getattr(row, name) for name in _FACTS)])
    with atomic_path(table) as temporary:
        # With a byte order mark, without which Excel takes Korean names for another code page.
        temporary.write_bytes(readable(text.getvalue()).encode("utf-8-sig"))


def _read(table: Path) -> dict[tuple[str, str], Row]:
    """The rows of a table by `_key`."""
    try:
        text = table.read_text(encoding="utf-8-sig")
        if table.suffix.lower() == ".json":
            said = json.loads(text)
            if said["format"] != FORMAT or said["version"] > VERSION:
                raise ValueError("it is another kind of file, or of a newer reelpulse")
            rows = [Row(**row) for row in said["films"]]
        else:
            lines = csv.DictReader(io.StringIO(text))
            if lacking := {"film", "label", "checksum"} - set(lines.fieldnames or ()):
                raise ValueError(f"it has no column `{min(lacking)}`")
            rows = [_from_csv(row) for row in lines]
        if not all(isinstance(row.film, str) for row in rows):
            raise TypeError("a film has no name")
    except OSError as error:
        raise DataError(at(table, f"cannot be read ({error.strerror})")) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, csv.Error) as error:
        problem = f"is no table that genre predict wrote ({error}): give another -o"
        raise DataError(at(table, problem)) from None
    return {_key(row): row for row in rows}


def _from_csv(row: dict[str, str]) -> Row:
    shares = {
        name.removeprefix("share_"): float(value)
        for name, value in row.items()
        if name.startswith("share_") and value
    }
    return Row(
        row["film"],
        row["label"] or None,
        shares or None,
        float(row["duration"]) if row["duration"] else None,
        int(row["shots"]) if row["shots"] else None,
        row["fingerprint"] or None,
        row["model"] or None,
        row["checksum"] or None,
        row["error"] or None,
        row.get("folder") or None,
        int(row["pairs"]) if row.get("pairs") else None,
        int(row["seed"]) if row.get("seed") else None,
    )
