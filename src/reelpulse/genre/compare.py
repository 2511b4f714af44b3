"""Every network trained and tested on the same films; which differences are noise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelpulse.errors import ReelpulseError
from reelpulse.genre.judged import judged
from reelpulse.genre.networks import GENRE_NETWORKS
from reelpulse.genre.presets import PRESETS
from reelpulse.genre.settings import plan
from reelpulse.genre.train import fit_and_judge, made_set, read_folder
from reelpulse.learn.comparison import (
    Costs,
    NetworkComparison,
    costs_of,
    parts_of,
    ranked,
    train_each,
)
from reelpulse.learn.judged import Array
from reelpulse.learn.kept import alone
from reelpulse.learn.trials import OnShare, OnWork
from reelpulse.settings import GenreTrainSettings, as_dict, one_of

RANKED_BY = "accuracy"

_TIMED = 8


def compare(
    frames: str | Path,
    settings: GenreTrainSettings | None = None,
    *,
    presets: Sequence[str] | None = None,
    progress: OnWork | None = None,
) -> NetworkComparison:
    """Train every network on the same films, each as its preset says, and test it on the same.

    What is finished is kept in ``compare.parts`` in the folder: run again, it goes on there.
    `reelpulse.learn.comparison.write_comparison` keeps the result, and removes those parts. Costs
    are of frames, two a pair.

    Parameters
    ----------
    frames : str or Path
        A folder that ``reelpulse genre extract`` made.
    settings : GenreTrainSettings, optional
        What stands in it counts more than the presets; `network`, `preset` and `every_fold` are not
        used.
    presets : sequence of str, optional
        Keys of `PRESETS`; the networks of `GENRE_NETWORKS` without it.
    progress : callable, optional
        See `OnWork`.

    Raises
    ------
    DataError
        When the folder cannot be used, or no network could be trained on it.
    SettingsError
        On an unknown preset or value.
    """
    given = replace(settings or GenreTrainSettings(), network=None, preset=None, every_fold=False)
    names = list(dict.fromkeys(presets or GENRE_NETWORKS))
    for name in names:
        one_of("preset", name, tuple(PRESETS))
    pairs, dealt, warnings = read_folder(frames, given)
    own = dealt[given.fold]
    told = {
        "pairs": pairs.fingerprint, "parts": own.fingerprints(pairs), "settings": as_dict(given)
    }  # fmt: skip

    def fit(name: str, kept: Path, tell: OnShare) -> tuple[Array, Costs]:
        chosen = plan(given, {"preset": name})
        pictures = made_set(pairs, chosen, progress)
        tested, fitted = fit_and_judge(pairs, pictures, own, chosen, kept, None, tell)
        assert fitted is not None
        some = fitted.given(pictures, own.test[:_TIMED])
        proto = fitted.onnx(pictures, own.test)
        return tested.outputs, costs_of(proto, some, fitted.epoch_seconds, 2 * len(own.train))

    with alone(parts_of(pairs.folder), frames, pairs.folder):
        for name in names:  # before processes that train beside this one would make them too
            with suppress(ReelpulseError):  # raised again where it is this network's own
                made_set(pairs, plan(given, {"preset": name}), progress)
        done, failed = train_each(names, pairs.folder, told, fit, progress)
    tested = {name: (judged(pairs, own.test, outputs), c) for name, (outputs, c) in done.items()}

    def published(name: str) -> dict[str, Any]:
        return {"network": PRESETS[name].network, "published": PRESETS[name].published}

    return NetworkComparison(
        pairs.folder,
        ranked(tested, RANKED_BY, "war", published),
        failed,
        tuple(warnings),
        {
            "frames": str(pairs.folder),
            "fingerprint": pairs.fingerprint,
            "classes": list(pairs.classes),
            "parts": {part: len(getattr(own, part)) for part in ("train", "valid", "test")},
            "settings": as_dict(given),
        },
    )
