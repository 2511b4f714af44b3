"""Ranges of a film, and the pairs of frames drawn from them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelpulse.errors import SettingsError
from reelpulse.media.clocks import EPSILON
from reelpulse.times import clock_text, parse_range

log = logging.getLogger(__name__)

_ROUNDED = 1.0
"""Seconds past the end that a range may go: players show the end in whole seconds."""


_APART = 1.0
"""Seconds from which on two frames are no neighbours: a hole in a damaged film, a picture held."""


@dataclass(frozen=True)
class Range:
    """From `start` to before `end`, seconds; `text` is as it was typed."""

    start: float
    end: float
    text: str


def parse_ranges(text: str | None, duration: float) -> list[Range]:
    """Read ``START-END,START-END`` and check it against a film.

    Ranges that overlap are merged, with a warning: what they share would be drawn from twice as
    often, and a scene would be in two.

    Parameters
    ----------
    text : str or None
        None is the whole film.
    duration : float
        Seconds.

    Returns
    -------
    list of Range
        At least one; in rising order, none overlapping another.

    Raises
    ------
    SettingsError
        When a range cannot be read, is reversed or goes past the end.
    """
    if text is None:
        return [Range(0.0, float("inf"), f"0:00-{clock_text(duration)}")]
    parts = [part.strip() for part in text.replace("–", "-").split(",")]
    found = [Range(*parse_range(part), part) for part in parts if part]
    if not found:
        raise SettingsError("no range was given: write START-END, such as 0:03:10-0:05:00")
    merged = list[Range]()
    for item in sorted(found, key=lambda item: item.start):
        if item.end > duration + _ROUNDED:
            raise SettingsError(
                f"the range {item.text!r} goes past the end: the film lasts {clock_text(duration)};"
                " give an earlier end"
            )
        last = merged[-1] if merged else None
        if last is not None and item.start < last.end:
            later = last if last.end >= item.end else item
            ends = (last.text.partition("-")[0].strip(), later.text.partition("-")[2].strip())
            merged[-1] = Range(last.start, later.end, "-".join(ends))
            log.warning(
                "the ranges %s and %s overlap: taken as %s", last.text, item.text, merged[-1].text
            )
        else:
            merged.append(item)
    return merged


def draw(
    ranges: Sequence[Range], seconds: npt.NDArray[np.float64], pairs: int, seed: int
) -> list[tuple[int, str]]:
    """Draw first frames among those of odd number whose next is in the same range and close by.

    Parameters
    ----------
    ranges : sequence of Range
    seconds : ndarray, shape (N,)
        Times of the film's frames.
    pairs : int
        How many are needed.
    seed : int

    Returns
    -------
    list of (int, str)
        Index (number less one) of a first frame and its range; all there are in the order drawn,
        so that those after the first `pairs` can stand in for any that does not decode.

    Raises
    ------
    SettingsError
        When fewer fit.
    """
    found = list[tuple[int, str]]()
    for item in ranges:
        first, stop = np.searchsorted(seconds, [item.start - EPSILON, item.end - EPSILON])
        for index in range(int(first + first % 2), int(stop) - 1, 2):
            if seconds[index + 1] - seconds[index] < _APART:
                found.append((index, item.text))
    if len(found) < pairs:
        where = "range" if len(ranges) == 1 else "ranges"
        fit = f"{len(found)} pair fits" if len(found) == 1 else f"{len(found)} pairs fit"
        ask = f"ask for --pairs {len(found)}, or give" if found else "give"
        names = ",".join(item.text for item in ranges)
        raise SettingsError(f"only {fit} into the {where} {names}, not {pairs}: {ask} longer ones")
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[place] for place in order]
