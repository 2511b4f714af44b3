"""From a foreign file of weights to an ONNX file that describes itself."""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse import files
from reelpulse.checkpoints import archive
from reelpulse.checkpoints.findings import Inspection
from reelpulse.checkpoints.inspection import examine, head_name
from reelpulse.checkpoints.layout import Layout, without_prefix
from reelpulse.errors import DataError, MissingExtra, ModelError, ReelpulseError, at
from reelpulse.faces.emotion import load_emotion
from reelpulse.timeline import FACE_COLUMNS

log = logging.getLogger(__name__)

CLOSE = 1e-4
"""Most that ONNX Runtime and PyTorch may differ by, in shares of the largest output."""

OPSET = 18
SHOWN = 3  # names in a message
SMALLEST, LARGEST = 32, 1024  # sides of a face's picture, in pixels


@dataclass(frozen=True)
class Converted:
    """What came of a conversion.

    Attributes
    ----------
    path : Path
        The ONNX file.
    architecture : str
    outputs : tuple of str
        What the columns of its first output are.
    feature_width : int
        Columns of its second output, the embedding.
    difference : float
        Most that it differs from PyTorch by, in shares of the largest output.
    """

    path: Path
    architecture: str
    outputs: tuple[str, ...]
    feature_width: int
    difference: float


def convert(
    path: str | Path,
    output: str | Path,
    *,
    arch: str | None = None,
    outputs: Sequence[str] = FACE_COLUMNS,
    size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Converted:
    """Turn the weights of a face emotion model into an ONNX file, running nothing of theirs.

    Only the tensors are taken, into timm's network of that architecture. The result has the
    outputs ``values`` (N, 10) and ``embedding`` (N, width of the last layer's input).

    Parameters
    ----------
    path : str or Path
        A ``.pt``, ``.pth``, ``.pkl`` or ``.safetensors`` file.
    output : str or Path
        The ``.onnx`` file to write; one that is there is replaced.
    arch : str, optional
        timm's name of the architecture; needed where the file does not tell it.
    outputs : sequence of str
        What the rows of the head are, in order.
    size : int, optional
        Side of the picture it wants; by default what the file says, or what timm does.
    mean, std : sequence of float, optional
        Of red, green and blue, in [0, 1]; the same default.

    Raises
    ------
    ModelError
        When the file is no such model, its architecture is not clear, or the result differs.
    DataError
        When `output` cannot be written.
    MissingExtra
        When PyTorch, timm or onnx are not installed.
    """
    path, output = Path(path), Path(output)
    _check_names(path, output, outputs)
    if path.is_file() and path.suffix.lower() == ".onnx":
        raise ModelError(at(path, "is an ONNX file already: give it to --emotion as it is"))
    about, layout = examine(path, arch)
    if about.architecture is None:
        raise ModelError(at(path, _unclear(about)))
    if about.head != len(outputs):
        gives = f"gives {about.head} values" if about.head else "has no last layer"
        raise ModelError(at(path, f"{gives}, not the ten of a face ({', '.join(outputs)})"))
    _need_extra()
    with files.atomic_path(output) as temporary:
        temporary.touch()  # a folder that cannot be written is known before the work
        network = _network(path, about.architecture, len(outputs))
        _fill(path, network, layout)
        wanted = _wanted(path, network, about, size, mean, std)
        metadata = {
            "kind": "face_emotion",
            "outputs": list(outputs),
            "input": wanted,
            "crop": {"geometry": "box", "margin": 0.0},
            "source": {
                "file": files.readable(path.name),
                "checksum": files.digest(path),
                "architecture": about.architecture,
            },
        }
        log.info("exporting %s at %d x %d pixels", about.architecture, *wanted["size"])
        difference = _export(path, network, metadata, temporary)
        load_emotion(temporary)  # says what the measuring would say
    width = int(network.num_features)
    return Converted(
        output, about.architecture, tuple(outputs), about.feature_width or width, difference
    )


def _check_names(path: Path, output: Path, outputs: Sequence[str]) -> None:
    if output.suffix.lower() != ".onnx":
        raise DataError(at(output, "must end in .onnx"))
    with contextlib.suppress(OSError):
        if output.samefile(path):
            raise DataError(at(output, "is the file to be converted: name another for the result"))
    strange = [name for name in outputs if name not in FACE_COLUMNS]
    missing = [name for name in FACE_COLUMNS if name not in outputs]
    if strange or missing or len(outputs) != len(FACE_COLUMNS):
        problem = (
            f"not known: {', '.join(strange)}" if strange else f"missing: {', '.join(missing)}"
        )
        raise ModelError(
            f"{','.join(outputs)}: the outputs must be {', '.join(FACE_COLUMNS)}, each once, in the"
            f" order of the model ({problem if strange or missing else 'one is named twice'})"
        )


def _need_extra() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
        import timm  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("train", "`models convert`") from error


def _unclear(about: Inspection) -> str:
    if about.kind == "object":
        return f"holds no weights: {about.why}"
    if about.choices:
        options = " or ".join(f"--arch {name}" for name in about.choices)
        return f"its architecture is not clear ({about.why}): say {options}"
    return f"its architecture is not clear ({about.why}): say which of timm's it is with --arch"


def _network(path: Path, arch: str, rows: int) -> Any:
    """Build timm's network, with weights of no meaning yet."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older names of an architecture are fine
        if not timm.is_model(arch):
            near = difflib.get_close_matches(arch, timm.list_models(), n=1, cutoff=0.5)
            hint = f": did you mean {near[0]}?" if near else ""
            raise ModelError(at(path, f"timm has no architecture {arch}{hint}"))
        try:
            return timm.create_model(arch, pretrained=False, num_classes=rows).eval()
        except Exception as error:  # an architecture's own checks, of any kind
            problem = f"timm cannot make a {arch} with {rows} outputs ({error})"
            raise ModelError(at(path, problem)) from error


def _fill(path: Path, network: Any, layout: Layout) -> None:
    """Load the tensors, all of them and no others."""
    import torch

    wanted = network.state_dict()
    tensors = _renamed(layout, list(wanted))
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in tensors and name not in counters]
    strange = [name for name in tensors if name not in wanted]
    shapes = [
        f"{name} is {list(tensor.shape)}, not {list(wanted[name].shape)}"
        for name, tensor in tensors.items()
        if name in wanted and tensor.shape != tuple(wanted[name].shape)
    ]
    problems = [
        f"{what} {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}"
        for what, names in (
            ("missing", missing),
            ("unexpected", strange),
            ("other shapes:", shapes),
        )
        if names
    ]
    if problems:
        raise ModelError(at(path, f"does not fit the architecture: {'; '.join(problems)}"))
    try:
        values = {name: torch.from_numpy(tensor.array()) for name, tensor in tensors.items()}
    except (*archive.DAMAGE, TypeError, OSError) as error:
        raise ModelError(
            at(path, f"cannot be read as weights ({error}): {archive.ADVICE}")
        ) from error
    for name, tensor in values.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(at(path, f"holds values that are no numbers, in {name}"))
    network.load_state_dict({**{name: wanted[name] for name in counters}, **values})


def _renamed(layout: Layout, wanted: list[str]) -> dict[str, Any]:
    """Bring the file's names to the network's; each change is said."""
    prefix = without_prefix(list(layout.tensors))
    if prefix:
        log.info("taking the names without %s before each", prefix)
    tensors = {name.removeprefix(prefix): t for name, t in layout.tensors.items()}
    head = (head_name(layout) or "").removeprefix(prefix).rpartition(".")[0]
    plain = head.removesuffix(".0")
    if plain != head and f"{head}.weight" not in wanted and f"{plain}.weight" in wanted:
        log.info("taking %s as %s", head, plain)
        for part in ("weight", "bias"):
            if f"{head}.{part}" in tensors:
                tensors[f"{plain}.{part}"] = tensors.pop(f"{head}.{part}")
    return tensors


def _wanted(
    path: Path,
    network: Any,
    about: Inspection,
    size: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> dict[str, Any]:
    """What the network wants of its picture: told, else by the file, else by timm."""
    usual = {**network.pretrained_cfg, **about.metadata}
    sides = (size, size) if size is not None else about.input_size or usual["input_size"][1:]
    if not all(SMALLEST <= side <= LARGEST for side in sides):
        shown = " x ".join(map(str, sides))
        problem = f"takes no pictures of {shown} pixels: --size from {SMALLEST} to {LARGEST}"
        raise ModelError(at(path, problem))
    return {
        "size": list(sides),
        "colour": "rgb",
        "mean": _three(path, "mean", mean if mean is not None else usual["mean"]),
        "std": _three(path, "std", std if std is not None else usual["std"]),
    }


def _three(path: Path, name: str, values: Any) -> list[float]:
    """Check the three numbers that pictures are brought to normal with: shares of white."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        numbers = []
    in_range = all(0 <= number <= 1 and (number > 0 or name == "mean") for number in numbers)
    if len(numbers) != 3 or not in_range:
        limits = "from 0 to 1" if name == "mean" else "above 0, to 1"
        raise ModelError(at(path, f"--{name} must be three numbers {limits}, not {values}"))
    return numbers


def _export(path: Path, network: Any, metadata: dict[str, Any], to: Path) -> float:
    """Write the ONNX file; give how far it is from PyTorch, and refuse more than `CLOSE`."""
    import onnxruntime
    import torch

    class Both(torch.nn.Module):
        """The network, with what its last layer sees beside what that gives."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Any) -> tuple[Any, Any]:
            seen = network.forward_head(network.forward_features(x), pre_logits=True)
            return network.get_classifier()(seen), seen

    model = Both().eval()
    height, width = metadata["input"]["size"]
    probe = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), _quiet():
            if not torch.allclose(model(probe)[0], network(probe), rtol=CLOSE, atol=CLOSE):
                raise ModelError(at(path, "its last layer is not where timm says it is"))
            program = torch.onnx.export(
                model,
                (probe,),
                input_names=["input"],
                output_names=["values", "embedding"],
                dynamic_shapes=[{0: "batch"}],
                opset_version=OPSET,
                dynamo=True,
            )
            assert program is not None
            proto = program.model_proto
    except ReelpulseError:
        raise
    except Exception as error:  # the exporter's errors have no base of their own
        raise ModelError(at(path, f"cannot be exported ({str(error)[:200]})")) from error
    for part in [proto, proto.graph, *proto.graph.node, *proto.graph.value_info]:
        del part.metadata_props[:]  # torch notes its stack there, with the machine's paths
    note = proto.metadata_props.add()
    note.key, note.value = "reelpulse", json.dumps(metadata)
    to.write_bytes(proto.SerializeToString())
    log.info("checking against PyTorch")
    session = onnxruntime.InferenceSession(str(to), providers=["CPUExecutionProvider"])
    worst = 0.0
    for picture in (probe, torch.full((1, 3, height, width), 0.5)):
        with torch.no_grad():
            expected = [part.numpy() for part in model(picture)]
        for have, want in zip(session.run(None, {"input": picture.numpy()}), expected, strict=True):
            worst = max(worst, _difference(have, want))
    if not worst <= CLOSE:
        raise ModelError(at(path, f"ONNX Runtime and PyTorch differ by {worst:.1e}: not written"))
    return worst


def _difference(have: npt.NDArray[Any], want: npt.NDArray[Any]) -> float:
    """Largest difference in shares of the largest value wanted."""
    return float(np.abs(have - want).max() / (np.abs(want).max() or 1.0))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's many words off the console; its errors are raised all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
