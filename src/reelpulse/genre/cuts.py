"""How much lies between two frames: a cut, or the next moment of one shot.

Two measures, of which a cut raises both and what happens inside a shot at most one:

* how little of the colours is shared (histograms; motion and shaking hardly change them),
* how little of the picture is found again nearby (patches looked for where they may have moved to,
  by normalised correlation; a flash, a fade and a change of exposure hardly change it).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.genre.pictures import RGB

CUT = 0.36
"""`frame_change` from which on two frames are of two shots; `benchmarks/genre_pairs.py` has what
this finds and misses, and the same of other measures."""

_COLOUR_WEIGHT = 1.6
"""Shots of one scene share most of their colours: a cut changes a quarter of them or more, and four
tenths of the structure or more."""

_WIDTH, _HEIGHT = 160, 90
_ROWS, _COLUMNS = 3, 5
_REACH = 20
"""Pixels of the small picture that a patch may have moved: an eighth of its width."""

_BINS = (16, 4, 4)
_RANGES = [0, 180, 0, 256, 0, 256]
_LIGHT_BINS = 32
_FLAT = 4.0
"""Standard deviation of light, of 255, below which a patch has nothing to find again."""

BLACK_LIGHT = 20
"""Light, of 255, below which a pixel shows nothing: limited-range black with its noise is."""

_LEAST_LIT = 0.25
"""Share of a picture below which what is not black is no picture between bars."""

_PRIOR = 40.0
"""Contrast that is taken for found: in frames that are almost black nothing is, for their noise."""


def frame_change(first: RGB, second: RGB) -> float:
    """Measure the change between two frames: 0 none, 1 nothing in common.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (H, W, 3)
        RGB, of any sizes: frames of two sizes are of two shots as often as not, and are compared
        as seen.
    """
    small = _without_bars(_small(first), _small(second))
    colour = _colour_change(*small)
    grey = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8) for picture in small]
    return min(1.0, _COLOUR_WEIGHT * colour, _structure_change(grey[0], grey[1]))


def _small(picture: RGB) -> RGB:
    way = cv2.INTER_AREA if picture.shape[0] > _HEIGHT else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (_WIDTH, _HEIGHT), interpolation=way), np.uint8)


def _without_bars(first: RGB, second: RGB) -> tuple[RGB, RGB]:
    """Cut off the black bars that both frames have: they are alike in any two shots of a film."""
    lit = np.maximum(first, second).max(axis=2) > BLACK_LIGHT
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows) or (len(rows) == _HEIGHT and len(columns) == _WIDTH):
        return first, second
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    if lit[inside].size < _LEAST_LIT * lit.size:
        return first, second
    return _small(first[inside]), _small(second[inside])


def _colour_change(first: RGB, second: RGB) -> float:
    """One minus the shared part of the histograms: of light, and of hue by colourfulness."""
    shared = []
    for code, channels, bins, ranges in (
        (cv2.COLOR_RGB2HSV, [0, 1, 2], list(_BINS), _RANGES),
        (cv2.COLOR_RGB2GRAY, [0], [_LIGHT_BINS], [0, 256]),
    ):
        one, other = (
            cv2.calcHist([cv2.cvtColor(picture, code)], channels, None, bins, ranges)
            for picture in (first, second)
        )
        shared.append(cv2.compareHist(one, other, cv2.HISTCMP_INTERSECT) / (_WIDTH * _HEIGHT))
    return 1 - float(np.mean(shared))


def _structure_change(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    """One minus how well patches of each frame are found in the other, by their contrast."""
    found = [_found(first, second), _found(second, first)]
    matches, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return float((1 - matches) @ weights) / (float(weights.sum()) + _PRIOR)


def _found(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The best correlation of each patch of the first frame near its place, and its contrast."""
    height, width = _HEIGHT // _ROWS, _WIDTH // _COLUMNS
    matches, weights = [], []
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            top, left = row * height, column * width
            patch = first[top : top + height, left : left + width]
            contrast = float(patch.std())
            if contrast < _FLAT:
                continue
            field = second[
                max(0, top - _REACH) : top + height + _REACH,
                max(0, left - _REACH) : left + width + _REACH,
            ]
            scores = cv2.matchTemplate(field, patch, cv2.TM_CCOEFF_NORMED)
            best = float(scores.max())
            matches.append(max(0.0, best) if np.isfinite(best) else 0.0)
            weights.append(contrast)
    return np.array(matches), np.array(weights)
