"""Which pairs are trained on, which tell when it was best, and which are only tested on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.genre.pairs import Pairs
from reelpulse.settings import GENRE_SPLITS, one_of

Rows = npt.NDArray[np.intp]

PARTS = ("train", "valid", "test")

_FEWEST_TO_HOLD = 3
"""With fewer films of a class to train on, none is held back: two are to be learnt from."""

_WHAT = {"scene": "scene", "random": "pair"}
"""What is kept together, by split; films by the others."""


@dataclass(frozen=True)
class Parts:
    """Rows of pairs, each in one part at most.

    Parameters
    ----------
    train, valid, test : ndarray of int
        Those trained on, those that tell which pass was best (there may be none), and those that
        nothing was chosen by.
    """

    train: Rows
    valid: Rows
    test: Rows

    def fingerprints(self, pairs: Pairs) -> dict[str, str]:
        """Name each part by the pairs in it."""
        found = {}
        for part in PARTS:
            rows = getattr(self, part)
            names = sorted(str(pairs.first[row].relative_to(pairs.folder)) for row in rows)
            text = "\n".join(names).encode(errors="surrogateescape")
            found[part] = hashlib.sha256(text).hexdigest()[:16]
        return found


def split(
    pairs: Pairs, how: str = "table", folds: int = 5, seed: int = 0, held_back: float = 0.1
) -> list[Parts]:
    """Deal pairs.

    Parameters
    ----------
    pairs : Pairs
    how : {"table", "film", "leave_one_film_out", "scene", "random"}
        ``table``: as the folder says which film is for training and which for the test. ``film``:
        in folds, each tested on films that the others have not, with every class in each fold where
        there are enough. ``scene`` and ``random`` deal scenes and single pairs: films are in every
        part, and figures too good.
    folds : int
        Of ``film``, ``scene`` and ``random``.
    seed : int
    held_back : float
        Share of the films (scenes, pairs) of each class to train on that are held back to tell
        which pass was best: at least one of three or more. Where a class has fewer, or with 0,
        nothing is.

    Returns
    -------
    list of Parts
        One a fold.

    Raises
    ------
    DataError
        When a class has no film to train on or, by the table, none to test; or no scene is known.
    SettingsError
        On an unknown way.
    """
    one_of("split", how, GENRE_SPLITS)
    try:
        if len(pairs.classes) < 2:
            raise DataError(f"all pairs are of {pairs.classes[0]}: nothing to tell apart")
        groups = _groups(pairs, how)
        dealt = _dealt(pairs, how, groups, folds, seed)
        every = np.arange(len(pairs))
        found = []
        for test in dealt:
            rest = np.setdiff1d(every, test)
            _checked(pairs, rest, how)
            held = _held(pairs.labels, groups, rest, held_back, seed)
            found.append(Parts(np.setdiff1d(rest, held), held, test))
    except DataError as error:
        raise DataError(at(pairs.folder, str(error))) from None
    return found


def _groups(pairs: Pairs, how: str) -> npt.NDArray[Any]:
    """What must be in one part, by row."""
    if how == "random":
        return np.arange(len(pairs)).astype(str)
    if how != "scene":
        return pairs.film_keys
    unknown = int((pairs.scenes == "").sum())
    if unknown:
        raise DataError(f"the scene of {unknown} pairs is not known: use --split film")
    return np.char.add(np.char.add(pairs.film_keys, "\n"), pairs.scenes)


def _dealt(pairs: Pairs, how: str, groups: npt.NDArray[Any], folds: int, seed: int) -> list[Rows]:
    """Rows tested on, of each fold."""
    if how == "table":
        test = np.flatnonzero(pairs.splits == "test")
        lacking = _lacking(pairs, test)
        if len(lacking) == len(pairs.classes):
            raise DataError("no film is for testing: use --split film, or extract some so")
        if lacking:
            raise DataError(
                f"{lacking[0]} has no film in test: extract one with --split test, or use"
                " `genre train --split film`"
            )
        return [test]
    if how == "leave_one_film_out":
        return [np.flatnonzero(groups == group) for group in np.unique(groups)]
    fold_of: dict[str, int] = {}
    rng = np.random.default_rng(seed)
    counts = []
    for code in range(len(pairs.classes)):
        own = rng.permutation(np.unique(groups[pairs.labels == code]))
        counts.append(len(own))
        # Each class begins where the last one ended, so that folds are as even as can be.
        begin = len(fold_of)
        fold_of |= {str(group): (begin + place) % folds for place, group in enumerate(own)}
    if max(counts) < folds:
        most, what = max(counts), _WHAT.get(how, "film")
        fewer = f"use --folds {most}" if most > 1 else f"each class needs another {what}"
        raise DataError(f"no class has {folds} {what}s for {folds} folds, but {most}: {fewer}")
    places = np.array([fold_of[str(group)] for group in groups])
    return [np.flatnonzero(places == fold) for fold in range(folds)]


def _checked(pairs: Pairs, rest: Rows, how: str) -> None:
    """See that each class can be learnt."""
    lacking = _lacking(pairs, rest)
    if not lacking:
        return
    name = lacking[0]
    own = pairs.genres == name
    if how == "table":
        raise DataError(f"{name} has no film in train: extract one with --split train")
    what = _WHAT.get(how, "film")
    count = len(np.unique(_groups(pairs, how)[own]))
    there = f"only one {what}" if count == 1 else f"{count} {what}s"
    raise DataError(
        f"{name} has {there}, and none is left to train on where that is tested: extract another"
    )


def _lacking(pairs: Pairs, rows: Rows) -> list[str]:
    there = np.unique(pairs.labels[rows])
    return [name for code, name in enumerate(pairs.classes) if code not in there]


def _held(
    labels: npt.NDArray[Any], groups: npt.NDArray[Any], rest: Rows, share: float, seed: int
) -> Rows:
    """Rows held back: of each class so many groups; of none, where one has too few."""
    none = np.zeros(0, np.intp)
    if not share:
        return none
    rng = np.random.default_rng([seed, 1])
    chosen: list[str] = []
    for code in np.unique(labels[rest]):
        own = np.unique(groups[rest][labels[rest] == code])
        if len(own) < _FEWEST_TO_HOLD:
            return none
        count = min(max(1, round(share * len(own))), len(own) - 1)
        chosen += rng.permutation(own)[:count].tolist()
    return rest[np.isin(groups[rest], chosen)]
