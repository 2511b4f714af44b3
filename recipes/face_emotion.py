"""Train the built-in face emotion model on FER+ and export it to ONNX.

Small on purpose: two CPU cores train it in under half an hour, on the taggers' votes.

    python recipes/face_emotion.py -o src/reelpulse/assets/face_emotion.onnx

The data: ``train.zip`` and ``valid.zip`` (48x48 grey PNG files) and ``votes.csv`` (``split``,
``name``, a column of votes for each of eight emotions, ``unknown`` and ``not_a_face``). Where
video clips (``--clips``) and YuNet are at hand, it also draws crops of both side by side.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import time
import timeit
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from face_emotion_crops import SIZE, TEMPLATE, clips_of, compare, points_of, some
from face_emotion_scores import (
    CLASSES,
    by_group,
    crossfitted_error,
    fit_temperature,
    majority,
    score,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reelpulse.learn.onnx_file import check, from_torch, runner, write_onnx

# Pleasure and arousal of the words, Russell & Mehrabian (1977). They list no contempt: the midpoint
# of anger and disgust stands in for it.
VALENCE = [-0.51, -0.555, -0.60, -0.64, 0.81, 0.0, -0.63, 0.40]
AROUSAL = [0.59, 0.47, 0.35, 0.60, 0.51, 0.0, -0.27, 0.67]
BF16 = torch.cpu._is_avx512_bf16_supported()  # twice as fast where the processor has it
EPOCHS, BATCH, RATE, DECAY, DROPOUT, EMA = 32, 128, 0.1, 5e-4, 0.2, 0.998


def load_split(data: Path, split: str, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read faces (N, 48, 48) and votes (N, 10): the classes in order, unknown, not a face."""
    cache = work / f"{split}.npz"
    if not cache.is_file():
        with (data / "votes.csv").open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row["split"] == split]
        with zipfile.ZipFile(data / f"{split}.zip") as pictures:
            raw = [np.frombuffer(pictures.read(f"{row['name']}.png"), np.uint8) for row in rows]
        columns = [*CLASSES, "unknown", "not_a_face"]
        faces = np.stack([cv2.imdecode(png, cv2.IMREAD_GRAYSCALE) for png in raw])
        votes = np.array([[row[name] for name in columns] for row in rows], np.uint8)
        np.savez(cache.with_suffix(".part.npz"), faces=faces, votes=votes)
        cache.with_suffix(".part.npz").replace(cache)
    with np.load(cache) as arrays:
        return arrays["faces"], arrays["votes"]


def soft_labels(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn votes (N, 10) into which faces to keep (N,), and their target distributions (kept, 8).

    Single votes are left out, as noise (so does the reference code of FER+), and so are faces where
    unknown or not a face has the most votes, or where nothing is left.
    """
    emotions = np.where(votes[:, :8] > 1, votes[:, :8], 0).astype(np.float32)
    total = emotions.sum(1)
    keep = (total > 0) & (votes[:, :8].max(1) >= votes[:, 8:].max(1))
    return keep, emotions[keep] / total[keep, None]


def uniform(n: int, low: float, high: float) -> Tensor:
    """Draw `n` numbers between `low` and `high`, shaped to scale a batch of images."""
    return torch.empty(n, 1, 1, 1).uniform_(low, high)


def jpeg_like(x: Tensor) -> Tensor:
    """Quantise the DCT of 8x8 blocks as a strong codec does: coarser for finer detail."""
    k = torch.arange(8.0)
    dct = torch.cos(torch.pi / 8 * (k + 0.5) * k[:, None]) / 2
    dct[0] /= 2**0.5
    blocks = x.reshape(len(x), SIZE // 8, 8, SIZE // 8, 8).transpose(2, 3)
    step = uniform(len(x), 0.01, 0.06)[..., None] * (1 + (k + k[:, None]) / 2)
    coded = dct.T @ (torch.round(dct @ blocks @ dct.T / step) * step) @ dct
    return coded.transpose(2, 3).reshape(x.shape)


def degrade(x: Tensor) -> Tensor:
    """Spoil four random parts of a batch: blur, low resolution, coding, noise; 8 % of it each."""
    ends = [round(len(x) * 0.08 * k) for k in range(1, 5)]
    part = torch.randperm(len(x)).tensor_split(ends)
    blur = torch.outer(*[torch.tensor([1.0, 2.0, 1.0]) / 4] * 2)[None, None]
    small = int(torch.randint(20, 40, ()))
    low = functional.interpolate(x[part[1]], (small, small), mode="area")
    x[part[0]] = functional.conv2d(functional.pad(x[part[0]], (1, 1, 1, 1), "replicate"), blur)
    x[part[1]] = functional.interpolate(low, (SIZE, SIZE), mode="bilinear", align_corners=False)
    x[part[2]] = jpeg_like(x[part[2]])
    x[part[3]] += torch.randn_like(x[part[3]]) * uniform(len(part[3]), 0.01, 0.06)
    return x


def augment(x: Tensor) -> Tensor:
    """Vary a batch of faces, (N, 1, 48, 48) in [0, 1], as cameras, detectors and codecs do.

    Mirroring, ±15 degrees, ±13 % size and 5 % aspect, ±8 % shift, contrast, brightness and gamma,
    `degrade`, and on a quarter of them one grey rectangle.
    """
    n = len(x)
    angle = uniform(n, -15, 15).flatten().deg2rad()
    size, aspect = uniform(n, -0.13, 0.13).flatten(), uniform(n, -0.05, 0.05).flatten()
    across, down = (size + aspect).exp(), (size - aspect).exp()
    across *= torch.randint(0, 2, (n,)) * 2.0 - 1
    shift = torch.empty(2, n).uniform_(-0.16, 0.16)  # of half a width, which is affine_grid's unit
    top = torch.stack([angle.cos() * across, -angle.sin() * down, shift[0]], 1)
    bottom = torch.stack([angle.sin() * across, angle.cos() * down, shift[1]], 1)
    matrix = torch.stack([top, bottom], 1)
    grid = functional.affine_grid(matrix, [n, 1, SIZE, SIZE], align_corners=False)
    x = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    x = (x - 0.5) * uniform(n, 0.75, 1.25) + 0.5 + uniform(n, -0.12, 0.12)
    x = degrade(x.clamp(1e-3, 1) ** uniform(n, -0.35, 0.35).exp())
    at_y, at_x = uniform(n, 0, SIZE), uniform(n, 0, SIZE)
    height, width = uniform(n, 3, 11), uniform(n, 3, 11) * (torch.rand(n, 1, 1, 1) < 0.25)
    k = torch.arange(SIZE) + 0.5
    erased = ((k[:, None] - at_y).abs() < height) & ((k - at_x).abs() < width)
    return torch.where(erased, uniform(n, 0, 1), x).clamp(0, 1)


def convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation."""
    weights = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(weights, nn.BatchNorm2d(outside))


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = convolution(inside, outside, 3, 2)
        self.second = convolution(outside, outside, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), convolution(inside, outside, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside, H, W) to (N, outside, H/2, W/2)."""
        return functional.relu(self.second(functional.relu(self.first(x))) + self.shortcut(x))


class Network(nn.Module):
    """A small residual network; each image is standardised first."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [Residual(24, 64), Residual(64, 128), Residual(128, 192)]
        self.body = nn.Sequential(convolution(1, 24, 3), nn.ReLU(), *blocks)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(192, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """Map faces (N, 1, 48, 48) in [0, 1] to logits (N, 8)."""
        centred = x - x.mean((1, 2, 3), keepdim=True)
        # The small number keeps an even image from dividing by zero.
        x = centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()
        return self.head(self.dropout(self.body(x).mean((2, 3))))


class Exported(nn.Module):
    """What is exported: logits averaged with the mirror image's, valence and arousal from them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("norms", torch.tensor([VALENCE, AROUSAL]).T.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Map faces (N, 1, 48, 48) in [0, 1] to outputs (N, 10)."""
        logits = self.network(torch.cat([x, x.flip(3)])).reshape(2, -1, len(CLASSES)).mean(0)
        return torch.cat([logits, logits.softmax(1) @ self.norms], 1)


def train(faces: np.ndarray, votes: np.ndarray, epochs: int, seed: int, kept: Path) -> nn.Module:
    """Fit the network by SGD with one cycle of the rate; return the moving average of its weights.

    Nothing here is chosen by looking at the validation split: the last epoch is the result. Goes on
    from the checkpoint `kept` where there is one, and renews it after each epoch.
    """
    keep, labels = soft_labels(votes)
    images, targets = torch.from_numpy(faces[keep])[:, None], torch.from_numpy(labels)
    torch.manual_seed(seed)
    net = Network().to(memory_format=torch.channels_last)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(EMA), use_buffers=True)
    filters = {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": DECAY}
    others = {"params": [p for p in net.parameters() if p.ndim == 1]}
    optimiser = torch.optim.SGD([filters, others], RATE, momentum=0.9, nesterov=True)
    steps = -(-len(images) // BATCH) * epochs
    cycle = OneCycleLR(optimiser, RATE, steps, pct_start=0.2, cycle_momentum=False)
    parts = {"network": net, "average": average, "optimiser": optimiser, "rate": cycle}
    state = torch.load(kept, weights_only=True) if kept.is_file() else {"epochs": 0}
    for name in parts.keys() & state.keys():
        parts[name].load_state_dict(state[name])
    for epoch in range(state["epochs"], epochs):
        # Seeded by epoch, so that a run gone on with draws what an unbroken one would have drawn.
        torch.manual_seed(seed * 1000 + epoch + 1)
        started, losses = time.perf_counter(), 0.0
        net.train()
        for chosen in torch.randperm(len(images)).split(BATCH):
            batch = augment(images[chosen].float() / 255).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
                logits = net(batch)
            loss = functional.cross_entropy(logits.float(), targets[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            average.update_parameters(net)
            losses += loss.item() * len(chosen)
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**state, "epochs": epoch + 1}, kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
        mean, seconds = losses / len(images), time.perf_counter() - started
        print(f"epoch {epoch + 1}: loss {mean:.4f}, {seconds:.0f} s", flush=True)
    return average.module.eval()


def outputs_of(net: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Run what will be exported on faces (N, 1, 48, 48); outputs (N, 10)."""
    model = Exported(net).eval()
    with torch.no_grad():
        parts = torch.from_numpy(pixels).split(64)
        return torch.cat([model(part) for part in parts]).numpy()


def calibrate(head: nn.Linear, logits: np.ndarray, votes: np.ndarray) -> dict[str, float]:
    """Divide the head by the one temperature that fits its logits (N, 8) to votes (N, 10) best.

    Taught by the spread of the votes, the network is too modest of faces whose majority is clear.
    No order of classes changes by it. Returns what the scores say of it.
    """
    clear, truth = majority(votes)
    temperature = fit_temperature(logits[clear], truth)
    with torch.no_grad():
        head.weight /= temperature
        head.bias /= temperature
    error = crossfitted_error(logits[clear], truth)
    return {"temperature": round(temperature, 4), "ece_crossfitted": round(error, 4)}


def export(net: nn.Module, probe: np.ndarray) -> tuple[onnx.ModelProto, Callable[..., Any]]:
    """Turn the network into ONNX, and a function that runs it on one core.

    It raises where the ten outputs differ from torch's by more than 1e-4 on the faces `probe`.
    """
    model = Exported(net).to(memory_format=torch.contiguous_format).eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(probe)).numpy()
    proto = from_torch(model, {"input": probe})
    check(proto, {"input": probe}, expected)
    run = runner(proto)
    return proto, lambda x: run({"input": x})


def describe(votes_print: str, scores: dict[str, Any]) -> dict[str, Any]:
    """Write the description that the library reads in the model's metadata."""
    licence = "labels MIT (Microsoft FER+); images of FER2013, no licence stated"
    return {
        "kind": "face_emotion",
        "version": 1,
        "name": "builtin",
        "classes": CLASSES,
        "outputs": [*CLASSES, "valence", "arousal"],
        "input": {"size": [SIZE, SIZE], "colour": "grey", "mean": [0.0], "std": [1.0]},
        "crop": {"geometry": "points", "template": TEMPLATE},
        "recipe": "recipes/face_emotion.py",
        "data": {"name": "FER+ (training split)", "fingerprint": votes_print, "licence": licence},
        "scores": scores,
        "licence": "Apache-2.0 (the weights); the training images have no stated licence",
    }


def main(arguments: list[str] | None = None) -> None:
    """Train, calibrate, export, measure what was exported."""
    shared = Path(__file__).resolve().parents[2] / "shared"
    models = Path(os.environ.get("REELPULSE_MODELS") or shared / "models")
    data = Path(os.environ.get("REELPULSE_TEST_DATA") or shared / "data") / "ferplus"
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add, work, output = parser.add_argument, Path("runs/face_emotion"), Path("face_emotion.onnx")
    add("--data", type=Path, default=data, help="FER+ folder (%(default)s)")
    add("--work", type=Path, default=work, help="cache; checkpoint to go on from (%(default)s)")
    add("-o", "--output", type=Path, default=output, help="model to write (%(default)s)")
    add("--epochs", type=int, default=EPOCHS, help="passes over the data (%(default)s)")
    add("--limit", type=int, help="use so many faces of each split, for a trial")
    add("--seed", type=int, default=0, help="of every random draw (%(default)s)")
    yunet = models / "face_detection_yunet_2023mar.onnx"
    add("--yunet", type=Path, default=yunet, help="face detector that finds points (%(default)s)")
    add("--clips", type=Path, help="video clips to cut faces out of (default: faces beside --data)")
    add("--crops", type=Path, metavar="PNG", help="only draw crops of training and clips together")
    add("--measure-template", action="store_true", help="only measure TEMPLATE again")
    options = parser.parse_args(arguments)
    table, end = options.data / "votes.csv", options.limit
    if not table.is_file():
        parser.error(f"{table} not found: name the FER+ folder with --data")
    votes_print = hashlib.sha256(table.read_bytes()).hexdigest()
    work = options.work / votes_print[:12]
    work.mkdir(parents=True, exist_ok=True)
    faces, votes = load_split(options.data, "train", work)
    clips = options.clips or options.data.parent / "faces"
    if (options.crops or options.measure_template) and not options.yunet.is_file():
        parser.error(f"{options.yunet} not found: name YuNet's weights with --yunet")
    if options.crops and not clips_of(clips):
        parser.error(f"{clips} holds no clips: name a folder of some with --clips")
    if options.measure_template:
        points = points_of(some(faces, 2000), options.yunet)
        print(f"found {len(points)}", np.median(points, axis=0).round(3), sep="\n")
        return
    if options.crops:
        print(compare(faces, clips, options.yunet, options.crops))
        return
    torch.set_num_threads(2)
    checkpoint = work / f"{options.epochs}-epochs-{end}-faces-seed-{options.seed}-bf16-{BF16}.pt"
    net = train(faces[:end], votes[:end], options.epochs, options.seed, checkpoint)
    held, held_votes = load_split(options.data, "valid", work)
    pixels, truth = held[:end, None].astype(np.float32) / 255, held_votes[:end]
    uncalibrated = outputs_of(net, pixels)
    calibration = calibrate(net.head, uncalibrated[:, : len(CLASSES)], truth)
    proto, model = export(net, pixels[:40])
    parts = [pixels[i : i + 64] for i in range(0, len(pixels), 64)]
    outputs = np.concatenate([model(part) for part in parts])
    scores = score(outputs, truth) | calibration
    with torch.no_grad():
        single = score(np.concatenate([net(torch.from_numpy(part)) for part in parts]), truth)
    print(
        json.dumps(scores), f"before calibration: ece {score(uncalibrated, truth)['ece']}", sep="\n"
    )
    print(f"accuracy without the mirror image: {single['accuracy']}")
    print(by_group(outputs, truth, held[:end]))
    for n in (1, 32):
        seconds = np.median(timeit.repeat(lambda n=n: model(pixels[:n]), number=1, repeat=50))
        print(f"{seconds / n * 1000:.2f} ms a face on one core in batches of {n}")
    write_onnx(options.output, proto, describe(votes_print, scores))
    if clips_of(clips) and options.yunet.is_file():
        print(compare(faces, clips, options.yunet, work / "crops.png"))


if __name__ == "__main__":
    main()
