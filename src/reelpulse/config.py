"""The settings file: TOML, a table a group of settings."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

from reelpulse.errors import SettingsError, at
from reelpulse.settings import SECTIONS, AnalyzeSettings, changed


def read_config(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a TOML settings file.

    Parameters
    ----------
    path : str or Path
        A file with the tables in `SECTIONS`, keys as the long options; photos relative to the
        file.

    Returns
    -------
    dict of str to dict
        Changes for the group of each table in `SECTIONS`.

    Raises
    ------
    SettingsError
        When the file is missing, is not TOML (the line is named) or has unknown names.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for name, table in _read_toml(path).items():
        if name not in SECTIONS or not isinstance(table, dict):
            raise SettingsError(at(path, _misplaced(name, table)))
        hints = get_type_hints(SECTIONS[name])
        for key, value in table.items():
            plain = key.replace("-", "_")
            if plain in found[name]:
                raise SettingsError(at(path, f"[{name}] sets `{plain}` twice: leave one out"))
            found[name][plain if plain in hints else key] = value
        try:
            changed(SECTIONS[name](), found[name])
        except SettingsError as error:
            raise SettingsError(at(path, f"[{name}] {error}")) from None
    if "person" in found["analyze"]:
        # A photo named in a file lies where the file says, wherever the command is given.
        photos = changed(AnalyzeSettings(), found["analyze"]).person
        folder = Path(path).parent
        # os.path, for pathlib raises on an unknown ~user.
        own = [os.path.expanduser(photo) for photo in photos]  # noqa: PTH111
        found["analyze"]["person"] = [str(folder / photo) for photo in own]
    return found


def _read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; a mistake in it is named with its line."""
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise SettingsError(at(path, f"cannot be read ({problem})")) from None
    try:
        text = content.decode("utf-8-sig")
        wrong = text.find("\0")
    except UnicodeDecodeError as error:
        text, wrong = content.decode("latin-1"), error.start
    if wrong >= 0:
        line = text.count("\n", 0, wrong) + 1
        raise SettingsError(at(path, f"is not text in UTF-8 (line {line}): save it as UTF-8"))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = text.rstrip().count("\n") + 1
        said = str(error).replace("at end of document", f"at the end, line {last}")
        raise SettingsError(at(path, f"is not valid TOML: {said}")) from None
    except RecursionError:
        raise SettingsError(at(path, "is not valid TOML: its values lie too deep")) from None


def _misplaced(name: str, value: Any) -> str:
    """Say what is wrong with a name at the top of a settings file."""
    tables = ", ".join(f"[{table}]" for table in SECTIONS)
    if name in SECTIONS:
        return f"write [{name}] on a line of its own, and not [[{name}]] or `{name} =`"
    if not isinstance(value, (dict, list)):
        known = {key: table for table, group in SECTIONS.items() for key in get_type_hints(group)}
        near = difflib.get_close_matches(name.replace("-", "_"), list(known), n=1)
        place = f"put `{near[0]}` under [{known[near[0]]}]" if near else "known: " + tables
        return f"`{name}` stands outside the tables: {place}"
    near = difflib.get_close_matches(name.lower(), SECTIONS, n=1)
    hint = f"did you mean [{near[0]}]?" if near else f"known: {tables}"
    return f"unknown table [{name}]: {hint}"
