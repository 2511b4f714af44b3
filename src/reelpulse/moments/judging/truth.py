"""What is truly funny in whole videos, as somebody wrote it down in a table."""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reelpulse.errors import DataError, SettingsError, at
from reelpulse.moments.dataset.labels import WORDS, read_table
from reelpulse.times import clock_text, parse_time

NAMES = ("file", "video")
"""Columns that may say which video a line is about."""

_SLACK = 1.0
"""Seconds past a video's end that are forgiven: people write whole seconds."""

_TINY = 1e-6
_MOST_NAMED = 5

Range = tuple[float, float]


@dataclass(frozen=True)
class TrueRange:
    """A line of a truth table.

    Parameters
    ----------
    start, end : float
        Seconds.
    line : int
        Where it stands in the table.
    video : str
        Which video it is about, as it was written; empty where the table does not say.
    """

    start: float
    end: float
    line: int
    video: str = ""


@dataclass(frozen=True)
class Watched:
    """A video that a table may speak of.

    Parameters
    ----------
    paths : tuple of str
        What it may be called: by the whole, the end or the last part of one of these, with or
        without its ending.
    start, end : float
        What of it was looked at, in seconds.
    duration : float
        Seconds of the whole.
    """

    paths: tuple[str, ...]
    start: float
    end: float
    duration: float


def read_truth(path: str | Path) -> list[TrueRange]:
    """Read a table of columns ``start``, ``end`` and, for several videos, ``file`` or ``video``.

    Times are seconds or ``[h:]m:s``. Of a table of labelled clips, which has a column ``label``
    too, the lines that say funny, or 1, are taken; other columns do not matter.

    Raises
    ------
    DataError
        When it cannot be read, lacks a column, or a line cannot be used; the line is named.
    """
    names, rows = read_table(path)
    missing = [name for name in ("start", "end") if name not in names]
    if missing:
        wanted = "start, end and, for several videos, file"
        raise DataError(at(path, f"has no column {' or '.join(missing)}: its columns are {wanted}"))
    which = next((name for name in NAMES if name in names), None)
    found = []
    for line, row in rows:
        try:
            if not _is_funny(row.get("label")):
                continue
            found.append(_true_range(line, row, which))
        except (DataError, SettingsError) as error:
            raise DataError(at(path, f"line {line}: {error}")) from None
    return found


def _is_funny(label: str | None) -> bool:
    """Whether a line's label, where there are any, makes it one of the truth."""
    if label is None:
        return True
    if not label:
        raise DataError("label is empty: write funny or ordinary")
    word = WORDS.get(unicodedata.normalize("NFC", label).casefold())
    if word is not None:
        return word == "funny"
    if label.replace(".", "", 1).isdecimal() and label not in ("0", "1"):
        raise DataError(
            f"label {label!r} does not say whether it is funny: write funny or ordinary"
        )
    return label != "0"


def _true_range(line: int, row: Mapping[str, str], which: str | None) -> TrueRange:
    start, end = (_time(name, row[name]) for name in ("start", "end"))
    if end <= start:
        raise DataError(f"ends ({row['end']}) before it starts ({row['start']})")
    if which and not row[which]:
        raise DataError(f"{which} is empty: write which video it is of")
    return TrueRange(start, end, line, row[which] if which else "")


def _time(name: str, text: str) -> float:
    if not text:
        raise DataError(f"{name} is empty")
    return parse_time(text)


def sort_truth(
    rows: Sequence[TrueRange], videos: Sequence[Watched], path: str | Path
) -> tuple[list[tuple[Range, ...]], list[str]]:
    """Give each video its true ranges.

    Ranges that overlap become one; what lies outside the part that was looked at is left out.

    Parameters
    ----------
    rows : sequence of TrueRange
        Of one table.
    videos : sequence of Watched
    path : str or Path
        Of the table, for messages.

    Returns
    -------
    ranges : list of tuple of (start, end)
        One a video; in order and apart.
    warnings : list of str

    Raises
    ------
    DataError
        When a line does not say which video it is of, means several, or lies past a video's end;
        when lines of other videos are all there is.
    """
    of_video: list[list[TrueRange]] = [[] for _ in videos]
    others: dict[str, list[int]] = defaultdict(list)
    places: dict[str, int | None] = {}
    for row in rows:
        if row.video not in places:
            places[row.video] = _place(row, videos, path)
        place = places[row.video]
        if place is None:
            others[row.video].append(row.line)
        else:
            of_video[place].append(_within(row, videos[place], path))
    warnings = []
    if others:
        said = _unknown(others)
        if not any(of_video):
            raise DataError(at(path, f"{said}{_hint(next(iter(others)), videos)}"))
        warnings.append(at(path, said))
    ranges = []
    for video, own in zip(videos, of_video, strict=True):
        seen = [row for row in own if row.end > video.start and row.start < video.end]
        if len(seen) < len(own):
            outside = _lines(row.line for row in own if row not in seen)
            where = f"{clock_text(video.start)}–{clock_text(video.end)}"
            problem = f"{outside} left out: of {_short(video)} only {where} was looked at"
            warnings.append(at(path, problem))
        merged, lines = _merged(seen, video)
        if lines:
            warnings.append(at(path, f"taken as one with the range it overlaps: {_lines(lines)}"))
        ranges.append(merged)
    return ranges, warnings


def _place(row: TrueRange, videos: Sequence[Watched], path: str | Path) -> int | None:
    """Which of the videos a line is about; None for none of them."""
    if not row.video:
        if len(videos) == 1:
            return 0
        problem = f"line {row.line}: does not say which of the {len(videos)} videos it is of"
        raise DataError(at(path, f"{problem}: give it a column `file`"))
    asked = _parts(row.video)
    bare = (*asked[:-1], PurePosixPath(asked[-1]).stem)
    # From the strictest reading to the loosest: "talk.mp4", "talk", "talk.mkv" for talk.mp4.
    for wanted, stems in ((asked, False), (asked, True), (bare, True)):
        found = [
            place for place, video in enumerate(videos) if wanted in set(_names(video, stems=stems))
        ]
        if len(found) > 1:
            meant = ", ".join(videos[place].paths[0] for place in found[:_MOST_NAMED])
            problem = f"line {row.line}: {row.video!r} may be any of {meant}"
            raise DataError(at(path, f"{problem}: write more of the path"))
        if found:
            return found[0]
    return None


def _parts(name: str) -> tuple[str, ...]:
    """A path's parts, such that two spellings of one name are equal."""
    plain = unicodedata.normalize("NFC", name).casefold().replace("\\", "/")
    return PurePosixPath(plain).parts or ("",)


def _names(video: Watched, *, stems: bool) -> Iterable[tuple[str, ...]]:
    for path in video.paths:
        parts = _parts(path)
        if stems:
            parts = (*parts[:-1], PurePosixPath(parts[-1]).stem)
        yield from (parts[start:] for start in range(len(parts)))


def _short(video: Watched) -> str:
    return PurePosixPath(video.paths[0].replace("\\", "/")).name


def _unknown(others: dict[str, list[int]]) -> str:
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    lines = _lines(line for own in others.values() for line in own)
    return f"{lines} left out: {next(iter(others))!r}{more} not among the videos given"


def _hint(name: str, videos: Sequence[Watched]) -> str:
    stems = {PurePosixPath(_short(video)).stem: _short(video) for video in videos}
    near = difflib.get_close_matches(PurePosixPath(name).stem, list(stems), n=1)
    if near:
        return f"; did you mean {stems[near[0]]}?"
    return f", such as {_short(videos[0])}"


def _lines(lines: Iterable[int]) -> str:
    numbers = sorted(lines)
    shown = ", ".join(map(str, numbers[:_MOST_NAMED]))
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{more}"


def _within(row: TrueRange, video: Watched, path: str | Path) -> TrueRange:
    if row.end > video.duration + _SLACK or row.start >= video.duration:
        where = f"{_short(video)}, which ends at {clock_text(video.duration)}"
        problem = (
            f"line {row.line}: {clock_text(row.start)}–{clock_text(row.end)} lies past {where}"
        )
        raise DataError(at(path, problem))
    return row


def _merged(rows: Sequence[TrueRange], video: Watched) -> tuple[tuple[Range, ...], list[int]]:
    """Ranges in order and apart, inside what was looked at; and the lines that went into others."""
    found: list[Range] = []
    lines = []
    for row in sorted(rows, key=lambda row: (row.start, row.end)):
        start, end = max(row.start, video.start), min(row.end, video.end)
        if found and start < found[-1][1] - _TINY:
            found[-1] = (found[-1][0], max(found[-1][1], end))
            lines.append(row.line)
        else:
            found.append((start, end))
    return tuple(found), lines
