"""Trained networks as ONNX: made, held against the trainer's own output, written, opened.

Whatever was trained, its model has inputs by name, one output named ``output``, a first axis of any
length, and a description in its metadata that `reelpulse.hub.open_onnx` reads.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import MissingExtra, ModelError, at
from reelpulse.files import atomic_path, readable
from reelpulse.hub import OnnxModel, open_onnx

if TYPE_CHECKING:
    from torch import nn

OPSET, TREES_OPSET = 18, 3
"""Versions of ONNX's operators and of its operators for trees, which all these models share."""

_XGBOOST_OPSET = 15
"""The newest that the converter of boosted trees knows; its nodes mean the same in `OPSET`."""

_IR_VERSION = 9

TOLERANCE = 1e-4
"""How far a probability may be from the trainer's own."""

SIZES = (1, 2, 7, 64)
"""Lengths of the first axis that a model is tried with."""

_SUM_OFF = 1e-3
"""How far the probabilities of an example may be from 1 together."""

Array = npt.NDArray[np.float32]
Part = tuple[list[Any], list[Any]]
"""Nodes of a model, and the constants they use."""


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep exporters' progress and their notes to their own developers from the user."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def from_torch(network: nn.Module, examples: Mapping[str, Array]) -> Any:
    """Turn a network into an ONNX model.

    Parameters
    ----------
    network : torch.nn.Module
        Gives one tensor, (N, ...).
    examples : mapping of str to ndarray
        Inputs in the order that `network` takes them, under the names that the model gives them.
        Of two rows or more: torch takes an axis of length 1 for a fixed one.

    Returns
    -------
    onnx.ModelProto
        Its one output is called ``output``; the first axis of all is free.

    Raises
    ------
    MissingExtra
        When what exports is not installed.
    """
    try:
        import onnxscript  # noqa: F401  torch wants it, and says so at length
        import torch
    except ImportError:
        raise MissingExtra("train", "writing a trained model") from None
    given = tuple(torch.from_numpy(np.ascontiguousarray(value)) for value in examples.values())
    with _quietly():
        program = torch.onnx.export(
            network.cpu().eval(),
            given,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=["output"],
            dynamic_shapes=[{0: "batch"}] * len(given),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    for part in [proto, proto.graph, *proto.graph.node, *proto.graph.value_info]:
        del part.metadata_props[:]  # torch notes its stack there, with the paths of the machine
    return proto


def from_trees(forest: Any, given: str, made: str) -> Part:
    """Turn a random forest or boosted trees into nodes of an ONNX model.

    Parameters
    ----------
    forest : RandomForestClassifier, RandomForestRegressor, XGBClassifier or XGBRegressor
        Boosted trees must predict with all their trees, and regress by squared error.
    given, made : str
        The tensors that the nodes take, float32 (N, width), and give: probabilities (N, classes)
        of a classifier, (N, 1) of a regressor.

    Raises
    ------
    MissingExtra
        When what exports is not installed.
    """
    try:
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType as XgbFloats
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError:
        raise MissingExtra("train", "writing a trained model") from None
    width = int(forest.n_features_in_)
    with _quietly():
        if type(forest).__module__.startswith("xgboost"):
            ends = [("input", XgbFloats([None, width]))]
            proto = convert_xgboost(forest, initial_types=ends, target_opset=_XGBOOST_OPSET)
        else:
            proto = to_onnx(
                forest,
                initial_types=[("input", FloatTensorType([None, width]))],
                options={type(forest): {"zipmap": False}} if hasattr(forest, "classes_") else None,
                target_opset={"": OPSET, "ai.onnx.ml": TREES_OPSET},
            )
    renamed = {"input": given, proto.graph.output[-1].name: made}
    nodes = list(proto.graph.node)
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    return nodes, list(proto.graph.initializer)


def joined(parts: Sequence[Part], width: int, outputs: int) -> Any:
    """Make one model of nodes that follow one another.

    Parameters
    ----------
    parts : sequence of (nodes, initializers)
        From ``input``, float32 (N, width), to ``output``, float32 (N, outputs).

    Returns
    -------
    onnx.ModelProto
    """
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [node for nodes, _ in parts for node in nodes],
        "reelpulse",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", outputs])],
        [values for _, initializers in parts for values in initializers],
    )
    versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    return helper.make_model(
        graph, opset_imports=versions, ir_version=_IR_VERSION, producer_name="reelpulse"
    )


def runner(proto: Any, *, threads: int = 1) -> Callable[[Mapping[str, Array]], Array]:
    """Run a model: a function from inputs by name to its first output.

    Raises
    ------
    ModelError
        When ONNX Runtime refuses the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, ["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise ModelError(f"the exported model cannot be run ({str(error)[:200]})") from error
    return lambda inputs: np.asarray(session.run(None, dict(inputs))[0], np.float32)


def check(proto: Any, inputs: Mapping[str, Array], expected: Array) -> None:
    """Hold a model against its trainer, on all examples at once and on a few at a time.

    Parameters
    ----------
    proto : onnx.ModelProto
    inputs : mapping of str to ndarray, first axes N
    expected : ndarray, shape (N, ...)
        What the trainer gives for them.

    Raises
    ------
    ModelError
        When they differ by more than `TOLERANCE` anywhere.
    """
    run = runner(proto)
    for size in {*SIZES, len(expected)}:
        found = run({name: value[:size] for name, value in inputs.items()})
        wanted = expected[:size]
        apart = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
        if not apart <= TOLERANCE:
            raise ModelError(
                f"the exported model differs from the trained one by {apart:.1e} on {len(wanted)}"
                " examples: it was not written"
            )


def open_trained(path: str | Path, kind: str, version: int, *, threads: int = 1) -> OnnxModel:
    """Open a model that ``reelpulse KIND train`` wrote.

    Parameters
    ----------
    path : str or Path
    kind : str
        What its description must say that it is.
    version : int
        The newest format of that kind known here.
    threads : int
        Of one run.

    Raises
    ------
    ModelError
        When it cannot be opened, is of another kind, or of a newer version.
    """
    opened = open_onnx(path, threads=threads)
    if (said := opened.metadata.get("kind")) != kind:
        what = f"is a model of the kind {said!r}, and none" if said else "is no model"
        problem = f"{what} of {kind}: give a file that `reelpulse {kind} train` wrote"
        raise ModelError(at(path, problem))
    found = opened.metadata.get("version")
    if isinstance(found, int) and found > version:
        problem = f"was written by a newer reelpulse (format {found}): upgrade reelpulse"
        raise ModelError(at(path, problem))
    return opened


def answers_of(path: Path, session: Any, given: Mapping[str, Array], width: int) -> Array:
    """Ask an opened model about a batch.

    Parameters
    ----------
    path : Path
        Named where something is wrong.
    session : onnxruntime.InferenceSession
    given : dict of str to ndarray
        Its inputs, the first axis of each N long.
    width : int
        What it gives of each example.

    Returns
    -------
    ndarray of float32, shape (N, width)

    Raises
    ------
    ModelError
        When the network fails, or gives something else.
    """
    try:
        found = np.asarray(session.run(None, dict(given))[0])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise odd_model(path, f"cannot be run ({str(error)[:200]})") from error
    right = (len(next(iter(given.values()))), width)
    if found.shape != right or found.dtype != np.float32:
        problem = f"gives {found.dtype} of shape {found.shape}, where {right} is right"
        raise odd_model(path, problem)
    if not np.isfinite(found).all():
        raise odd_model(path, "gives something that is no number")
    return found


def probabilities_of(path: Path, session: Any, given: Mapping[str, Array], width: int) -> Array:
    """`answers_of`, each in [0, 1], those of an example 1 together.

    Raises
    ------
    ModelError
        When the network fails, or gives no probabilities.
    """
    found = answers_of(path, session, given, width)
    off = np.abs(found.sum(axis=1) - 1)
    if (found < -_SUM_OFF).any() or (off > _SUM_OFF).any():
        raise odd_model(path, "gives something that is no probabilities")
    return np.asarray(np.clip(found, 0, 1))


def odd_model(path: Path, problem: str) -> ModelError:
    """Say that a model is not what a training writes."""
    return ModelError(at(path, f"{problem}: train it again"))


def write_onnx(path: str | Path, proto: Any, description: Mapping[str, Any]) -> None:
    """Write a model with its description, whole or not at all.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    from onnx import helper

    text = json.dumps(description, ensure_ascii=False, allow_nan=False)
    helper.set_model_props(proto, {"reelpulse": readable(text)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())
