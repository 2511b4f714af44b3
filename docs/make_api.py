"""Write docs/api.md from the docstrings of the public names; with ``--check``, compare them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().with_name("api.md")
WIDTH = 96

NAMES = {
    "reelpulse": "analyze find_moments load_timeline embedding_summary Timeline Moment",
    "reelpulse.timeline": "Reason",
    "reelpulse.moments.tension": "tension_parts Tension",
    "reelpulse.moments.detect": "spans Span",
    "reelpulse.settings": "AnalyzeSettings MomentSettings ReportSettings parse_weights",
    "reelpulse.config": "read_config",
    "reelpulse.export": "export WRITERS",
    "reelpulse.streams": "STREAMS Stream",
    "reelpulse.faces.emotion": "load_emotion",
    "reelpulse.errors": "ReelpulseError MediaError ModelError DataError SettingsError PersonError"
    " MissingExtra",
}
"""Module to the names documented, in their order on the page."""

HEAD = """# API

The public names, with what their docstrings say; written by `docs/make_api.py`. Times are seconds
from the start of the video; T stands for ticks, C for columns. Every error is a `ReelpulseError`
and says in one line which file, what is wrong and what to do.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for module, names in NAMES.items():
        parts.append(f"## `{module}`\n")
        for name in names.split():
            parts += entry(name, getattr(importlib.import_module(module), name))
    return "\n".join(parts)


def entry(name: str, thing: Any, level: str = "###") -> Iterator[str]:
    """One name: heading, signature, docstring, and the members of a class."""
    yield f"{level} `{name}`\n"
    if isinstance(thing, dict):
        for key, value in thing.items():
            about: str = getattr(value, "about", "")
            about = about or str(getattr(value, "__self__", value).__doc__).splitlines()[0]
            yield f"- `{key}`: {plain(about)}"
        yield ""
        return
    listed = is_dataclass(thing) and any("help" in field.metadata for field in fields(thing))
    if not listed and not isinstance(thing, property):
        yield f"```python\n{signature(name, thing)}\n```\n"
    yield markdown(inspect.cleandoc(thing.__doc__ or ""))
    if listed:
        yield "| field | default | what |\n|---|---|---|"
        for field in fields(thing):
            yield f"| `{field.name}` | `{field.default!r}` | {field.metadata['help']} |"
        yield ""
    for key, member in vars(thing).items() if inspect.isclass(thing) else ():
        known = isinstance(member, property) or inspect.isfunction(member)
        if known and member.__doc__ and not key.startswith("_"):
            yield from entry(f"{name}.{key}", member, "####")


def signature(name: str, thing: Any) -> str:
    """How a function is called, as its source has it; of a dataclass, its fields."""
    tail = ")"
    if is_dataclass(thing):
        head, inside = f"class {name}(", [field.name for field in fields(thing)]
    elif inspect.isclass(thing):
        head, inside = f"class {name}(", [thing.__bases__[0].__name__]
    else:
        source = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
        assert isinstance(source, ast.FunctionDef)
        assert source.returns is not None
        source.args.args = [given for given in source.args.args if given.arg != "self"]
        # Not at the commas inside brackets; with spaces about a default, as the source has it.
        inside = re.split(r", (?![^\[(]*[\])])", ast.unparse(source.args))
        inside = [re.sub(r"^(\w+: [^=]+)=", r"\1 = ", part) for part in inside]
        head, tail = f"{name}(", f") -> {ast.unparse(source.returns)}"
    line = f"{head}{', '.join(inside)}{tail}"
    broken = "\n    ".join([head, *(f"{part}," for part in inside)])
    return line if len(line) <= WIDTH else f"{broken}\n{tail}"


def plain(text: str) -> str:
    """Inline code is marked by two backticks in docstrings, by one in Markdown."""
    return text.replace("``", "`")


def markdown(doc: str) -> str:
    """A NumPy docstring as Markdown: its sections become lists."""
    head, *sections = re.split(r"^(\w[\w ]*)\n-{3,}\n", doc, flags=re.MULTILINE)
    lines = [plain(head.strip()), ""]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        lines += [f"**{title}**", ""]
        for block in re.split(r"\n(?=\S)", body.strip()):
            first, *rest = block.splitlines()
            name, colon, kind = first.partition(" : ")
            label = plain(first) if title in ("Returns", "Yields") else f"`{name}`"
            said = plain(" ".join(line.strip() for line in rest if line.strip()))
            label += f" ({plain(kind)})" if colon else ""
            lines.append(f"- {label}: {said}" if said else f"- {label}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE}: is not what the docstrings say: run docs/make_api.py")
