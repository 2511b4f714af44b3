"""Train the built-in laughter detector and export it to ONNX.

A small network over a second of log-mel spectrogram, taught by labelled sounds (ESC-50's laughing
against all else it has, and against speech), mixed over each other at several levels, and by
YAMNet's scores of the same mixtures (distillation; Apache-2.0 allows it).

    python recipes/laughter.py -o src/reelpulse/assets/laughter.onnx

The data: ``esc50/<class>/<fold>-*.ogg``, ``ravdess``, ``emodb`` and ``korean`` of ``--data``; the
teacher: YAMNet as a TFLite file that takes a spectrogram.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reelpulse.media.mel import MelSpec, mel

RATE = 16_000
MEL = MelSpec(RATE, window=400, hop=160, fft=512, bands=64, low=125.0, high=7500.0)
FLOOR = 1e-3
FRAMES = 96
PATCH = MEL.window + (FRAMES - 1) * MEL.hop
LAUGHS = [13, 15, 16, 17, 18]
"""AudioSet's laughter, giggle, snicker, belly laugh, chuckle, in YAMNet's order."""

FOLDS = 5
POOL, EPOCH, EPOCHS, BATCH, RATE_MOST = 40_000, 16_000, 14, 128, 3e-3
LOW, STEP = np.log(FLOOR), 0.05
"""The pool keeps log-mel values in bytes: LOW + STEP * byte."""


# Sounds


@dataclass(frozen=True)
class Sound:
    """A recording: its class, the fold it belongs to, and 16 kHz mono samples in [-1, 1]."""

    kind: str
    fold: int
    samples: np.ndarray


def load_sounds(data: Path) -> list[Sound]:
    """Read all recordings; speakers are spread over the folds by name."""
    found = []
    for path in sorted((data / "esc50").glob("*/*.ogg")):
        found.append(Sound(path.parent.name, int(path.name[0]), read(path)))
    speakers = {"ravdess": slice(-6, -4), "emodb": slice(0, 2), "korean": slice(0, 3)}
    for corpus, where in speakers.items():
        paths = sorted((data / corpus).glob("*.ogg"))
        names = sorted({path.name[where] for path in paths})
        for path in paths:
            fold = names.index(path.name[where]) % FOLDS + 1
            found.append(Sound(f"speech:{corpus}", fold, read(path)))
    return found


def read(path: Path) -> np.ndarray:
    """Read a sound at 16 kHz, mono."""
    samples, _ = librosa.load(path, sr=RATE)
    return samples


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram, (frames, 64)."""
    return np.log(mel(samples, MEL) + FLOOR)


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
    """Mix `count` patches; those of one patch come from one fold.

    Half hold laughter: alone, or over speech, other sounds, made music or noise at -5 to 20 dB.
    The label of a laugh is what the teacher hears in it before mixing, raised to at least 0.6
    where it is as loud as the clip's usual; everything else is 0.
    """
    rng = np.random.default_rng(seed)
    by_fold: dict[tuple[str, int], list[Sound]] = {}
    for sound in sounds:
        kind = sound.kind.split(":")[0]
        group = kind if kind in ("laughing", "speech") else "other"
        by_fold.setdefault((group, sound.fold), []).append(sound)
    patches = np.zeros((count, FRAMES, MEL.bands), np.uint8)
    labels = np.zeros(count, np.float32)
    scores = np.zeros((count, 521), np.float16)
    folds = np.zeros(count, np.uint8)
    for row in range(count):
        fold = int(rng.integers(1, FOLDS + 1))

        def draw(group: str, fold: int = fold) -> Sound:
            group_sounds = by_fold[group, fold]
            return group_sounds[int(rng.integers(len(group_sounds)))]

        def backing() -> np.ndarray:
            which = rng.random()
            if which < 0.4:
                return piece(draw("speech"), rng)
            if which < 0.75:
                return piece(draw("other"), rng)
            return music(rng) if which < 0.9 else rng.normal(0, 1, PATCH).astype(np.float32)

        if row % 2:
            laugh = draw("laughing")
            mixed = colour(piece(laugh, rng), rng)
            heard = float(teacher(spectrum(mixed * 0.1 / level(mixed)))[LAUGHS].max())
            usual = level(mixed) > 0.5 * level(laugh.samples)
            labels[row] = max(heard, 0.6 if usual else 0.0)
            mixed = mixed / level(mixed)
            if rng.random() < 0.7:
                other = backing()
                mixed = mixed + other / level(other) * 10 ** (-rng.uniform(-5, 20) / 20)
        else:
            mixed = colour(backing(), rng)
            mixed = mixed / level(mixed)
            if rng.random() < 0.4:
                other = backing()
                mixed = mixed + other / level(other) * 10 ** (-rng.uniform(-5, 20) / 20)
        mixed = mixed * 10 ** rng.uniform(-2.3, -0.5)
        patch = spectrum(np.clip(mixed, -1, 1).astype(np.float32))
        scores[row] = teacher(patch)
        patches[row] = np.clip(np.round((patch - LOW) / STEP), 0, 255)
        folds[row] = fold
    return {"patches": patches, "labels": labels, "scores": scores, "folds": folds}


# The network


def separable(inside: int, outside: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each normalised."""
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
        nn.BatchNorm2d(inside),
        nn.ReLU(),
        nn.Conv2d(inside, outside, 1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


class Network(nn.Module):
    """From log-mel patches (N, 96, 64) to logits of laughter (N,), and of YAMNet's classes."""

    def __init__(self) -> None:
        super().__init__()
        widths = [(32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 192, 2)]
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            *(separable(*width) for width in widths),
        )
        self.dropout = nn.Dropout(0.2)
        self.laughter = nn.Linear(192, 1)
        self.teacher = nn.Linear(192, 521)

    def features(self, x: Tensor) -> Tensor:
        """Pool what the convolutions see, (N, 192)."""
        x = self.body(((x + 3.0) / 2.5)[:, None])
        return self.dropout(x.mean((2, 3)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both heads."""
        pooled = self.features(x)
        return self.laughter(pooled)[:, 0], self.teacher(pooled)


def augment(x: Tensor) -> Tensor:
    """Vary log-mel patches: loudness by 10 dB either way, one masked band, one masked stretch."""
    gain = torch.empty(len(x), 1, 1).uniform_(-1.15, 1.15).exp()
    x = ((x.exp() - FLOOR).clamp(min=0) * gain + FLOOR).log()
    for axis, most in ((1, 24), (2, 12)):
        size = x.shape[axis]
        start = torch.randint(0, size, (len(x), 1))
        wide = torch.randint(0, most, (len(x), 1))
        at = torch.arange(size)
        mask = (at >= start) & (at < start + wide)
        x = x.masked_fill(mask[:, :, None] if axis == 1 else mask[:, None, :], float(LOW))
    return x


def train(pool: dict, rows: np.ndarray, epochs: int, seed: int) -> Network:
    """Fit the network on rows of the pool; AdamW, one cycle of the rate."""
    torch.manual_seed(seed)
    net = Network()
    steps = -(-EPOCH // BATCH) * epochs
    optimiser = torch.optim.AdamW(net.parameters(), RATE_MOST, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE_MOST, steps, pct_start=0.2)
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        begin, losses = time.perf_counter(), 0.0
        net.train()
        for _ in range(-(-EPOCH // BATCH)):
            chosen = rng.choice(rows, BATCH)
            x = augment(torch.from_numpy(pool["patches"][chosen]).float() * STEP + float(LOW))
            label = torch.from_numpy(pool["labels"][chosen])
            taught = torch.from_numpy(pool["scores"][chosen]).float()
            logit, others = net(x)
            loss = functional.binary_cross_entropy_with_logits(logit, label)
            loss = loss + 20 * functional.binary_cross_entropy_with_logits(others, taught)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            losses += loss.item()
        seconds = time.perf_counter() - begin
        print(
            f"  epoch {epoch + 1}: loss {losses * BATCH / EPOCH:.4f}, {seconds:.0f} s", flush=True
        )
    return net.eval()
