"""Looking through a corpus' folders for sound."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from reelpulse.errors import DataError, at
from reelpulse.speech.corpus import JOURNAL, REPORT, Found, Recording

_VIDEO = ".mp4 .m4v .mov .avi .mkv .webm .mts .m2ts .ts .mpg .mpeg .wmv .flv .3gp .mxf"
_SOUND = ".wav .flac .ogg .oga .opus .mp3 .m4a .aac .wma .aif .aiff .au .caf"
_SOUND_ENDINGS = frozenset(_SOUND.split())
_ENDINGS = _SOUND_ENDINGS.union(_VIDEO.split())

_LEFT_OUT = ("picture", "__macosx")
"""Folders, in small letters: AI Hub's stills, and what a Mac puts into archives."""


@dataclass
class Scan:
    """Files of sound below a folder, in order; a layout adds recordings, problems and notes."""

    corpus: Path
    files: list[Path] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def found(self) -> Found:
        """What was found, to be kept."""
        lines = (tuple(kind) for kind in (self.problems, self.notes, self.gaps))
        return Found(tuple(self.recordings), *lines)

    def problem(self, path: str | Path, what: str) -> None:
        """Say of a file that it cannot be used."""
        self.problems.append(at(path, what))

    def count(self, number: int, one: str, many: str) -> None:
        """Note a number, if it is not 0."""
        if number:
            self.notes.append(f"{number} {one if number == 1 else many}")

    def note_missing(self, expected: Iterable[str] | None = None) -> None:
        """Note, in a line a speaker, which numbers are missing.

        Parameters
        ----------
        expected : iterable of str, optional
            What each should have; those that any speaker has without it.
        """
        had: dict[str, set[str]] = defaultdict(set)
        for recording in self.recordings:
            had[recording.speaker].add(recording.number)
        wanted = sorted(set().union(*had.values()) if expected is None else expected)
        for speaker in sorted(had):
            missing = [number for number in wanted if number not in had[speaker]]
            if missing:
                self.gaps.append(
                    f"speaker {speaker}: {len(missing)} of {len(wanted)} missing: {runs(missing)}"
                )


def scan(corpus: Path) -> Scan:
    """Find sound and video at any depth.

    Pictures, hidden files and what was prepared before are passed over. Where sound lies beside
    the video that it was taken from, under the same name, the sound is taken.

    Raises
    ------
    DataError
        When there is no such folder.
    """
    if not corpus.is_dir():
        is_file = corpus.exists()
        problem = "is a file: give the corpus' folder, unpacked" if is_file else "no such folder"
        raise DataError(at(corpus, problem))
    result, seen, twice = Scan(corpus), set[str](), 0

    def unreadable(error: OSError) -> None:
        result.problem(error.filename, f"cannot be read ({error.strerror})")

    for where, folders, names in os.walk(corpus, onerror=unreadable, followlinks=True):
        real = os.path.realpath(where)
        if real in seen or REPORT in names or JOURNAL in names:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(n for n in folders if n[0] != "." and n.lower() not in _LEFT_OUT)
        kept: dict[str, Path] = {}
        for name in sorted(names, key=_sound_first):
            path = Path(where, name)
            if name[0] != "." and path.suffix.lower() in _ENDINGS:
                twice += path.stem in kept
                kept.setdefault(path.stem, path)
        result.files += [kept[stem] for stem in sorted(kept)]
    result.count(
        twice,
        "file left out for another of its name beside it (sound goes before video)",
        "files left out for others of their names beside them (sound goes before video)",
    )
    return result


def _sound_first(name: str) -> tuple[bool, str]:
    return Path(name).suffix.lower() not in _SOUND_ENDINGS, name


def plain(text: str) -> str:
    """Korean in one piece a syllable: archives packed on a Mac hold it taken apart."""
    return unicodedata.normalize("NFC", text)


def runs(numbers: Iterable[str]) -> str:
    """Write increasing numbers shortly, ``4, 17–20``; what is no number as it is."""
    spans: list[list[str]] = []
    for number in numbers:
        last = spans[-1][-1] if spans else ""
        if number.isdecimal() and last.isdecimal() and int(number) == int(last) + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("–".join(_short(end) for end in span) for span in spans)


def _short(number: str) -> str:
    return str(int(number)) if number.isdecimal() else number
