"""From a folder of pairs to a model in one file: fitted, tested on other films, exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.genre.dataset import PairSet, load_set
from reelpulse.genre.fitting import FittedGenre, fit_genre, plan_of
from reelpulse.genre.judged import JudgedPairs, judged
from reelpulse.genre.model import KIND, VERSION
from reelpulse.genre.pairs import Pairs, load_pairs
from reelpulse.genre.settings import Plan, plan
from reelpulse.genre.splitting import PARTS, Parts, split
from reelpulse.learn.fit import beside
from reelpulse.learn.judged import Array, joined
from reelpulse.learn.kept import alone, clear
from reelpulse.learn.onnx_file import write_onnx
from reelpulse.learn.trials import OnWork, fit_or_read, folds_of, in_turn
from reelpulse.settings import GenreTrainSettings


@dataclass(frozen=True)
class GenreTraining:
    """What came of a training.

    Parameters
    ----------
    path : Path
        The model.
    plan : Plan
    facts : dict
        What it was trained on: ``fingerprint``, ``pairs``, ``films`` and ``labels`` of the folder,
        and of each part its pairs, its films and their names, and its fingerprint.
    tested : JudgedPairs
        Of the test part; of all folds together, where each was tested.
    fitted : FittedGenre
    warnings : tuple of str
    """

    path: Path
    plan: Plan
    facts: dict[str, Any]
    tested: JudgedPairs
    fitted: FittedGenre
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": str(self.path),
            "network": self.plan.network,
            "classes": list(self.fitted.classes),
            "data": self.facts,
            "test": self.tested.as_dict(),
            "valid": {name: round(value, 4) for name, value in self.fitted.valid.items()},
            "epochs": self.fitted.epochs,
            "best": self.fitted.best,
            "seconds": round(self.fitted.seconds, 2),
            "settings": self.plan.as_dict(),
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def train(
    frames: str | Path,
    out: str | Path,
    settings: GenreTrainSettings | None = None,
    *,
    logs: str | Path | None = None,
    progress: OnWork | None = None,
    **changes: Any,
) -> GenreTraining:
    """Train a network on some films' pairs of frames, test it on others, and write it.

    After each pass what is reached is kept in ``<out>.parts``: stopped and run again, it goes on
    there, and comes to the same model.

    Parameters
    ----------
    frames : str or Path
        A folder that ``reelpulse genre extract`` made, or one laid out so.
    out : str or Path
        The model to write, ``.onnx``. One that is there is replaced.
    settings : GenreTrainSettings, optional
    logs : path, optional
        Folder for TensorBoard: loss, learning rate, and of the films held back accuracy, macro F1
        and what is taken for what.
    progress : callable, optional
        See `OnWork`.
    **changes
        Fields of `GenreTrainSettings`, such as ``network="six_channel"``.

    Raises
    ------
    DataError
        When the folder cannot be used, a class has no film in a part, or another run trains the
        same.
    SettingsError
        On an unknown network or value, or when memory is too small (a batch to try is named).
    ModelError
        When the exported model differs from the trained one.
    MissingExtra
        When the libraries of training are not installed.
    """
    chosen = plan(settings or GenreTrainSettings(), changes)
    path = Path(out)
    if path.suffix.lower() != ".onnx":
        raise DataError(at(path, "a model's name ends with .onnx"))
    pairs, dealt, warnings = read_folder(frames, chosen.settings)
    kept = made_set(pairs, chosen, progress)
    parts = path.with_name(f"{path.name}.parts")
    own = chosen.settings.fold
    every = chosen.settings.every_fold or chosen.settings.split == "leave_one_film_out"
    folds = folds_of(len(dealt), own, every)
    places = [f"{chosen.network}, fold {number + 1} of {len(dealt)}" for number in folds]
    done: list[JudgedPairs] = []
    with alone(parts, frames, path):
        for number, (_, tick) in zip(folds, in_turn(places, progress), strict=True):
            found = fit_and_judge(
                pairs, kept, dealt[number], chosen, parts / f"fold{number}",
                None if logs is None else Path(logs) / f"fold{number}", tick, again=number == own,
            )  # fmt: skip
            done.append(found[0])
        fitted = found[1]
        assert fitted is not None
        facts = _facts(pairs, dealt[own])
        if not beside():
            scores = {name: score.as_list() for name, score in done[-1].scores().items()}
            description = {
                "kind": KIND,
                "version": VERSION,
                "name": chosen.network,
                "classes": list(pairs.classes),
                "spec": fitted.spec.as_dict(),
                "scores": scores,
                "data": facts,
                "settings": chosen.as_dict(),
                "reelpulse": reelpulse.__version__,
            }
            write_onnx(path, fitted.onnx(kept, dealt[own].test), description)
            clear(parts)
    return GenreTraining(path, chosen, facts, joined(done), fitted, tuple(warnings))


def read_folder(
    frames: str | Path, settings: GenreTrainSettings
) -> tuple[Pairs, list[Parts], list[str]]:
    """Read a folder of pairs and deal it; with warnings.

    Raises
    ------
    DataError
        When it cannot be used or dealt so.
    """
    pairs = load_pairs(frames)
    dealt = split(pairs, settings.split, settings.folds, settings.seed, settings.held_back)
    if settings.fold >= len(dealt):
        problem = f"there is no fold {settings.fold}: {len(dealt)} are counted from 0"
        raise DataError(at(pairs.folder, problem))
    warnings = list(pairs.notes)
    if settings.split in ("scene", "random"):
        warnings.append(
            f"the split is {_HOW[settings.split]}: films of the test are trained on, and the"
            " figures say nothing of new films"
        )
    if settings.held_back and not len(dealt[settings.fold].valid):
        warnings.append(
            "a class has too few films to hold one back: the weights of the last pass count"
        )
    if settings.patience is not None and not len(dealt[settings.fold].valid):
        warnings.append("without films held back, --patience has nothing to go by")
    return pairs, dealt, warnings


_HOW = {"scene": "by scene", "random": "random"}


def made_set(pairs: Pairs, chosen: Plan, progress: OnWork | None = None) -> PairSet:
    """The pairs as the network of a plan looks at them."""
    return load_set(
        pairs,
        chosen.spec,
        progress=None
        if progress is None
        else lambda done, total: progress(done, total, "pictures"),
    )


def fit_and_judge(
    pairs: Pairs,
    kept: PairSet,
    parts: Parts,
    chosen: Plan,
    file: Path,
    logs: Path | None = None,
    tick: Callable[[float], None] | None = None,
    *,
    again: bool = True,
) -> tuple[JudgedPairs, FittedGenre | None]:
    """Fit on one part and judge the test part.

    Parameters
    ----------
    pairs, kept, parts, chosen, logs, tick
        As in `fit_genre`.
    file : Path
        Beginning of the names of the files kept there.
    again : bool
        Whether the network is wanted; without it, outputs of an earlier run do.
    """

    def fit(weights: Path) -> FittedGenre:
        return fit_genre(pairs, kept, parts, chosen, file=weights, logs=logs, tick=tick)

    def answers(one: FittedGenre) -> Array:
        return one.outputs(kept, parts.test)

    found = fit_or_read(
        file,
        plan_of(pairs, parts, chosen),
        (len(parts.test), len(pairs.classes)),
        fit,
        answers,
        again=again,
        not_finite=at(pairs.folder, "predictions are not finite: try a lower --lr"),
    )
    return judged(pairs, parts.test, found[0]), found[1]


def _facts(pairs: Pairs, parts: Parts) -> dict[str, Any]:
    prints = parts.fingerprints(pairs)
    of_parts = {}
    for part in PARTS:
        rows = getattr(parts, part)
        films = np.unique(pairs.film_keys[rows]).tolist()
        of_parts[part] = {
            "pairs": len(rows), "films": len(films), "named": films, "fingerprint": prints[part]
        }  # fmt: skip
    return {
        "fingerprint": pairs.fingerprint,
        "pairs": len(pairs),
        "films": len(np.unique(pairs.film_keys)),
        "labels": counts_of(pairs.labels, pairs.classes),
        "parts": of_parts,
    }


def counts_of(labels: Any, classes: Sequence[str]) -> dict[str, int]:
    """How many there are of each class."""
    counts = np.bincount(labels, minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}
