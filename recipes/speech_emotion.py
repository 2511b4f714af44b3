"""Train the built-in speech emotion network, measure it on unseen speakers, export it to ONNX.

A small residual network over at most 3 s of mel-spectrogram, taught by three corpora of acted
speech. It hears no loudness: each piece is taken relative to its own level.

    python recipes/speech_emotion.py -o src/reelpulse/assets/speech.onnx

The data: ``ravdess``, ``emodb`` and ``korean`` of ``--data``. Speakers are spread over five folds
by name; each fold is scored, as the package hears a file, by a network that heard none of its
speakers. Another network hears RAVDESS alone, and is scored on the other corpora. The one exported
is then trained on all. What is trained is kept in ``--work``, and a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speech_emotion_clips import (
    CALM,
    CORPORA,
    DEPTH,
    FLOOR,
    FOLDS,
    MEL,
    NEUTRAL,
    SPEC,
    Clips,
    draw,
    fingerprint,
    load_clips,
    score,
)
from torch import Tensor, nn
from torch.nn import functional

import reelpulse
from reelpulse.learn.onnx_file import check, from_torch, write_onnx
from reelpulse.media import read_sound
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.model import load_speech
from reelpulse.speech.picture import normalised, picture

EPOCHS, BATCH, RATE_MOST, SMOOTHING = 50, 32, 2e-3, 0.1


# The network


def augment(x: Tensor) -> Tensor:
    """Vary the colour of the sound, and put noise of 11 to 35 dB less under half of the clips."""
    band = torch.linspace(-1, 1, MEL.bands)
    colour = torch.randn(len(x), 4) * 0.3
    waves = [torch.cos((k + 1) * torch.pi * (band + 1) / 2) for k in range(4)]
    x = x + (colour @ torch.stack(waves))[:, None]
    power = x.exp()
    below = torch.empty(len(x), 1, 1).uniform_(-8, -2.5).exp()
    tilt = (torch.randn(len(x), 1, 1) * 0.8 * band).exp()
    noisy = (torch.rand(len(x), 1, 1) < 0.5).float()
    noise = below * power.mean((1, 2), keepdim=True) * tilt * (0.4 + 1.2 * torch.rand_like(x))
    return (power + noisy * noise).log()


def mask(x: Tensor) -> Tensor:
    """Blank two stretches of time and two of the bands (SpecAugment)."""
    for _ in range(2):
        for axis, most in ((1, 24), (2, 10)):
            start = torch.randint(0, x.shape[axis], (len(x), 1))
            wide = torch.randint(0, most, (len(x), 1))
            at = torch.arange(x.shape[axis])
            hidden = (at >= start) & (at < start + wide)
            x = x.masked_fill(hidden[:, :, None] if axis == 1 else hidden[:, None, :], 0.0)
    return x


def log_power(pictures: Tensor) -> Tensor:
    """What pictures (N, 1, 80, frames) show, as `spectrum` gives it: (N, frames, 80)."""
    return (pictures[:, 0].flip(1).transpose(1, 2) - 1) * DEPTH


def levelled(x: Tensor) -> Tensor:
    """Log power relative to the piece's mean power, weighted by itself; 6.5 nepers (28 dB) deep."""
    power = (x.exp() - FLOOR).clamp(min=0).mean(2)
    level = (power * power).sum(1) / (power.sum(1) + 1e-9)
    return ((x - (level + FLOOR).log()[:, None, None]).clamp(min=-6.5) + 2.5) / 2.5


def convolution(inside: int, outside: int, size: int, stride: int) -> list[nn.Module]:
    """A convolution and its normalisation."""
    layer = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
    return [layer, nn.BatchNorm2d(outside)]


class Block(nn.Module):
    """Two convolutions and a shortcut; halves both axes."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        first, second = convolution(inside, outside, 3, 2), convolution(outside, outside, 3, 1)
        self.main = nn.Sequential(*first, nn.ReLU(), *second)
        shortcut = convolution(inside, outside, 1, 1)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), *shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Add the two ways."""
        return functional.relu(self.main(x) + self.shortcut(x))


class Network(nn.Module):
    """From levelled spectrograms (N, frames, 80) to logits (N, 8), calm the last."""

    def __init__(self) -> None:
        super().__init__()
        # The second channel tells the convolutions which band they see.
        self.stem = nn.Sequential(*convolution(2, 24, 5, 2), nn.ReLU())
        self.body = nn.Sequential(Block(24, 32), Block(32, 64), Block(64, 128))
        narrow = nn.Conv1d(128 * 5, 128, 1, bias=False)
        self.project = nn.Sequential(narrow, nn.BatchNorm1d(128), nn.ReLU())
        self.attention = nn.Conv1d(128, 4, 1)
        self.head = nn.Linear(256, CALM + 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, attend with four heads, pool mean and spread over time."""
        x = x[:, None].transpose(2, 3)
        band = torch.linspace(-1, 1, MEL.bands)[None, None, :, None].expand_as(x)
        x = torch.cat([x, band], 1).to(memory_format=torch.channels_last)
        x = self.project(self.body(self.stem(x)).flatten(1, 2)).float()
        weight = self.attention(x).float().softmax(2).repeat_interleave(32, 1)
        mean = (weight * x).sum(2)
        spread = ((weight * x * x).sum(2) - mean * mean).clamp(min=1e-5).sqrt()
        return self.head(self.dropout(torch.cat([mean, spread], 1)))


def chances(clips: Clips, rows: np.ndarray) -> np.ndarray:
    """How often each row is drawn: the classes of a corpus alike, a corpus by its size."""
    found = np.zeros(len(clips.label))
    for corpus in CORPORA:
        own = rows[clips.corpus[rows] == corpus]
        for label in np.unique(clips.label[own]):
            same = own[clips.label[own] == label]
            halved = corpus == "ravdess" and label in (NEUTRAL, CALM)
            found[same] = (0.6 if halved else 1) / len(same)
        if len(own):
            found[own] *= len(own) / found[own].sum()
    return found[rows] / found[rows].sum()


def train(clips: Clips, rows: np.ndarray, epochs: int, seed: int) -> Network:
    """Fit the network on some clips; AdamW, one cycle of the rate, bfloat16."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Network().to(memory_format=torch.channels_last)
    batches, chance = max(1, len(rows) // BATCH), chances(clips, rows)
    optimiser = torch.optim.AdamW(net.parameters(), RATE_MOST, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE_MOST, batches * epochs, pct_start=0.15
    )
    net.train()
    for epoch in range(epochs):
        begin, losses = time.perf_counter(), 0.0
        for chosen in rng.choice(rows, batches * BATCH, p=chance).reshape(batches, BATCH):
            x = torch.from_numpy(np.stack([draw(clips.spectra[i], rng) for i in chosen]))
            with torch.no_grad():
                x = mask(levelled(augment(x)))
            with torch.autocast("cpu", torch.bfloat16):
                logit = net(x)
            label = torch.from_numpy(clips.label[chosen])
            loss = functional.cross_entropy(logit.float(), label, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            cycle.step()
            losses += loss.item()
        seconds = time.perf_counter() - begin
        print(f"  epoch {epoch + 1}: loss {losses / batches:.4f}, {seconds:.0f} s", flush=True)
    return net.eval()


class Exported(nn.Module):
    """What is exported: normalised pictures in, probabilities of the seven classes out."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (N, 1, 80, 192), high bands above, to probabilities (N, 7)."""
        p = self.network(levelled(log_power(x))).softmax(1)
        neutral = p[:, NEUTRAL : NEUTRAL + 1] + p[:, CALM:]
        return torch.cat([p[:, :NEUTRAL], neutral, p[:, NEUTRAL + 1 : CALM]], 1)


def export(net: Network, output: Path, clips: Clips, facts: dict[str, Any]) -> None:
    """Write the network; it raises where ONNX Runtime and torch differ by more than 1e-4."""
    sounds = [read_sound(path, MEL.rate) for path in clips.paths[:: max(1, len(clips.paths) // 8)]]
    probe = np.asarray(normalised(np.stack([picture(x, SPEC) for x in sounds]), SPEC), np.float32)
    model = Exported(net).eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(probe)).numpy()
    proto = from_torch(model, {"input": probe})
    check(proto, {"input": probe}, expected)
    write_onnx(output, proto, facts)


# What is kept of a run, so that a stopped one goes on


def trained(path: Path, clips: Clips, rows: np.ndarray, epochs: int, seed: int) -> Network:
    """The network that an earlier run trained, or else trained now, and written."""
    if not path.is_file():
        print(path.stem, flush=True)
        torch.save(train(clips, rows, epochs, seed).state_dict(), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    net = Network()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


def heard_by(path: Path, net: Network, clips: Clips, rows: np.ndarray) -> np.ndarray:
    """What the package hears with a network: probabilities (C, 7), NaN but for some rows."""
    export(net, path, clips, describe({}, "", {}))
    model = load_speech(path)
    out = np.full((len(clips.paths), len(EMOTIONS)), np.nan)
    for row in rows:
        out[row] = model(read_sound(clips.paths[row], MEL.rate), MEL.rate)
    return out


def check_work(work: Path, settings: dict[str, Any]) -> str | None:
    """Note what a work folder is for; say what is wrong where it was for something else."""
    work.mkdir(parents=True, exist_ok=True)
    note, text = work / "settings.json", json.dumps(settings)
    if note.is_file() and note.read_text(encoding="utf-8") != text:
        return f"{work} holds a run with other settings or data: name another folder with --work"
    note.write_text(text, encoding="utf-8")
    return None


def describe(settings: dict[str, Any], data_print: str, scores: dict[str, Any]) -> dict[str, Any]:
    """Write the description that the library reads in the model's metadata."""
    return {
        "kind": "speech",
        "version": 1,
        "name": "builtin",
        "classes": list(EMOTIONS),
        "picture": SPEC.as_dict(),
        "recipe": "recipes/speech_emotion.py",
        "settings": settings,
        "data": {
            "fingerprint": data_print,
            "RAVDESS": "CC BY-NC-SA 4.0",
            "EMO-DB": "no licence stated; free for research",
            "Korean emotional speech": "CC BY-NC-SA 4.0, research only",
        },
        "scores": scores,
        "licence": "Apache-2.0 (the weights); the recordings were given for non-commercial use",
        "reelpulse": reelpulse.__version__,
    }


def main(arguments: list[str] | None = None) -> None:
    """Train on four folds of five in turn and measure; train on all; export."""
    shared = Path(__file__).resolve().parents[2] / "shared"
    data = Path(os.environ.get("REELPULSE_TEST_DATA") or shared / "data")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add, work, output = parser.add_argument, Path("runs/speech_emotion"), Path("speech.onnx")
    add("--data", type=Path, default=data, help="folder of the three corpora (%(default)s)")
    add("--work", type=Path, default=work, help="kept to go on from (%(default)s)")
    add("-o", "--output", type=Path, default=output, help="model to write (%(default)s)")
    add("--epochs", type=int, default=EPOCHS, help="of each training (%(default)s)")
    add("--threads", type=int, default=1, help="of each training (%(default)s)")
    add("--seed", type=int, default=0, help="of every random draw (%(default)s)")
    options = parser.parse_args(arguments)
    for corpus in CORPORA:
        if not any((options.data / corpus).glob("*.ogg")):
            parser.error(f"{options.data / corpus} holds no recordings: name it with --data")
    torch.set_num_threads(options.threads)
    work, seed, epochs = options.work, options.seed, options.epochs
    clips = load_clips(options.data)
    settings = {"epochs": epochs, "seed": seed}
    data_print = fingerprint(clips)
    if problem := check_work(work, {**settings, "recordings": data_print}):
        parser.error(problem)
    everything = np.arange(len(clips.paths))
    heard = np.full((len(clips.paths), len(EMOTIONS)), np.nan)
    for fold in range(FOLDS):
        path, out = work / f"fold{fold + 1}.pt", np.flatnonzero(clips.fold == fold)
        rows = np.flatnonzero(clips.fold != fold)
        net = trained(path, clips, rows, epochs, seed + 100 * fold)
        heard[out] = heard_by(path.with_suffix(".onnx"), net, clips, out)[out]
    own, others = (np.flatnonzero((clips.corpus == "ravdess") == is_) for is_ in (True, False))
    net = trained(work / "alone.pt", clips, own, epochs, seed)
    scores = {
        "split": "five folds of speakers; scored out of fold",
        **score(clips, heard),
        "taught by RAVDESS alone": score(clips, heard_by(work / "alone.onnx", net, clips, others)),
    }
    print(json.dumps(scores, indent=1))
    net = trained(work / "final.pt", clips, everything, epochs, seed)
    export(net, options.output, clips, describe(settings, data_print, scores))
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
