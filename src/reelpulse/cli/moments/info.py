"""``reelpulse moments info``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

_COLUMNS = ("row", "label", "from", "to", "missing", "tension", "source", "person", "video")


def info(
    clips: Annotated[
        str, typer.Argument(metavar="CLIPS.h5", help="A dataset that moments build wrote.")
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FACT=VALUE",
            help="Only clips with this fact, such as person=Kim or duration<=7; again for more.",
        ),
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="List the clips too, a line each.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Show what is in a dataset of clips, and what it lacks to be trained on.

    \b
    reelpulse moments info clips.h5
    reelpulse moments info clips.h5 --where label=funny --where "missing>0.1" --rows
    """  # noqa: D301  click reads the \b
    from reelpulse.moments.dataset.clips import ClipSet
    from reelpulse.moments.dataset.overview import listed, overview

    with ClipSet(clips) as dataset:
        chosen = dataset.where(where or [])
        found = overview(dataset, chosen)
        entries = listed(dataset, chosen) if rows else []
    if json:
        from json import dumps

        whole = {**found, "rows": entries} if rows else found
        typer.echo(dumps(whole, ensure_ascii=False, indent=2))
        return
    _print(found, entries)


def _print(found: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.text import Text

    from reelpulse.cli.display import note, plain_table, printable
    from reelpulse.times import clock_text

    # Into a file or a pipe, a clip is a line.
    width = None if sys.stdout.isatty() else 1000
    console = Console(emoji=False, markup=False, highlight=False, width=width)
    console.print(Text(printable(found["dataset"]), style="bold"), soft_wrap=True)
    for name, text in _facts(found):
        console.print(f"  {name:<10}", Text(printable(text)), soft_wrap=True)
    if entries:
        table = plain_table()
        for column in _COLUMNS:
            table.add_column(column, no_wrap=True, header_style="dim")
        for entry in entries:
            shown = {
                **{name: "" if value is None else value for name, value in entry.items()},
                "from": clock_text(entry["start"] or 0),
                "to": clock_text(entry["end"] or 0),
                "missing": "" if entry["missing"] is None else f"{entry['missing']:.0%}",
                "tension": "" if entry["tension"] is None else f"{entry['tension']:.2f}",
            }
            table.add_row(*(Text(printable(str(shown[column]))) for column in _COLUMNS))
        console.print(table)
    for warning in found["warnings"]:
        note(f"warning: {warning}")


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    of = f" of {found['of']}" if found["of"] != found["clips"] else ""
    yield "clips", f"{found['clips']}{of}"
    if found["labels"]:
        yield "labels", ", ".join(f"{count} {name}" for name, count in found["labels"].items())
    if found["scores"]:
        yield "scores", _spread(found["scores"], "")
    yield "sources", f"{found['sources']}"
    named = {name or "not said": count for name, count in found["persons"].items()}
    yield "persons", ", ".join(f"{name} ({count})" for name, count in named.items())
    if found["seconds"]:
        yield "lasting", _spread(found["seconds"], " s")
    if found["missing"] is not None:
        filled = f", {found['filled']:.1%} filled" if found["filled"] is not None else ""
        yield "measured", f"{1 - found['missing']:.1%} of the steps{filled}"
    if found["labelled_by_several"]:
        count = found["labelled_by_several"]
        yield "several", f"{count} clips labelled by more than one; spread {found['spread']:.2f}"
    shape, sampling = found["shape"], found["sampling"]
    yield "steps", f"{shape['steps']}, {shape['length'].replace('_', '-')}"
    wide = f", and {found['embeddings']} of embeddings" if found["embeddings"] else ""
    yield "columns", f"{' '.join(found['columns'])}{wide}"
    models = ", ".join(f"{role} {name}" for role, name in sampling.get("models", {}).items())
    rate, sample = sampling.get("rate", 0), sampling.get("sample", "")
    how = {
        "timeline": f"from timelines of {rate:g} ticks a second",
        "clip": "each by itself",
        "both": f"from timelines of {rate:g} ticks a second, and by themselves",
    }
    yield "sampled", f"{how.get(sample, sample)}{f'; {models}' if models else ''}"


def _spread(quartiles: dict[str, float], unit: str) -> str:
    low, *middle, high = (f"{value:.3g}" for value in quartiles.values())
    return f"{low} to {high}{unit} (a quarter under {middle[0]}, half under {middle[1]})"
