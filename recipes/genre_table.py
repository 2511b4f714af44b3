"""The published table of film genres, trained again on any extracted set of pairs of frames.

The published figures are of nine films a genre (eight trained on, one tested), 300 pairs each,
which are not free: `genre_table_films.csv` lists them, titles as published. Whatever set is given
here is another one, so that the two columns stand beside each other and no more. Its networks of
pairs were trained at batch 64 and the best one of single frames at 128, to which its analysis
credits the difference; so those are run at both.

    reelpulse genre extract FILM --genre GENRE --ranges ... -o frames/
    python recipes/genre_table.py frames/ -o table.json

Stopped and run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import reelpulse
from reelpulse.errors import ReelpulseError
from reelpulse.files import write_json
from reelpulse.genre.listing import write_table
from reelpulse.genre.pairs import Pairs, load_pairs
from reelpulse.genre.presets import PRESETS
from reelpulse.genre.settings import Plan, plan
from reelpulse.genre.train import train
from reelpulse.settings import GenreTrainSettings

FILMS = Path(__file__).with_name("genre_table_films.csv")
"""The films of the published table: genre, split, Korean title; the spelling is the source's."""


ROWS = (
    *("fc", "vgg16", "resnet50", "flownet_fc", "inception_v3", "inception_v3_64"),
    *("six_channel", "six_channel_128", "double_stack", "double_stack_128"),
    *("motion_magnitude", "motion_magnitude_128", "flow_pair"),
)
"""Presets, in the table's order; `flow_pair` is one of our own."""


# The films


@dataclass(frozen=True)
class Listed:
    """A film of the published table."""

    genre: str
    split: str
    title: str


def listed(path: Path = FILMS) -> list[Listed]:
    """Read the list of films."""
    with open(path, encoding="utf-8", newline="") as file:
        return [Listed(row["genre"], row["split"], row["title_ko"]) for row in csv.DictReader(file)]


def plain(title: str) -> str:
    """Reduce a title to its letters and digits, so that spaces and signs do not tell two apart."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", title)).casefold()


def at_hand(pairs: Pairs, films: list[Listed]) -> list[Listed]:
    """Tell which films of the list a set has, by genre and title."""
    there = {(str(g), plain(str(f))) for g, f in zip(pairs.genres, pairs.films, strict=True)}
    return [film for film in films if (film.genre, plain(film.title)) in there]


def told(pairs: Pairs, films: list[Listed]) -> list[str]:
    """Say what the set is: pairs, films, and those of the published table among them."""
    counts = Counter(map(str, pairs.splits))
    there = at_hand(pairs, films)
    return [
        f"{len(pairs)} pairs of {len(set(pairs.film_keys))} films, {len(pairs.classes)} classes"
        f" ({', '.join(pairs.classes)}): {counts['train']} pairs to train on, {counts['test']} to"
        " test with.",
        f"Films of the published table at hand: {len(there)} of {len(films)}"
        f"{':' if there else '.'}",
        *(f"- {film.genre}, {film.split}: {film.title}" for film in there),
    ]


# The trainings


@dataclass(frozen=True)
class Short:
    """How the trainings are cut short, if they are: passes, size of pictures, pairs a film."""

    epochs: int | None = None
    size: str | None = None
    limit: int | None = None

    @property
    def text(self) -> str:
        """What is said of it; "" where nothing is cut short."""
        parts = []
        if self.epochs is not None:
            parts.append(f"at most {self.epochs} passes")
        if self.size is not None:
            parts.append(f"pictures of {self.size}")
        if self.limit is not None:
            parts.append(f"at most {self.limit} pairs a film")
        return ", ".join(parts)


def limited(pairs: Pairs, most: int, folder: Path) -> Path:
    """Copy a set with at most so many pairs of each film, spread evenly over it."""
    rows = []
    for film in sorted(set(pairs.film_keys)):
        own = np.flatnonzero(pairs.film_keys == film)
        for row in own[np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int)]:
            names = {}
            for column in ("first", "second"):
                source = getattr(pairs, column)[row]
                target = folder / source.relative_to(pairs.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)  # anew: the set may have been drawn again
                names[column] = target.relative_to(folder).as_posix()
            facts = {"genre": pairs.genres[row], "film": pairs.films[row], **names}
            facts |= {"split": pairs.splits[row], "range": pairs.scenes[row]}
            rows.append({name: str(value) for name, value in facts.items()})
    write_table(folder, rows)
    return folder


def plan_of(name: str, short: Short, base: GenreTrainSettings) -> Plan:
    """How a row is trained: its preset, cut short as asked for."""
    changes: dict[str, Any] = {"preset": name}
    if short.epochs is not None:
        changes["epochs"] = min(short.epochs, PRESETS[name].epochs)
    if short.size is not None:
        changes["size"] = short.size
    return plan(base, changes)


def fill(
    frames: Path, work: Path, rows: Sequence[str], short: Short, base: GenreTrainSettings,
    logs: Path | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:  # fmt: skip
    """Train the rows; what an earlier run finished under the same settings is taken from it.

    Returns
    -------
    list of dict
        A line a row that could be trained.
    dict of str to str
        The others, and why not.
    """
    print_of = load_pairs(frames).fingerprint
    done, failed = list[dict[str, Any]](), dict[str, str]()
    for name in rows:
        kept = work / f"{name}.json"
        try:
            chosen = plan_of(name, short, base)
            found = read(kept, chosen, print_of)
            if found is None:
                print(f"{name} …", file=sys.stderr, flush=True)
                trained = train(
                    frames, work / f"{name}.onnx", chosen.settings,
                    logs=None if logs is None else logs / name,
                )  # fmt: skip
                found = trained.as_dict()
                write_json(kept, found)
        except ReelpulseError as error:
            failed[name] = str(error)
            continue
        done.append({"row": name, "published": PRESETS[name].published, **found})
    return done, failed


def read(path: Path, chosen: Plan, pairs: str) -> dict[str, Any] | None:
    """Figures of a row that an earlier run finished with the same settings and pairs."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = found["settings"] == chosen.as_dict() and found["data"]["fingerprint"] == pairs
        same &= found["reelpulse"] == reelpulse.__version__
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if same else None


def table(rows: Sequence[dict[str, Any]], failed: dict[str, str], head: Sequence[str]) -> str:
    """Lay the two columns side by side: shares of the test's pairs that were right, in %."""
    lines = [
        *head,
        "",
        "| preset | size | passes | batch | optimiser, rate | published | ours (95 %) | macro F1 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        how, scores = row["settings"], row["test"]["scores"]
        value, low, high = scores["accuracy"]
        interval = "" if low is None else f" ({100 * low:.1f} to {100 * high:.1f})"
        published = "–" if row["published"] is None else f"{row['published']:.1f}"
        lines.append(
            f"| {row['row']} | {how['size']} | {row['epochs']} | {how['batch']} |"
            f" {how['optimiser']}, {how['rate']:g} | {published} | {100 * value:.1f}{interval} |"
            f" {scores['macro_f1'][0]:.3f} |"
        )
    lines += [f"| {name} | | | | | | failed | |" for name in failed]
    own = {name: ", ".join(PRESETS[name].ours) for name in ROWS if PRESETS[name].ours}
    return "\n".join(
        [
            *lines,
            "",
            "The published films differ from these, unless all are at hand. Not published, and our"
            f" choice: {'; '.join(f'{what} of {name}' for name, what in own.items())}; that the"
            " weights of the last pass count.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Train every row of the table on a folder of frames and print the two columns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("frames", type=Path, help="a folder that `reelpulse genre extract` made")
    parser.add_argument("-o", "--output", type=Path, help="JSON of all figures")
    parser.add_argument("--work", type=Path, help="folder of models and figures, to go on from")
    parser.add_argument("--logs", type=Path, help="folder for TensorBoard")
    parser.add_argument("--row", action="append", choices=ROWS, help="this alone; again for more")
    parser.add_argument("--epochs", type=int, help="at most so many passes")
    parser.add_argument("--size", help="of all pictures, such as 96x160")
    parser.add_argument("--limit", type=int, help="at most so many pairs a film")
    usual = GenreTrainSettings(held_back=0.0)  # as published: every film not tested is trained on
    parser.add_argument("--no-pretrained", dest="pretrained", action="store_false")
    parser.add_argument("--seed", type=int, default=usual.seed)
    options = parser.parse_args(arguments)
    short = Short(options.epochs, options.size, options.limit)
    work = options.work or options.frames / "table"
    try:
        pairs = load_pairs(options.frames)
        head = [*pairs.notes, *told(pairs, listed())]
        if short.text:
            head.append(f"Cut short: {short.text}.")
        frames = options.frames
        if short.limit is not None:
            frames = limited(pairs, short.limit, work / f"limited_{short.limit}")
        base = replace(usual, seed=options.seed, pretrained=options.pretrained)
        rows, failed = fill(frames, work, options.row or ROWS, short, base, options.logs)
        if options.output is not None:
            write_json(options.output, {"rows": rows, "failed": failed})
    except ReelpulseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(rows, failed, head))
    for name, problem in failed.items():
        print(f"error: {name}: {problem}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
