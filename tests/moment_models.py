"""Trained models of moments as small graphs whose scores can be worked out by hand; timelines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reelpulse.learn.task import BINARY, Task
from reelpulse.moments.inputs import Recipe
from reelpulse.moments.lengths import Shape
from reelpulse.timeline import (
    LOUDNESS_COLUMNS,
    Block,
    Faces,
    Observations,
    Timeline,
    write_timeline,
)

COLUMNS = ("loudness", "valence")


def write_moment_model(
    path: Path,
    columns: Sequence[str] = COLUMNS,
    *,
    weights: Sequence[float] = (4.0, 4.0),
    bias: float = -6.0,
    task: Task = BINARY,
    shape: Shape | None = None,
    mean: Sequence[float] = (0.05, 0.05),
    std: Sequence[float] = (0.1, 0.3),
    recipe: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write the sigmoid of a weighted sum of the highest of each normalised column.

    `recipe` and `metadata` replace parts of what is said of it; a part set to None is left out.
    One of summaries takes the weighted sum of all values of a summary.
    With several classes the last is as likely as that, the others share the rest.
    """
    made = Recipe(tuple(columns), shape or Shape(), mean=tuple(mean), std=tuple(std))
    taken = {**made.as_dict(), **(recipe or {})}
    said: dict[str, Any] = {
        "kind": "moments",
        "version": 1,
        "name": "sum",
        "task": task.as_dict(),
        "recipe": taken,
        "window": {"seconds": [5, 6, 7], "step": 0.5},
        "sampling": {"rate": 2.0, "sample": "timeline", "models": {}},
        **(metadata or {}),
    }
    wide = task.outputs
    steps = taken["form"] == "steps"
    width = len(columns) if steps else len(weights)
    last = np.zeros((1, wide), np.float32)
    last[0, -1] = 1
    rest = np.full((1, wide), 1 / max(wide - 1, 1), np.float32)
    rest[0, -1] = 0
    constants = {
        "weights": np.array(weights, np.float32)[:, None],
        "bias": np.array([bias], np.float32),
        "axis": np.array([1], np.int64),
        "one": np.array([1], np.float32),
        "last": last,
        "rest": rest,
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            *([node("ReduceMax", ["input", "axis"], ["most"], keepdims=0)] if steps else []),
            node("MatMul", ["most" if steps else "input", "weights"], ["sum"]),
            node("Add", ["sum", "bias"], ["odds"]),
            node("Sigmoid", ["odds"], ["likely"]),
            node("Sub", ["one", "likely"], ["unlikely"]),
            node("MatMul", ["likely", "last"], ["there"]),
            node("MatMul", ["unlikely", "rest"], ["not"]),
            node("Add", ["there", "not"], ["output"]),
        ],
        "sum",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [*"NS"[: 1 + steps], width])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", wide])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    kept = {key: value for key, value in said.items() if value is not None}
    helper.set_model_props(model, {"reelpulse": json.dumps(kept)})
    onnx.save(model, path)
    return path


def kept(timeline: Timeline, path: Path) -> Path:
    """Write a timeline as analyze would."""
    timeline.meta["video"]["fingerprint"] = path.stem
    sound = Block(LOUDNESS_COLUMNS, timeline.select(LOUDNESS_COLUMNS).values)
    seen = Observations(
        timeline.times,
        Faces.empty(len(timeline)),
        {"version": 1},
        {"loudness": sound},
        timeline.meta,
    )
    write_timeline(path, timeline, seen)
    return path
