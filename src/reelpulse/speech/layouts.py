"""How corpora lay out their recordings: who speaks in a file, and what it shows, from its name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reelpulse.errors import DataError, ReelpulseError, SettingsError, at
from reelpulse.files import read_rows
from reelpulse.speech.aihub import find_aihub
from reelpulse.speech.corpus import EMOTIONS, Found, Recording
from reelpulse.speech.scan import Scan, plain, scan

UNKNOWN_SPEAKER = "unknown"

_RAVDESS_FILE = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_VIDEO_ONLY, _SONG, _CALM = "02", "02", "02"
_RAVDESS = {
    "01": "neutral",
    _CALM: "neutral",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}

_EMODB_FILE = re.compile(r"(\d\d)([a-z]\d\d)([A-Z])([a-z]?)")
_EMODB = {
    "W": "anger",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
_BOREDOM = "L"

_KOREAN_FILE = re.compile(r"([a-z]{3})(\d{5})", re.IGNORECASE)
_KOREAN = ("neutral", "happiness", "anger", "sadness")
_KOREAN_EACH = 100

_SYNONYMS = {
    word: label
    for label, words in {
        "anger": "anger angry 분노 화남",
        "disgust": "disgust disgusted 혐오",
        "fear": "fear fearful 두려움 공포",
        "happiness": "happiness happy joy 행복 기쁨",
        "neutral": "neutral calm 중립",
        "sadness": "sadness sad 슬픔",
        "surprise": "surprise surprised 놀람",
    }.items()
    for word in words.split()
}


@dataclass(frozen=True)
class Layout:
    """A way to name recordings: `find` looks through a corpus, `about` says it in a line."""

    find: Callable[[Path], Found]
    about: str


def find_ravdess(corpus: Path) -> Found:
    """Find RAVDESS' clips of speech, ``modality-channel-emotion-intensity-statement-repetition-actor``.

    Calm counts as neutral. Of a clip that is there as a video and as sound, the sound is taken.

    Returns
    -------
    Found
    """  # noqa: E501  the makers' own name
    found = scan(corpus)
    songs = mute = twice = 0
    best: dict[tuple[str, str], tuple[str, Recording]] = {}
    for path in found.files:
        match = _RAVDESS_FILE.fullmatch(path.stem)
        if match is None:
            found.problem(path, "is not named as RAVDESS names its clips")
            continue
        modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
        if channel == _SONG:
            songs += 1
        elif modality == _VIDEO_ONLY:
            mute += 1
        elif emotion not in _RAVDESS:
            found.problem(path, f"has an unknown emotion, {emotion}; known: 01 to 08")
        else:
            number = "-".join((emotion, intensity, statement, repetition))
            clip = modality, Recording(path, actor, number, _RAVDESS[emotion], statement)
            twice += (actor, number) in best
            best[actor, number] = max(clip, best.get((actor, number), clip), key=lambda c: c[0])
    found.recordings = [best[key][1] for key in sorted(best)]
    calm = sum(recording.number.startswith(_CALM) for recording in found.recordings)
    found.count(songs, "song left out", "songs left out")
    found.count(mute, "video without sound left out", "videos without sound left out")
    found.count(twice, "clip left out, there twice", "clips left out, there twice")
    found.count(calm, "calm clip counts as neutral", "calm clips count as neutral")
    found.note_missing()
    return found.found()


def find_emodb(corpus: Path) -> Found:
    """Find EMO-DB's clips, ``speaker(2) text(3) emotion(1) version(1)``; boredom is left out.

    Returns
    -------
    Found
    """
    found, bored = scan(corpus), 0
    for path in found.files:
        match = _EMODB_FILE.fullmatch(path.stem)
        if match is None:
            found.problem(path, "is not named as EMO-DB names its clips")
            continue
        speaker, text, letter, version = match.groups()
        if letter == _BOREDOM:
            bored += 1
        elif letter not in _EMODB:
            known = ", ".join(_EMODB)
            found.problem(path, f"has an unknown emotion, {letter}; known: {known}, {_BOREDOM}")
        else:
            number = f"{text}{letter}{version}"
            found.recordings.append(Recording(path, speaker, number, _EMODB[letter], text))
    found.count(bored, "clip of boredom left out", "clips of boredom left out")
    return found.found()


def find_korean(corpus: Path) -> Found:
    """Find clips named ``speaker(3) number(5)``, a hundred numbers for each of four emotions.

    Returns
    -------
    Found
    """
    found, last = scan(corpus), _KOREAN_EACH * len(_KOREAN)
    for path in found.files:
        match = _KOREAN_FILE.fullmatch(path.stem)
        if match is None:
            found.problem(path, "is not named by three letters and five digits")
            continue
        speaker, number = match[1].lower(), int(match[2])
        if not 1 <= number <= last:
            found.problem(path, f"its number, {number}, is not in 1–{last}")
            continue
        label = _KOREAN[(number - 1) // _KOREAN_EACH]
        sentence = _korean_sentence(speaker, number)
        found.recordings.append(Recording(path, speaker, match[2], label, sentence))
    found.note_missing()
    return found.found()


def _korean_sentence(speaker: str, number: int) -> str:
    """Which sentence a number is.

    Two scripts are told apart by the speakers' first letter: the lengths of the clips of a number
    go together among those of one letter (r > 0.8), not across. Those with e say the same hundred
    sentences in each emotion (lengths a hundred numbers apart: r = 1.00), the others do not.
    """
    within = (number - 1) % _KOREAN_EACH + 1 if speaker[0] == "e" else number
    return f"{speaker[0]}{within:03d}"


def find_csv(table: Path) -> Found:
    """Find the files of a table, ``file,label[,speaker,sentence]``; files are relative to it.

    Returns
    -------
    Found
        A line that cannot be used is a problem.

    Raises
    ------
    DataError
        When it is no such table.
    """
    if not table.is_file():
        raise DataError(
            at(table, "is a folder: give the CSV" if table.is_dir() else "no such file")
        )
    found, listed = Scan(table.parent), dict[Path, int]()
    for line, row in read_rows(table, ("file", "label")):
        label = _SYNONYMS.get(plain(row["label"]).casefold())
        path = table.parent / row["file"]
        if not row["file"]:
            found.problem(table, f"line {line}: names no file")
        elif label is None:
            known = ", ".join(EMOTIONS)
            found.problem(table, f"line {line}: unknown label {row['label']!r}; known: {known}")
        elif not path.is_file():
            found.problem(table, f"line {line}: no such file: {path}")
        elif path in listed:
            found.problem(table, f"line {line}: {path} again, after line {listed[path]}: left out")
        else:
            listed[path] = line
            speaker = plain(row.get("speaker", "")) or UNKNOWN_SPEAKER
            sentence = plain(row.get("sentence", ""))
            found.recordings.append(Recording(path, speaker, plain(path.stem), label, sentence))
    strangers = sum(recording.speaker == UNKNOWN_SPEAKER for recording in found.recordings)
    found.count(
        strangers,
        "recording has no speaker: it counts as of one called “unknown”",
        "recordings have no speaker: all count as of one called “unknown”",
    )
    return found.found()


LAYOUTS: dict[str, Layout] = {
    "aihub": Layout(find_aihub, "folders 0~9/000/movie/… of videos, or flat N번연기자_NNN.mp4"),
    "ravdess": Layout(find_ravdess, "names such as 03-01-05-01-02-01-12.wav"),
    "emodb": Layout(find_emodb, "names such as 03a01Wa.wav"),
    "korean": Layout(find_korean, "names such as ema00001.wav, up to 400"),
    "csv": Layout(find_csv, "a table of your own: file,label[,speaker,sentence]"),
}


def find_recordings(corpus: str | Path, layout: str) -> Found:
    """Look through a corpus as its layout wants.

    Parameters
    ----------
    corpus : str or Path
        The folder; for ``csv`` the table.
    layout : str
        Key of `LAYOUTS`.

    Returns
    -------
    Found
        At least one recording.

    Raises
    ------
    SettingsError
        On an unknown layout.
    DataError
        When the corpus is not there, or holds nothing of this layout.
    """
    if layout not in LAYOUTS:
        near = difflib.get_close_matches(layout, LAYOUTS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(LAYOUTS)}"
        raise SettingsError(f"unknown layout {layout!r}: {hint}")
    corpus = Path(corpus)
    found = LAYOUTS[layout].find(corpus)
    if not found.recordings:
        problem = f"holds no recording of the layout {layout} ({LAYOUTS[layout].about})"
        fitting = _fitting(corpus)
        if fitting:
            problem += f"; try --layout {fitting}"
        elif found.problems:
            problem += f"; of {len(found.problems)} problems the first: {found.problems[0]}"
        elif layout == "csv":
            problem += "; write a line for each file below the first"
        else:
            problem += "; give the folder that it was unpacked to, or another --layout"
        raise DataError(at(corpus, problem))
    return found


def _fitting(corpus: Path) -> str | None:
    """Another layout that finds something."""
    for name, layout in LAYOUTS.items():
        try:
            if layout.find(corpus).recordings:
                return name
        except ReelpulseError:
            continue
    return None
