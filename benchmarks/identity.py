"""Ticks of the Hamilton clip with a person on screen, by eye, against the ticks found by photo.

Each portrait is looked for with each identity model. Without an identity model nobody can be looked
for by photo; then the person seen most is followed, and set against the same list.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import REPO, add_emotion, emotion_model, faces_folder, parser, table, work_folder

CLIP = "face_recognition_short_hamilton_clip.mp4"
TRUTH = REPO / "benchmarks" / "truth" / "hamilton_identity.csv"
PEOPLE = {
    "lin_manuel_miranda": "lin-manuel-miranda.png",
    "alex_lacamoire": "alex-lacamoire.png",
}
YES, PROFILE = "yes", "profile"
"""On screen with the face to be seen; on screen, but turned away or cut off."""


@dataclass
class Score:
    """Times found, set against what was seen by eye."""

    seen: list[float]
    found: list[float]
    profile: list[float]
    any_face: list[float]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def right(self) -> list[float]:
        """Found, and on screen; in profile counts."""
        return [time for time in self.found if time in self.seen or time in self.profile]

    @property
    def wrong(self) -> list[float]:
        """Found, but not on screen."""
        return [time for time in self.found if time not in self.right]

    @property
    def missed(self) -> list[float]:
        """On screen with the face to be seen, but not found."""
        return [time for time in self.seen if time not in self.found]

    def row(self) -> tuple[str, ...]:
        """Write the cells of a table."""
        hits = len(self.seen) - len(self.missed)
        turned = sum(time in self.found for time in self.profile)
        similarity = self.facts.get("similarity")
        return (
            str(len(self.seen)),
            str(hits),
            f"{turned}/{len(self.profile)}" if self.profile else "–",
            f"{len(self.right) / len(self.found):.2f}" if self.found else "–",
            f"{hits / len(self.seen):.2f}" if self.seen else "–",
            f"{similarity:.3f}" if similarity is not None else "–",
            listed(self.wrong),
            listed([time for time in self.missed if time in self.any_face]),
            listed([time for time in self.missed if time not in self.any_face]),
        )


HEADER = (
    *("identity", "followed", "by eye", "found", "in profile"),
    *("precision", "recall", "best similarity", "wrong at", "missed at", "no face found at"),
)


def listed(times: list[float]) -> str:
    """Write times in seconds."""
    return " ".join(f"{time:g}" for time in times) or "–"


def read_truth() -> dict[str, dict[float, str]]:
    """Read, for each person, what was seen of them at each time."""
    with open(TRUTH, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: {float(row["time"]): row[name] for row in rows} for name in PEOPLE}


def follow(
    clip: Path, out: Path, truth: dict[float, str], photo: Path | None, models: dict[str, str]
) -> Score:
    """Analyse the clip, following a photo or the person seen most."""
    import reelpulse
    from reelpulse.timeline import load_observations

    timeline = reelpulse.analyze(clip, out=out, person=[str(photo)] if photo else [], **models)
    measured = np.isfinite(timeline.column("valence"))
    faces = load_observations(timeline.meta["file"]).faces
    boxes = timeline.times[np.unique(faces.tick)] if faces is not None else timeline.times[:0]

    def at(values: np.ndarray[Any, Any]) -> list[float]:
        return [time for time in truth if np.any(np.abs(values - time) < 1e-3)]

    return Score(
        [time for time, seen in truth.items() if seen == YES],
        at(timeline.times[measured]),
        [time for time, seen in truth.items() if seen == PROFILE],
        at(boxes),
        timeline.meta["person"],
    )


def options() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--work", type=Path, help="folder that keeps what is made")
    add_emotion(made)
    made.add_argument("--detector", default="yunet", help="(default: %(default)s)")
    made.add_argument(
        "--identity",
        action="append",
        help="give it again for more (default: mobilefacenet, dlib and none)",
    )
    return made.parse_args()


def main() -> None:
    from reelpulse.errors import ModelError

    arguments = options()
    folder, work = faces_folder(arguments), work_folder(arguments)
    emotion = emotion_model(arguments, work)
    truth = read_truth()
    rows = []
    for identity in arguments.identity or ["mobilefacenet", "dlib", "none"]:
        models = {"detector": arguments.detector, "identity": identity, "emotion": emotion}
        with tempfile.TemporaryDirectory(dir=work) as out:
            for name, photo in PEOPLE.items():
                portrait = folder / photo if identity != "none" else None
                try:
                    score = follow(folder / CLIP, Path(out), truth[name], portrait, models)
                except ModelError as error:
                    print(f"left out: {error}", file=sys.stderr)
                    break
                followed = photo if portrait else f"seen most, against {name}"
                rows.append((identity, followed, *score.row()))
    print(f"Ticks of `{CLIP}`, 2 a second; detector {arguments.detector}. Recall is of the ticks")
    print("where the face is to be seen by eye; one found in profile is right, but not required.\n")
    print(table(HEADER, rows))


if __name__ == "__main__":
    main()
