"""What the writers can be told beside the timeline; most need none of it."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass

from reelpulse.errors import SettingsError

LANGUAGES = ("en", "ko")
PROXIES = ("auto", "always", "never")


@dataclass(frozen=True)
class ExportOptions:
    """How a file for people is written.

    Parameters
    ----------
    lang : str, optional
        A key of `LANGUAGES`; by the locale without it.
    proxies : str
        Whether the report carries a small clip of each moment: ``always``, ``never``, or ``auto``,
        where the page cannot play the video itself.

    Raises
    ------
    SettingsError
        On another word; the nearest is named.
    """

    lang: str | None = None
    proxies: str = "auto"

    def __post_init__(self) -> None:
        if self.lang is not None:
            one_of("lang", self.lang, LANGUAGES)
        one_of("proxies", self.proxies, PROXIES)

    @property
    def language(self) -> str:
        """The language to write."""
        return self.lang or locale_language()


def locale_language() -> str:
    """Take ``ko`` or ``en`` from the first that is set: ``LC_ALL``, ``LC_MESSAGES``, ``LANG``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a value that is not among those known.

    Raises
    ------
    SettingsError
        Naming the nearest.
    """
    if value in known:
        return
    near = difflib.get_close_matches(value, known, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    raise SettingsError(f"`{name}` cannot be {value!r}: {hint}use {', '.join(known)}")
