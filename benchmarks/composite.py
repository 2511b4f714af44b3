"""Streams with a known truth, made of real pieces.

A stream is ten minutes of one person. The face plays a clip's plain stretches back and forth; the
sound is one speaker's sentences with pauses, over a quiet background. Into this come events, at
least twelve seconds apart and in random order:

- ``funny``: the clip's smiling stretch, with laughter in the sound: the only truth;
- ``loud``: a loud sound (a horn, a door, glass, a siren) over the plain face;
- ``smile``: the smiling stretch while the speech goes on;
- ``voice``: coughs, sneezes, crying over the plain face;
- ``canned``: laughter over the plain face;
- ``hidden``: the face is gone for 8 to 20 s; ``hidden loud``: and something loud in it.

Faces are measured in the real clips at ten looks a second, sound is mixed as samples and its
loudness measured as `analyze` does; so the timelines are what videos made that way would give, up
to their compression. Clips, speakers and sounds of the streams for choosing (``dev``) and for the
figure reported (``final``) are different ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np

import reelpulse
from reelpulse.media import rms
from reelpulse.streams.loudness import FLOOR, RATE, WINDOW_SECONDS
from reelpulse.timeline import FACE_COLUMNS, LOUDNESS_COLUMNS, Timeline

SECONDS = 600.0
FPS = 2.0
_LOOKS = 10.0
_APART = 12.0

Array = np.ndarray


@dataclass(frozen=True)
class Clip:
    """Where a clip's face is plain and where it smiles or laughs, in seconds."""

    file: str
    plain: tuple[tuple[float, float], ...]
    smile: tuple[tuple[float, float], ...]


CLIPS = {
    "dev": (
        Clip("liveportrait_driving_d0.mp4", ((0.0, 0.7),), ((0.9, 2.6),)),
        Clip("liveportrait_driving_d13.mp4", ((0.0, 0.6), (3.8, 5.8)), ((6.2, 8.5),)),
        Clip("pyfeat_face_noface.mov", ((0.0, 0.5),), ((0.7, 2.3),)),
    ),
    "final": (
        Clip("latentsync_demo2.mp4", ((10.8, 15.2), (17.2, 20.0)), ((7.7, 10.2),)),
        Clip("pyfeat_single_face.mp4", ((0.0, 0.5),), ((0.7, 2.4),)),
        Clip("liveportrait_driving_d12.mp4", ((0.0, 0.6),), ((0.8, 2.3),)),
    ),
}
"""By eye (`truth/expressions.csv`), and by the clips' own descriptions."""

EVENTS = {"funny": 8, "loud": 8, "smile": 6, "voice": 5, "canned": 5, "hidden": 2, "hidden loud": 2}
LOUD = ("car_horn", "door_knock", "glass_breaking", "siren", "clock_alarm", "fireworks", "dog")
VOICES = ("coughing", "sneezing", "crying_baby")


@dataclass(frozen=True)
class Event:
    """What happens from `start` to `end`, in seconds."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class Stream:
    """A made stream: its timeline, and what was put into it."""

    name: str
    timeline: Timeline
    events: tuple[Event, ...]

    @property
    def truth(self) -> list[tuple[float, float]]:
        """The funny stretches, in seconds."""
        return [(event.start, event.end) for event in self.events if event.kind == "funny"]


def make_streams(data: Path, part: str, seeds: Sequence[int], cache: Path) -> list[Stream]:
    """Make streams of every clip of a part (``dev`` or ``final``), one a seed."""
    return [
        _stream(data, part, clip, number, seed, cache)
        for number, clip in enumerate(CLIPS[part])
        for seed in seeds
    ]


def _stream(data: Path, part: str, clip: Clip, number: int, seed: int, cache: Path) -> Stream:
    rng = np.random.default_rng([seed, number, zlib.crc32(part.encode())])
    sounds = _Sounds(data, part, rng)
    events = _plan(rng)
    times = np.arange(0.0, SECONDS, 1 / FPS)
    face = _face(times, events, _Measured(data / "faces" / clip.file, cache), clip, rng)
    loudness = _loudness(times, _mixed(events, sounds, rng))
    values = np.concatenate([face, loudness], axis=1).astype(np.float32)
    meta = {"video": {"duration": SECONDS}}
    timeline = Timeline(times, values, (*FACE_COLUMNS, *LOUDNESS_COLUMNS), meta)
    return Stream(f"{Path(clip.file).stem} {seed}", timeline, tuple(events))


def _plan(rng: np.random.Generator) -> list[Event]:
    kinds = rng.permutation([kind for kind, count in EVENTS.items() for _ in range(count)])
    lengths = [rng.uniform(8, 20) if k.startswith("hidden") else rng.uniform(3, 6) for k in kinds]
    free = SECONDS - sum(lengths) - _APART * (len(kinds) + 1) / 2
    pauses = _APART / 2 + rng.dirichlet(np.ones(len(kinds) + 1)) * free
    events, time = [], 0.0
    for kind, length, pause in zip(kinds, lengths, pauses, strict=False):
        time += pause
        events.append(Event(str(kind), time, time + length))
        time += length
    return events


# The face


class _Measured:
    """A clip's ten face values at any of its times."""

    def __init__(self, file: Path, cache: Path) -> None:
        kept = cache / f"{file.stem}.csv"
        if not kept.exists():
            reelpulse.analyze(file, fps=_LOOKS, emotion="builtin", stream=("face",)).to_csv(kept)
        rows = np.genfromtxt(kept, delimiter=",", skip_header=1)
        self.times, self.values = rows[:, 0], rows[:, 1 : 1 + len(FACE_COLUMNS)]

    def at(self, time: float) -> Array:
        return self.values[int(np.argmin(np.abs(self.times - time)))]


def _face(
    times: Array, events: Sequence[Event], measured: _Measured, clip: Clip, rng: np.random.Generator
) -> Array:
    values = np.empty((len(times), len(FACE_COLUMNS)))
    phase = rng.uniform(0, 100)
    for row, time in zip(values, times, strict=True):
        now = next((e for e in events if e.start <= time < e.end), None)
        smiles = now is not None and now.kind in ("funny", "smile")
        stretches = clip.smile if smiles else clip.plain
        # A stretch for about eight seconds, then another; each played back and forth.
        low, high = stretches[int((time + phase) // 8) % len(stretches)]
        cycle = (time + phase) % (2 * (high - low))
        row[:] = measured.at(low + min(cycle, 2 * (high - low) - cycle))
        if now is not None and now.kind.startswith("hidden"):
            row[:] = np.nan
    return values


# The sound


class _Sounds:
    """Real sounds of one part's own halves of the sets."""

    def __init__(self, data: Path, part: str, rng: np.random.Generator) -> None:
        self._data, self._rng = data, rng
        self._folds = "123" if part == "dev" else "45"
        speakers = sorted({path.name[:3] for path in (data / "korean").glob("*.ogg")})
        half = len(speakers) // 2
        self._speaker = str(rng.choice(speakers[:half] if part == "dev" else speakers[half:]))

    def speech(self) -> Array:
        files = sorted((self._data / "korean").glob(f"{self._speaker}*.ogg"))
        return _load(self._rng.choice(np.array(files, object)))

    def of(self, names: Sequence[str]) -> Array:
        files = sorted(
            path
            for name in names
            for path in (self._data / "esc50" / name).glob("*.ogg")
            if path.name[0] in self._folds
        )
        return _load(self._rng.choice(np.array(files, object)))


_LOADED: dict[Path, Array] = {}


def _load(path: Path) -> Array:
    """Read a sound, its silent ends cut."""
    if path not in _LOADED:
        samples, _ = librosa.load(path, sr=RATE)
        _LOADED[path] = librosa.effects.trim(samples, top_db=35)[0]
    return _LOADED[path]


def _mixed(events: Sequence[Event], sounds: _Sounds, rng: np.random.Generator) -> Array:
    out = np.zeros(int(SECONDS * RATE), np.float32)
    voice = rng.uniform(0.02, 0.08)
    time = 0.0
    while time < SECONDS:
        piece = sounds.speech()
        _add(out, time, piece, voice * 10 ** rng.uniform(-0.15, 0.25))
        time += len(piece) / RATE + rng.choice([rng.uniform(0.1, 0.8), rng.uniform(1, 5)])
    noise = rng.standard_normal(len(out)).astype(np.float32)
    out += noise * voice * rng.uniform(0.02, 0.25)
    for event in events:
        if event.kind in ("funny", "canned"):
            _fill(out, event, sounds, ("laughing",), voice * 10 ** rng.uniform(-0.1, 0.6))
        elif event.kind.endswith("loud"):
            _fill(out, event, sounds, LOUD, voice * 10 ** rng.uniform(0.2, 0.8))
        elif event.kind == "voice":
            _fill(out, event, sounds, VOICES, voice * 10 ** rng.uniform(0.0, 0.6))
    return np.clip(out, -1, 1)


def _fill(out: Array, event: Event, sounds: _Sounds, names: Sequence[str], level: float) -> None:
    piece = sounds.of(names)
    count = int((event.end - event.start) * RATE)
    _add(out, event.start, np.resize(piece, count), level)


def _add(out: Array, start: float, piece: Array, level: float) -> None:
    at = int(start * RATE)
    piece = piece[: len(out) - at]
    out[at : at + len(piece)] += piece * (level / max(rms(piece), 1e-6))


def _loudness(times: Array, samples: Array) -> Array:
    half = int(WINDOW_SECONDS * RATE)
    padded = np.concatenate([np.zeros(2 * half, np.float32), samples])
    rows = []
    for time in times:
        end = 2 * half + int(time * RATE)
        now, before = rms(padded[end - half : end]), rms(padded[end - 2 * half : end - half])
        rows.append((now, (now - before) / max(before, FLOOR)))
    return np.array(rows)
