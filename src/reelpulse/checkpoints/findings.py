"""What an inspection finds in a file of weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SPLITS = {10: "8 emotions + valence and arousal", 8: "8 emotions", 7: "7 emotions"}
"""What the rows of a face emotion model's head are, by their number (as HSEmotion's models)."""


@dataclass(frozen=True)
class TensorInfo:
    """A tensor's name, shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Layer:
    """A layer: its name, its class where the file tells, its first tensor's shape, its values."""

    name: str
    kind: str
    shape: tuple[int, ...]
    values: int


@dataclass(frozen=True)
class Inspection:
    """What is in a file of weights.

    Attributes
    ----------
    path, format : str
        The file, and how it is written.
    kind : str
        ``module``, ``state dict``, ``onnx`` or ``object`` (which holds no tensors by name).
    within : str
        The keys under which the weights lie in a checkpoint.
    classes : tuple of str
        Classes of a pickled module's parts.
    unknown : tuple of str
        Names in the pickle that are of no package of models known here; they are not imported.
    tensors, layers : tuple
    feature_width, head : int or None
        Columns and rows of the last layer: the embedding's width, the number of outputs.
    split : str
        What the outputs usually are, by their number.
    values : int
        Numbers in all tensors.
    parameters : int or None
        Those of them that are trained; an ONNX file does not tell.
    architecture : str or None
        timm's name; None where it is not clear.
    why : str
        How the architecture is known, or why not.
    choices : tuple of str
        What it can be.
    input_size : tuple of int or None
        Height and width of the picture it wants.
    input_size_from : str
        Where that is from.
    inputs, outputs : dict
        Names and shapes, of an ONNX file.
    metadata : dict
        What an ONNX file, or timm's settings in a pickled module, say.
    note : str
        What could not be told, and how to get it told.
    """

    path: str
    format: str
    kind: str
    within: str = ""
    classes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    tensors: tuple[TensorInfo, ...] = ()
    layers: tuple[Layer, ...] = ()
    feature_width: int | None = None
    head: int | None = None
    split: str = ""
    values: int = 0
    parameters: int | None = None
    architecture: str | None = None
    why: str = ""
    choices: tuple[str, ...] = ()
    input_size: tuple[int, int] | None = None
    input_size_from: str = ""
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    note: str = ""
