"""Folders of pairs of frames whose genre their colour tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from reelpulse.genre.pictures import write_picture

COLOURS = {"horror": (200, 40, 40), "romance": (40, 200, 40), "sf": (40, 40, 200)}

Picture = npt.NDArray[np.uint8]


def frame(genre: str, film: int, number: int, size: tuple[int, int] = (30, 40)) -> Picture:
    """A noisy picture of a genre's colour."""
    rng = np.random.default_rng([list(COLOURS).index(genre), film, number])
    noise = rng.integers(-30, 30, (*size, 3))
    return np.clip(np.array(COLOURS[genre]) + noise, 0, 255).astype(np.uint8)


def write_frames(
    folder: Path,
    *,
    train: int = 3,
    test: int = 1,
    pairs: int = 4,
    genres: tuple[str, ...] = tuple(COLOURS),
) -> Path:
    """Write so many films a genre to train on and to test, each of so many pairs."""
    for genre in genres:
        for film in range(train + test):
            part = folder / f"{genre}_{'train' if film < train else 'test'}"
            part.mkdir(parents=True, exist_ok=True)
            for number in range(1, 2 * pairs + 1):
                path = part / f"{genre}_movie{film + 1}_{number:03d}.png"
                write_picture(path, frame(genre, film, number))
    return folder


def write_scenes(folder: Path, *, scenes: int = 4, pairs: int = 2) -> Path:
    """Write one film a genre, of so many scenes, with a table that tells them."""
    lines = ["genre,film,split,first,second,range"]
    for genre in COLOURS:
        write_frames(folder, train=1, test=0, pairs=scenes * pairs, genres=(genre,))
        for number in range(scenes * pairs):
            one, other = (
                f"{genre}_train/{genre}_movie1_{2 * number + place:03d}.png" for place in (1, 2)
            )
            scene = number // pairs
            lines.append(f"{genre},movie1,train,{one},{other},00:00:{scene:02d}-00:00:{scene + 1}")
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
