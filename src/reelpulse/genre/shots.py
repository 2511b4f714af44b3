"""The shots of a film, and a few pairs of consecutive frames of each, in one pass over the file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reelpulse.errors import at
from reelpulse.genre.cuts import CUT, frame_change
from reelpulse.media import RegularTicks, VideoFacts
from reelpulse.media.video import FrameReader, Picture
from reelpulse.times import clock_text

log = logging.getLogger(__name__)

LOOKS = 4.0
"""Looks at the film a second: a cut is found to within an eighth of a second."""

STRETCH_SECONDS = 20.0
"""A longer shot is sampled again each time so much of it has passed."""

_CALM = 2.0
"""A change between two looks is motion, and no cut, where it is less than so many times that
between consecutive frames beside it: within a quarter of a second, motion adds up.

In 70 s of a battle 23 of 24 cuts are found, and five more where all moves at its fastest; at 3.0
20 are found, and two more. Two shots taken for one mix what is said of them, one taken for two does
no harm: the lower is right."""

_MOST_MISSING_SECONDS = 1.0

RGB = npt.NDArray[np.uint8]
OnProgress = Callable[[float], None]
"""Called with the seconds of film that were looked at."""


@dataclass
class Stretch:
    """A shot, or a part of a long one.

    Parameters
    ----------
    shot : int
        Number of the shot, from 0.
    start, end : float
        Seconds.
    pairs : list of (ndarray, ndarray)
        Consecutive frames drawn at random from it, uint8 RGB (height, width, 3), in order.
    times : list of float
        When each is on screen, seconds.
    """

    shot: int
    start: float
    end: float
    pairs: list[tuple[RGB, RGB]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    seen: int = 0

    def offer(
        self, time: float, pair: tuple[Picture, Picture], most: int, rng: np.random.Generator
    ) -> None:
        """Keep a pair, or not, so that each that is offered has the same chance to stay."""
        self.seen += 1
        if len(self.pairs) == most:
            place = int(rng.integers(self.seen))
            if place >= most:
                return
            del self.pairs[place], self.times[place]
        self.pairs.append((pair[0].rgb, pair[1].rgb))
        self.times.append(time)


@dataclass(frozen=True)
class _Look:
    """What is kept of a look at the film to hold the next one against it."""

    picture: RGB
    motion: float


def stretches(
    path: str | Path,
    facts: VideoFacts,
    *,
    pairs: int = 3,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Iterator[Stretch]:
    """Go through a film once and cut it into shots.

    Of each look at the film the frame on screen and the one before it are decoded. No more than
    the pairs of one stretch lie in memory.

    Parameters
    ----------
    path : str or Path
    facts : VideoFacts
        From `reelpulse.media.probe`.
    pairs : int
        Kept of a shot, and of each further `STRETCH_SECONDS` of a long one.
    seed : int
        Draws them.
    progress : callable, optional

    Yields
    ------
    Stretch
        In order, without gaps between them; without pairs where nothing could be decoded.

    Raises
    ------
    MediaError
        When the file cannot be decoded.
    """
    # Each look stands for the time around it; a film of less than that is looked at near its end.
    clock = RegularTicks(LOOKS, start=min(0.5 / LOOKS, 0.75 * facts.duration))
    reader = FrameReader(path, facts, clock, previous=True)
    rng = np.random.default_rng(seed)
    now = Stretch(0, 0.0, 0.0)
    last: _Look | None = None
    with closing(reader):
        for index, picture in reader:
            start = index / LOOKS
            if progress is not None:
                progress(start)
            if picture is None:
                continue
            before = picture.previous
            motion = frame_change(before.small, picture.small) if before is not None else 0.0
            cut = last is not None and _is_cut(last, picture.small, motion)
            if cut or start - now.start >= STRETCH_SECONDS:
                now.end = start
                yield now
                now = Stretch(now.shot + cut, start, start)
            if before is not None and motion < CUT:
                now.offer(clock.time(index), (before, picture), pairs, rng)
            last = _Look(picture.small, motion if motion < CUT else 0.0)
    now.end = max(now.start, reader.end)
    _warn(facts, reader)
    yield now


def _warn(facts: VideoFacts, reader: FrameReader) -> None:
    """Say what of a film could not be looked at."""
    missing = facts.duration - reader.end
    if missing > max(_MOST_MISSING_SECONDS, 0.01 * facts.duration):
        stated = f"ends at {clock_text(reader.end)}, but states {clock_text(facts.duration)}"
        log.warning("%s", at(facts.path, f"{stated}; what decodes was looked at"))
    if reader.damaged:
        problem = f"{reader.damaged} of {reader.packets} packets of its video are damaged"
        log.warning("%s", at(facts.path, f"{problem}; what else decodes was looked at"))


def _is_cut(last: _Look, picture: RGB, motion: float) -> bool:
    """Whether there is a cut between the last look and this one."""
    if motion >= CUT:
        return True
    change = frame_change(last.picture, picture)
    return change >= CUT and change > _CALM * max(last.motion, motion)
