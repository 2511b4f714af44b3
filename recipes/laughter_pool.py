"""Sounds to teach a laughter detector with, and the mixtures that are made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np

from reelpulse.media.mel import mel
from reelpulse.streams.laughter import FLOOR, FRAMES, LAUGHS, MEL, PATCH, YAMNET_HALF

RATE = MEL.rate
STRIDE = 48
"""Frames from one patch to the next where a sound is listened through: 0.48 s."""

ALIKE = (
    *("crying_baby", "coughing", "sneezing", "breathing", "snoring", "clapping", "siren"),
    *("cat", "dog", "hen", "rooster", "crow", "sheep", "cow", "pig", "frog", "chirping_birds"),
)
"""Classes that are taken for laughter most easily."""

SPEAKERS = {"ravdess": slice(-6, -4), "emodb": slice(0, 2), "korean": slice(0, 3)}
"""Corpora of speech, and which letters of a file's name are the speaker."""

FOLDERS = ("esc50", *SPEAKERS)
FOLDS = 5
LOW, STEP = np.log(FLOOR), 0.05
"""The pool keeps log-mel values in bytes: LOW + STEP * byte."""


# Sounds


@dataclass(frozen=True)
class Sound:
    """A recording: its class, fold and speaker, and 16 kHz mono samples in [-1, 1]."""

    kind: str
    fold: int
    samples: np.ndarray
    speaker: str = ""


def fingerprint(data: Path) -> str:
    """SHA-256 of all recordings and their names."""
    found = hashlib.sha256()
    for path in sorted(path for folder in FOLDERS for path in (data / folder).rglob("*.ogg")):
        found.update(path.relative_to(data).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def load_sounds(data: Path) -> list[Sound]:
    """Read all recordings; speakers are spread over the folds by name."""
    found = []
    for path in sorted((data / "esc50").glob("*/*.ogg")):
        found.append(Sound(path.parent.name, int(path.name[0]), read(path)))
    for corpus, where in SPEAKERS.items():
        paths = sorted((data / corpus).glob("*.ogg"))
        names = sorted({path.name[where] for path in paths})
        for path in paths:
            speaker = path.name[where]
            fold = names.index(speaker) % FOLDS + 1
            found.append(Sound(f"speech:{corpus}", fold, read(path), speaker))
    return found


def read(path: Path) -> np.ndarray:
    """Read a sound at 16 kHz, mono."""
    samples, _ = librosa.load(path, sr=RATE)
    return samples


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram, (frames, 64)."""
    return np.log(mel(samples, MEL) + FLOOR)


def patches_of(samples: np.ndarray) -> np.ndarray:
    """Cut a sound into log-mel patches, one every 0.48 s: (P, 96, 64), P at least 1."""
    frames = spectrum(np.pad(samples, (0, max(0, PATCH - len(samples)))))
    return np.stack([frames[i : i + FRAMES] for i in range(0, len(frames) - FRAMES + 1, STRIDE)])


class Teacher:
    """YAMNet: 521 scores of a patch."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._run = Interpreter(str(path), num_threads=1)
        self._run.allocate_tensors()
        self._in = self._run.get_input_details()[0]["index"]
        self._out = self._run.get_output_details()[0]["index"]

    def __call__(self, patch: np.ndarray) -> np.ndarray:
        """Score a patch (96, 64)."""
        self._run.set_tensor(self._in, patch[None].astype(np.float32))
        self._run.invoke()
        return self._run.get_tensor(self._out)[0]

    def laughter(self, patches: np.ndarray) -> np.ndarray:
        """Score patches (P, 96, 64) by the kind of laughter heard most in each, (P,)."""
        return np.array([self(patch)[LAUGHS].max() for patch in patches])


# The pool of mixtures


def level(samples: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples)) + 1e-12))


def piece(sound: Sound, rng: np.random.Generator) -> np.ndarray:
    """Cut a patch out of a sound, a loud one rather than a silent one; played faster or slower."""
    speed = float(np.exp(rng.uniform(-0.2, 0.2))) if rng.random() < 0.5 else 1.0
    wanted = int(PATCH * speed) + 1
    samples = sound.samples
    if len(samples) < wanted:
        samples = np.pad(samples, (0, wanted - len(samples)))
    best = samples[:wanted]
    for _ in range(3):
        start = int(rng.integers(0, len(samples) - wanted + 1))
        part = samples[start : start + wanted]
        if level(part) > 0.3 * level(samples):
            best = part
            break
    at = np.arange(PATCH) * speed
    return np.interp(at, np.arange(wanted), best).astype(np.float32)


def music(rng: np.random.Generator) -> np.ndarray:
    """A few bars of made music-like sound: chords of decaying harmonics, and a beat."""
    out = np.zeros(PATCH, np.float32)
    time_ = np.arange(PATCH) / RATE
    for start in np.arange(0, 1, rng.uniform(0.12, 0.5)):
        since = np.clip(time_ - start, 0, None)
        gate = (time_ >= start) * np.exp(-since * rng.uniform(2, 10))
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        for ratio in (1, 1.25, 1.5, 2, 3, 4):
            out += gate * rng.uniform(0, 1) * np.sin(2 * np.pi * root * ratio * time_) / ratio
        out += gate**3 * rng.normal(0, 0.5, PATCH)
    return out


def colour(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the tone as a microphone and a room do: a tilt, and a short decaying echo."""
    spectrum_ = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum_ *= 10 ** (rng.uniform(-6, 6) / 20 * np.log2(np.maximum(hertz, 50) / 1000) / 3)
    if rng.random() < 0.4:
        decay = np.exp(-np.arange(3200) / rng.uniform(200, 1500))
        echo = rng.normal(0, 0.3, 3200) * decay
        echo[0] = 1
        spectrum_ *= np.fft.rfft(echo, len(samples))
    return np.fft.irfft(spectrum_, len(samples)).astype(np.float32)


def make_pool(sounds: Sequence[Sound], teacher: Teacher, count: int, seed: int) -> dict:
    """Mix `count` patches; those of one patch come from one fold. Two halves, each by a seed.

    45 % hold laughter: alone, or over speech, other sounds, made music or noise at -3 to 20 dB. The
    label of a laugh is 0.6 where the piece is as loud as its clip's usual, and 0.4 by what the
    teacher hears in it before mixing. Everything else is 0; nearly half of it are the sounds most
    like laughter: voices of people and animals, sirens, clapping.
    """
    parts = [_mixed(sounds, teacher, count // 2, seed + half) for half in range(2)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _mixed(sounds: Sequence[Sound], teacher: Teacher, count: int, seed: int) -> dict:
    rng = np.random.default_rng(seed)
    by_fold: dict[tuple[str, int], list[Sound]] = {}
    for sound in sounds:
        kind = sound.kind.split(":")[0]
        group = kind if kind in ("laughing", "speech") else "other"
        by_fold.setdefault((group, sound.fold), []).append(sound)
        if kind in ALIKE:
            by_fold.setdefault(("alike", sound.fold), []).append(sound)
    patches = np.zeros((count, FRAMES, MEL.bands), np.uint8)
    labels = np.zeros(count, np.float32)
    scores = np.zeros((count, 521), np.float16)
    folds = np.zeros(count, np.uint8)
    for row in range(count):
        fold = int(rng.integers(1, FOLDS + 1))

        def draw(group: str, fold: int = fold) -> Sound:
            group_sounds = by_fold[group, fold]
            return group_sounds[int(rng.integers(len(group_sounds)))]

        def backing(hard: bool = False) -> np.ndarray:
            which = rng.random()
            if hard and which < 0.45:
                return piece(draw("alike"), rng)
            if which < 0.6:
                return piece(draw("speech"), rng)
            if which < 0.85:
                return piece(draw("other"), rng)
            return music(rng) if which < 0.95 else rng.normal(0, 1, PATCH).astype(np.float32)

        laughs = rng.random() < 0.45
        if laughs:
            laugh = draw("laughing")
            mixed = colour(piece(laugh, rng), rng)
            heard = float(teacher(spectrum(mixed * 0.1 / level(mixed)))[LAUGHS].max())
            usual = level(mixed) > 0.4 * level(laugh.samples)
            labels[row] = 0.6 * usual + 0.4 * heard / (heard + YAMNET_HALF)
        else:
            mixed = colour(backing(hard=True), rng)
        mixed = mixed / level(mixed)
        if rng.random() < (0.6 if laughs else 0.4):
            other = backing()
            mixed = mixed + other / level(other) * 10 ** (-rng.uniform(-3, 20) / 20)
        mixed = mixed * 10 ** rng.uniform(-2.3, -0.5)
        patch = spectrum(np.clip(mixed, -1, 1).astype(np.float32))
        scores[row] = teacher(patch)
        patches[row] = np.clip(np.round((patch - LOW) / STEP), 0, 255)
        folds[row] = fold
    return {"patches": patches, "labels": labels, "scores": scores, "folds": folds}
