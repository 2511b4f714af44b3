"""Taking the sound out of one recording."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from reelpulse.errors import MediaError, SettingsError, at
from reelpulse.files import readable
from reelpulse.media import decode_sound, sixteen_bits, write_sound
from reelpulse.settings import setting
from reelpulse.speech.corpus import SUFFIX, Recording
from reelpulse.speech.scan import plain
from reelpulse.speech.sound import levels, trimmed

RATE = 16_000

_LONGEST_NAME = 60
_MOST_DAMAGED = 0.1
"""Share of a sound's packets that may be lost."""


@dataclass(frozen=True)
class PrepareSettings:
    """Which recordings are taken.

    Raises
    ------
    SettingsError
        Where a value is impossible.
    """

    audio_track: int = setting(0, "Which sound track of the files, counted from 0.")
    shortest: float = setting(0.1, "Seconds: what is shorter, silent ends cut off, is left out.")
    longest: float = setting(300.0, "Seconds: what is longer is no clip, and is left out.")
    trim_db: float = setting(
        30.0, "Silence at the ends is what is fainter than the loudest 20 ms by this, in dB."
    )

    def __post_init__(self) -> None:
        if self.audio_track < 0:
            raise SettingsError(f"audio_track={self.audio_track} must be 0 or more")
        if not 0 < self.shortest < self.longest:
            raise SettingsError(f"shortest={self.shortest:g} must be above 0, and below longest")
        if not self.trim_db > 0:
            raise SettingsError(f"trim_db={self.trim_db:g} must be above 0")


@dataclass(frozen=True)
class Job:
    """A recording to be done: `name` is its sound's, `wanted` what that would be were it free."""

    name: str
    wanted: str
    recording: Recording
    source: str
    folder: Path
    settings: PrepareSettings

    @property
    def path(self) -> Path:
        """Where the sound goes."""
        return self.folder / f"{self.name}{SUFFIX}"


@dataclass(frozen=True)
class Done:
    """A recording's sound as it was written.

    `stamp` is the size and time of the file that it is from; `measured` has columns of the table.
    """

    name: str
    source: str
    stamp: tuple[int, int]
    measured: dict[str, float | str]
    damaged: int = 0


def jobs(
    recordings: Iterable[Recording], root: Path, out: Path, settings: PrepareSettings
) -> Iterator[Job]:
    """Name recordings: a name that is taken gets ``_2``, also where only capitals differ."""
    taken: set[str] = set()
    for recording in recordings:
        wanted = name = _file_name(f"{recording.speaker}_{recording.number}")
        count = 1
        while name.casefold() in taken:
            count += 1
            name = f"{wanted}_{count}"
        taken.add(name.casefold())
        path = recording.path
        source = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        yield Job(name, wanted, recording, readable(source), out, settings)


def _file_name(text: str) -> str:
    """A name that every file system takes."""
    name = re.sub(r"[^\w.+-]+", "-", plain(readable(text))).lstrip(".-")
    return name[:_LONGEST_NAME]


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file: they change with what is in it."""
    try:
        state = path.stat()
    except OSError:
        return -1, -1
    return state.st_size, state.st_mtime_ns


def extract(job: Job) -> Done | str:
    """Write a recording's sound.

    Returns
    -------
    Done or str
        A text says why it cannot be taken.

    Raises
    ------
    DataError
        When the folder cannot be written or the disk is full.
    """
    path, settings = job.recording.path, job.settings
    state = stamp(path)
    try:
        sound = decode_sound(path, RATE, settings.audio_track, settings.longest)
    except MediaError as error:
        return str(error)
    except MemoryError:
        return at(path, "needs more memory than there is")
    if sound.damaged > _MOST_DAMAGED * max(1, sound.packets):
        return at(path, f"{sound.damaged} of {sound.packets} packets of its sound do not decode")
    samples = sound.samples
    kept, head, tail = trimmed(samples, RATE, settings.trim_db)
    if not len(kept):
        return at(path, "is silent")
    if len(kept) < settings.shortest * RATE:
        return at(path, f"is too short: {len(kept) / RATE:.2f} s of sound, silent ends cut off")
    write_sound(job.path, samples, RATE)
    measured = {
        "duration": round(len(samples) / RATE, 4),
        **{name: round(value, 5) for name, value in asdict(levels(samples)).items()},
        "cut_head": round(head, 4),
        "cut_tail": round(tail, 4),
        "checksum": hashlib.sha256(sixteen_bits(samples).tobytes()).hexdigest()[:16],
    }
    return Done(job.name, job.source, state, measured, sound.damaged)
