"""How corpora lay out their recordings: who speaks in a file, and what it shows, from its name."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reelpulse.errors import DataError, at
from reelpulse.speech.corpus import REPORT, Found, Recording, read_rows

_VIDEO = ".mp4 .m4v .mov .avi .mkv .webm .mts .m2ts .ts .mpg .mpeg .wmv .flv .3gp .mxf"
_SOUND = ".wav .flac .ogg .oga .opus .mp3 .m4a .aac .wma .aif .aiff .au .caf"
_VIDEO_ENDINGS, _SOUND_ENDINGS = frozenset(_VIDEO.split()), frozenset(_SOUND.split())

_PICTURES = "picture"
_FILMS = "movie"

Number = Callable[[int], "str | None"]


@dataclass(frozen=True)
class Layout:
    """A way to name recordings: `find` looks through a corpus, `about` says it in a line."""

    find: Callable[[Path], Found]
    about: str


def by_range(steps: Iterable[tuple[int, str]]) -> Number:
    """Give the label of a number: each step says up to which number its label goes, from 1."""
    ends = tuple(steps)
    return lambda number: next((label for end, label in ends if 1 <= number <= end), None)


_AIHUB_NUMBERS = range(1, 351)
_aihub_label = by_range(
    [
        *((50, "happiness"), (100, "surprise"), (150, "neutral"), (200, "fear")),
        *((250, "disgust"), (300, "anger"), (350, "sadness")),
    ]
)
_korean_label = by_range([(100, "neutral"), (200, "happiness"), (300, "anger"), (400, "sadness")])

_RAVDESS = {
    **{"01": "neutral", "02": "neutral", "03": "happiness", "04": "sadness"},
    **{"05": "anger", "06": "fear", "07": "disgust", "08": "surprise"},
}
_EMODB = {
    **{"W": "anger", "E": "disgust", "A": "fear"},
    **{"F": "happiness", "N": "neutral", "T": "sadness"},
}
_BOREDOM = "L"

SYNONYMS = {
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
"""Words for the classes, in a CSV file."""

_ACTOR_FILE = re.compile(r"0*(\d+)\s*번\s*연기자[\s_-]*0*(\d+)")
_SPEAKER_FOLDER = re.compile(r"0*(\d+)(?:\s*번\s*연기자)?")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\D)?0*(\d+)", re.DOTALL)
_RAVDESS_FILE = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_EMODB_FILE = re.compile(r"(\d\d)([a-z]\d\d)([A-Z])([a-z]?)")
_KOREAN_FILE = re.compile(r"([a-z]{3})(\d{5})", re.IGNORECASE)


@dataclass
class _Scan:
    """Files of sound below a folder, in order; recordings, problems and notes are added."""

    corpus: Path
    files: list[Path]
    recordings: list[Recording] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def found(self) -> Found:
        return Found(tuple(self.recordings), tuple(self.problems), tuple(self.notes))

    def count(self, number: int, one: str, many: str) -> None:
        """Note a number, if it is not 0."""
        if number:
            self.notes.append(f"{number} {one if number == 1 else many}")


def _scan(corpus: Path) -> _Scan:
    """Look for sound and video at any depth.

    Pictures, hidden files and what was prepared before are passed over. Where sound lies beside
    the video that it was taken from, under the same name, the sound is taken.
    """
    if not corpus.exists():
        raise DataError(at(corpus, "no such folder"))
    if not corpus.is_dir():
        raise DataError(at(corpus, "is a file: give the corpus' folder, unpacked"))
    scan, seen = _Scan(corpus, []), set()
    twice = 0

    def unreadable(error: OSError) -> None:
        scan.problems.append(at(error.filename, f"cannot be read ({error.strerror})"))

    for where, folders, names in os.walk(corpus, onerror=unreadable, followlinks=True):
        real = os.path.realpath(where)
        if real in seen or REPORT in names:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            name for name in folders if name[0] not in "._" and name.lower() != _PICTURES
        )
        kept: dict[str, Path] = {}
        for name in sorted(names, key=_ending_first):
            path = Path(where, name)
            if name[0] == "." or path.suffix.lower() not in _VIDEO_ENDINGS | _SOUND_ENDINGS:
                continue
            twice += path.stem in kept
            kept.setdefault(path.stem, path)
        scan.files += [kept[stem] for stem in sorted(kept)]
    scan.count(
        twice,
        "file has the name of another beside it, but for the ending: sound is taken before video",
        "files have the name of another beside them, but for the ending: sound is taken before"
        " video",
    )
    return scan


def _ending_first(name: str) -> tuple[bool, str]:
    return Path(name).suffix.lower() not in _SOUND_ENDINGS, name


def _plain(text: str) -> str:
    """Korean in one piece a syllable: archives packed on a Mac hold it taken apart."""
    return unicodedata.normalize("NFC", text)


def find_aihub(corpus: Path) -> Found:
    """Actors' folders of numbered videos, or a flat folder of `1번연기자_001.mp4`."""
    scan = _scan(corpus)
    folders: dict[str, set[Path]] = defaultdict(set)
    actors: dict[int, set[str]] = defaultdict(set)
    clips: list[tuple[Path, str, int | None, int]] = []
    for path in scan.files:
        named = _ACTOR_FILE.fullmatch(_plain(path.stem))
        actor = int(named[1]) if named else None
        folder = _speaker_folder(corpus, path)
        if folder is None and actor is None:
            folder = _speaker_folder(corpus.resolve().parent.parent, corpus.resolve() / "x")
        if folder is None and actor is None:
            problem = "no speaker in its path: neither a folder of digits nor a name N번연기자_NNN"
            scan.problems.append(at(path, problem))
            continue
        numbered = named or _ENDS_IN_NUMBER.fullmatch(path.stem)
        if numbered is None:
            scan.problems.append(at(path, "its name does not end in the clip's number"))
            continue
        number = int(numbered[numbered.lastindex or 0])
        if number not in _AIHUB_NUMBERS:
            scan.problems.append(at(path, f"its number, {number}, is not in 1–350"))
            continue
        speaker = _padded(folder[0] if folder else actor)
        folders[speaker].add(folder[1] if folder else corpus)
        if folder and actor is not None:
            actors[actor].add(speaker)
        clips.append((path, speaker, actor, number))
    alias = _one_speaker_each(actors, scan)
    for speaker, places in sorted(folders.items()):
        if len(places) > 1:
            shown = ", ".join(sorted(str(place) for place in places))
            scan.notes.append(f"speaker {speaker} is in {len(places)} folders, kept as one: {shown}")
    for path, speaker, actor, number in clips:
        if actor is not None and actors.get(actor):
            speaker = min(actors[actor])
        label = _aihub_label(number) or ""
        speaker = alias.get(speaker, speaker)
        scan.recordings.append(Recording(path, speaker, f"{number:03d}", label))
    scan.notes += _missing_numbers(scan.recordings, _AIHUB_NUMBERS)
    return scan.found()


def _speaker_folder(corpus: Path, path: Path) -> tuple[int, Path] | None:
    """The folder that names the speaker, with its number: the one above `movie`, or the deepest."""
    parents = list(path.relative_to(corpus).parents)[:-1]
    above_films = [place.parent for place in parents if place.name.lower() == _FILMS]
    for place in (*above_films, *parents):
        match = _SPEAKER_FOLDER.fullmatch(_plain(place.name))
        if match:
            return int(match[1]), corpus / place
    return None


def _padded(speaker: int | None) -> str:
    return f"{speaker:03d}"


def _one_speaker_each(actors: Mapping[int, set[str]], scan: _Scan) -> dict[str, str]:
    """Folders that hold files named after one actor are one speaker's; say by which name each goes."""
    groups: list[set[str]] = []
    for actor, speakers in sorted(actors.items()):
        if len(speakers) > 1:
            shown = ", ".join(sorted(speakers))
            scan.notes.append(
                f"folders {shown} all hold files named after actor {actor}: kept as one speaker"
            )
        touched = [group for group in groups if group & speakers]
        groups = [group for group in groups if not group & speakers]
        groups.append(set(speakers).union(*touched))
    return {speaker: min(group) for group in groups for speaker in group}


def _missing_numbers(recordings: Iterable[Recording], expected: Iterable[int]) -> list[str]:
    """A line for each speaker of whom numbers are missing, and one for missing speakers."""
    had: dict[str, set[int]] = defaultdict(set)
    for recording in recordings:
        had[recording.speaker].add(int(recording.number))
    numbers = sorted(expected)
    lines = []
    for speaker in sorted(had):
        missing = [number for number in numbers if number not in had[speaker]]
        if missing:
            lines.append(
                f"speaker {speaker}: {len(missing)} of {len(numbers)} missing: {runs(missing)}"
            )
    speakers = sorted(int(speaker) for speaker in had if speaker.isdigit())
    if speakers:
        lacking = [n for n in range(speakers[0], speakers[-1]) if n not in set(speakers)]
        if lacking:
            lines.append(f"speakers with no recording: {runs(lacking)}")
    return lines


def runs(numbers: Iterable[int]) -> str:
    """Write increasing numbers shortly: ``4, 17–20``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join("–".join(str(end) for end in span) for span in spans)


def find_ravdess(corpus: Path) -> Found:
    """``modality-channel-emotion-intensity-statement-repetition-actor``; speech alone."""
    scan = _scan(corpus)
    songs = mute = calm = 0
    best: dict[str, tuple[str, Recording]] = {}
    for path in scan.files:
        match = _RAVDESS_FILE.fullmatch(path.stem)
        if match is None:
            scan.problems.append(at(path, "is not named as RAVDESS names its clips"))
            continue
        modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
        if channel == "02" or modality == "02":
            songs, mute = songs + (channel == "02"), mute + (channel != "02")
            continue
        if emotion not in _RAVDESS:
            scan.problems.append(at(path, f"has an unknown emotion, {emotion}; known: 01 to 08"))
            continue
        number = "-".join((emotion, intensity, statement, repetition))
        recording = Recording(path, actor, number, _RAVDESS[emotion], statement)
        key = f"{actor}-{number}"
        if key not in best or modality > best[key][0]:
            best[key] = modality, recording
    scan.recordings = [best[key][1] for key in sorted(best)]
    calm = sum(recording.number.startswith("02") for recording in scan.recordings)
    scan.count(songs, "song left out", "songs left out")
    scan.count(mute, "video without sound left out", "videos without sound left out")
    both = len(scan.files) - len(scan.problems) - songs - mute - len(best)
    scan.count(max(0, both), "clip is there twice", "clips are there twice: one of each is taken")
    scan.count(calm, "calm clip counts as neutral", "calm clips count as neutral")
    return scan.found()


def find_emodb(corpus: Path) -> Found:
    """``speaker(2) text(3) emotion(1) version(1)``; boredom is left out."""
    scan = _scan(corpus)
    bored = 0
    for path in scan.files:
        match = _EMODB_FILE.fullmatch(path.stem)
        if match is None:
            scan.problems.append(at(path, "is not named as EMO-DB names its clips"))
            continue
        speaker, text, letter, version = match.groups()
        if letter == _BOREDOM:
            bored += 1
        elif letter not in _EMODB:
            known = "".join(sorted(_EMODB))
            scan.problems.append(at(path, f"has an unknown emotion, {letter}; known: {known}"))
        else:
            number = f"{text}{letter}{version}"
            scan.recordings.append(Recording(path, speaker, number, _EMODB[letter], text))
    scan.count(bored, "clip of boredom left out", "clips of boredom left out")
    return scan.found()


def find_korean(corpus: Path) -> Found:
    """``speaker(3) number(5)``: 1–100 neutral, 101–200 happiness, 201–300 anger, 301–400 sadness."""
    scan = _scan(corpus)
    for path in scan.files:
        match = _KOREAN_FILE.fullmatch(path.stem)
        if match is None:
            scan.problems.append(at(path, "is not named as three letters and five digits"))
            continue
        speaker, number = match[1].lower(), int(match[2])
        label = _korean_label(number)
        if label is None:
            scan.problems.append(at(path, f"its number, {number}, is not in 1–400"))
            continue
        sentence = _korean_sentence(speaker, number)
        scan.recordings.append(Recording(path, speaker, f"{number:05d}", label, sentence))
    return scan.found()


def _korean_sentence(speaker: str, number: int) -> str:
    """Which sentence a number is.

    Two scripts are told apart by the speakers' first letter: lengths of clips of one number agree
    within a letter (r > 0.8), not across. Those with e say the same hundred sentences in each
    emotion (lengths a hundred numbers apart agree to r = 1.00); the others another in each.
    """
    return f"{speaker[0]}{(number - 1) % 100 + 1 if speaker[0] == 'e' else number:03d}"


UNKNOWN_SPEAKER = "unknown"


def find_csv(table: Path) -> Found:
    """A table of ``file,label[,speaker,sentence]``, files relative to it."""
    if not table.is_file():
        problem = "is a folder: give the CSV file" if table.is_dir() else "no such file"
        raise DataError(at(table, problem))
    scan = _Scan(table, [])
    listed: dict[Path, int] = {}
    for line, row in read_rows(table, ("file", "label")):
        label = SYNONYMS.get(_plain(row["label"]).casefold())
        path = table.parent / row["file"]
        if not row["file"]:
            scan.problems.append(at(table, f"line {line} names no file"))
        elif label is None:
            known = ", ".join(sorted(set(SYNONYMS.values())))
            problem = f"line {line}: unknown label {row['label']!r}; known: {known}"
            scan.problems.append(at(table, problem))
        elif not path.is_file():
            scan.problems.append(at(table, f"line {line}: no such file: {path}"))
        elif path in listed:
            problem = f"line {line} lists {row['file']} again, after line {listed[path]}: left out"
            scan.problems.append(at(table, problem))
        else:
            listed[path] = line
            speaker = _plain(row.get("speaker", "")) or UNKNOWN_SPEAKER
            sentence = _plain(row.get("sentence", ""))
            scan.recordings.append(Recording(path, speaker, path.stem, label, sentence))
    strangers = sum(recording.speaker == UNKNOWN_SPEAKER for recording in scan.recordings)
    scan.count(
        strangers,
        "recording has no speaker: it counts as of a speaker “unknown”",
        "recordings have no speaker: all count as of one speaker “unknown”",
    )
    return scan.found()


LAYOUTS: dict[str, Layout] = {
    "aihub": Layout(
        find_aihub, "folders 0~9/000/movie/… of numbered videos, or flat N번연기자_NNN.mp4"
    ),
    "ravdess": Layout(find_ravdess, "names such as 03-01-05-01-02-01-12.wav"),
    "emodb": Layout(find_emodb, "names such as 03a01Wa.wav"),
    "korean": Layout(find_korean, "names such as ema00001.wav, 1–400"),
    "csv": Layout(find_csv, "a table of your own: file,label[,speaker,sentence]"),
}
