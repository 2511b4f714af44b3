"""Train the built-in laughter detector and export it to ONNX.

A small network over a second of log-mel spectrogram, taught by labelled sounds (ESC-50's laughing
against all else it has, and against speech), mixed over each other at several levels, and by
YAMNet's scores of the same mixtures (distillation; Apache-2.0 allows it).

    python recipes/laughter.py -o src/reelpulse/assets/laughter.onnx

The data: ``esc50/<class>/<fold>-*.ogg``, ``ravdess``, ``emodb`` and ``korean`` of ``--data``; the
teacher: YAMNet as a TFLite file that takes a spectrogram. `laughter_scores` measures: each fold
with a network that saw nothing of it. The one exported is then trained on all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import timeit
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from laughter_pool import (
    FLOOR,
    FOLDS,
    FRAMES,
    LOW,
    MEL,
    STEP,
    YAMNET_HALF,
    Teacher,
    fingerprint,
    load_sounds,
    make_pool,
    patches_of,
)
from laughter_scores import SECONDS, evaluate, fit_shift, listen, make_streams
from torch import Tensor, nn
from torch.nn import functional

from reelpulse.learn.onnx_file import check, from_torch, runner, write_onnx

POOL, EPOCH, EPOCHS, BATCH, RATE_MOST = 40_000, 16_000, 10, 128, 3e-3


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
    # An epoch of a trial is as small as its pool.
    batches = -(-min(EPOCH, len(pool["folds"])) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), RATE_MOST, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE_MOST, batches * epochs, pct_start=0.2
    )
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        begin, losses = time.perf_counter(), 0.0
        net.train()
        for _ in range(batches):
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
        print(f"  epoch {epoch + 1}: loss {losses / batches:.4f}, {seconds:.0f} s", flush=True)
    return net.eval()


def logits(net: nn.Module, patches: np.ndarray) -> np.ndarray:
    """Logits of laughter, (N,)."""
    with torch.no_grad():
        parts = torch.from_numpy(patches).split(64)
        return torch.cat([net(part)[0] for part in parts]).numpy()


# What is kept of a run, so that a stopped one goes on


def kept(path: Path, make: Callable[[], dict]) -> dict:
    """Arrays that an earlier run wrote, or else made now, and written."""
    if not path.is_file():
        part = path.with_suffix(".part.npz")
        np.savez(part, **make())
        part.replace(path)
    with np.load(path) as arrays:
        return dict(arrays)


def trained(path: Path, pool: dict, rows: np.ndarray, epochs: int, seed: int) -> Network:
    """The network that an earlier run trained, or else trained now, and written."""
    if not path.is_file():
        print(path.stem, flush=True)
        torch.save(train(pool, rows, epochs, seed).state_dict(), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    net = Network()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


def check_work(work: Path, settings: dict[str, Any]) -> str | None:
    """Note what a work folder is for; say what is wrong where it was for something else."""
    work.mkdir(parents=True, exist_ok=True)
    note, text = work / "settings.json", json.dumps(settings)
    if note.is_file() and note.read_text(encoding="utf-8") != text:
        return f"{work} holds a run with other settings or data: name another folder with --work"
    note.write_text(text, encoding="utf-8")
    return None


# Export


class Exported(nn.Module):
    """What is exported: the probability of laughter; the teacher's head is left out."""

    def __init__(self, network: Network, shift: float) -> None:
        super().__init__()
        self.network, self.shift = network, shift

    def forward(self, x: Tensor) -> Tensor:
        """Map log-mel patches (N, 96, 64) to probabilities (N,)."""
        logit = self.network.laughter(self.network.features(x))[:, 0]
        return (logit + self.shift).sigmoid()


def export(
    net: Network, shift: float, probe: np.ndarray
) -> tuple[onnx.ModelProto, Callable[[np.ndarray], np.ndarray]]:
    """Turn the network into ONNX, and a function that runs it on one core.

    It raises where the probabilities of the patches `probe` differ from torch's by more than 1e-4.
    """
    model = Exported(net, shift).eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(probe)).numpy()
    proto = from_torch(model, {"input": probe})
    check(proto, {"input": probe}, expected)
    run = runner(proto)
    return proto, lambda patches: run({"input": patches})


def describe(data_print: str, scores: dict[str, Any]) -> dict[str, Any]:
    """Write the description that the library reads in the model's metadata."""
    return {
        "kind": "laughter",
        "version": 1,
        "name": "builtin",
        "mel": asdict(MEL),
        "floor": FLOOR,
        "frames": FRAMES,
        "recipe": "recipes/laughter.py",
        "data": {
            "fingerprint": data_print,
            "ESC-50": "CC BY-NC 3.0",
            "RAVDESS": "CC BY-NC-SA 4.0",
            "EMO-DB": "no licence stated; free for research",
            "Korean emotional speech": "CC BY-NC-SA 4.0, research only",
            "YAMNet (teacher)": "Apache-2.0",
        },
        "scores": scores,
        "licence": "Apache-2.0 (the weights); the recordings were given for non-commercial use",
    }


def main(arguments: list[str] | None = None) -> None:
    """Train on four folds of five in turn and measure; train on all; export."""
    shared = Path(__file__).resolve().parents[2] / "shared"
    data = Path(os.environ.get("REELPULSE_TEST_DATA") or shared / "data")
    models = Path(os.environ.get("REELPULSE_MODELS") or shared / "models")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add, work, output = parser.add_argument, Path("runs/laughter"), Path("laughter.onnx")
    yamnet = models / "yamnet_spectra_in_coral.tflite"
    add("--data", type=Path, default=data, help="folder of recordings (%(default)s)")
    add("--teacher", type=Path, default=yamnet, help="YAMNet (%(default)s)")
    add("--work", type=Path, default=work, help="kept to go on from (%(default)s)")
    add("-o", "--output", type=Path, default=output, help="model to write (%(default)s)")
    add("--epochs", type=int, default=EPOCHS, help="of each training (%(default)s)")
    add("--limit", type=int, default=POOL, help="how many mixtures to make (%(default)s)")
    add("--seed", type=int, default=0, help="of every random draw (%(default)s)")
    options = parser.parse_args(arguments)
    for option, path in (("data", options.data / "esc50"), ("teacher", options.teacher)):
        if not path.exists():
            parser.error(f"{path} not found: name it with --{option}")
    work, seed, epochs = options.work, options.seed, options.epochs
    sounds = load_sounds(options.data)
    data_print = fingerprint(options.data)
    settings = {"mixtures": options.limit, "epochs": epochs, "seed": seed}
    if problem := check_work(work, {**settings, "recordings": data_print}):
        parser.error(problem)
    teacher = Teacher(options.teacher)
    pool = kept(work / "pool.npz", lambda: make_pool(sounds, teacher, options.limit, seed))
    nets = {
        fold: trained(
            work / f"fold{fold}.pt", pool, np.flatnonzero(pool["folds"] != fold), epochs, seed
        )
        for fold in range(1, FOLDS + 1)
    }
    net = trained(work / "final.pt", pool, np.arange(len(pool["folds"])), epochs, seed)
    streams = make_streams(sounds, seed)
    taught = kept(
        work / "yamnet.npz", lambda: listen(sounds, streams, lambda _, x: teacher.laughter(x))
    )
    heard = listen(sounds, streams, lambda fold, x: logits(nets[fold], x))
    shift = fit_shift(sounds, heard["clips"])
    scores = {
        "split": "five folds of ESC-50, speakers apart; scored out of fold",
        "shift": round(shift, 4),
        "laughter_in_streams": round(float(np.mean([stream.truth for stream in streams])), 4),
        **evaluate(sounds, streams, heard, -shift, seed),
        "yamnet": evaluate(sounds, streams, taught, YAMNET_HALF, seed),
    }
    print(json.dumps(scores, indent=1))
    probe = patches_of(streams[0].samples)
    for fold in (1, FOLDS):  # for benchmarks/tension.py, whose sounds are of these folds
        proto, _ = export(nets[fold], shift, probe)
        held_out = {"split": f"taught without fold {fold}"}
        write_onnx(work / f"fold{fold}.onnx", proto, describe(data_print, held_out))
    proto, model = export(net, shift, probe)
    timer = timeit.Timer(lambda: model(patches_of(streams[0].samples)), timer=time.process_time)
    seconds = min(timer.repeat(10, number=1)) / SECONDS
    print(f"{seconds * 1000:.2f} ms of one core a second of sound")
    write_onnx(options.output, proto, describe(data_print, scores))


if __name__ == "__main__":
    main()
