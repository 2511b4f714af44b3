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

Faces are measured in the real clips at ten looks a second, sound is mixed as samples and heard as
`analyze` hears it; so the timelines are what videos made that way give, up to their compression
(`composite_video.py` makes one such video and compares). Clips, speakers and sounds of the streams
for choosing (``dev``) and for the figure reported (``final``) are different ones: a fold each of
ESC-50 and of the speakers, so that a laughter detector trained without that fold has heard none of
them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import librosa
import numpy as np
from composite_faces import measured_faces, with_embedding

from reelpulse.files import digest
from reelpulse.media import rms
from reelpulse.speech.model import SpeechModel
from reelpulse.speech.voice import ENOUGH, VoiceActivity
from reelpulse.speech.voice import SECONDS as VOICE_SECONDS
from reelpulse.streams.laughter import MEL, PATCH, LaughterModel
from reelpulse.streams.loudness import FLOOR, RATE, WINDOW_SECONDS
from reelpulse.timeline import FACE_COLUMNS, LOUDNESS_COLUMNS, Timeline

SECONDS = 600.0
FPS = 2.0
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

FOLDS = {"dev": 1, "final": 5}
"""Fold of the sounds; `recipes/laughter.py` spreads clips and speakers over five."""

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
    """A made stream: its timeline, what was put into it, laughter heard and embeddings seen."""

    name: str
    timeline: Timeline
    events: tuple[Event, ...]
    heard: Mapping[str, Array] = field(default_factory=dict)
    seen: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def with_laughter(self, name: str) -> Timeline:
        """The timeline with the column ``laughter`` of one of the detectors."""
        plain = self.timeline
        values = np.concatenate([plain.values, self.heard[name][:, None]], axis=1)
        return Timeline(plain.times, values, (*plain.columns, "laughter"), plain.meta)

    @property
    def truth(self) -> list[tuple[float, float]]:
        """The funny stretches, in seconds."""
        return [(event.start, event.end) for event in self.events if event.kind == "funny"]


def make_streams(
    data: Path,
    part: str,
    seeds: Sequence[int],
    cache: Path,
    detectors: Mapping[str, LaughterModel] | None = None,
) -> list[Stream]:
    """Make streams of every clip of a part (``dev`` or ``final``), one a seed.

    What each laughter detector hears is kept in `Stream.heard`.
    """
    return [
        _stream(data, part, number, seed, cache, detectors or {})
        for number in range(len(CLIPS[part]))
        for seed in seeds
    ]


@dataclass(frozen=True)
class Script:
    """What happens in a stream, before anything is measured.

    Parameters
    ----------
    clip : Clip
    events : tuple of Event
    phase : float
        Seconds by which the face's playing is shifted.
    sound : ndarray
        Samples at `RATE`.
    """

    clip: Clip
    events: tuple[Event, ...]
    phase: float
    sound: Array

    def source(self, time: float) -> float:
        """Which second of the clip is on screen; NaN where the face is hidden."""
        now = next((e for e in self.events if e.start <= time < e.end), None)
        if now is not None and now.kind.startswith("hidden"):
            return float("nan")
        smiles = now is not None and now.kind in ("funny", "smile")
        stretches = self.clip.smile if smiles else self.clip.plain
        # A stretch for about eight seconds, then another; each played back and forth.
        shifted = time + self.phase
        low, high = stretches[int(shifted // 8) % len(stretches)]
        cycle = shifted % (2 * (high - low))
        return low + min(cycle, 2 * (high - low) - cycle)


def make_script(data: Path, part: str, number: int, seed: int) -> Script:
    """Write the script of one stream: of a part's clip by number, by a seed."""
    rng = np.random.default_rng([seed, number, zlib.crc32(part.encode())])
    sounds = _Sounds(data, part, rng)
    events = _plan(rng)
    phase = rng.uniform(0, 100)
    return Script(CLIPS[part][number], tuple(events), phase, _mixed(events, sounds, rng))


class Stage:
    """A script and what measures it, at any times.

    Parameters
    ----------
    data : Path
    part : {"dev", "final"}
    number : int
        Of the part's clips.
    seed : int
    cache : Path
        Folder that keeps the clips' measured faces.
    """

    def __init__(self, data: Path, part: str, number: int, seed: int, cache: Path) -> None:
        self.script = make_script(data, part, number, seed)
        self._faces = measured_faces(data / "faces" / self.script.clip.file, cache)
        self.name = f"{Path(self.script.clip.file).stem} {seed}"

    def values(self, times: Array) -> Array:
        """The ten face values and the two of loudness, (T, 12); NaN where the face is hidden."""
        face = self._seen(times, self._faces.values)
        return np.concatenate([face, _loudness(times, self.script.sound)], axis=1)

    def embeddings(self, times: Array) -> Array:
        """What the emotion network saw in the face, (T, 192)."""
        return self._seen(times, self._faces.embeddings)

    def laughter(self, times: Array, model: LaughterModel) -> Array:
        """Probability of laughter, (T,)."""
        return _laughter(times, self.script.sound, model)

    def speech(self, times: Array, model: SpeechModel, voice: VoiceActivity) -> Array:
        """Emotions of the voice, (T, 7), as the stream ``speech`` hears them."""
        sound = librosa.resample(self.script.sound, orig_sr=RATE, target_sr=MEL.rate)
        length = int(VOICE_SECONDS * MEL.rate)
        padded = np.concatenate([np.zeros(length, np.float32), sound])
        ends = length + (times * MEL.rate).astype(int)
        out = np.full((len(times), len(model.classes)), np.nan, np.float32)
        for start in range(0, len(times), 64):
            rows = range(start, min(start + 64, len(times)))
            pieces = np.stack([padded[ends[row] - length : ends[row]] for row in rows])
            spoken = np.flatnonzero(voice.share(pieces) >= ENOUGH)
            if len(spoken):
                out[start + spoken] = model.heard(list(pieces[spoken]))
        return out

    def _seen(self, times: Array, rows: Array) -> Array:
        out = np.full((len(times), rows.shape[1]), np.nan)
        for place, time in enumerate(times):
            second = self.script.source(float(time))
            if not np.isnan(second):
                out[place] = rows[int(np.argmin(np.abs(self._faces.times - second)))]
        return out


def _stream(
    data: Path,
    part: str,
    number: int,
    seed: int,
    cache: Path,
    detectors: Mapping[str, LaughterModel],
) -> Stream:
    """Make a stream, unless the cache has it of the same models."""
    models = [digest(with_embedding(cache))]
    models += [f"{name} {model.settings['checksum']}" for name, model in detectors.items()]
    mark = zlib.crc32("\n".join(models).encode())
    kept = cache / f"stream-{part}-{number}-{seed}-{mark:08x}.npz"
    times = np.arange(0.0, SECONDS, 1 / FPS)
    if not kept.exists():
        stage = Stage(data, part, number, seed, cache)
        events = [(e.kind, str(e.start), str(e.end)) for e in stage.script.events]
        heard = [stage.laughter(times, model) for model in detectors.values()]
        np.savez_compressed(
            kept.with_suffix(".part.npz"),
            values=stage.values(times),
            seen=stage.embeddings(times),
            heard=np.array(heard),
            events=np.array(events),
            name=stage.name,
        )
        kept.with_suffix(".part.npz").replace(kept)
    with np.load(kept, allow_pickle=False) as made:
        events = tuple(Event(kind, float(a), float(b)) for kind, a, b in made["events"].tolist())
        heard = dict(zip(detectors, made["heard"], strict=True))
        timeline = Timeline(
            times,
            made["values"].astype(np.float32),
            (*FACE_COLUMNS, *LOUDNESS_COLUMNS),
            {"video": {"duration": SECONDS}},
        )
        return Stream(str(made["name"]), timeline, events, heard, made["seen"])


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


# The sound


class _Sounds:
    """Real sounds of one part's own halves of the sets."""

    def __init__(self, data: Path, part: str, rng: np.random.Generator) -> None:
        self._data, self._rng = data, rng
        self._fold = FOLDS[part]
        speakers = []
        for corpus, length in (("korean", 3), ("emodb", 2)):
            names = sorted({path.name[:length] for path in (data / corpus).glob("*.ogg")})
            speakers += [f"{corpus}/{name}*.ogg" for name in names[self._fold - 1 :: 5]]
        self._speaker = str(rng.choice(speakers))

    def speech(self) -> Array:
        files = sorted(self._data.glob(self._speaker))
        return _load(self._rng.choice(np.array(files, object)))

    def of(self, names: Sequence[str]) -> Array:
        files = sorted(
            path
            for name in names
            for path in (self._data / "esc50" / name).glob("*.ogg")
            if path.name[0] == str(self._fold)
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


def _laughter(times: Array, samples: Array, model: LaughterModel) -> Array:
    sound = librosa.resample(samples, orig_sr=RATE, target_sr=MEL.rate)
    padded = np.concatenate([np.zeros(PATCH, np.float32), sound])
    ends = PATCH + (times * MEL.rate).astype(int)
    return model.heard(np.stack([padded[end - PATCH : end] for end in ends]))


def _loudness(times: Array, samples: Array) -> Array:
    half = int(WINDOW_SECONDS * RATE)
    padded = np.concatenate([np.zeros(2 * half, np.float32), samples])
    rows = []
    for time in times:
        end = 2 * half + int(time * RATE)
        now, before = rms(padded[end - half : end]), rms(padded[end - 2 * half : end - half])
        rows.append((now, (now - before) / max(before, FLOOR)))
    return np.array(rows)
