"""A corpus of recordings in AI Hub's layout, and preparing it in this process."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from films import Sound, make_video, noise
from reelpulse.media import write_sound
from reelpulse.speech.prepare import Prepared, prepare

RATE = 16_000


def write_voice(path: Path, seed: int, seconds: float = 0.6, lead: float = 0.2) -> Path:
    """A sound of its own, with silence before and after it."""
    sound = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    quiet = np.zeros(round(lead * RATE))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sound(path, np.concatenate([quiet, sound, quiet]), RATE)
    return path


def write_speech_corpus(folder: Path) -> Path:
    """Three speakers in AI Hub's layout, of whom much is missing."""
    for seed, name in enumerate(
        [
            *("0~9/000/movie/001", "0~9/000/movie/051", "0~9/000/movie/320"),
            *("0~9/002/movie/170", "10~19/011/movie/230", "10~19/011/movie/260"),
        ]
    ):
        write_voice(folder / f"{name}.flac", seed)
    made = Sound(rate=44_100, channels=2, wave=noise)
    make_video(folder / "10~19/011/movie/120.mp4", seconds=1, sounds=[made])
    make_video(folder / "flat/5번 연기자_0002.mp4", seconds=1.2, sounds=[made])
    (folder / "0~9/001/picture").mkdir(parents=True)
    (folder / "0~9/001/picture/001.png").write_bytes(b"a still")
    return folder


def table_rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def prepare_here(corpus: Path, out: Path, **options: Any) -> Prepared:
    """In this process."""
    return prepare(corpus, out, **{"workers": 1, **options})
