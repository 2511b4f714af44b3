"""What is in an ONNX file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelpulse import hub
from reelpulse.checkpoints.findings import SPLITS, Inspection, Layer, TensorInfo
from reelpulse.errors import ModelError, at

WITHOUT_ONNX = "its tensors are not listed: `pip install 'reelpulse[train]'` brings what reads them"


def inspect_onnx(path: Path) -> Inspection:
    """Tell what is in an ONNX file; tensors only where the package onnx is installed.

    Raises
    ------
    ModelError
        When the file cannot be read or is no usable ONNX model.
    """
    if path.exists() and not path.is_file():
        raise ModelError(at(path, "is not a file: name the file of weights in it"))
    model = hub.open_onnx(path)
    inputs, outputs = (
        {end.name: list(end.shape) for end in ends}
        for ends in (model.session.get_inputs(), model.session.get_outputs())
    )
    widths = [shape[1] for shape in outputs.values() if len(shape) == 2 and _whole(shape[1])]
    size = next((tuple(s[2:]) for s in inputs.values() if len(s) == 4 and _whole(*s[2:])), None)
    source = model.metadata.get("source")
    architecture = source.get("architecture") if isinstance(source, dict) else None
    about = Inspection(
        str(path),
        "ONNX file",
        "onnx",
        feature_width=widths[1] if len(widths) > 1 else None,
        head=widths[0] if widths else None,
        split=SPLITS.get(widths[0], "") if widths else "",
        architecture=architecture if isinstance(architecture, str) else None,
        why="its metadata say so" if architecture else "an ONNX file is used as it is",
        input_size=size,
        input_size_from="its input" if size else "",
        inputs=inputs,
        outputs=outputs,
        metadata={
            key: model.metadata if key == "reelpulse" else text
            for key, text in model.session.get_modelmeta().custom_metadata_map.items()
        },
    )
    return _with_tensors(about, path)


def _with_tensors(about: Inspection, path: Path) -> Inspection:
    try:
        import onnx
    except ImportError:
        return replace(about, note=WITHOUT_ONNX)
    graph = onnx.load(str(path), load_external_data=False).graph
    types = onnx.TensorProto.DataType
    tensors = tuple(
        TensorInfo(item.name, tuple(item.dims), types.Name(item.data_type).lower())
        for item in graph.initializer
    )
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    layers = []
    for node in graph.node:
        own = [shapes[name] for name in node.input if name in shapes]
        if own:
            layers.append(Layer(node.name, node.op_type, own[0], sum(map(math.prod, own))))
    values = sum(math.prod(shape) for shape in shapes.values())
    last = next((layer for layer in reversed(layers) if len(layer.shape) == 2), None)
    width = about.feature_width
    if width is None and last and about.head in last.shape:
        width = last.shape[1] if last.shape[0] == about.head else last.shape[0]
    return replace(about, tensors=tensors, layers=tuple(layers), values=values, feature_width=width)


def _whole(*values: Any) -> bool:
    return all(type(value) is int for value in values)
