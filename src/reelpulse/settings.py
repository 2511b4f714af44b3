"""Every default, once.

Each group of settings is a frozen dataclass. The command line takes its options and help texts from
the fields' metadata, the TOML file (``--config``) its keys, and the library its keyword arguments.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from reelpulse.errors import SettingsError, at


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
        ("face", "loudness"), "A measurement to make; give it again for more."
    )
    detector: str = setting("auto", "Face detector: auto, yunet, dlib or mtcnn.")
    identity: str = setting(
        "auto", "Who is who: auto, mobilefacenet, sface, dlib, none, or an ONNX file."
    )
    emotion: str = setting(
        "auto", "Face emotion: auto, enet_b0_8_va_mtl, builtin, or an ONNX file of that shape."
    )
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
    min_score: float = setting(0.2, "Leave out moments whose peak scores less (0 to 1).")
    shortest: float = setting(5.0, "Shortest scored span, in seconds.")
    longest: float = setting(7.0, "Longest scored span, in seconds.")
    pre_roll: float = setting(
        4.0, "Seconds of the clip before the scored span: the joke precedes the laugh."
    )
    post_roll: float = setting(1.0, "Seconds of the clip after the scored span.")


S = TypeVar("S", bound=AnalyzeSettings | MomentSettings)

SECTIONS: dict[str, type[AnalyzeSettings] | type[MomentSettings]] = {
    "analyze": AnalyzeSettings,
    "moments": MomentSettings,
}


def changed(settings: S, changes: Mapping[str, Any]) -> S:
    """Return `settings` with some fields replaced, their names and values checked.

    Parameters
    ----------
    settings : AnalyzeSettings or MomentSettings
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
            near = difflib.get_close_matches(name, list(hints), n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(hints)}"
            raise SettingsError(f"unknown setting `{name}`: {hint}")
        known[name] = _coerced(name, hints[name], value)
    result = replace(settings, **known)
    _check(result)
    return result


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
    elif kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif type(value) is kind:
        return value
    wanted = "a list of texts" if kind is tuple else f"{kind.__name__}"
    raise SettingsError(f"setting `{name}` wants {wanted}, not {value!r}")


def _check(settings: AnalyzeSettings | MomentSettings) -> None:
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
                    f"setting `{f.name}` must lie between {low:g} and {high:g}, not {value:g}"
                )
    if isinstance(settings, MomentSettings) and settings.shortest > settings.longest:
        raise SettingsError("setting `shortest` must not be more than `longest`")


def read_config(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a TOML settings file.

    Parameters
    ----------
    path : str or Path
        A file with the tables ``[analyze]`` and ``[moments]``, keys as the long options; photos
        relative to the file.

    Returns
    -------
    tuple of dict
        Changes for `AnalyzeSettings` and for `MomentSettings`.

    Raises
    ------
    SettingsError
        When the file is missing, is not TOML (the line is named) or has unknown names.
    """
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise SettingsError(at(path, f"cannot be read ({error.strerror})")) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(at(path, f"is not valid TOML: {error}")) from None
    found: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for name, table in tables.items():
        if name not in SECTIONS or not isinstance(table, dict):
            near = difflib.get_close_matches(name, SECTIONS, n=1)
            hint = f"did you mean [{near[0]}]?" if near else "known: [analyze] and [moments]"
            raise SettingsError(at(path, f"unknown table [{name}]: {hint}"))
        found[name] = {key.replace("-", "_"): value for key, value in table.items()}
        try:
            changed(SECTIONS[name](), found[name])
        except SettingsError as error:
            raise SettingsError(at(path, f"[{name}] {error}")) from None
    if "person" in found["analyze"]:
        # A photo named in a file lies where the file says, wherever the command is given.
        photos = changed(AnalyzeSettings(), found["analyze"]).person
        folder = Path(path).parent
        found["analyze"]["person"] = [str(folder / Path(photo).expanduser()) for photo in photos]
    return found["analyze"], found["moments"]


def as_dict(settings: AnalyzeSettings | MomentSettings) -> dict[str, Any]:
    """Settings as plain values, to be stored with a result."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
