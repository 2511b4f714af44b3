"""Which genre pictures and whole films are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import av.error
import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MediaError, at
from reelpulse.genre.model import GenreModel
from reelpulse.genre.pictures import decode_picture, read_picture
from reelpulse.genre.sheet import sheet, thumbnail
from reelpulse.genre.shots import Stretch, stretches
from reelpulse.media import VideoFacts, probe
from reelpulse.times import clock_text

_DIGITS = 4
_STRIP_HEIGHT = 120
_QUALITY = 85
_MOST_SHOWN = 400
"""Shots on a strip."""

OnProgress = Callable[[float, float], None]
"""Called with the seconds of a film that were looked at, and those that it has."""

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PicturePrediction:
    """What two pictures, or one, show.

    Parameters
    ----------
    files : tuple of str
        As they were given.
    label : str
        The likeliest class.
    probabilities : dict of str to float
        By class, summing to 1.
    """

    files: tuple[str, ...]
    label: str
    probabilities: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "files": list(self.files)}


@dataclass(frozen=True)
class Shot:
    """A shot of a film.

    Parameters
    ----------
    start, end : float
        Seconds.
    label : str or None
        The likeliest class; None where it has no two frames that follow one another.
    probabilities : dict of str to float, or None
        By class: the mean over the pairs that were looked at.
    pairs : int
        How many.
    picture : bytes, optional
        A small JPEG of a frame near its middle, where a strip was asked for.
    """

    start: float
    end: float
    label: str | None
    probabilities: dict[str, float] | None
    pairs: int
    picture: bytes | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; the picture is left out."""
        return {name: value for name, value in vars(self).items() if name != "picture"}


@dataclass(frozen=True)
class FilmPrediction:
    """What a film shows.

    Parameters
    ----------
    file : str
        As it was given.
    label : str
        The class with the greatest share.
    probabilities : dict of str to float
        Shares of the film by class, summing to 1: the mean of its shots', weighted by their
        lengths.
    duration : float
        Seconds that were looked at.
    shots : tuple of Shot
        In order.
    """

    file: str
    label: str
    probabilities: dict[str, float]
    duration: float
    shots: tuple[Shot, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "shots": [shot.as_dict() for shot in self.shots]}


def predict_pictures(
    model: GenreModel, first: str | Path, second: str | Path | None = None
) -> PicturePrediction:
    """Look at two consecutive frames.

    Parameters
    ----------
    model : GenreModel
    first, second : str or Path
        Pictures, the earlier frame first. The second may be left out for a network of single
        frames.

    Raises
    ------
    MediaError
        When a picture cannot be read.
    DataError
        When two are needed, or they differ in size.
    ModelError
        When the network fails.
    """
    files = tuple(str(file) for file in (first, second) if file is not None)
    pictures = [read_picture(file) for file in files]
    try:
        found = model([(pictures[0], pictures[1] if len(pictures) > 1 else None)])[0]
    except DataError as error:
        raise DataError(at(" and ".join(files), str(error))) from None
    return PicturePrediction(files, *_named(found.astype(np.float64), model))


def predict_film(
    file: str | Path,
    model: GenreModel,
    *,
    pairs: int = 3,
    seed: int = 0,
    strip: bool = False,
    progress: OnProgress | None = None,
) -> FilmPrediction:
    """Look at a film, shot by shot.

    Some pairs of consecutive frames are drawn from each shot; memory does not grow with the
    film's length.

    Parameters
    ----------
    file : str or Path
    model : GenreModel
    pairs : int
        Looked at in a shot, and in each further 20 s of a long one.
    seed : int
        Draws them.
    strip : bool
        Whether to keep a small picture of each shot.
    progress : callable, optional

    Raises
    ------
    MediaError
        When the film cannot be read, or has no two frames that follow one another.
    ModelError
        When the network fails.
    """
    facts = probe(file)
    if not facts.video:
        raise MediaError(at(file, "has no video stream"))
    try:
        shots = list(_shots(file, facts, model, pairs, seed, strip, progress))
    except av.error.FFmpegError as error:
        raise MediaError(at(file, f"its video does not decode ({error.strerror})")) from None
    weights = [shot.end - shot.start if shot.probabilities else 0.0 for shot in shots]
    if not any(weights):
        raise MediaError(at(file, "has no two frames that follow one another and decode"))
    rows = [
        list((shot.probabilities or dict.fromkeys(model.classes, 0.0)).values()) for shot in shots
    ]
    shares = np.average(rows, axis=0, weights=weights)
    return FilmPrediction(
        str(file), *_named(shares / shares.sum(), model), round(shots[-1].end, 3), tuple(shots)
    )


def write_strip(film: FilmPrediction, path: str | Path) -> Path:
    """Write a PNG of a film's shots: a picture of each, its beginning, genre and share above.

    Of a film of very many shots, as many as can be taken in, evenly spread.

    Parameters
    ----------
    film : FilmPrediction
        From `predict_film` with ``strip=True``.
    path : str or Path
        The PNG.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    shown = [shot for shot in film.shots if shot.picture is not None]
    places = np.linspace(0, len(shown) - 1, min(len(shown), _MOST_SHOWN)).round().astype(int)
    rows = []
    for shot in (shown[place] for place in places):
        assert shot.picture is not None
        assert shot.label is not None
        assert shot.probabilities is not None
        label = f"{clock_text(shot.start)} {shot.label} {shot.probabilities[shot.label]:.2f}"
        rows.append((label, [decode_picture(np.frombuffer(shot.picture, np.uint8), film.file)]))
    return sheet(rows, path, height=_STRIP_HEIGHT)


def _shots(
    file: str | Path,
    facts: VideoFacts,
    model: GenreModel,
    pairs: int,
    seed: int,
    strip: bool,
    progress: OnProgress | None,
) -> Iterator[Shot]:
    def looked(seconds: float) -> None:
        if progress is not None:
            progress(min(seconds, facts.duration), facts.duration)

    found = stretches(file, facts, pairs=pairs, seed=seed, progress=looked)
    for _, parts in groupby(found, lambda part: part.shot):
        yield _shot(parts, model, strip)


def _shot(parts: Iterator[Stretch], model: GenreModel, strip: bool) -> Shot:
    """Look at the stretches of a shot as they come, so that only one's pictures are in memory."""
    total, count = np.zeros(len(model.classes)), 0
    pictures: list[tuple[float, bytes]] = []
    start = end = None
    for part in parts:
        start, end = part.start if start is None else start, part.end
        if part.pairs:
            total += model(part.pairs).sum(axis=0, dtype=np.float64)
            count += len(part.pairs)
        if strip:
            shown = zip(part.times, part.pairs, strict=True)
            pictures += [(time, _thumbnail(first)) for time, (first, _) in shown]
    assert start is not None
    assert end is not None
    middle = (start + end) / 2
    picture = min(pictures, key=lambda item: abs(item[0] - middle))[1] if pictures else None
    label, shares = _named(total / count, model) if count else (None, None)
    return Shot(round(start, 3), round(end, 3), label, shares, count, picture)


def _thumbnail(picture: npt.NDArray[np.uint8]) -> bytes:
    small = thumbnail(picture, _STRIP_HEIGHT)[..., ::-1]
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _named(found: Shares, model: GenreModel) -> tuple[str, dict[str, float]]:
    """The likeliest class, and all by name."""
    shares = {
        name: round(float(share), _DIGITS) for name, share in zip(model.classes, found, strict=True)
    }
    return model.classes[int(np.argmax(found))], shares
