"""Conditions on facts: ``person=Kim``, ``duration<=7``, ``label!=boring``."""

from __future__ import annotations

import difflib
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import SettingsError
from reelpulse.settings import one_of

_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|!=|==|=|<|>)\s*(.*?)\s*", re.DOTALL)
_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def matching(
    facts: Mapping[str, npt.NDArray[Any]],
    conditions: Sequence[str],
    classes: Sequence[str],
    count: int,
) -> npt.NDArray[np.bool_]:
    """Tell which rows fulfil all conditions.

    Parameters
    ----------
    facts : mapping of str to ndarray, shape (N,)
    conditions : sequence of str
        A fact, one of ``= != < <= > >=``, and a value.
    classes : sequence of str
        What a label can be; none for scores.
    count : int
        N.

    Raises
    ------
    SettingsError
        On a condition that cannot be read, an unknown fact or class (the nearest is named), or an
        order of texts.
    """
    fulfilled = np.ones(count, bool)
    for condition in conditions:
        found = _CONDITION.fullmatch(condition)
        if not found:
            raise SettingsError(
                f"{condition!r} is not a condition: write FACT=VALUE, such as person=Kim,"
                " duration<=7 or label!=boring"
            )
        name, sign, text = found.groups()
        if name not in facts:
            near = difflib.get_close_matches(name, list(facts), n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(facts)}"
            raise SettingsError(f"clips have no fact `{name}`: {hint}")
        values, value = facts[name], _value(name, sign, text, facts[name], classes)
        if isinstance(value, str):  # a name from a Mac comes with its letters taken apart
            values = np.array([unicodedata.normalize("NFC", known) for known in values], object)
        fulfilled &= np.asarray(_COMPARED[sign](values, value), bool)
    return fulfilled


def _value(
    name: str, sign: str, text: str, values: npt.NDArray[Any], classes: Sequence[str]
) -> str | float:
    if values.dtype != object:
        try:
            return float(text)
        except ValueError:
            raise SettingsError(f"`{name}` is a number, and {text!r} is none") from None
    if sign not in ("=", "==", "!="):
        raise SettingsError(f"`{name}` is a text: compare it by = or !=, not by {sign}")
    if name == "label":
        one_of("label", text, classes)
    return unicodedata.normalize("NFC", text)
