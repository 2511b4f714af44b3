"""Prepared corpora of made-up voices: each emotion hums at a pitch of its own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse.files import write_json
from reelpulse.media import write_sound
from reelpulse.speech.corpus import COLUMNS, EMOTIONS
from reelpulse.speech.networks import SPEECH_NETWORKS, SpeechNetwork
from reelpulse.speech.picture import PictureSpec

RATE = 16_000
PITCHES = dict(zip(EMOTIONS, (150, 300, 600, 1000, 1700, 2800, 4500), strict=True))
SECONDS = 0.4


def hum(emotion: str, seed: int, seconds: float = SECONDS) -> np.ndarray:
    """A tone that swells, over some noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    pitch = PITCHES[emotion] * rng.uniform(0.95, 1.05)
    swell = 0.2 + 0.8 * np.sin(np.pi * times / seconds)
    noise = 0.01 * rng.standard_normal(len(times))
    return np.asarray(0.4 * swell * np.sin(2 * np.pi * pitch * times) + noise, np.float32)


def write_voices(
    folder: Path,
    *,
    speakers: int = 6,
    each: int = 2,
    emotions: Sequence[str] = EMOTIONS,
    sentences: int = 2,
    lacking: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write a corpus: of each speaker so many recordings of each emotion.

    A sentence of ``sentences=0`` is not known. `lacking` are speakers and emotions left out.
    """
    folder.mkdir(parents=True)
    rows = []
    for speaker in range(1, speakers + 1):
        for place, emotion in enumerate(emotions):
            for number in range(each):
                if (str(speaker), emotion) in lacking:
                    continue
                name = f"{speaker}_{place}{number}"
                seed = speaker * 1000 + place * 10 + number
                write_sound(folder / f"{name}.flac", hum(emotion, seed))
                sentence = f"s{number % sentences}" if sentences else ""
                rows.append(
                    {
                        "name": name,
                        "speaker": str(speaker),
                        "sentence": sentence,
                        "label": emotion,
                        "duration": SECONDS,
                        "checksum": f"{seed:08x}",
                    }
                )
    with open(folder / "table.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows)
    write_json(folder / "prepare.json", {})
    return folder


def plain_network(spec: PictureSpec, classes: int, dropout: float, pretrained: bool) -> Any:
    """All points of a picture, weighed."""
    from torch import nn

    height, width = spec.size
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * height * width, classes))


def make_plain(monkeypatch: pytest.MonkeyPatch, name: str = "resnet18") -> None:
    """Put a network in the place of a backbone that takes next to no time."""
    monkeypatch.setitem(SPEECH_NETWORKS, name, SpeechNetwork(plain_network, "plain"))
