"""How a network learns genres from pairs of frames: settings made whole, and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from reelpulse.errors import SettingsError
from reelpulse.genre.networks import GENRE_NETWORKS, PairSpec
from reelpulse.genre.presets import PRESETS
from reelpulse.settings import (
    BITS,
    GENRE_OPTIMISERS,
    GENRE_SPLITS,
    GenreTrainSettings,
    changed,
    one_of,
    within,
)

DEFAULT = "inception_v3"

LEAST_BATCH = 2
"""Batch norm has no deviation of one."""

_LIMITS: dict[str, tuple[float, float]] = {
    "fold": (0, 100_000),
    "held_back": (0, 0.5),
    "batch": (LEAST_BATCH, 100_000),
    "accumulate": (1, 100_000),
    "rate": (1e-7, 10),
    "step_decay": (0.01, 1),
    "devices": (1, 1024),
    "threads": (1, 1024),
}


@dataclass(frozen=True)
class Plan:
    """Settings of a training, none of them left open.

    Parameters
    ----------
    settings : GenreTrainSettings
        With the preset's values where nothing else was said.
    spec : PairSpec
        What the network is given, but for the statistics of what it is trained on.
    """

    settings: GenreTrainSettings
    spec: PairSpec
    network: str
    epochs: int
    batch: int
    optimiser: str
    rate: float
    step_decay: float
    decay: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, to be kept with a model."""
        return asdict(self.settings)


def plan(settings: GenreTrainSettings, changes: Mapping[str, Any]) -> Plan:
    """Fill in a preset, and check all.

    Parameters
    ----------
    settings : GenreTrainSettings
    changes : mapping
        Fields of it to value.

    Raises
    ------
    SettingsError
        On an unknown name, or a value that is impossible.
    """
    found = changed(settings, changes)
    if found.preset is not None:
        one_of("preset", found.preset, tuple(PRESETS))
    network = found.network or (PRESETS[found.preset].network if found.preset else DEFAULT)
    one_of("network", network, tuple(GENRE_NETWORKS))
    kind = GENRE_NETWORKS[network]
    chosen = found.preset or kind.preset
    if PRESETS[chosen].network != network:
        raise SettingsError(
            f"the preset {chosen} is of {PRESETS[chosen].network}, not of {network}: leave one out"
        )
    given = {
        name: v for name in PRESETS[chosen].values() if (v := getattr(found, name)) is not None
    }
    whole = {**PRESETS[chosen].values(), **given}
    size = _size(whole["size"])
    whole["size"] = f"{size[0]}x{size[1]}"
    if found.one_frame and network != "flownet_fc":
        raise SettingsError(f"one frame taken as both is for flownet_fc, not for {network}")
    frames = 1 if found.one_frame else kind.spec.frames
    found = replace(found, network=network, preset=chosen, **whole)
    one_of("split", found.split, GENRE_SPLITS)
    one_of("optimiser", whole["optimiser"], GENRE_OPTIMISERS)
    one_of("bits", found.bits, BITS)
    for name, (low, high) in _LIMITS.items():
        value = getattr(found, name)
        if value is not None:
            within(name, value, low, high)
    if found.split in ("film", "scene", "random") and found.fold >= found.folds:
        raise SettingsError(f"there is no fold {found.fold}: {found.folds} are counted from 0")
    spec = replace(kind.spec, size=size, frames=frames)
    kind.fits(spec)
    del whole["size"]
    return Plan(found, spec, network, **whole)


def _size(text: str) -> tuple[int, int]:
    """``224`` or, height first, ``68x120``."""
    match = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", text.strip())
    if match is None:
        raise SettingsError(f"`size` cannot be {text!r}: give height and width, such as 68x120")
    return int(match[1]), int(match[2] or match[1])
