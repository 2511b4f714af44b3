"""The names of genres, and their order."""

from __future__ import annotations

from collections.abc import Iterable

GENRES = ("action", "horror", "romance", "animation_2d", "animation_3d", "sf")
"""The usual classes; a set of frames may have others."""

TRAIN, TEST = "train", "test"
SPLITS = (TRAIN, TEST)


def ordered(genres: Iterable[str]) -> tuple[str, ...]:
    """Put names in the order of codes: those of `GENRES` first, then others by name; each once."""
    there = set(genres)
    return (*(g for g in GENRES if g in there), *sorted(there - set(GENRES)))
