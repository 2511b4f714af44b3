"""Which architecture a file's tensors are of, and how that is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reelpulse.checkpoints.layout import Layout, without_prefix
from reelpulse.checkpoints.trust import Made

Shape = tuple[int, ...]

STAGES = (
    *((1, 16, 1, 3), (6, 24, 2, 3), (6, 40, 2, 5), (6, 80, 3, 3)),
    *((6, 112, 3, 5), (6, 192, 4, 5), (6, 320, 1, 3)),
)
"""EfficientNet-B0: expansion, channels, blocks, kernel of each stage (Tan & Le 2019, table 1)."""

SCALES = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
"""Width, depth and the usual side of the picture of each size (its authors' code)."""

TF_EPSILON, PLAIN_EPSILON = 1e-3, 1e-5
"""Batch norm's small number in weights from TensorFlow, and PyTorch's own."""


@dataclass(frozen=True)
class Architecture:
    """What a file's tensors are of.

    Attributes
    ----------
    name : str or None
        timm's name of it; None where it is not clear.
    why : str
        How that is known, or why it is not clear.
    choices : tuple of str
        What it can be, where it is not clear.
    side : int or None
        Usual side of the picture, where it is known.
    """

    name: str | None
    why: str
    choices: tuple[str, ...] = ()
    side: int | None = None


def efficientnet_shapes(width: float, depth: float) -> dict[str, Shape]:
    """Shapes of an EfficientNet's convolutions, by timm's names.

    Parameters
    ----------
    width, depth : float
        How many times the channels and the blocks of B0.
    """
    inside, outside = _channels(32 * width), _channels(1280 * width)
    shapes: dict[str, Shape] = {"conv_stem.weight": (inside, 3, 3, 3)}
    for stage, (expansion, channels, blocks, kernel) in enumerate(STAGES):
        channels = _channels(channels * width)
        for block in range(math.ceil(blocks * depth)):
            middle, squeezed = inside * expansion, round(inside / 4)
            last = "conv_pw" if expansion == 1 else "conv_pwl"
            if expansion > 1:
                shapes[f"blocks.{stage}.{block}.conv_pw.weight"] = (middle, inside, 1, 1)
            shapes |= {
                f"blocks.{stage}.{block}.conv_dw.weight": (middle, 1, kernel, kernel),
                f"blocks.{stage}.{block}.se.conv_reduce.weight": (squeezed, middle, 1, 1),
                f"blocks.{stage}.{block}.se.conv_expand.weight": (middle, squeezed, 1, 1),
                f"blocks.{stage}.{block}.{last}.weight": (channels, middle, 1, 1),
            }
            inside = channels
    return shapes | {"conv_head.weight": (outside, inside, 1, 1)}


def _channels(wanted: float) -> int:
    """Round to a multiple of eight, never down by more than a tenth (as its authors do)."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def efficientnet_size(shapes: Mapping[str, Shape]) -> str | None:
    """Tell which EfficientNet has just these convolutions: ``b0`` … ``b7``, or None."""
    found = {name: shape for name, shape in shapes.items() if len(shape) == 4}
    for size, (width, depth, _) in SCALES.items():
        if found == efficientnet_shapes(width, depth):
            return size
    return None


def tell(layout: Layout) -> Architecture:
    """Tell the architecture from a pickled module's classes and settings, and from shapes."""
    start = len(without_prefix(list(layout.tensors)))
    size = efficientnet_size({k[start:]: t.shape for k, t in layout.tensors.items()})
    if size is not None:
        return _efficientnet(layout, size)
    written = configuration(layout.modules).get("architecture")
    if isinstance(written, str):
        return Architecture(written, "its own settings say so")
    if layout.kind == "module":
        name = layout.modules[""].cls.name
        return Architecture(None, f"a module of class {name}: its shapes are not known here")
    return Architecture(None, "its shapes are not those of an EfficientNet, and no class is named")


def _efficientnet(layout: Layout, size: str) -> Architecture:
    """Tell TensorFlow's variant from the plain one: same shapes, another function."""
    plain, side = f"efficientnet_{size}", SCALES[size][2]
    choices = (f"tf_{plain}", plain)
    if layout.kind != "module":
        why = (
            f"{choices[0]} and {plain} have these shapes, and a state dict does not tell them apart"
        )
        return Architecture(None, why, choices, side)
    same = any(made.cls.name.startswith("Conv2dSame") for made in layout.modules.values())
    states = [made.state for made in layout.modules.values() if isinstance(made.state, dict)]
    small = {
        float(state["eps"])
        for state in states
        if isinstance(state.get("eps"), float) and "running_mean" in (state.get("_buffers") or ())
    }
    epsilons = ", ".join(f"{value:g}" for value in sorted(small)) or "not said"
    seen = f"{'Conv2dSame' if same else 'Conv2d alone'}, batch-norm epsilon {epsilons}"
    if small == {TF_EPSILON if same else PLAIN_EPSILON}:
        return Architecture(choices[0] if same else plain, f"its classes: {seen}", choices, side)
    return Architecture(
        None, f"its classes fit neither {choices[0]} nor {plain}: {seen}", choices, side
    )


def configuration(modules: Mapping[str, Made]) -> dict[str, Any]:
    """The settings that timm keeps with a pickled module; empty where there are none."""
    for made in modules.values():
        state = made.state if isinstance(made.state, dict) else {}
        for name in ("pretrained_cfg", "default_cfg"):
            if isinstance(found := state.get(name), Made):
                found = found.state
            if isinstance(found, dict) and "input_size" in found:
                return found
    return {}
