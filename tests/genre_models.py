"""Genre models as small graphs that tell pictures by their colour, and pairs by their motion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from films import Array, make_video
from reelpulse.genre.spec import PairSpec

COLOURS = ("horror", "romance", "sf")
"""The classes of red, green and blue pictures."""

SINGLE = PairSpec((16, 24))
SECOND = PairSpec((16, 24), frames=2)
MOTION = PairSpec((16, 24), magnitude=True, magnitude_mean=0.01, magnitude_std=0.002)


def coloured(which: int, size: tuple[int, int] = (64, 48), level: int = 200) -> Array:
    """A picture of one colour: 0 red, 1 green, 2 blue; `size` is width and height."""
    picture = np.full((size[1], size[0], 3), 20, np.uint8)
    picture[..., which] = level
    return picture


def textured(shift: int = 0, size: tuple[int, int] = (320, 240), seed: int = 0) -> Array:
    """Blurred noise, moved to the right by some pixels."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0] + 200, 3), np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    lively = cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX)
    return np.ascontiguousarray(lively[:, 100 - shift : 100 - shift + size[0]])


def scene(which: int, shift: int, size: tuple[int, int]) -> Array:
    """A moment of a shot in one colour, through which the camera pans by `shift` pixels."""
    lit = textured(shift, size, seed=which) // 4
    lit[..., which] *= 3
    return lit


def film(path: Path, *shots: tuple[int, float, int], fps: int = 24, **what: Any) -> Path:
    """Write a film of shots: the colour, the seconds and the pixels a frame of each."""
    plan = [
        (which, number * pace % 90)
        for which, seconds, pace in shots
        for number in range(round(seconds * fps))
    ]
    return make_video(
        path,
        fps=fps,
        seconds=len(plan) / fps,
        paint=lambda number, size: scene(*plan[number], size),
        **{"size": (160, 120), **what},
    )


def write_genre_model(
    path: Path,
    spec: PairSpec = SINGLE,
    *,
    classes: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    inputs: Sequence[str] | None = None,
    last: str = "Softmax",
) -> Path:
    """Write a network that says the colour of the last frame, or whether much moves.

    Of one frame: `COLOURS`. Of two: the colour of the second. With magnitude: ``romance`` where
    little moves, ``action`` where much does.
    """
    names = tuple(inputs or spec.inputs)
    still = "magnitude" in spec.inputs
    classes = classes or (("romance", "action") if still else COLOURS)
    weight = np.zeros((3 * spec.frames, len(classes)), np.float32)
    if not still:
        weight[-3:, :3] = 10 * np.eye(3, dtype=np.float32)[:, : len(classes)]
    parts = [numpy_helper.from_array(weight, "weight")]
    nodes = [
        helper.make_node("ReduceMean", [names[0]], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["colour"]),
    ]
    logits = "colour"
    if still:
        parts.append(numpy_helper.from_array(np.array([[-2.0, 2.0]], np.float32), "moving"))
        nodes += [
            helper.make_node("MatMul", [names[-1], "moving"], ["moved"]),
            helper.make_node("Add", ["colour", "moved"], ["logits"]),
        ]
        logits = "logits"
    nodes.append(helper.make_node(last, [logits], ["probabilities"]))
    shapes = zip(names, spec.shapes().values(), strict=True)
    graph = helper.make_graph(
        nodes,
        "genre",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", *s]) for n, s in shapes],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(classes)])],
        parts,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    said = {
        "kind": "genre",
        "version": 1,
        "name": "tiny",
        "classes": list(classes),
        "spec": spec.as_dict(),
    }
    helper.set_model_props(model, {"reelpulse": json.dumps({**said, **(metadata or {})})})
    onnx.save(model, path)
    return path
