"""The faces of the clips that the made streams play: measured once, ten looks a second."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

import reelpulse
from reelpulse import hub
from reelpulse.timeline import FACE_COLUMNS

_LOOKS = 10.0

Array = np.ndarray


@dataclass(frozen=True)
class Faces:
    """A clip's face at ten looks a second: times (T,), ten values and embeddings a look."""

    times: Array
    values: Array
    embeddings: Array


@functools.cache
def measured_faces(file: Path, cache: Path) -> Faces:
    """Measure a clip's face, unless the cache has it."""
    network = with_embedding(cache)
    timeline = reelpulse.analyze(
        file, out=cache, fps=_LOOKS, emotion=network, stream=("face", "embedding")
    )
    near = [(time - 0.5 / _LOOKS, time + 0.5 / _LOOKS) for time in timeline.times]
    embeddings = reelpulse.embedding_summary(timeline.meta["file"], near, ("mean",))
    seen = np.isfinite(timeline.column("valence"))
    values = timeline.select(FACE_COLUMNS).values
    return Faces(timeline.times[seen], values[seen], embeddings[seen])


@functools.cache
def with_embedding(cache: Path) -> Path:
    """The built-in face network, its last layer's input as a second output."""
    model = onnx.load(hub.obtain("builtin"))
    graph = model.graph
    head = next(node for node in graph.node if node.op_type == "Gemm")
    after = next(node for node in graph.node if head.output[0] in node.input)
    meaned = next(node for node in graph.node if after.output[0] in node.input)
    shape = next(value for value in graph.initializer if value.name == after.input[1])
    looks = onnx.numpy_helper.to_array(shape).copy()
    looks[-1] = 192
    graph.initializer.append(onnx.numpy_helper.from_array(looks, "looks"))
    graph.node.append(onnx.helper.make_node("Reshape", [head.input[0], "looks"], ["seen twice"]))
    graph.node.append(
        onnx.helper.make_node(
            "ReduceMean", ["seen twice", meaned.input[1]], ["embedding"], keepdims=0
        )
    )
    graph.output.append(
        onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["batch", 192])
    )
    path = cache / "face_emotion_embedding.onnx"
    content = model.SerializeToString()
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)
    return path
