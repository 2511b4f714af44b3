"""Settings given as text or values: their names and values are checked, the nearest is named."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from reelpulse.errors import SettingsError
from reelpulse.settings.genre import GenreTrainSettings
from reelpulse.settings.groups import (
    BASELINES,
    LANGUAGES,
    MISSING,
    PROXIES,
    SAMPLES,
    SHORT,
    TASKS,
    TIMES,
    WEIGHTS,
    AnalyzeSettings,
    ClipSettings,
    MomentSettings,
    ReportSettings,
    Settings,
    SpeechTrainSettings,
    TrainSettings,
)

_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
    tuple: "a list of texts",
}
_MOST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


def parse_weights(changes: Sequence[str] = ()) -> dict[str, float]:
    """Read weights as settings have them: ``["loudness=0", "together=0.6"]``.

    Returns
    -------
    dict of str to float
        `WEIGHTS`, with these changes.

    Raises
    ------
    SettingsError
        On an unknown part (the nearest is named), a number below 0, or nothing left.
    """
    found = dict(WEIGHTS)
    for text in changes:
        part, _, number = text.partition("=")
        if part not in WEIGHTS:
            near = difflib.get_close_matches(part, WEIGHTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(WEIGHTS)}"
            raise SettingsError(f"tension has no part {part!r}: {hint}")
        try:
            found[part] = float(number)
        except ValueError:
            found[part] = -1.0
        if not 0 <= found[part] < math.inf:
            raise SettingsError(f"weight {text!r} must be PART=NUMBER, with a number from 0 up")
    if not any(found.values()):
        raise SettingsError("the weights of tension cannot all be 0")
    return found


def parse_numbers(texts: Sequence[str]) -> dict[str, int | float]:
    """Read numbers by name, as settings have them: ``["depth=4", "eta=0.1"]``.

    Raises
    ------
    SettingsError
        On what is no NAME=NUMBER.
    """
    found: dict[str, int | float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number) if not number.strip().isdigit() else int(number)
        except ValueError:
            raise SettingsError(f"{text!r} must be NAME=NUMBER, such as dropout=0.3") from None
    return found


S = TypeVar("S", bound=Settings)

SECTIONS: dict[str, type[Settings]] = {
    "analyze": AnalyzeSettings,
    "moments": MomentSettings,
    "report": ReportSettings,
    "clips": ClipSettings,
    "train": TrainSettings,
    "speech": SpeechTrainSettings,
    "genre": GenreTrainSettings,
}
"""Table of a settings file to its group."""


def changed(settings: S, changes: Mapping[str, Any]) -> S:
    """Return `settings` with some fields replaced, their names and values checked.

    Parameters
    ----------
    settings : AnalyzeSettings, MomentSettings or ReportSettings
        What to start from.
    changes : mapping
        Field name to value. Lists become tuples, a single string a tuple of one where a tuple is
        wanted, paths strings.

    Raises
    ------
    SettingsError
        On an unknown name (the nearest is named) or an impossible value.
    """
    hints = get_type_hints(type(settings))
    known: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in hints:
            raise SettingsError(f"unknown setting `{name}`: {_hint(name, type(settings))}")
        known[name] = _coerced(name, hints[name], value)
    result = replace(settings, **known)
    _check(result)
    return result


def _hint(name: str, group: type) -> str:
    """Say what may have been meant by an unknown name."""
    for table, other in SECTIONS.items():
        if other is not group and name.replace("-", "_") in get_type_hints(other):
            return f"it belongs to [{table}]"
    names = list(get_type_hints(group))
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"


def plain_kind(hint: Any) -> type:
    """The type of a field without its ``| None``: str, int, float, bool or tuple."""
    if get_origin(hint) is UnionType:
        hint = next(part for part in get_args(hint) if part is not type(None))
    return tuple if get_origin(hint) is tuple else hint


def _coerced(name: str, hint: Any, value: Any) -> Any:
    """Check a value against a field's type; paths become strings, whole numbers floats."""
    if value is None and type(None) in get_args(hint):
        return None
    kind = plain_kind(hint)
    if kind is tuple:
        items = [value] if isinstance(value, (str, Path)) else value
        if isinstance(items, (list, tuple)) and all(isinstance(i, (str, Path)) for i in items):
            return tuple(str(item) for item in items)
    elif kind is str and isinstance(value, (str, Path)):
        return str(value)
    elif kind is bool and isinstance(value, bool):
        return value
    elif kind is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    elif kind is float and isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # beyond all limits
            return math.inf
    raise SettingsError(f"setting `{name}` wants {_WORDS[kind]}, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A value as its writer wrote it, the end of a long one left out."""
    text = "nothing" if value is None else repr(value)
    if type(value).__module__ == "datetime":
        text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _check(settings: Settings) -> None:
    limits: dict[str, tuple[float, float]] = {
        "fps": (0.01, 120),
        "ticks": (1, 100_000),
        "detect_size": (64, 8192),
        "audio_track": (0, 1000),
        "top": (1, 1_000_000),
        "min_score": (0, 1),
        "shortest": (0.5, 600),
        "longest": (0.5, 600),
        "pre_roll": (0, 600),
        "post_roll": (0, 600),
        "per_hour": (0.01, 3600),
        "precision": (0, 1),
        "steps": (2, 1000),
        "max_gap": (0, 600),
        "most_missing": (0, 1),
        "pca": (0, 10_000),
        "epochs": (1, 100_000),
        "patience": (1, 100_000),
        "batch": (1, 100_000),
        "decay": (0, 10),
        "mixup": (0, 10),
        "jitter": (0, 10),
        "folds": (2, 1000),
        "seed": (0, 2**32 - 1),
    }
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.name in limits and value is not None:
            within(f.name, value, *limits[f.name])
    if isinstance(settings, MomentSettings):
        parse_weights(settings.weight)
        if settings.shortest > settings.longest:
            raise SettingsError("setting `shortest` must not be more than `longest`")
    elif isinstance(settings, ReportSettings):
        if settings.lang is not None:
            one_of("lang", settings.lang, LANGUAGES)
        one_of("proxies", settings.proxies, PROXIES)
    elif isinstance(settings, ClipSettings):
        one_of("task", settings.task, TASKS)
        one_of("short", settings.short, SHORT)
        one_of("sample", settings.sample, SAMPLES)
        within("rate", settings.rate, 0.1, 120)
    elif isinstance(settings, TrainSettings):
        parse_numbers(settings.param)
        one_of("time", settings.time, TIMES)
        one_of("missing", settings.missing, MISSING)
        one_of("baseline", settings.baseline, BASELINES)
        within("rate", settings.rate, 1e-7, 10)


def within(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number that does not lie between two others."""
    if not low <= value <= high:
        raise SettingsError(
            f"setting `{name}` must lie between {low:g} and {high:g}, not {_shown(value)}"
        )


def one_of(name: str, value: str, known: Sequence[str]) -> None:
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


def as_dict(settings: Settings) -> dict[str, Any]:
    """Settings as plain values, to be stored with a result."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
