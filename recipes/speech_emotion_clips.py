"""The recordings that teach the built-in speech emotion network, and how networks are scored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from reelpulse.files import digest
from reelpulse.media import read_sound
from reelpulse.media.mel import MelSpec, mel
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.picture import PictureSpec
from reelpulse.speech.sound import trimmed

MEL = MelSpec(16_000, 640, 256, 1024, 80, 60.0, 7600.0, htk=True, power=2.0)
FLOOR = 1e-8
DEPTH = -float(np.log(FLOOR))
FRAMES, TRAIN_FRAMES = 192, 160
"""Frames of 16 ms that are heard at once, 3.1 s, and fewer of them in training, to save time."""

SPEC = PictureSpec(
    mel=MEL,
    floor_db=10 * float(np.log10(FLOOR)),
    margin=None,
    size=(MEL.bands, FRAMES),
    seconds=(MEL.window + (FRAMES - 1) * MEL.hop) / MEL.rate,
    channels=1,
    mean=(0.0,),
    std=(1.0,),
)
"""A point is a frame and a band: nothing is resized. Levels are the network's own affair."""

SPEEDS = [(20, 17), (20, 18), (40, 37), (1, 1), (40, 43), (20, 23), (20, 25)]
"""Resampling, up and down: pitch and tempo from -15 % to +25 %."""

FOLDS = 5
LONGEST_SECONDS = 8

CORPORA = ("ravdess", "emodb", "korean")
NEUTRAL, CALM = EMOTIONS.index("neutral"), len(EMOTIONS)
"""RAVDESS's calm is taught as a class of its own and added to neutral when heard."""

RAVDESS = ["neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"]
EMODB = {"W": "anger", "N": "neutral", "F": "happiness", "T": "sadness"}
KOREAN = ("neutral", "happiness", "anger", "sadness")


@dataclass(frozen=True)
class Clips:
    """Spectrograms of C clips at all speeds, (frames, bands), and whose they are."""

    paths: list[Path]
    spectra: list[list[np.ndarray]]
    corpus: np.ndarray
    speaker: np.ndarray
    label: np.ndarray
    fold: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        """What a clip is scored against: calm is neutral."""
        return np.where(self.label == CALM, NEUTRAL, self.label)


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Natural logarithm of the mel power relative to the loudest point, (frames, bands)."""
    power = mel(samples, MEL)
    return np.log(np.maximum(power / max(float(power.max()), 1e-20), FLOOR))


def labelled(name: str, corpus: str) -> tuple[str, int]:
    """Speaker and class of a recording."""
    if corpus == "ravdess":
        speaker, said = name[-2:], RAVDESS[int(name.split("-")[2]) - 1]
    elif corpus == "emodb":
        speaker, said = name[:2], EMODB[name[5]]
    else:
        speaker, said = name[:3], KOREAN[(int(name[3:]) - 1) // 100]
    return speaker, CALM if said == "calm" else EMOTIONS.index(said)


def load_clips(data: Path) -> Clips:
    """Read the corpora, cut silence off the ends, and make the spectrograms."""
    found, spectra, rows = [], [], []
    for corpus in CORPORA:
        paths = sorted((data / corpus).glob("*.ogg"))
        speakers = sorted({labelled(path.stem, corpus)[0] for path in paths})
        for path in paths:
            sound = trimmed(read_sound(path, MEL.rate), MEL.rate)[0]
            played = [resample_poly(sound, *speed).astype(np.float32) for speed in SPEEDS]
            cut = [np.pad(x, (0, max(0, 2000 - len(x)))) for x in played]
            cut = [x[: LONGEST_SECONDS * MEL.rate] for x in cut]
            found.append(path)
            spectra.append([spectrum(x).astype(np.float16) for x in cut])
            speaker, label = labelled(path.stem, corpus)
            rows.append((corpus, speaker, label, speakers.index(speaker) % FOLDS))
    return Clips(found, spectra, *(np.array(column) for column in zip(*rows, strict=True)))


def draw(clip: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Take a stretch of a clip at some speed and tempo, somewhere in silence: (160, 80)."""
    frames = clip[rng.integers(0, len(SPEEDS))].astype(np.float32)
    tempo = float(np.exp(rng.uniform(-0.15, 0.15)))
    long = max(8, int(len(frames) * tempo))
    kept = min(long, TRAIN_FRAMES)
    start = rng.uniform(0, long - kept) if long > kept else 0.0
    at = np.clip((start + np.arange(kept)) / tempo, 0, len(frames) - 1.001)
    low = at.astype(int)
    part = (at - low)[:, None].astype(np.float32)
    place = int(rng.integers(0, TRAIN_FRAMES - kept + 1))
    out = np.full((TRAIN_FRAMES, MEL.bands), -DEPTH, np.float32)
    out[place : place + kept] = frames[low] * (1 - part) + frames[low + 1] * part
    return out


# Scores


def fingerprint(clips: Clips) -> str:
    """Tell these recordings from others, by their names and contents."""
    found = hashlib.sha256()
    for path in clips.paths:
        found.update(f"{path.parent.name}/{path.name} {digest(path)}\n".encode())
    return found.hexdigest()[:16]


def recall(shown: np.ndarray, guess: np.ndarray) -> float:
    """Unweighted average recall over the classes that are there."""
    return float(np.mean([(guess[shown == k] == k).mean() for k in np.unique(shown)]))


def score(clips: Clips, heard: np.ndarray) -> dict[str, Any]:
    """Unweighted average recall of each corpus, with 95 % over redrawn speakers, and its parts."""
    found = {}
    for corpus in CORPORA:
        own = np.flatnonzero((clips.corpus == corpus) & np.isfinite(heard).all(axis=1))
        if not len(own):
            continue
        rng, guess = np.random.default_rng(0), heard.argmax(axis=1)
        groups = [own[clips.speaker[own] == speaker] for speaker in np.unique(clips.speaker[own])]
        drawn = []
        for _ in range(2000):
            rows = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
            drawn.append(recall(clips.shown[rows], guess[rows]))
        folds = [own[clips.fold[own] == fold] for fold in range(FOLDS)]
        classes = np.unique(clips.shown[own])
        right = guess[own] == clips.shown[own]
        found[corpus] = {
            "clips": len(own),
            "speakers": len(groups),
            "uar": round(recall(clips.shown[own], guess[own]), 4),
            "interval": np.percentile(drawn, [2.5, 97.5]).round(4).tolist(),
            "war": round(float(right.mean()), 4),
            "folds": [round(recall(clips.shown[rows], guess[rows]), 4) for rows in folds],
            "recall": {
                EMOTIONS[k]: round(float(right[clips.shown[own] == k].mean()), 4) for k in classes
            },
            "speakers_range": [
                round(edge([recall(clips.shown[rows], guess[rows]) for rows in groups]), 4)
                for edge in (min, max)
            ],
        }
    return found
