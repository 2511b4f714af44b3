"""Drop what is no pair: frames across a cut, frames alone, black frames, the same pair twice."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reelpulse.errors import DataError, MediaError, at
from reelpulse.files import read_rows
from reelpulse.genre.cuts import BLACK_LIGHT, CUT, frame_change
from reelpulse.genre.listing import MAKE, TABLE, Listing, Row, alone, list_pairs, write_table
from reelpulse.genre.pictures import RGB, read_picture
from reelpulse.genre.sheet import sheet, thumbnail

log = logging.getLogger(__name__)

DROPPED = "dropped"
DROPPED_TABLE = "dropped.csv"
SHEET = "dropped.png"

CUT_BETWEEN, ORPHAN, BLACK, TWICE, UNREADABLE, SIZES = (
    *("cut", "orphan", "black", "duplicate", "unreadable", "two sizes"),
)
"""Reasons, in the order of a report."""

REASONS = {
    CUT_BETWEEN: "a cut between the frames, or not neighbours",
    ORPHAN: "a frame without its partner",
    BLACK: "a black frame",
    TWICE: "the same pair is there already",
    UNREADABLE: "a picture that cannot be read",
    SIZES: "two frames of different sizes",
}

_BLACK_SHARE = 0.995
"""Of a black frame's pixels; the darkest night scenes have more light somewhere."""

_WORKERS = 2
_MOST_SHOWN = 120
"""Pairs on a contact sheet, an even choice where there are more."""

OnProgress = Callable[[float, int, str], None]
"""Called with how many pairs were looked at, of how many, and the film at hand."""


@dataclass(frozen=True)
class Dropped:
    """A pair that is none.

    Parameters
    ----------
    row : Row
        Its line of the table; `first` or `second` is "" for an orphan.
    reason : str
        A key of `REASONS`.
    change : float or None
        `frame_change` of its frames, where it was measured.
    """

    row: Row
    reason: str
    change: float | None = None

    @property
    def files(self) -> list[str]:
        """Paths of its pictures, relative to the folder."""
        return [self.row[column] for column in ("first", "second") if self.row[column]]


@dataclass(frozen=True)
class Cleaned:
    """What cleaning found.

    Parameters
    ----------
    folder : Path
    kept : int
        Pairs that stay.
    dropped : tuple of Dropped
    sheet : Path or None
        The contact sheet of what was dropped; None where nothing was.
    dry_run : bool
        Whether all stayed where it was.
    """

    folder: Path
    kept: int
    dropped: tuple[Dropped, ...]
    sheet: Path | None
    dry_run: bool

    def counts(self) -> dict[str, int]:
        """How many were dropped for each reason there was."""
        counted = Counter(item.reason for item in self.dropped)
        return {reason: counted[reason] for reason in REASONS if counted[reason]}


def clean(
    folder: str | Path,
    *,
    dry_run: bool = False,
    sheet_path: str | Path | None = None,
    progress: OnProgress | None = None,
) -> Cleaned:
    """Drop pairs that are none, both frames of each; nothing is deleted.

    A pair is dropped when a cut lies between its frames or they are no neighbours (`frame_change`
    is `CUT` or more), when one of them is black, missing or cannot be read, when they differ in
    size, and when every pixel of both is that of a pair before it, of this film or another. A pair
    of two equal frames, of a still scene, stays.

    The pictures go to ``dropped/`` in the folder, with ``dropped.csv`` and a contact sheet.

    Parameters
    ----------
    folder : str or Path
        Of frames.
    dry_run : bool
        Only say what would be dropped, and draw the sheet.
    sheet_path : str or Path, optional
        Where the sheet goes instead; a PNG.
    progress : callable, optional

    Raises
    ------
    DataError
        When the folder holds no frames, or cannot be written.
    """
    folder = Path(folder)
    found = list_pairs(folder)
    if not found.rows and not found.orphans:
        raise DataError(at(folder, f"holds no frames to clean; {MAKE}"))
    for note in found.notes:
        log.info("%s", note)
    dropped = [Dropped(row, ORPHAN) for row in found.orphans]
    pictures = dict[int, list[RGB]]()
    seen = dict[str, str]()
    looked = _looks(folder, found.rows)
    for number, (row, look) in enumerate(zip(found.rows, looked, strict=True), 1):
        if progress is not None:
            progress(number, len(found.rows), row["film"])
        reason = look.reason
        if reason is None and look.digest in seen:
            reason = TWICE
        if reason is None:
            seen[look.digest] = row["first"]
        else:
            pictures[len(dropped)] = look.small
            dropped.append(Dropped(row, reason, look.change))
    target = None
    if dropped:
        target = Path(sheet_path) if sheet_path is not None else folder / DROPPED / SHEET
        _draw(folder, dropped, pictures, target)
    if dropped and not dry_run:
        _move(folder, dropped)
    kept = len(found.rows) - len(dropped) + len(found.orphans)
    return Cleaned(folder, kept, tuple(dropped), target, dry_run)


# What a pair is


@dataclass(frozen=True)
class _Look:
    """What was seen of a pair: why it is none, how its frames differ, and what tells it apart."""

    reason: str | None
    change: float | None
    digest: str
    small: list[RGB]


def is_black(rgb: RGB) -> bool:
    """Whether a frame shows nothing: almost every pixel is black."""
    light = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return float(np.mean(light < BLACK_LIGHT)) >= _BLACK_SHARE


def _looks(folder: Path, rows: Sequence[Row]) -> Iterator[_Look]:
    """Look at every pair, in order, some at a time."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting = deque[Future[_Look]]()
        for row in rows:
            waiting.append(pool.submit(_look, folder / row["first"], folder / row["second"]))
            if len(waiting) > 2 * _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _look(first: Path, second: Path) -> _Look:
    frames = list[RGB]()
    for path in (first, second):
        try:
            frames.append(read_picture(path))
        except MediaError as error:
            log.debug("%s", error)
            return _Look(UNREADABLE, None, "", [thumbnail(frame) for frame in frames])
    small = [thumbnail(frame) for frame in frames]
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(str(frame.shape).encode())
        digest.update(frame.data)
    change, reason = None, None
    if any(map(is_black, frames)):
        reason = BLACK
    elif frames[0].shape != frames[1].shape:
        reason = SIZES
    else:
        change = frame_change(*frames)
        reason = CUT_BETWEEN if change >= CUT else None
    return _Look(reason, change, digest.hexdigest(), small if reason else [])


# What happens to it


def _draw(
    folder: Path, dropped: Sequence[Dropped], pictures: dict[int, list[RGB]], path: Path
) -> None:
    """Draw dropped pairs, numbered as the lines of the table."""
    rows = list[tuple[str, Sequence[RGB]]]()
    step = max(1.0, len(dropped) / _MOST_SHOWN)
    for place in (int(step * n) for n in range(min(len(dropped), _MOST_SHOWN))):
        item = dropped[place]
        change = "" if item.change is None else f" {item.change:.2f}"
        shown = pictures.get(place, [])
        if not shown:
            for name in item.files:
                with suppress(MediaError):
                    shown = [*shown, thumbnail(read_picture(folder / name))]
        label = f"{place + 1} {item.reason}{change} {Path(item.files[0]).stem}"
        rows.append((label, shown))
    sheet(rows, path)


def _move(folder: Path, dropped: Sequence[Dropped]) -> None:
    """Move pictures out of the way: first into the table of what was dropped, last the files."""
    with alone(folder):
        listed = list_pairs(folder)
        target = folder / DROPPED
        moves = list[tuple[Path, Path]]()
        rows = list[Row]()
        for item in dropped:
            row = dict(item.row)
            for column in ("first", "second"):
                if row[column]:
                    place = _free(target / row[column])
                    moves.append((folder / row[column], place))
                    row[column] = place.relative_to(target).as_posix()
            change = "" if item.change is None else f"{item.change:.4f}"
            rows.append({**row, "reason": item.reason, "change": change})
        try:
            write_table(target, [*_earlier(target), *rows], DROPPED_TABLE)
            if (folder / TABLE).is_file():
                write_table(folder, _without(listed, dropped))
            for source, place in moves:
                place.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):
                    source.replace(place)
        except OSError as error:
            raise DataError(at(folder, f"cannot be written ({error.strerror or error})")) from None


def _free(path: Path) -> Path:
    """The path, or one beside it where something was dropped under this name before."""
    number, free = 2, path
    while free.exists():
        free = path.with_stem(f"{path.stem} ({number})")
        number += 1
    return free


def _earlier(target: Path) -> list[Row]:
    """Lines of what was dropped before."""
    table = target / DROPPED_TABLE
    return [row for _, row in read_rows(table, ("first", "second"))] if table.is_file() else []


def _without(listed: Listing, dropped: Iterable[Dropped]) -> list[Row]:
    gone = {name for item in dropped for name in item.files}
    return [row for row in listed.table if not {row["first"], row["second"]} & gone]
