"""A model of film genre, judged by a folder of pairs of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, ModelError, SettingsError, at
from reelpulse.genre.judged import JudgedPairs, judged
from reelpulse.genre.model import GenreModel, load_genre
from reelpulse.genre.pairs import Pairs, load_pairs
from reelpulse.genre.pictures import read_picture
from reelpulse.genre.splitting import PARTS, split
from reelpulse.learn.judged import Array
from reelpulse.learn.surroundings import cores
from reelpulse.settings import one_of

EVERYTHING = "all"
_AT_ONCE = 16


@dataclass(frozen=True)
class GenreEvaluation:
    """What came of it.

    Parameters
    ----------
    model : str
    part : {"train", "valid", "test", "all"}
        What it was tried on.
    tested : JudgedPairs
    warnings : tuple of str
    """

    model: str
    part: str
    tested: JudgedPairs
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": self.model,
            "split": self.part,
            "labels": list(self.tested.classes),
            **self.tested.as_dict(),
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def evaluate(
    model: str | Path,
    frames: str | Path,
    part: str | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> GenreEvaluation:
    """Let a model look at pairs of frames, as ``genre predict`` does, and judge it.

    Parameters
    ----------
    model : str or Path
        As `load_genre` takes it.
    frames : str or Path
        A folder that ``reelpulse genre extract`` made.
    part : {"train", "valid", "test", "all"}, optional
        Of the folder that it was trained on: a part as it was dealt then. Of another, or that one
        changed since: what its table says is for training or testing, or all pairs; films of the
        names trained on are left out of ``test``. Without it, ``test`` where there is any, else
        ``all``.
    progress : callable, optional
        Called with how many pairs are done, and of how many.

    Raises
    ------
    ModelError
        When the model cannot be used.
    DataError
        When the folder cannot be used, has no such part, or a class that the model does not know.
    SettingsError
        On an unknown part.
    """
    if part is not None:
        one_of("split", part, (*PARTS, EVERYTHING))
    opened = load_genre(model, threads=cores())
    pairs = load_pairs(frames)
    data = opened.description.get("data")
    same = isinstance(data, dict) and data.get("fingerprint") == pairs.fingerprint
    warnings = list(pairs.notes)
    if part is None:
        part = "test" if same or (pairs.splits == "test").any() else EVERYTHING
    if part == EVERYTHING:
        rows = np.arange(len(pairs))
        if same:
            warnings.append("it was trained on a part of these pairs: the figures flatter it")
    elif same:
        rows = _rows(opened, pairs, part)
    else:
        rows = np.flatnonzero(pairs.splits == part)
    if not same and part in ("test", EVERYTHING):
        rows = _unseen(opened, pairs, rows, part, warnings)
    if not len(rows):
        problem = f"has no pair in the part {part}: use another --split, such as all"
        raise DataError(at(pairs.folder, problem))
    unknown = sorted(set(pairs.genres[rows].tolist()) - set(opened.classes))
    if unknown:
        problem = f"has pairs of {unknown[0]}, which {opened.name} does not know"
        raise DataError(at(pairs.folder, f"{problem} (it knows {', '.join(opened.classes)})"))
    outputs = _seen(opened, pairs, rows, progress)
    found = judged(pairs, rows, outputs, opened.classes)
    return GenreEvaluation(str(model), part, found, tuple(warnings))


def _unseen(
    model: GenreModel,
    pairs: Pairs,
    rows: npt.NDArray[np.intp],
    part: str,
    warnings: list[str],
) -> npt.NDArray[np.intp]:
    """Leave out of a test the films of the names that a model was trained on in another folder."""
    try:
        parts = model.description["data"]["parts"]
        known = {str(film) for one in ("train", "valid") for film in parts[one]["named"]}
    except (KeyError, TypeError):
        return rows  # a model that does not say
    own = np.isin(pairs.film_keys[rows], sorted(known))
    if not own.any():
        return rows
    names = sorted(set(pairs.film_keys[rows[own]].tolist()))
    some = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    if part == EVERYTHING:
        warnings.append(f"it was trained on films of these names, {some}: the figures flatter it")
        return rows
    warnings.append(f"left out, as it was trained on films of these names: {some}")
    return rows[~own]


def _rows(model: GenreModel, pairs: Pairs, part: str) -> npt.NDArray[np.intp]:
    """The rows of a part, dealt again as they were when the model was trained."""
    said = model.description
    try:
        how = said["settings"]
        dealt = split(
            pairs, how["split"], int(how["folds"]), int(how["seed"]), float(how["held_back"])
        )
        parts = dealt[int(how["fold"])]
        wanted = said["data"]["parts"][part]["fingerprint"]
    except (KeyError, TypeError, ValueError, IndexError, SettingsError):
        wanted = None
    if wanted is None or parts.fingerprints(pairs)[part] != wanted:
        problem = f"does not say which pairs were its {part}: use --split all"
        raise ModelError(at(model.path, problem))
    rows: npt.NDArray[np.intp] = getattr(parts, part)
    return rows


def _seen(
    model: GenreModel,
    pairs: Pairs,
    rows: npt.NDArray[np.intp],
    progress: Callable[[int, int], None] | None,
) -> Array:
    """Probabilities, (len(rows), classes)."""
    outputs = np.zeros((len(rows), len(model.classes)), np.float32)
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE]
        given = []
        for row in some:
            pictures = read_picture(pairs.first[row]), read_picture(pairs.second[row])
            if pictures[0].shape != pictures[1].shape:
                problem = f"and {pairs.second[row].name} are of two sizes: `genre clean` drops them"
                raise DataError(at(pairs.first[row], problem))
            given.append(pictures)
        outputs[first : first + len(some)] = model(given)
        if progress is not None:
            progress(first + len(some), len(rows))
    return outputs
