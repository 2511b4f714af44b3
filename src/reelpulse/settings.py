"""Every default, once.

Each group of settings is a frozen dataclass. The command line takes its options and help texts from
the fields' metadata, the TOML file (``--config``) its keys, and the library its keyword arguments.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from reelpulse.errors import SettingsError

_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
    tuple: "a list of texts",
}
_MOST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


def setting(default: Any, help: str, *, metavar: str | None = None) -> Any:
    """Declare a field with its help text."""
    return field(default=default, metadata={"help": help, "metavar": metavar})


@dataclass(frozen=True)
class AnalyzeSettings:
    """How a video is measured and whom to follow.

    The fields in `RESOLVE_ONLY` do not change what is measured, only what is made of it.
    """

    fps: float = setting(2.0, "Ticks a second, for long videos.")
    ticks: int | None = setting(
        None,
        "Spread this many ticks evenly over the clip or range instead (15 for a labelled clip).",
    )
    range: str | None = setting(
        None, "Measure only this part: START-END, as seconds or [h:]m:s.", metavar="START-END"
    )
    stream: tuple[str, ...] = setting(
        ("face", "loudness", "laughter"),
        "A measurement to make besides these (embedding), or one of these alone"
        " (--stream loudness); give it again for more.",
    )
    detector: str = setting("auto", "Face detector: auto, yunet, dlib or mtcnn.")
    identity: str = setting(
        "auto", "Who is who: auto, mobilefacenet, sface, dlib, none, or an ONNX file."
    )
    emotion: str = setting(
        "auto", "Face emotion: auto, enet_b0_8_va_mtl, builtin, or an ONNX file of that shape."
    )
    laughter: str = setting("auto", "Laughter: auto, yamnet, builtin, or an ONNX file.")
    detect_size: int = setting(640, "Longer side, in pixels, of the picture searched for faces.")
    person: tuple[str, ...] = setting(
        (), "Photo of the person to follow; give it again for more photos.", metavar="PHOTO"
    )
    region: str | None = setting(
        None,
        "Follow a face inside this part of the picture: x,y,w,h in pixels, or in shares of 1.",
        metavar="X,Y,W,H",
    )
    audio_track: int = setting(0, "Which sound track to hear, counted from 0.")
    forget_faces: bool = setting(False, "Leave face embeddings (biometric data) out of the file.")


RESOLVE_ONLY = frozenset({"person", "region", "forget_faces"})


@dataclass(frozen=True)
class MomentSettings:
    """How moments are taken from a score a tick."""

    top: int = setting(10, "At most this many moments.")
    min_score: float = setting(0.1, "Leave out moments whose peak scores less (0 to 1).")
    shortest: float = setting(5.0, "Shortest scored span, in seconds.")
    longest: float = setting(7.0, "Longest scored span, in seconds.")
    pre_roll: float = setting(
        4.0, "Seconds of the clip before the scored span: the joke precedes the laugh."
    )
    post_roll: float = setting(1.0, "Seconds of the clip after the scored span.")
    weight: tuple[str, ...] = setting(
        (),
        "Change a part of tension: loudness, laughter, arousal, valence, expression or together;"
        " again for more.",
        metavar="PART=NUMBER",
    )


LANGUAGES = ("en", "ko")
PROXIES = ("auto", "always", "never")


@dataclass(frozen=True)
class ReportSettings:
    """How a file for people is written."""

    lang: str | None = setting(
        None, "Language of the report. [default: the locale's]", metavar="|".join(LANGUAGES)
    )
    proxies: str = setting(
        "auto",
        "Small clips of the moments inside the report; auto: where a browser cannot play the video,"
        " or it lies far from the page.",
        metavar="|".join(PROXIES),
    )


Settings = AnalyzeSettings | MomentSettings | ReportSettings

WEIGHTS = {
    "loudness": 0.15,
    "laughter": 0.15,
    "arousal": 0.06,
    "valence": 0.12,
    "expression": 0.12,
    "together": 0.4,
}
"""Share of each part of tension in a score of 1; ``together`` is sound and face at once."""


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


S = TypeVar("S", bound=Settings)

SECTIONS: dict[str, type[Settings]] = {
    "analyze": AnalyzeSettings,
    "moments": MomentSettings,
    "report": ReportSettings,
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
    }
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.name in limits and value is not None:
            low, high = limits[f.name]
            if not low <= value <= high:
                raise SettingsError(
                    f"setting `{f.name}` must lie between {low:g} and {high:g}, not {_shown(value)}"
                )
    if isinstance(settings, MomentSettings):
        parse_weights(settings.weight)
        if settings.shortest > settings.longest:
            raise SettingsError("setting `shortest` must not be more than `longest`")
    elif isinstance(settings, ReportSettings):
        if settings.lang is not None:
            one_of("lang", settings.lang, LANGUAGES)
        one_of("proxies", settings.proxies, PROXIES)


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
