"""How a network learns emotions from pictures of speech: defaults, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from reelpulse.errors import SettingsError
from reelpulse.settings import (
    BITS,
    NORMALISATIONS,
    OPTIMISERS,
    SCHEDULES,
    SPLITS,
    SpeechTrainSettings,
    changed,
    one_of,
)

if TYPE_CHECKING:
    from reelpulse.speech.augment import Augment
    from reelpulse.speech.picture import PictureSpec
    from reelpulse.speech.sound import SoundChange

NONE = "none"


def checked(settings: SpeechTrainSettings, changes: Mapping[str, Any]) -> SpeechTrainSettings:
    """Settings with some of them changed, all of them possible.

    Raises
    ------
    SettingsError
        On an unknown name, or a value that is impossible.
    """
    found = changed(settings, changes)
    one_of("split", found.split, SPLITS)
    one_of("schedule", found.schedule, SCHEDULES)
    one_of("optimiser", found.optimiser, OPTIMISERS)
    one_of("bits", found.bits, BITS)
    one_of("normalise", found.normalise, NORMALISATIONS)
    limits: dict[str, tuple[float, float]] = {
        "fold": (0, 100_000),
        "accumulate": (1, 100_000),
        "rate": (1e-7, 10),
        "warmup": (0, 1),
        "smoothing": (0, 1),
        "dropout": (0, 0.99),
        "devices": (1, 1024),
        "threads": (1, 1024),
        "variants": (0, 1000),
    }
    for name, (low, high) in limits.items():
        value = getattr(found, name)
        if value is not None and not low <= value <= high:
            raise SettingsError(
                f"setting `{name}` must lie between {low:g} and {high:g}, not {value!r}"
            )
    if found.split != "leave_one_speaker_out" and found.fold >= found.folds:
        raise SettingsError(f"there is no fold {found.fold}: {found.folds} are counted from 0")
    augment_of(found)
    sound_of(found)
    return found


def augment_of(settings: SpeechTrainSettings) -> Augment:
    """How pictures are varied.

    Raises
    ------
    SettingsError
        On an unknown name, or a value that is impossible.
    """
    from reelpulse.speech.augment import NO_AUGMENT, Augment

    plain = NONE in settings.augment
    texts = [text for text in settings.augment if text != NONE]
    kinds = {name: type(value) for name, value in asdict(NO_AUGMENT).items()}
    given = _given("augment", texts, kinds)
    return replace(NO_AUGMENT if plain else Augment(), **given)


def sound_of(settings: SpeechTrainSettings) -> SoundChange:
    """How sounds are changed.

    Raises
    ------
    SettingsError
        On an unknown name, or a value that is impossible.
    """
    from reelpulse.speech.sound import SoundChange

    usual = SoundChange()
    kinds = dict.fromkeys(asdict(usual), float)
    return replace(usual, **_given("sound", settings.sound, kinds))


def picture_of(settings: SpeechTrainSettings, usual: PictureSpec) -> PictureSpec:
    """How sounds are drawn for a network whose pictures are usually `usual`.

    Raises
    ------
    SettingsError
        On an unknown name, or a value that is impossible.
    """
    kinds: dict[str, Callable[[str], Any]] = {
        "size": _size,
        "seconds": _or_none(float),
        "margin": _or_none(int),
        "trim_db": _or_none(float),
        "floor_db": float,
    }
    given = _given("picture", settings.picture, kinds)
    if settings.normalise == "imagenet" and usual.channels != 3:
        raise SettingsError("ImageNet's mean is of three channels, and this network takes one")
    return replace(usual, normalise=settings.normalise, **given)


def _given(
    what: str, texts: Sequence[str], kinds: Mapping[str, Callable[[str], Any]]
) -> dict[str, Any]:
    """Read ``NAME=VALUE``."""
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        one_of(what, name, tuple(kinds))
        try:
            found[name] = kinds[name](value)
            if isinstance(found[name], float) and not math.isfinite(found[name]):
                raise ValueError
        except ValueError:
            raise SettingsError(f"`{what}` {text!r}: {value!r} is no value of {name}") from None
    return found


def _or_none(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == NONE else kind(text)


def _size(text: str) -> tuple[int, int]:
    """``224`` or, height first, ``80x192``."""
    height, _, width = text.partition("x")
    return int(height), int(width or height)
