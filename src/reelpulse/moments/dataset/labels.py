"""Labels of clips: a table that people write, read with the line of every mistake."""

from __future__ import annotations

import csv
import difflib
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelpulse.errors import DataError, SettingsError, at
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.settings import TASKS, one_of
from reelpulse.times import clock_text, parse_time

WORDS = {
    "funny": "funny",
    "ordinary": "ordinary",
    "boring": "boring",
    "웃김": "funny",
    "재미": "funny",
    "보통": "ordinary",
    "지루함": "boring",
}
"""What people write for each class."""

COLUMNS = ("file", "start", "end", "label", "source", "person", "annotator")
_NEEDED = ("file", "label")

KINDS = {"binary": BINARY, "levels": LEVELS, "score": SCORE}

Row = tuple[int, dict[str, str]]
"""A row's line in the file, and its fields by the names of the columns."""


@dataclass(frozen=True)
class LabelledClip:
    """A clip and what people said of it.

    Parameters
    ----------
    line : int
        Where the labels name it first.
    file : str
        As written there.
    path : Path
        The same, from the labels' folder.
    start, end : float or None
        Seconds; None for the whole file.
    label : float
        A code of the task's classes, or a score.
    source, person : str
        Empty where they are not said.
    annotators : tuple of str
        Names of those who are named.
    opinions : int
        How many people labelled it.
    spread : float
        Population standard deviation of what they said.
    """

    line: int
    file: str
    path: Path
    start: float | None
    end: float | None
    label: float
    source: str
    person: str
    annotators: tuple[str, ...]
    opinions: int
    spread: float


class LeftOut(NamedTuple):
    """A clip that is not in the dataset, and why."""

    line: int
    file: str
    why: str


@dataclass(frozen=True)
class Labels:
    """What a file of labels says: the task, the clips, those left out, what a user should know."""

    task: Task
    clips: list[LabelledClip]
    left_out: list[LeftOut]
    notes: list[str]


def read_table(path: str | Path) -> tuple[list[str], list[Row]]:
    """Read a table as people's programs write it.

    Text in UTF-8 with or without a mark, in UTF-16 with one, or in CP949; fields between commas,
    semicolons or tabs.

    Returns
    -------
    list of str
        Names of the columns, without blanks around them and in small letters.
    list of (int, dict of str to str)
        The line and the fields of each row, without blanks around them; empty rows are passed over.

    Raises
    ------
    DataError
        When it cannot be read, is empty or no table; with the line.
    """
    path = Path(path)
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), None)
    if header is None:
        raise DataError(at(path, "is empty: its first line names the columns"))
    separator = max(",;\t", key=header.count)
    # strict: a quote that nobody closes would swallow all lines after it
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(at(path, f"line {line}: cannot be read ({error})")) from None
    if not rows:
        raise DataError(at(path, "is empty: its first line names the columns"))
    names = [unicodedata.normalize("NFC", name).lower() for name in rows[0][1]]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise DataError(at(path, f"line {rows[0][0]}: names the column {twice[0]!r} twice"))
    return [name for name in names if name], [
        (line, _fields(path, line, names, cells)) for line, cells in rows[1:]
    ]


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise DataError(at(path, f"cannot be read ({problem})")) from None
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp949"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
        break
    raise DataError(at(path, "is no text in UTF-8 or CP949: save the table as CSV (UTF-8)"))


def _fields(path: Path, line: int, names: list[str], cells: list[str]) -> dict[str, str]:
    if any(cells[len(names) :]):
        problem = (
            f"line {line}: has {len(cells)} fields, and there are {len(names)} columns: put a text"
            ' that holds the separator between quotes (")'
        )
        raise DataError(at(path, problem))
    full = [*cells, *[""] * (len(names) - len(cells))]
    return {name: cell for name, cell in zip(names, full, strict=False) if name}


def read_labels(
    path: str | Path, task: str | Task = "auto", *, known: Iterable[float] = ()
) -> Labels:
    """Read labels of clips: ``file[, start, end], label[, source, person, annotator]``.

    Parameters
    ----------
    path : str or Path
        A table; files in it lie where they are from its folder.
    task : str or Task
        One of `reelpulse.settings.TASKS`; auto takes words and {0, 1} for binary, boring and
        {0, 1, 2} for levels, other numbers for a score.
    known : iterable of float
        Labels of clips that these are added to.

    Returns
    -------
    Labels
        Rows of one clip by several people become one: the mean of scores, the majority of classes;
        a clip whose votes are even is left out.

    Raises
    ------
    DataError
        On a missing column, and on the first line that cannot be used, with how many more there
        are; when there is no clip, or all have one label.
    """
    path = Path(path)
    if isinstance(task, str):
        one_of("task", task, TASKS)
    columns, rows = read_table(path)
    notes = _check_columns(path, columns)
    if not rows:
        raise DataError(at(path, "names no clips below its first line"))
    empty = [f"line {line}: has no label: fill it in" for line, row in rows if not row["label"]]
    _refuse(path, empty)
    texts = [row["label"] for _, row in rows]
    found = task if isinstance(task, Task) else _task_of(texts, task)
    _refuse(path, list(_mistakes(rows, lambda row: _code(row["label"], found))))
    _refuse(path, list(_mistakes(rows, _range)))
    groups: dict[tuple[Path, tuple[float, float] | None], list[Row]] = {}
    for line, row in rows:
        where = _find(path.parent, row["file"])
        groups.setdefault((where, _range(row)), []).append((line, row))
    clips: list[LabelledClip] = []
    left_out: list[LeftOut] = []
    for (where, range_), group in groups.items():
        clip = _agreed(where, range_, group, found)
        if isinstance(clip, LabelledClip):
            clips.append(clip)
        else:
            left_out.append(clip)
    told = {clip.label for clip in clips} | set(known)
    if len(told) < 2:
        only = repr(rows[0][1]["label"]) if told else "no label agreed on"
        problem = (
            f"line {rows[0][0]}: {only} is all there is: clips of two labels or more are needed"
        )
        raise DataError(at(path, problem))
    return Labels(found, clips, left_out, notes)


def _check_columns(path: Path, columns: Sequence[str]) -> list[str]:
    missing = [name for name in _NEEDED if name not in columns]
    if ("start" in columns) != ("end" in columns):
        missing += [name for name in ("start", "end") if name not in columns]
    if missing:
        near = difflib.get_close_matches(missing[0], set(columns) - set(COLUMNS), n=1)
        hint = f"is {near[0]!r} meant for it? " if near else ""
        needed = "file[, start, end], label[, source, person, annotator]"
        problem = f"has no column {missing[0]!r}: {hint}the first line names {needed}"
        raise DataError(at(path, problem))
    unknown = [name for name in columns if name not in COLUMNS]
    return [at(path, f"passes over the column {', '.join(unknown)}")] if unknown else []


def _refuse(path: Path, problems: Sequence[str]) -> None:
    """Raise the first of the problems, and say how many there are."""
    if problems:
        more = len(problems) - 1
        rest = f" (and {more} more line{'s' if more > 1 else ''})" if more else ""
        raise DataError(at(path, problems[0] + rest))


def _mistakes(rows: Sequence[Row], read: Callable[[dict[str, str]], object]) -> Iterator[str]:
    for line, row in rows:
        try:
            read(row)
        except (DataError, SettingsError) as error:
            yield f"line {line}: {error}"


def _task_of(texts: Sequence[str], asked: str) -> Task:
    """The task asked for, or the smallest that has all the labels."""
    if asked != "auto":
        return KINDS[asked]
    words = {WORDS.get(_plain(text)) for text in texts if _number(text) is None}
    if words:
        return LEVELS if "boring" in words else BINARY
    numbers = {_number(text) for text in texts}
    return next((task for task in (BINARY, LEVELS) if numbers <= set(_codes(task))), SCORE)


def _codes(task: Task) -> range:
    return range(len(task.classes))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _code(text: str, task: Task) -> float:
    """What is stored for a label."""
    number, word = _number(text), WORDS.get(_plain(text))
    if task.kind == "score":
        if number is not None and 0 <= number <= task.highest:
            return number
        raise DataError(f"label {text!r} is not a score: write a number from 0 to {task.highest:g}")
    if word in task.classes:
        return float(task.classes.index(word))
    if number is not None and number in _codes(task):
        return number
    known = [f"{name} ({code})" for code, name in enumerate(task.classes)]
    near = difflib.get_close_matches(_plain(text), list(WORDS), n=1, cutoff=0.5)
    if word is not None:
        hint = "--task levels has it. " if word == "boring" else ""
    elif number is not None and number in _codes(LEVELS):
        hint = "--task levels has it. "
    elif number is not None and 0 <= number <= SCORE.highest:
        hint = "--task score has it, and then no words. "
    else:
        hint = f"did you mean {near[0]}? " if near else ""
    raise DataError(f"unknown label {text!r}: {hint}Labels are {', '.join(known)}")


def _range(row: dict[str, str]) -> tuple[float, float] | None:
    if not row["file"]:
        raise DataError("names no file")
    texts = [row.get(name, "") for name in ("start", "end")]
    if not any(texts):
        return None
    if not all(texts):
        there, lacks = ("start", "end") if texts[0] else ("end", "start")
        raise DataError(f"has a {there} and no {lacks}: give both, or neither for the whole file")
    start, end = (parse_time(text) for text in texts)
    if end <= start:
        raise DataError(f"ends at {clock_text(end)}, and starts at {clock_text(start)}")
    return start, end


def _find(folder: Path, text: str) -> Path:
    """Find a file as it is written; Windows' backslashes and letters of a Mac's names count too."""
    slashed = text.replace("\\", "/")
    forms = dict.fromkeys(
        form
        for name in (text, slashed)
        for form in (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
    )
    try:
        return next((folder / form for form in forms if (folder / form).exists()), folder / text)
    except (OSError, ValueError):  # a name too long, or with a zero in it
        return folder / text


def _agreed(
    path: Path, range_: tuple[float, float] | None, group: Sequence[Row], task: Task
) -> LabelledClip | LeftOut:
    """Make one clip of what several people said of it."""
    line, first = group[0]
    codes = np.array([_code(row["label"], task) for _, row in group])
    label = float(codes.mean())
    if task.kind != "score":
        counts = Counter(codes.tolist()).most_common(2)
        if len(counts) > 1 and counts[0][1] == counts[1][1]:
            told = ", ".join(row["label"] for _, row in group)
            return LeftOut(line, first["file"], f"those who labelled it do not agree ({told})")
        label = counts[0][0]
    names = tuple(dict.fromkeys(row["annotator"] for _, row in group if row.get("annotator")))
    unnamed = sum(not row.get("annotator") for _, row in group)
    start, end = range_ or (None, None)
    return LabelledClip(
        line=line,
        file=first["file"],
        path=path,
        start=start,
        end=end,
        label=label,
        source=_said(group, "source"),
        person=_said(group, "person"),
        annotators=names,
        opinions=len(names) + unnamed,
        spread=float(codes.std()),
    )


def _said(group: Sequence[Row], name: str) -> str:
    return next((row[name] for _, row in group if row.get(name)), "")
