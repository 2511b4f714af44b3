"""Networks fitted on folds, one after the other, with what a stopped run has done kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from reelpulse.errors import DataError
from reelpulse.learn.fit import beside
from reelpulse.learn.judged import Array
from reelpulse.learn.kept import read_outputs, write_outputs

OnWork = Callable[[float, int, str], None]
"""Called with how much is done, that at work counted by its share; of how much; and what it is."""

OnShare = Callable[[float], None]
"""Called with the share that is done of what is at work."""

Fitted = TypeVar("Fitted")


def in_turn(names: Sequence[str], progress: OnWork | None) -> Iterator[tuple[str, OnShare]]:
    """Each name with a callable that tells the progress of all when told its own."""
    for place, name in enumerate(names):

        def tell(share: float, before: int = place, name: str = name) -> None:
            if progress is not None:
                progress(before + share, len(names), name)

        tell(0.0)
        yield name, tell


def folds_of(count: int, own: int, every: bool) -> list[int]:
    """The folds to fit on, that of the model to be kept last."""
    return [*(number for number in range(count) if every and number != own), own]


def fit_or_read(
    kept: Path,
    plan: str,
    shape: tuple[int, int],
    fit: Callable[[Path], Fitted],
    answers: Callable[[Fitted], Array],
    *,
    again: bool = True,
    not_finite: str,
) -> tuple[Array, Fitted | None]:
    """Fit a network and ask it about the examples tested on.

    Parameters
    ----------
    kept : Path
        Beginning of the names of the files kept there: ``.safetensors`` while it is fitted,
        ``.npz`` with its outputs where the network is not wanted.
    plan : str
        Fingerprint of all that the outputs depend on.
    shape : (int, int)
        Of the outputs: examples and classes.
    fit : callable
        Told the file from which a stopped fit goes on.
    answers : callable
        Told the fitted network; gives its outputs for the examples tested on.
    again : bool
        Whether the network is wanted; without it, outputs of an earlier run do.
    not_finite : str
        What to say when an output is not finite.

    Returns
    -------
    outputs : ndarray of float32
    fitted : object or None
        None where an earlier run's outputs were read.

    Raises
    ------
    DataError
        When the outputs are not finite.
    """
    outputs_file, weights = (kept.with_suffix(ending) for ending in (".npz", ".safetensors"))
    if not again:
        outputs = read_outputs(outputs_file, plan, shape)
        if outputs is not None:
            return outputs, None
    fitted = fit(weights)
    outputs = answers(fitted)
    if not np.isfinite(outputs).all():
        raise DataError(not_finite)
    if not again and not beside():
        write_outputs(outputs_file, plan, outputs)
        weights.unlink(missing_ok=True)
    return outputs, fitted
