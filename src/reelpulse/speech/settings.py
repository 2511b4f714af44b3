"""How a network learns emotions from pictures of speech: defaults, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from reelpulse.errors import SettingsError
from reelpulse.settings import SECTIONS, one_of, setting

if TYPE_CHECKING:
    from reelpulse.speech.augment import Augment
    from reelpulse.speech.picture import PictureSpec

SPLITS = ("speaker", "speaker_sentence", "leave_one_speaker_out", "random")
SCHEDULES = ("cosine", "constant")
OPTIMISERS = ("adamw", "sgd")
BITS = ("auto", "32", "16", "bf16")
NORMALISATIONS = ("corpus", "imagenet")

NONE = "none"


@dataclass(frozen=True)
class SpeechTrainSettings:
    """How a network is trained on a prepared corpus.

    The defaults are those of the best published figures on acted Korean speech, as far as they are
    known; but for the split, which is by speaker.
    """

    network: str = setting(
        "convnext_small",
        "Network: resnet18, convnext_tiny, convnext_small, convnext_base, convnext_large,"
        " vit_base_patch16_224, efficientnet_b0 or small.",
    )
    pretrained: bool = setting(
        True, "Begin with weights that were trained on ImageNet, where they can be had."
    )
    split: str = setting(
        "speaker",
        "What training and test do not share: speaker, speaker_sentence, leave_one_speaker_out (as"
        " many folds as speakers), or random, which flatters: speakers and sentences are in both.",
        metavar="|".join(SPLITS),
    )
    folds: int = setting(5, "Into so many parts the corpus is dealt; one is tested on.")
    fold: int = setting(0, "Which of them, counted from 0.")
    every_fold: bool = setting(False, "Test on every fold in turn, with a fit for each.")
    epochs: int = setting(20, "Passes over the training clips.")
    patience: int | None = setting(
        None, "Stop when so many passes bring nothing better. [default: never]"
    )
    batch: int = setting(32, "Clips at once.")
    accumulate: int = setting(
        1, "Batches that one step is made of: as a larger batch, where memory is small."
    )
    optimiser: str = setting("adamw", "How weights are changed.", metavar="|".join(OPTIMISERS))
    rate: float | None = setting(
        None, "The highest learning rate. [default: 0.0001; of small, 0.002]"
    )
    decay: float = setting(0.05, "Weight decay.")
    schedule: str = setting(
        "cosine",
        "The rate: cosine rises from a hundredth and falls to it again.",
        metavar="|".join(SCHEDULES),
    )
    warmup: float = setting(0.1, "Share of all steps in which the rate of cosine rises.")
    smoothing: float = setting(0.0, "Label smoothing: how much of each label is all classes'.")
    balance: bool = setting(False, "Let each class weigh the same, however many clips it has.")
    dropout: float = setting(0.0, "Share of what the last layer is given that is left out.")
    bits: str = setting(
        "auto",
        "Of what is computed: mixed precision on a GPU, or where it is asked for.",
        metavar="|".join(BITS),
    )
    devices: int = setting(1, "GPUs to train on.")
    threads: int | None = setting(
        None, "Threads on a CPU. [default: as many as there are cores; of small, 1]"
    )
    normalise: str = setting(
        "corpus",
        "By the mean and deviation of the pictures trained on, or ImageNet's.",
        metavar="|".join(NORMALISATIONS),
    )
    picture: tuple[str, ...] = setting(
        (),
        "Draw the pictures otherwise: size=224, seconds=3 or none (stretched), margin=2 or none"
        " (the border stays), trim_db=30 or none, floor_db=-80; again for more.",
        metavar="NAME=VALUE",
    )
    augment: tuple[str, ...] = setting(
        (),
        "Vary the pictures otherwise, such as time_mask=0.2 or mixup=0.2, or none, not at all;"
        " again for more.",
        metavar="NAME=NUMBER|none",
    )
    seed: int = setting(0, "Of everything that is drawn.")


SECTIONS.setdefault("speech", SpeechTrainSettings)  # type: ignore[arg-type]


def checked(settings: SpeechTrainSettings, changes: Mapping[str, Any]) -> SpeechTrainSettings:
    """Settings with some of them changed, all of them possible.

    Raises
    ------
    SettingsError
        On an unknown name, or a value that is impossible.
    """
    from reelpulse.settings import changed

    found: SpeechTrainSettings = changed(settings, changes)  # type: ignore[type-var]
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
    return found


def as_dict(settings: SpeechTrainSettings) -> dict[str, Any]:
    """Plain values, to be kept with a model."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }


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
