"""What is in a file of weights: its tensors, its head, its architecture."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelpulse.checkpoints import archive
from reelpulse.checkpoints.families import SCALES, Architecture, configuration, tell
from reelpulse.checkpoints.findings import SPLITS, Inspection, Layer, TensorInfo
from reelpulse.checkpoints.layout import Layout, lay_out
from reelpulse.checkpoints.onnx_file import inspect_onnx
from reelpulse.checkpoints.trust import shown
from reelpulse.errors import ModelError, at

HEADS = ("classifier", "classifier.0", "head.fc", "head", "fc", "head_fc", "last_linear", "_fc")
"""Usual names of the last layer; elsewhere it is the last matrix in the file's order."""

EFFICIENTNETS = tuple(f"{kind}efficientnet_{size}" for kind in ("tf_", "") for size in SCALES)


def inspect(path: str | Path, arch: str | None = None) -> Inspection:
    """Tell what is in a file of weights, running nothing of it.

    Parameters
    ----------
    path : str or Path
        A ``.pt``, ``.pth``, ``.pkl``, ``.safetensors`` or ``.onnx`` file.
    arch : str, optional
        timm's name of the architecture, where the file does not tell it.

    Returns
    -------
    Inspection

    Raises
    ------
    ModelError
        When the file cannot be read, tries to run code, or has other shapes than `arch`.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        return inspect_onnx(path)
    return examine(path, arch)[0]


def examine(path: Path, arch: str | None = None) -> tuple[Inspection, Layout]:
    """Inspect a file that is not ONNX, and give its tensors too."""
    content = archive.read(path)
    try:
        layout = lay_out(content.root)
    except ValueError as error:
        raise ModelError(at(path, f"cannot be read as weights: {error}")) from error
    unknown = tuple(shown(name) for name in content.globals if not name.known)
    found = Inspection(str(path), content.format, layout.kind, layout.within, unknown=unknown)
    if not layout.tensors:
        cls = getattr(content.root, "cls", None)
        of = f" of class {shown(cls)}" if cls is not None else ""
        return replace(found, why=f"it holds no tensors by name, but an object{of}"), layout
    head = _head(layout)
    names = {str(made.cls): None for made in layout.modules.values()}
    settings = configuration(layout.modules)
    architecture = _told(path, tell(layout), arch)
    size, source = _input_size(settings, architecture)
    return replace(
        found,
        classes=tuple(names),
        tensors=tuple(TensorInfo(k, t.shape, t.dtype) for k, t in layout.tensors.items()),
        layers=_layers(layout),
        feature_width=head[1] if head else None,
        head=head[0] if head else None,
        split=SPLITS.get(head[0], "") if head and architecture.choices else "",
        values=sum(t.count for t in layout.tensors.values()),
        parameters=sum(t.count for k, t in layout.tensors.items() if layout.is_parameter(k)),
        architecture=architecture.name,
        why=architecture.why,
        choices=architecture.choices,
        input_size=size,
        input_size_from=source,
        metadata={k: v for k, v in settings.items() if _plain(v)},
    ), layout


def head_name(layout: Layout) -> str | None:
    """Name the weight of the last layer."""
    matrices = [name for name, t in layout.tensors.items() if len(t.shape) == 2]
    for head in HEADS:
        for name in matrices:
            if f".{name}".endswith(f".{head}.weight"):
                return name
    return matrices[-1] if matrices else None


def _head(layout: Layout) -> tuple[int, int] | None:
    name = head_name(layout)
    if name is None:
        return None
    rows, columns = layout.tensors[name].shape
    return rows, columns


def _layers(layout: Layout) -> tuple[Layer, ...]:
    """Group tensors by the module they belong to."""
    groups: dict[str, list[str]] = {}
    for name in layout.tensors:
        groups.setdefault(name.rpartition(".")[0], []).append(name)
    layers = []
    for name, members in groups.items():
        first = layout.tensors[members[0]].shape
        made = layout.modules.get(name)
        kind = made.cls.name if made else _guess(first, members)
        values = sum(layout.tensors[member].count for member in members)
        layers.append(Layer(name, kind, first, values))
    return tuple(layers)


def _guess(shape: tuple[int, ...], members: list[str]) -> str:
    """What a layer is, by its tensors: a state dict names no classes."""
    if any(name.endswith("running_mean") for name in members):
        return "batch norm"
    return {1: "vector", 2: "linear", 4: "convolution"}.get(len(shape), "")


def _told(path: Path, found: Architecture, arch: str | None) -> Architecture:
    """Take what the user says, unless the file's shapes speak against it."""
    if arch is None:
        return found
    base = arch.partition(".")[0].removesuffix("_ns")
    if found.choices and base not in found.choices:
        fitting = " and ".join(found.choices)
        raise ModelError(at(path, f"has the shapes of {fitting}, not of {arch}"))
    if base in EFFICIENTNETS and not found.choices:
        raise ModelError(at(path, f"does not have the shapes of {arch}"))
    if found.name and base != found.name.partition(".")[0]:
        raise ModelError(at(path, f"is {found.name}, by {found.why}, not {arch}"))
    why = found.why if found.name else "as told" + ("" if found.choices else ", not checked")
    return replace(found, name=arch, why=why)


def _input_size(
    settings: dict[str, Any], architecture: Architecture
) -> tuple[tuple[int, int] | None, str]:
    size = settings.get("input_size")
    if isinstance(size, list | tuple) and len(size) == 3 and all(type(n) is int for n in size):
        return (size[1], size[2]), "its own settings"
    if architecture.side is not None:
        return (architecture.side, architecture.side), "usual for this architecture"
    return None, ""


def _plain(value: Any) -> bool:
    """Whether a setting can be shown: text, numbers and short lists of them."""
    items = value if isinstance(value, list | tuple) else [value]
    return len(items) < 10 and all(
        isinstance(v, str | int) or (isinstance(v, float) and math.isfinite(v)) for v in items
    )
