"""Which networks learn what no single frame shows: every one of them on the films of genre_films.

On films that differ in the amount of motion, networks of single frames are to stay near chance (one
half), and all networks of pairs are to exceed .9; on films that differ in its direction too, but
for ``motion_magnitude``, which is told of no direction. All begin with random weights, on pictures
that are small enough for a CPU, with rates of their own: the published ones are of pretrained
networks and of pictures of 224 points or more.

    python recipes/genre_proof.py
    python recipes/genre_proof.py --kind direction --network six_channel -o proof.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from genre_films import STEPS, Plan, write_frames

from reelpulse.errors import ReelpulseError
from reelpulse.files import write_json
from reelpulse.genre.fitting import fit_genre
from reelpulse.genre.networks import GENRE_NETWORKS
from reelpulse.genre.settings import plan
from reelpulse.genre.train import made_set, read_folder
from reelpulse.settings import GenreTrainSettings

NEAR_CHANCE = (0.35, 0.65)
LEARNT = 0.9


@dataclass(frozen=True)
class How:
    """How a network is trained here; Adam, without pretrained weights.

    Parameters
    ----------
    size : str
        Height and width of its pictures.
    epochs, batch : int
    rate : float
    single : bool
        Whether it looks at single frames.
    """

    size: str
    epochs: int
    batch: int = 16
    rate: float = 1e-3
    single: bool = False


NETWORKS = {
    "fc": How("68x120", 3, rate=1e-4, single=True),
    "vgg16": How("32x32", 1, 64, 1e-4, single=True),
    "resnet50": How("80x80", 1, single=True),
    "inception_v3": How("80x80", 1, single=True),
    "flownet_fc": How("80x80", 2),
    "six_channel": How("80x80", 2),
    "double_stack": How("80x80", 1),
    "motion_magnitude": How("80x80", 1),
    "flow_pair": How("80x80", 2),
}

PLAN = Plan(shots=20)
"""Networks that see nothing but pixels must meet many textures, or they learn these by heart."""


@dataclass(frozen=True)
class Trial:
    """How a network did.

    Parameters
    ----------
    kind, network : str
    accuracy : float
        Share of the test's pairs that were right, of films that it had not seen.
    pairs : int
        Of the test.
    epochs : int
        Passes made.
    seconds : float
    """

    kind: str
    network: str
    accuracy: float
    pairs: int
    epochs: int
    seconds: float

    @property
    def expected(self) -> str:
        """What is to be seen."""
        blind = self.kind == "direction" and self.network == "motion_magnitude"
        return "chance" if NETWORKS[self.network].single or blind else "learnt"

    @property
    def holds(self) -> bool:
        """Whether it is."""
        if self.expected == "learnt":
            return self.accuracy > LEARNT
        return NEAR_CHANCE[0] <= self.accuracy <= NEAR_CHANCE[1]


def prove(frames: Path, kind: str, network: str, how: How | None = None, seed: int = 0) -> Trial:
    """Train a network on a folder that `genre_films.write_frames` made, and test it.

    Parameters
    ----------
    frames : Path
    kind : {"amount", "direction"}
    network : str
        A key of `NETWORKS`.
    how : How, optional
        In place of what stands there.
    seed : int
    """
    how = how or NETWORKS[network]
    chosen = plan(
        GenreTrainSettings(),
        {
            "network": network,
            "size": how.size,
            "epochs": how.epochs,
            "batch": how.batch,
            "rate": how.rate,
            "optimiser": "adam",
            "pretrained": False,
            "seed": seed,
            "step_decay": 1.0,
            "threads": 1,  # where cores are shared, two wait for each other
            "decay": 0.0,
            # A film held back has a twin of the other class that is trained on: it would mislead.
            "held_back": 0.0,
        },
    )
    pairs, dealt, _ = read_folder(frames, chosen.settings)
    kept, (parts, *_) = made_set(pairs, chosen), dealt
    fitted = fit_genre(pairs, kept, parts, chosen)
    guessed = fitted.outputs(kept, parts.test).argmax(1)
    right = float(np.mean(guessed == pairs.labels[parts.test]))
    return Trial(kind, network, right, len(parts.test), fitted.epochs, fitted.seconds)


def table(trials: Sequence[Trial]) -> str:
    """Lay the trials out."""
    lines = [
        "| films differ in | network | right in the test | passes | seconds | expected |",
        "|---|---|---|---|---|---|",
    ]
    for one in trials:
        lines.append(
            f"| {one.kind} | {one.network} | {one.accuracy:.3f} of {one.pairs} | {one.epochs} |"
            f" {one.seconds:.0f} | {one.expected}{'' if one.holds else ': NOT SO'} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Train every network on both kinds of films and print who learnt what."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kind", action="append", choices=list(STEPS), help="again for more")
    parser.add_argument("--network", action="append", choices=list(GENRE_NETWORKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="JSON of all figures")
    options = parser.parse_args(arguments)
    trials = []
    try:
        with TemporaryDirectory() as folder:
            for kind in options.kind or STEPS:
                frames = write_frames(kind, Path(folder) / kind, replace(PLAN, seed=options.seed))
                for network in options.network or NETWORKS:
                    trials.append(prove(frames, kind, network, seed=options.seed))
                    print(table(trials[-1:]).split("\n")[-1], file=sys.stderr, flush=True)
        if options.output is not None:
            write_json(options.output, {"trials": [vars(one) for one in trials]})
    except ReelpulseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(trials))
    return 0 if all(one.holds for one in trials) else 1


if __name__ == "__main__":
    raise SystemExit(main())
