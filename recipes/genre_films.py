"""Short films of moving textures, whose class no single frame can tell: a proof without real films.

Two kinds of sets, each of two classes:

- ``amount``: ``slow`` films move by 1 pixel a frame, ``fast`` ones by 5, to the left or the right.
- ``direction``: ``left`` and ``right`` films move by 3 pixels a frame.

A texture comes back after as many pixels as its shot has frames, and no step has a divisor in
common with that number: so a shot goes through the very same frames whatever its step, in another
order. The films come as twins, one a class, of the same textures: whatever frame one of them has,
the other has it too, once. What looks at one frame alone can only guess; what looks at two need
not. No two pairs of twins share a texture, so that films of a test show nothing that was trained
on. The files are lossless: compression could tell how much had moved.

    python recipes/genre_films.py amount -o frames/
    python recipes/genre_films.py direction -o films/ --videos
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import ReelpulseError, SettingsError
from reelpulse.genre.listing import write_table
from reelpulse.genre.pictures import write_picture

Film = npt.NDArray[np.uint8]

PERIOD = 16
"""Frames of a shot, and pixels after which its texture comes back."""

SIZE = (80, 5 * PERIOD)
"""Height and width of a frame; the width is a multiple of `PERIOD`."""

FPS = 16
STEPS = {"amount": {"slow": 1, "fast": 5}, "direction": {"left": -3, "right": 3}}
"""Pixels a frame: odd, as `PERIOD` is a power of two."""

NAMES = (
    "봄바람",
    "물결",
    "tide",
    "종이배",
    "dune",
    "모래시계",
    "ember",
    "은하수",
    "moss",
    "달무리",
)
"""What the films are called; from the eleventh on a number follows."""

_GRAINS = (1.5, 3.0, 6.0)
_SPREAD = 45.0


@dataclass(frozen=True)
class Plan:
    """How many films are made.

    Parameters
    ----------
    train, test : int
        Films a class.
    shots : int
        Of a film, each of `PERIOD` frames.
    seed : int
    """

    train: int = 6
    test: int = 3
    shots: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("train", 0), ("test", 0), ("shots", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise SettingsError(f"`{name}` must be {least} or more, not {getattr(self, name)}")
        if not self.train + self.test:
            raise SettingsError("no films are asked for: give --train or --test")

    @property
    def pairs(self) -> int:
        """Pairs of an odd frame and the next, in a film."""
        return self.shots * PERIOD // 2

    @property
    def films(self) -> list[tuple[int, str, str]]:
        """Number, name and split of each film of a class."""
        found = []
        for number in range(self.train + self.test):
            lap, place = divmod(number, len(NAMES))
            name = NAMES[place] + (str(lap + 1) if lap else "")
            found.append((number, name, "train" if number < self.train else "test"))
        return found


def texture(rng: np.random.Generator) -> Film:
    """Paint a texture of grains and blobs that comes back after `PERIOD` pixels, RGB."""
    height = SIZE[0]
    colours = rng.uniform(70, 185, 3)
    painted = np.zeros((height, PERIOD, 3))
    for grain in _GRAINS:
        noise = rng.standard_normal((height, PERIOD, 3)).astype(np.float32)
        around = cv2.GaussianBlur(np.tile(noise, (1, 5, 1)), (0, 0), grain)
        one = around[:, 2 * PERIOD : 3 * PERIOD]
        painted += one / one.std() * rng.uniform(0.5, 1.0, 3)
    painted = colours + _SPREAD * painted / painted.std()
    return np.asarray(np.clip(painted, 0, 255), np.uint8)


def film(kind: str, name: str, number: int, plan: Plan) -> Film:
    """Make a film.

    Parameters
    ----------
    kind : {"amount", "direction"}
    name : str
        A class of it.
    number : int
        Which of its films; that of the other class with this number is its twin.
    plan : Plan

    Returns
    -------
    ndarray of uint8, shape (shots * PERIOD, height, width, 3)
    """
    rng = np.random.default_rng([plan.seed, list(STEPS).index(kind), number])
    shots = []
    for _ in range(plan.shots):
        tile = np.tile(texture(rng), (1, SIZE[1] // PERIOD, 1))
        begin, way = int(rng.integers(PERIOD)), int(rng.choice([-1, 1]))
        if kind == "direction":
            way = 1  # the class is the way
        step = way * STEPS[kind][name]
        shots += [np.roll(tile, begin + step * at, axis=1) for at in range(PERIOD)]
    return np.stack(shots)


def write_film(path: Path, frames: Film) -> Path:
    """Write a film without loss, as FFV1 in Matroska."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{path}", "w") as out:
        stream = out.add_stream("ffv1", rate=FPS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for picture in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))
    return path


def write_films(kind: str, folder: Path, plan: Plan) -> Iterator[tuple[Path, str, str, str]]:
    """Write the films of a set, ``<class>_<name>.mkv``.

    Yields
    ------
    tuple of Path, str, str, str
        The file, its class, its name, and the split it is of.
    """
    for number, name, split in plan.films:
        for genre in STEPS[kind]:
            path = folder / f"{genre}_{name}.mkv"
            yield write_film(path, film(kind, genre, number, plan)), genre, name, split


def write_frames(kind: str, folder: Path, plan: Plan) -> Path:
    """Write every pair of a set into a folder, as ``reelpulse genre extract`` lays it out."""
    rows = []
    for number, name, split in plan.films:
        for genre in STEPS[kind]:
            pictures = film(kind, genre, number, plan)
            paths = [
                f"{genre}_{split}/{genre}_{name}_{at:03d}.png" for at in range(1, len(pictures) + 1)
            ]
            for path, picture in zip(paths, pictures, strict=True):
                write_picture(folder / path, picture)
            for at in range(0, len(pictures), 2):
                shot = at // PERIOD * PERIOD
                rows.append(
                    {
                        "genre": genre,
                        "film": name,
                        "split": split,
                        "first": paths[at],
                        "second": paths[at + 1],
                        "range": f"{shot / FPS:g}-{(shot + PERIOD) / FPS:g}",
                        "frame": str(at + 1),
                        "time_first": f"{at / FPS:.4f}",
                        "time_second": f"{(at + 1) / FPS:.4f}",
                    }
                )
    write_table(folder, rows)
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Write a set, as films or as a folder of frames."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("kind", choices=list(STEPS))
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--videos", action="store_true", help="films, instead of pairs of frames")
    usual = Plan()
    for name in ("train", "test", "shots", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(usual, name))
    options = parser.parse_args(arguments)
    try:
        plan = Plan(options.train, options.test, options.shots, options.seed)
        if options.videos:
            for path, *_ in write_films(options.kind, options.output, plan):
                print(path)
        else:
            write_frames(options.kind, options.output, plan)
            print(f"{options.output}: {plan.pairs} pairs of each of {2 * len(plan.films)} films")
    except (ReelpulseError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
