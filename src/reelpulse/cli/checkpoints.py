"""``reelpulse models inspect`` and ``reelpulse models convert``: foreign files of weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reelpulse.checkpoints import Inspection

Arch = Annotated[
    str | None,
    typer.Option(
        "--arch", metavar="NAME", help="timm's name of the architecture, if the file is silent."
    ),
]


def inspect(
    file: Annotated[str, typer.Argument(help="A .pt, .pth, .pkl, .safetensors or .onnx file.")],
    arch: Arch = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="Show every tensor instead of the layers.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """Tell what is in a file of weights: layers, head, architecture, input size.

    Nothing in the file is run, whoever it is from.
    """
    import json
    from dataclasses import asdict

    from reelpulse.checkpoints import inspect

    found = inspect(file, arch)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, default=str))
        return

    from rich.console import Console
    from rich.text import Text

    from reelpulse.cli.display import plain_table

    console = Console(emoji=False, markup=False, highlight=False)
    console.print(Text(found.path, style="bold"), soft_wrap=True)
    for label, text in _facts(found):
        console.print(f"  {label:<13}", Text(_one_line(text)), soft_wrap=True)
    table = plain_table()
    columns: tuple[str, ...] = ("  layer", "kind", "shape", "values")
    rows: list[tuple[str, ...]] = [
        (layer.name, layer.kind, _shape(layer.shape), f"{layer.values:,}") for layer in found.layers
    ]
    if keys:
        columns = ("  tensor", "shape", "type")
        rows = [(tensor.name, _shape(tensor.shape), tensor.dtype) for tensor in found.tensors]
    for column in columns:
        right = column == "values"
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    for name, *rest in rows:
        table.add_row(*(Text(_one_line(cell)) for cell in (f"  {name}", *rest)))
    if rows:
        console.print(table)


def convert(
    file: Annotated[str, typer.Argument(help="A .pt, .pth, .pkl or .safetensors file.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE.onnx", help="File to write.")
    ],
    arch: Arch = None,
    outputs: Annotated[
        str | None,
        typer.Option(
            "--outputs", metavar="NAME,NAME...", help="What the head gives, if in another order."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Side of the picture it wants, pixels.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option("--mean", metavar="R,G,B", help="Mean it was trained with.")
    ] = None,
    std: Annotated[
        str | None, typer.Option("--std", metavar="R,G,B", help="Deviation it was trained with.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings.")] = False,
) -> None:
    """Turn a face emotion model's weights into an ONNX file for `analyze --emotion`.

    Only the tensors are taken; nothing in the file is run. Needs the extra `train`.
    """
    from reelpulse.checkpoints import convert
    from reelpulse.cli.options import show_notes
    from reelpulse.timeline import FACE_COLUMNS

    show_notes(quiet=quiet)
    done = convert(
        file,
        output,
        arch=arch,
        outputs=[name.strip() for name in outputs.split(",")] if outputs else FACE_COLUMNS,
        size=size,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
    )
    if not quiet:
        typer.echo(
            f"{done.path}: {done.architecture}, {len(done.outputs)} values and an embedding of"
            f" {done.feature_width:,}; at most {done.difference:.0e} from PyTorch"
        )


def _numbers(option: str, text: str | None) -> list[float] | None:
    from reelpulse.errors import SettingsError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"{option} {text}: must be three numbers such as 0.5,0.5,0.5") from None


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    """What is worth saying in a line each."""
    kind = {"module": "a pickled module", "onnx": "a network", "state dict": "a state dict"}
    within = f", under the key {found.within}" if found.within else ""
    yield "holds", f"{found.format}: {kind.get(found.kind, 'no weights')}{within}"
    yield "architecture", f"{found.architecture or 'not clear'} ({found.why})"
    if found.choices and not found.architecture:
        yield "", f"say which: {' or '.join(f'--arch {name}' for name in found.choices)}"
    if found.input_size:
        yield "input", f"{found.input_size[0]} × {found.input_size[1]} ({found.input_size_from})"
    if found.feature_width:
        yield "features", f"{found.feature_width:,}"
    if found.head:
        yield "head", f"{found.head}" + (f" ({found.split})" if found.split else "")
    if found.values:
        trained = f", {found.parameters:,} of them parameters" if found.parameters else ""
        yield "values", f"{found.values:,} in {len(found.tensors)} tensors{trained}"
    for label, ends in (("inputs", found.inputs), ("outputs", found.outputs)):
        for name, shape in ends.items():
            yield label, f"{name} {_shape(shape)}"
    if found.classes:
        shown = ", ".join(name.rpartition(".")[2] for name in found.classes)
        yield "classes", f"{found.classes[0]}, of {shown}"
    if found.unknown:
        yield "unknown", f"{', '.join(found.unknown)} (in no package of models known here)"
    if found.note:
        yield "note", found.note


def _shape(shape: object) -> str:
    return "×".join(str(side) for side in shape) or "1"  # type: ignore[attr-defined]


def _one_line(text: str) -> str:
    """A file's own names in one line, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)
