"""How much moves in the films of each genre."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MediaError, at
from reelpulse.genre.classes import TRAIN
from reelpulse.genre.motion import FlowSpec, flow, magnitude
from reelpulse.genre.pairs import Pairs, load_pairs
from reelpulse.genre.pictures import read_picture

Array = npt.NDArray[np.float64]
Progress = Callable[[float, int, str], None]

STILL = 1e-5
"""Magnitude below which nothing moves: a hundredth of a pixel of an HD film."""

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False)
class MotionSpread:
    """The magnitude of motion of each pair of a folder.

    Parameters
    ----------
    pairs : Pairs
    spec : FlowSpec
        How motion was looked for.
    values : ndarray of float, shape (N,)
        From `magnitude`; NaN where a pair could not be measured.
    notes : tuple of str
        What was left out, and why.
    """

    pairs: Pairs
    spec: FlowSpec
    values: Array
    notes: tuple[str, ...]

    def of(self, genre: str) -> Array:
        """What was measured of a genre."""
        inside = (self.pairs.genres == genre) & np.isfinite(self.values)
        return np.asarray(self.values[inside])

    def films(self, genre: str) -> dict[str, Array]:
        """What was measured of each film of a genre, by the film's name; none is empty."""
        inside = (self.pairs.genres == genre) & np.isfinite(self.values)
        names = sorted(set(self.pairs.films[inside].tolist()))
        return {name: self.values[inside & (self.pairs.films == name)] for name in names}

    def shares(self) -> dict[str, float]:
        """Share of the variance of log magnitude that lies between genres, and between films.

        Eta squared: 0 where the groups have one mean, 1 where each is of one value.
        """
        there = np.isfinite(self.values)
        logs = logarithms(self.values[there])
        groups = {"genre": self.pairs.genres[there], "film": self.pairs.film_keys[there]}
        return {name: _between(logs, group) for name, group in groups.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        trained = self.values[(self.pairs.splits == TRAIN) & np.isfinite(self.values)]
        return {
            "folder": str(self.pairs.folder),
            "pairs": len(self.pairs),
            "flow": self.spec.as_dict(),
            "genres": {
                genre: {
                    **_figures(self.of(genre)),
                    "films": {name: _figures(v) for name, v in self.films(genre).items()},
                }
                for genre in self.pairs.classes
            },
            "train": _figures(trained),
            "share_of_variance": self.shares(),
            "notes": list(self.notes),
        }


def motion_spread(
    folder: str | Path, spec: FlowSpec | None = None, progress: Progress | None = None
) -> MotionSpread:
    """Measure the motion of every pair of a folder.

    Parameters
    ----------
    folder : str or Path
        Of pairs of frames.
    spec : FlowSpec, optional
    progress : callable, optional
        Called with the pairs done, how many there are, and the film.

    Raises
    ------
    DataError
        When the folder holds no pairs, or none can be measured.
    """
    pairs, spec = load_pairs(folder), spec or FlowSpec()

    def measured(first: Path, second: Path) -> float | str:
        try:
            return magnitude(flow(read_picture(first), read_picture(second), spec))
        except MediaError as error:
            return str(error)
        except DataError as error:
            return at(first, str(error))

    values, lost = np.full(len(pairs), np.nan), list[str]()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for place, found in enumerate(pool.map(measured, pairs.first, pairs.second)):
            if isinstance(found, str):
                lost.append(found)
            else:
                values[place] = found
            if progress is not None:
                progress(place + 1, len(pairs), str(pairs.films[place]))
    if len(lost) == len(pairs):
        raise DataError(at(folder, f"has no pair that can be measured ({lost[0]})"))
    if lost:
        left = f"{len(lost)} of {len(pairs)} pairs cannot be measured and are left out"
        lost = [f"{left} ({lost[0]}{'; …' if len(lost) > 1 else ''})"]
    return MotionSpread(pairs, spec, values, (*pairs.notes, *lost))


def logarithms(values: npt.ArrayLike) -> Array:
    """Decimal logarithms; of what is still, that of `STILL`."""
    return np.asarray(np.log10(np.maximum(np.asarray(values, float), STILL)), np.float64)


def _figures(values: Array) -> dict[str, float | int | None]:
    """What a distribution comes to; None where nothing was measured."""
    count = len(values)
    names = ("mean", "std", *(f"q{round(100 * q)}" for q in QUANTILES), "still")
    if not count:
        return {"pairs": 0, **dict.fromkeys(names)}
    found = (
        *(values.mean(), values.std()),
        *np.quantile(values, QUANTILES),
        (values < STILL).mean(),
    )
    return {"pairs": count, **{n: round(float(v), 7) for n, v in zip(names, found, strict=True)}}


def _between(values: Array, groups: Sequence[str] | npt.NDArray[np.str_]) -> float:
    total = float(np.square(values - values.mean()).sum())
    if not total:
        return 0.0
    means: Mapping[str, float] = {g: float(values[groups == g].mean()) for g in set(groups)}
    explained = sum((means[g] - values.mean()) ** 2 for g in groups)
    return round(float(explained) / total, 4)
