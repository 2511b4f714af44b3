"""Ticks of the Hamilton clip with a person on screen, by eye, against the ticks found by photo.

Each portrait is looked for with each identity model; then nobody is asked for, and the person seen
most is followed. Without an identity model only that is possible.
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
MOST_SEEN = "lin_manuel_miranda"
"""Who has the most ticks by eye, to be followed where no photo is given."""

YES, PROFILE = "yes", "profile"
"""On screen with the face to be seen; on screen, but turned away or cut off."""


@dataclass
class Score:
    """Times found, set against what was seen by eye."""

    seen: list[float]
    found: list[float]
    profile: list[float]
    any_face: list[float]
    boxes: dict[float, str]
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
    clip: Path, out: Path, truth: dict[float, str], photo: Path | None, models: dict[str, Any]
) -> Score:
    """Analyse the clip, following a photo or the person seen most."""
    import reelpulse
    from reelpulse.timeline import FACE_COLUMNS, load_observations

    timeline = reelpulse.analyze(clip, out=out, person=[str(photo)] if photo else [], **models)
    values = timeline.select(FACE_COLUMNS).values
    faces = load_observations(timeline.meta["file"]).faces
    assert faces is not None, "the clip has pictures, so its faces were looked for"
    times = {round(float(time), 3): index for index, time in enumerate(timeline.times)}
    any_face, boxes = [], {}
    for time in truth:
        tick = times[time]
        for row in np.flatnonzero(faces.tick == tick):
            any_face.append(time)
            # Which of the tick's faces was followed, the timeline does not say; its values do.
            if np.array_equal(faces.values[row], values[tick]):
                boxes[time] = " ".join(f"{value:.0f}" for value in faces.box[row])
    return Score(
        [time for time, seen in truth.items() if seen == YES],
        [time for time in truth if np.isfinite(values[times[time]]).all()],
        [time for time, seen in truth.items() if seen == PROFILE],
        any_face,
        boxes,
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
    made.add_argument(
        "--ticks", action="store_true", help="also print the box of the face followed, tick by tick"
    )
    return made.parse_args()


def main() -> None:
    from reelpulse.errors import ModelError

    arguments = options()
    folder, work = faces_folder(arguments), work_folder(arguments)
    emotion = emotion_model(arguments, work)
    truth = read_truth()
    rows: list[tuple[str, ...]] = []
    ticks: list[tuple[str, ...]] = []
    for identity in arguments.identity or ["mobilefacenet", "dlib", "none"]:
        models = {"detector": arguments.detector, "identity": identity, "emotion": emotion}
        asked = [(name, folder / photo) for name, photo in PEOPLE.items() if identity != "none"]
        with tempfile.TemporaryDirectory(dir=work) as out:
            for name, photo in [*asked, (MOST_SEEN, None)]:
                try:
                    score = follow(folder / CLIP, Path(out), truth[name], photo, models)
                except ModelError as error:
                    print(f"left out: {error}", file=sys.stderr)
                    break
                followed = photo.name if photo else f"seen most, against {name}"
                rows.append((identity, followed, *score.row()))
                for time, box in score.boxes.items():
                    ticks.append((identity, followed, f"{time:g}", truth[name][time], box))
    print(f"Ticks of `{CLIP}`, 2 a second; detector {arguments.detector}. Recall is of the ticks")
    print("where the face is to be seen by eye; one found in profile is right, but not required.\n")
    print(table(HEADER, rows))
    if arguments.ticks:
        print("\n" + table(["identity", "followed", "time", "by eye", "box x y w h"], ticks))


if __name__ == "__main__":
    main()
