"""Speech models as small graphs that tell voices by their pitch, and such voices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from films import Array
from reelpulse.media.mel import MelSpec
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.picture import PictureSpec

RATE, BANDS = 16_000, 7
LOW, HIGH = 100.0, 7000.0
SPEC = PictureSpec(
    mel=MelSpec(RATE, 400, 160, 512, BANDS, LOW, HIGH, htk=True, power=2.0),
    margin=None,
    size=(BANDS, 12),
    channels=1,
    mean=(0.0,),
    std=(1.0,),
)


def pitch(index: int) -> float:
    """The middle of a band, in Hz; the first is the lowest."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (LOW, HIGH))
    return float(700 * (10 ** ((low + (high - low) * (index + 1) / (BANDS + 1)) / 2595) - 1))


def tone(time: Array, index: int = 0) -> Array:
    """A tone in a band that comes four times a second, as syllables do."""
    return np.asarray(0.3 * (time % 0.25 < 0.15) * np.sin(2 * np.pi * pitch(index) * time))


def spoken(index: int = 0, seconds: float = 3.0, rate: int = RATE) -> Array:
    """Samples of `tone`."""
    return tone(np.arange(round(seconds * rate)) / rate, index).astype(np.float32)


def write_speech_model(
    path: Path,
    *,
    classes: Sequence[str] = EMOTIONS,
    spec: PictureSpec = SPEC,
    metadata: Mapping[str, Any] | None = None,
    name: str = "input",
    last: str = "Softmax",
) -> Path:
    """Write a network whose likeliest class is that of the loudest band, the lowest the first."""
    height, width = spec.size
    weight = np.zeros((spec.channels, height, width, len(classes)), np.float32)
    for index in range(min(height, len(classes))):
        weight[:, height - 1 - index, :, index] = 10 / width
    shape = ["N", spec.channels, height, width]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", [name], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
            helper.make_node(last, ["logits"], ["output"]),
        ],
        "speech",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", len(classes)])],
        [numpy_helper.from_array(weight.reshape(-1, len(classes)), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    said = {"kind": "speech", "version": 1, "classes": list(classes), "picture": spec.as_dict()}
    helper.set_model_props(model, {"reelpulse": json.dumps({**said, **(metadata or {})})})
    onnx.save(model, path)
    return path
