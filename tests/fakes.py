"""Stand-ins for models and media, small enough to see through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import onnx
from onnx import TensorProto, helper

from reelpulse.faces.align import CropSpec
from reelpulse.faces.detectors import Face
from reelpulse.media import Tick
from reelpulse.timeline import FACE_COLUMNS, Block, Faces, Observations, Timeline, assemble

WIDTH, HEIGHT = 200, 100
PEOPLE = 4
DIMENSIONS = 2 * PEOPLE


@dataclass(frozen=True)
class Somebody(Face):
    """A face that a `FakeIdentity` knows."""

    person: int = 0


def face(
    x: float, y: float = 20, size: float = 20, *, score: float = 0.95, person: int = 0
) -> Somebody:
    """A square face with its upper left corner at x, y."""
    box = np.array([x, y, size, size], float)
    points = box[:2] + size * np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.3, 0.8], [0.7, 0.8]])
    return Somebody(box, score, points, person)


def vector(person: int, likeness: float = 1.0) -> np.ndarray:
    """A unit vector whose cosine with `vector(person)` is `likeness`; people are orthogonal."""
    out = np.zeros(DIMENSIONS, np.float32)
    out[person], out[PEOPLE + person] = likeness, np.sqrt(1 - likeness**2)
    return out


class FakeDetector:
    """Reads a picture's number from its first pixel and finds the faces scripted for it."""

    name = "fake"
    strict, loose = 0.9, 0.7

    def __init__(self, script: Sequence[Sequence[Face]]) -> None:
        self.script = script
        self.settings: dict[str, Any] = {"detector": self.name, "detect_size": 640}

    def __call__(self, image: np.ndarray) -> list[Face]:
        found = list(self.script[int(image[0, 0, 0])])
        return sorted(found, key=lambda item: -item.score)


class FakeIdentity:
    """Knows people by their number."""

    name = "fake"
    dimensions = DIMENSIONS
    strict, loose = 0.5, 0.3

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {"identity": self.name, "checksum": "b" * 16}

    def __call__(self, image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        rows = [vector(getattr(item, "person", 0)) for item in faces]
        return np.stack(rows) if rows else np.zeros((0, DIMENSIONS), np.float32)


class FakeEmotion:
    """Gives valence from a crop's mean brightness, and counts the crops it saw."""

    columns = FACE_COLUMNS

    def __init__(self) -> None:
        self.crop = CropSpec(side=16)
        self.settings: dict[str, Any] = {"emotion": "fake", "checksum": "e" * 16}
        self.seen = 0

    def __call__(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.seen += len(crops)
        out = np.full((len(crops), len(FACE_COLUMNS)), 0.125, np.float32)
        out[:, 8] = [crop.mean() / 255 for crop in crops]
        return out


def tick(
    index: int,
    time: float | None = None,
    *,
    image: np.ndarray | None = None,
    number: int | None = None,
    previous: np.ndarray | None = None,
    sounds: dict[int, np.ndarray] | None = None,
) -> Tick:
    """A tick every half second; `number` makes the picture that a `FakeDetector` reads."""
    if number is not None:
        image = np.full((HEIGHT, WIDTH, 3), 40 + number, np.uint8)
        image[0, 0, 0] = number
    time = index / 2 if time is None else time
    before, picture = (
        None if one is None else SimpleNamespace(rgb=one, small=one, time=at, previous=None)
        for one, at in ((previous, time - 1 / 24), (image, time))
    )
    if picture is not None:
        picture.previous = before
    return Tick(index, time, cast(Any, picture), sounds or {})


def table(
    rows: Sequence[tuple[int, int, Sequence[float], Sequence[float] | None, float]],
    ticks: int,
    dimensions: int = DIMENSIONS,
) -> Faces:
    """Faces by hand: rows of (tick, track, box, embedding or None, score)."""
    rows = sorted(rows, key=lambda row: row[0])
    out = Faces.empty(ticks, dimensions)
    if not rows:
        return out
    values = np.full((len(rows), len(FACE_COLUMNS)), 0.125, np.float32)
    values[:, 8] = [row[1] / 100 for row in rows]  # valence tells the track
    embedding = [np.zeros(dimensions) if row[3] is None else row[3] for row in rows]
    return Faces(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[2] for row in rows], np.float32),
        np.array([row[4] for row in rows], np.float32),
        np.array([row[1] for row in rows], np.int32),
        np.array(embedding, np.float16).reshape(len(rows), dimensions),
        values,
        np.bincount([row[0] for row in rows], minlength=ticks).astype(np.int32),
    )


def observed(faces: Faces, **meta: Any) -> Observations:
    """Observations of faces alone, two ticks a second."""
    video = {"width": WIDTH, "height": HEIGHT, "duration": len(faces.seen) / 2}
    return Observations(
        np.arange(len(faces.seen)) / 2, faces, {"version": 1}, meta={"video": video, **meta}
    )


def calm(seconds: float, *, spacing: float = 0.5, seed: int = 0) -> Timeline:
    """A person at rest, all twelve columns measured, with the noise of measuring."""
    times = np.arange(0, seconds, spacing)
    random = np.random.default_rng(seed)
    logits = np.zeros((len(times), 8))
    logits[:, 5] = 3
    shares = np.exp(logits + random.normal(0, 0.05, logits.shape))
    shares /= shares.sum(axis=1, keepdims=True)
    affect = random.normal([0.05, 0.0], 0.02, (len(times), 2))
    loudness = 0.05 * np.exp(random.normal(0, 0.05, len(times)))
    change = np.diff(loudness, prepend=loudness[:1]) / np.maximum(loudness, 0.01)
    streams = {
        "face": (FACE_COLUMNS, np.column_stack([shares, affect]).astype(np.float32)),
        "loudness": (
            ("loudness", "loudness_change"),
            np.column_stack([loudness, change]).astype(np.float32),
        ),
    }
    return assemble(times, streams, {"video": {"duration": seconds}})


def with_burst(timeline: Timeline, start: float, end: float) -> Timeline:
    """The same with a laugh: four times as loud, arousal and valence up, happiness for neutral."""
    values = timeline.values.copy()
    inside = (timeline.times >= start) & (timeline.times < end)
    column = {name: i for i, name in enumerate(timeline.columns)}
    values[inside, column["loudness"]] *= 4
    values[inside, column["arousal"]] += 0.5
    values[inside, column["valence"]] += 0.6
    neutral, happy = column["neutral"], column["happiness"]
    values[np.ix_(inside, [neutral, happy])] = values[np.ix_(inside, [happy, neutral])]
    return replace(timeline, values=values)


def hidden(timeline: Timeline, columns: Sequence[str], rows: Any = slice(None)) -> Timeline:
    """The same with columns not measured, everywhere or in some ticks."""
    values = timeline.values.copy()
    for name in columns:
        values[rows, timeline.columns.index(name)] = np.nan
    return replace(timeline, values=values)


def blocks(times: np.ndarray) -> dict[str, Block]:
    """A loudness stream with two ticks not measured."""
    values = np.linspace(0, 1, 2 * len(times), dtype=np.float32).reshape(-1, 2)
    values[1:3] = np.nan
    return {"loudness": Block(("loudness", "loudness_change"), values, {"rate": 22050})}


def write_emotion_onnx(
    path: Path,
    metadata: dict[str, Any] | None = None,
    *,
    size: int = 224,
    channels: int = 3,
    batch: int | str = "N",
    outputs: int = 10,
    pool: str = "GlobalAveragePool",
    weight: np.ndarray | None = None,
    embedding: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Write a network of enet's shape: pooled channels (its embedding), then one linear layer.

    Gives weight (channels, outputs) and bias, so that what it must say of a picture can be worked
    out by hand.
    """
    random = np.random.default_rng(7)
    if weight is None:
        weight = random.normal(0, 1, (channels, outputs))
    weight = weight.astype(np.float32)
    bias = random.normal(0, 0.3, outputs).astype(np.float32)
    given = {"output": outputs, **({"embedding": channels} if embedding else {})}
    graph = helper.make_graph(
        [
            helper.make_node(pool, ["input"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["embedding"], axis=1),
            helper.make_node("Gemm", ["embedding", "weight", "bias"], ["output"]),
        ],
        "face",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, channels, size, size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width])
            for name, width in given.items()
        ],
        [
            helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.ravel()),
            helper.make_tensor("bias", TensorProto.FLOAT, bias.shape, bias),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if metadata is not None:
        helper.set_model_props(model, {"reelpulse": json.dumps(metadata)})
    onnx.save(model, path)
    return weight, bias


def write_clip(
    path: Path, seconds: float, *, fps: int = 2, size: tuple[int, int] = (64, 48)
) -> Path:
    """A film whose picture at second s is grey of brightness s mod 200, and a hum."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("mpeg4", rate=fps)
        film.width, film.height, film.pix_fmt = *size, "yuv420p"
        hum = container.add_stream("aac", rate=22050, layout="mono")
        for number in range(round(seconds * fps)):
            image = np.full((size[1], size[0], 3), int(number / fps) % 200, np.uint8)
            container.mux(film.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(film.encode())
        count = round(seconds * 22050)
        wave = (0.1 * np.sin(np.arange(count) / 20)).astype(np.float32)
        for start in range(0, count, 22050):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 22050], "fltp", "mono")
            frame.sample_rate, frame.pts = 22050, start
            container.mux(hum.encode(frame))
        container.mux(hum.encode())
    return path
