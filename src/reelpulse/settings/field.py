"""A setting: its default and its help text, once."""

from __future__ import annotations

from dataclasses import field
from typing import Any

BITS = ("auto", "32", "16", "bf16")
"""Of what a training computes."""


def setting(
    default: Any, help: str, *, metavar: str | None = None, also: tuple[str, ...] = ()
) -> Any:
    """Declare a field with its help text; `also` are further spellings of its option."""
    return field(default=default, metadata={"help": help, "metavar": metavar, "also": also})
