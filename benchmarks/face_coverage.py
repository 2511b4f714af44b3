"""Share of sampled ticks with a face found, by detector, on each clip of the test data.

A tick counts at `strict` or at `loose` when its best face scores at least that. `by eye`: how many
of the ticks looked at by eye show a face, where that is written down in `truth/`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import REPO, faces_folder, parser, table

TRUTH = REPO / "benchmarks" / "truth"
HAMILTON = "face_recognition_short_hamilton_clip.mp4"
ENDINGS = (".mp4", ".mov")


@dataclass(frozen=True)
class Found:
    """The best score of each tick of a clip by one detector; None where no face was found."""

    detector: str
    strict: float
    loose: float
    best: list[float | None]

    def count(self, floor: float, ticks: Sequence[int]) -> int:
        """How many of these ticks have a face scoring at least `floor`."""
        scores = (self.best[tick] for tick in ticks)
        return sum(score is not None and score >= floor for score in scores)


def faces_by_eye() -> dict[str, dict[float, bool]]:
    """Read, for each clip, the times looked at and whether they show a face."""
    seen: dict[str, dict[float, bool]] = {}
    with open(TRUTH / "expressions.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            seen.setdefault(row["clip"], {})[float(row["time"])] = row["face"] == "yes"
    with open(TRUTH / "hamilton_identity.csv", newline="", encoding="utf-8") as file:
        seen[HAMILTON] = {float(r["time"]): int(r["faces"]) > 0 for r in csv.DictReader(file)}
    return seen


def look(path: Path, detectors: Sequence[str], fps: float) -> tuple[list[float], list[Found]]:
    """Run detectors over the ticks of a clip; it is decoded once."""
    from reelpulse.faces.detectors import load_detector
    from reelpulse.media import RegularTicks, TickReader, probe

    models = [load_detector(name) for name in detectors]
    found = [Found(model.name, model.strict, model.loose, []) for model in models]
    times: list[float] = []
    for tick in TickReader(path, probe(path), RegularTicks(fps)):
        times.append(tick.time)
        image = tick.image
        for model, each in zip(models, found, strict=True):
            faces = model(image) if image is not None else []
            each.best.append(faces[0].score if faces else None)
    return times, found


def at_hand(names: Sequence[str]) -> list[str]:
    """Leave out detectors whose weights or package are missing, and say so."""
    from reelpulse.errors import ReelpulseError
    from reelpulse.faces.detectors import load_detector

    usable = []
    for name in names:
        try:
            load_detector(name)
        except ReelpulseError as error:
            print(f"left out: {error}", file=sys.stderr)
        else:
            usable.append(name)
    return usable


def options() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument(
        "--detector",
        action="append",
        help="give it again for more (default: yunet, dlib, and mtcnn where it is at hand)",
    )
    made.add_argument("--fps", type=float, default=2.0, help="ticks a second (%(default)g)")
    made.add_argument("--clip", action="append", help="only this clip; give it again for more")
    return made.parse_args()


def main() -> None:
    arguments = options()
    folder = faces_folder(arguments)
    detectors = at_hand(arguments.detector or ["yunet", "dlib", "mtcnn"])
    clips = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    if arguments.clip:
        clips = [path for path in clips if path.name in arguments.clip]
    by_eye = faces_by_eye()
    rows = []
    strays = []
    header: list[str] = []
    for path in clips:
        times, found = look(path, detectors, arguments.fps)
        everything = range(len(times))
        known = by_eye.get(path.name, {})
        looked = [known[time] for time in times if time in known]
        shown = f"{sum(looked)}/{len(looked)}" if looked else "–"
        cells: list[str] = []
        for each in found:
            for floor in (each.strict, each.loose):
                cells.append(share(each.count(floor, everything), len(times)))
            empty = [tick for tick in everything if known.get(times[tick]) is False]
            if wrong := each.count(each.loose, empty):
                strays.append((path.stem, each.detector, f"{wrong} of {len(empty)}"))
        rows.append((path.stem, len(times), shown, *cells))
        header = ["clip", "ticks", "by eye"]
        for each in found:
            header += [f"{each.detector} ≥ {each.strict:g}", f"≥ {each.loose:g}"]
    print(f"Shares of the ticks, {arguments.fps:g} a second, with a face found.\n")
    print(table(header, rows))
    if strays:
        print("\nTicks that show no face by eye, but have one found at loose:\n")
        print(table(["clip", "detector", "ticks"], strays))


def share(count: int, whole: int) -> str:
    """Write a share in percent."""
    return f"{count / whole:.0%}" if whole else "–"


if __name__ == "__main__":
    main()
