"""3D animation against SF on pieces of open films: a smoke test of the whole way, and no figure.

The pieces are of Big Buck Bunny and Sintel (3D animation) and of Tears of Steel (SF), by the
Blender Foundation, CC BY 3.0. There is one SF film: it cannot be trained on and be new in the test.
So the split is by scene (a shot): the films of the test are those of the training, and what is
printed says that all works, and nothing of how well genres are told apart.

    python recipes/genre_open_films.py FOLDER_OF_PIECES --work work/
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from reelpulse.errors import DataError, ReelpulseError, at
from reelpulse.genre.clean import clean
from reelpulse.genre.extract import extract
from reelpulse.genre.model import load_genre
from reelpulse.genre.networks import GENRE_NETWORKS
from reelpulse.genre.predict import predict_film
from reelpulse.genre.shots import stretches
from reelpulse.genre.train import train
from reelpulse.media import probe

PIECES = {
    "bbb_0_30_moviepy.webm": ("animation_3d", "Big Buck Bunny"),
    "fluxstream_sintel.webm": ("animation_3d", "Sintel"),
    "tears_of_steel_battle_mdn.webm": ("sf", "Tears of Steel"),
}
"""Genre and film of each piece. `fluxstream_bunny.webm` is left out: it shows the scenes of the
first."""

MARGIN = 0.15
"""Seconds left out at both ends of a scene: so exactly is a cut known."""

SHORTEST = 0.5
SHARE = 0.8
"""Of the pairs of a scene, those that are drawn at most: some ranges lose one at their edge."""


@dataclass(frozen=True)
class Scenes:
    """The scenes of a piece, as ``genre extract`` takes them, and how many pairs fit."""

    ranges: str
    count: int
    pairs: int


def scenes(path: Path) -> Scenes:
    """Find the scenes of a piece: its shots."""
    facts = probe(path)
    spans: dict[int, tuple[float, float]] = {}
    for part in stretches(path, facts, pairs=1):
        begin, _ = spans.get(part.shot, (part.start, 0.0))
        spans[part.shot] = begin, part.end
    inside = [(begin + MARGIN, end - MARGIN) for begin, end in spans.values()]
    inside = [(begin, end) for begin, end in inside if end - begin >= SHORTEST]
    if not inside:
        raise DataError(at(path, "has no scene that is long enough"))
    seconds = sum(end - begin for begin, end in inside)
    ranges = ",".join(f"{begin:.2f}-{end:.2f}" for begin, end in inside)
    return Scenes(ranges, len(inside), int(SHARE * seconds * facts.rate / 2))


def gather(folder: Path, frames: Path, most: int) -> list[str]:
    """Extract pairs of every piece and clean them; a line of each."""
    lines = []
    for name, (genre, film) in PIECES.items():
        found = scenes(folder / name)
        made = extract(
            folder / name, frames, genre=genre, film=film, ranges=found.ranges,
            pairs=min(most, found.pairs),
        )  # fmt: skip
        lines.append(f"{film} ({genre}): {made.pairs} pairs of {found.count} scenes")
    clean(frames)
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Extract, clean, train, export and predict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="where the pieces lie")
    parser.add_argument("--work", type=Path, required=True, help="folder for frames and model")
    parser.add_argument("--network", default="flow_pair", choices=list(GENRE_NETWORKS))
    parser.add_argument("--pairs", type=int, default=120, help="of a piece, at most")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", default="96x160")
    options = parser.parse_args(arguments)
    frames, model = options.work / "frames", options.work / "genre.onnx"
    try:
        lines = gather(options.folder, frames, options.pairs)
        trained = train(
            frames, model, network=options.network, split="scene", epochs=options.epochs, batch=16,
            size=options.size,
        )  # fmt: skip
        first = next(iter(PIECES))
        shares = predict_film(options.folder / first, load_genre(model)).probabilities
    except ReelpulseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    parts = trained.facts["parts"]
    right = round(float(trained.tested.scores()["accuracy"].value) * parts["test"]["pairs"])
    print("\n".join(lines))
    print(
        f"{options.network}, split by scene: {parts['train']['pairs']} pairs trained on; of"
        f" {parts['test']['pairs']} pairs of other scenes of the same films {right} right."
    )
    told = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
    print(f"{first}, all of it: {told}")
    print(
        "A smoke test: there is one SF film, so that no film of the test is new, and this is no"
        " figure of how well genres are told apart."
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
