"""The layout of AI Hub's acted corpus: a hundred actors, up to 350 numbered videos each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reelpulse.speech.corpus import Found, Recording
from reelpulse.speech.scan import Scan, plain, runs, scan

_LAST_NUMBER = 350
_LAST_OF = {
    50: "happiness",
    100: "surprise",
    150: "neutral",
    200: "fear",
    250: "disgust",
    300: "anger",
    350: "sadness",
}
"""Up to which number the clips show what."""

_FILMS = "movie"
_FILE = re.compile(r"(\d+)\s*번\s*연기자[\s_-]*(\d+)")
_FOLDER = re.compile(r"(\d+)(?:\s*번\s*연기자)?")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\D)?(\d+)", re.DOTALL)


@dataclass(frozen=True)
class _Clip:
    """A file: the folder that names its speaker, and the actor that its own name tells."""

    path: Path
    number: int
    place: Path | None
    actor: int | None


def find_aihub(corpus: Path) -> Found:
    """Find actors' folders of numbered videos, and flat ``1번연기자_001.mp4``.

    The speaker is the folder of digits, the one above ``movie`` or the deepest; in a flat folder,
    and in a numbered one of several actors' files, the actor of the file's name.

    Returns
    -------
    Found
    """
    found = scan(corpus)
    clips = [clip for path in found.files if (clip := _read(path, found)) is not None]
    clips = _without_shared(clips)
    speakers = _speakers(clips, found)
    places: dict[str, set[Path]] = defaultdict(set)
    for clip, speaker in zip(clips, speakers, strict=True):
        places[speaker].add(clip.place or clip.path.parent)
        number = f"{clip.number:03d}"
        found.recordings.append(Recording(clip.path, speaker, number, _label(clip.number)))
    for speaker in sorted(places):
        if len(places[speaker]) > 1:
            shown = ", ".join(sorted(str(place) for place in places[speaker]))
            found.notes.append(
                f"speaker {speaker} is in several folders, kept as one: {shown}"
                " (if they are several people, rename the folders)"
            )
    found.note_missing(f"{number:03d}" for number in range(1, _LAST_NUMBER + 1))
    _note_missing_speakers(found)
    return found.found()


def _read(path: Path, found: Scan) -> _Clip | None:
    """What a path tells; a problem is noted where that is not enough."""
    stem = plain(path.stem)
    named = _FILE.fullmatch(stem)
    numbered = _ENDS_IN_NUMBER.fullmatch(stem)
    place = _place(found.corpus, path)
    if place is None and named is None:
        found.problem(path, "no speaker in its path: no folder of digits, no name N번연기자_NNN")
    elif numbered is None:
        found.problem(path, "its name does not end in the clip's number")
    elif not 1 <= int(numbered[1]) <= _LAST_NUMBER:
        found.problem(path, f"its number, {int(numbered[1])}, is not in 1–{_LAST_NUMBER}")
    else:
        return _Clip(path, int(numbered[1]), place, int(named[1]) if named else None)
    return None


def _place(corpus: Path, path: Path) -> Path | None:
    """The folder that names the speaker."""
    inside = [corpus / parent for parent in path.relative_to(corpus).parents][:-1]
    above_films = [place.parent for place in inside if place.name.lower() == _FILMS]
    for place in (*above_films, *inside):
        if _number(place) is not None:
            return place
    own = corpus.resolve()  # a single speaker's folder may be given, or the films in it
    own = own.parent if own.name.lower() == _FILMS else own
    return own if _FILE.fullmatch(plain(path.stem)) is None and _number(own) is not None else None


def _without_shared(clips: list[_Clip]) -> list[_Clip]:
    """Forget folders whose files are all named, after several actors: they are nobody's own."""
    actors_in: dict[Path | None, set[int | None]] = defaultdict(set)
    for clip in clips:
        actors_in[clip.place].add(clip.actor)
    shared = {
        place for place, actors in actors_in.items() if len(actors) > 1 and None not in actors
    }
    return [replace(clip, place=None) if clip.place in shared else clip for clip in clips]


def _number(place: Path) -> int | None:
    match = _FOLDER.fullmatch(plain(place.name))
    return int(match[1]) if match else None


def _label(number: int) -> str:
    return next(label for last, label in _LAST_OF.items() if number <= last)


def _speakers(clips: list[_Clip], found: Scan) -> list[str]:
    """Who speaks in each clip; folders that hold clips named after one actor are one speaker's.

    So that no speaker comes to lie on both sides of a split.
    """
    folders_of: dict[int, set[int]] = defaultdict(set)
    for clip in clips:
        if clip.place is not None and clip.actor is not None:
            folders_of[clip.actor].add(_number(clip.place) or 0)
    first = _first_of_each(folders_of)
    for actor, folders in sorted(folders_of.items()):
        if len(folders) > 1:
            shown = ", ".join(f"{folder:03d}" for folder in sorted(folders))
            found.notes.append(
                f"folders {shown} hold clips named after one actor, {actor}: kept as one speaker"
            )
    speakers = []
    for clip in clips:
        if clip.place is not None:
            speaker = _number(clip.place) or 0
        else:
            speaker = min(folders_of.get(clip.actor or 0) or {clip.actor or 0})
        speakers.append(f"{first.get(speaker, speaker):03d}")
    return speakers


def _first_of_each(folders_of: Mapping[int, set[int]]) -> dict[int, int]:
    """Map each folder to the first of those that share an actor, over any number of steps."""
    groups: list[set[int]] = []
    for folders in folders_of.values():
        touched = [group for group in groups if group & folders]
        groups = [group for group in groups if not group & folders]
        groups.append(folders.union(*touched))
    return {folder: min(group) for group in groups for folder in group}


def _note_missing_speakers(found: Scan) -> None:
    speakers = {int(recording.speaker) for recording in found.recordings}
    if speakers:
        missing = sorted(set(range(min(speakers), max(speakers))) - speakers)
        if missing:
            found.notes.append(f"speakers without a recording: {runs(map(str, missing))}")
