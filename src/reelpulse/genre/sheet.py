"""Contact sheets: rows of thumbnails with a label each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from reelpulse.genre.pictures import RGB, write_picture
from reelpulse.media.lettering import width_of, write

_GAP, _LINE = 6, 18
_BACKGROUND, _INK = 255, 30


def thumbnail(rgb: RGB, height: int = 90) -> RGB:
    """Shrink a picture to a height, at most three times as wide."""
    width = min(3 * height, max(1, round(rgb.shape[1] * height / rgb.shape[0])))
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def sheet(
    rows: Sequence[tuple[str, Sequence[RGB]]],
    path: str | Path,
    *,
    height: int = 90,
    columns: int | None = None,
) -> Path:
    """Write rows of labelled thumbnails as a PNG.

    Parameters
    ----------
    rows : sequence of (str, sequence of ndarray)
        A label, written above, and RGB pictures of any size.
    path : str or Path
        The PNG.
    height : int
        Of a thumbnail, in pixels.
    columns : int, optional
        Rows side by side; as many as make the sheet about as wide as high where None.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    cells = [_cell(label, pictures, height) for label, pictures in rows]
    wide = max((cell.shape[1] for cell in cells), default=1) + _GAP
    tall = height + _LINE + _GAP
    if columns is None:
        columns = max(1, round(math.sqrt(len(cells) * tall / wide)))
    lines = math.ceil(len(cells) / columns)
    drawn = np.full((lines * tall + _GAP, columns * wide + _GAP, 3), _BACKGROUND, np.uint8)
    for place, cell in enumerate(cells):
        # Down the first column, then the next: in the order of the rows as one reads a list.
        column, line = divmod(place, lines)
        top, left = _GAP + line * tall, _GAP + column * wide
        drawn[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    path = Path(path)
    write_picture(path, drawn)
    return path


def _cell(label: str, pictures: Sequence[RGB], height: int) -> RGB:
    """A label above pictures side by side."""
    small = [thumbnail(picture, height) for picture in pictures]
    width = sum(picture.shape[1] + 2 for picture in small)
    cell = np.full((height + _LINE, width or max(1, width_of(label)), 3), _BACKGROUND, np.uint8)
    write(cell, label, 0, _LINE - 5, ink=_INK)
    left = 0
    for picture in small:
        cell[_LINE:, left : left + picture.shape[1]] = picture
        left += picture.shape[1] + 2
    return cell
