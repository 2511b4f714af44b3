"""What the clips show by eye against what the timeline says, tick by tick.

Strict agreement: the leading emotion is the label. Lenient: it is the label or one noted beside it
as acceptable too. Both are shares of the ticks whose label is one of the eight emotions; a tick in
which no face was found does not agree. Labels such as `talking` are shown, not scored.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import REPO, faces_folder, parser, table

TRUTH = REPO / "benchmarks" / "truth" / "expressions.csv"
RESULTS = REPO / "benchmarks" / "results" / "expressions.md"
NONE = "none"
_ALTERNATIVES = "alt:"


@dataclass(frozen=True)
class Tick:
    """A look by eye, and what the timeline says of it; `leading` is empty without a face."""

    clip: str
    time: float
    seen: str
    accepted: frozenset[str]
    leading: str = ""
    probability: float = float("nan")
    valence: float = float("nan")
    arousal: float = float("nan")

    def row(self) -> tuple[str, ...]:
        """Write the cells of a table."""
        also = ", ".join(sorted(self.accepted - {self.seen}))
        seen = f"{self.seen} ({also})" if also else self.seen
        head = (Path(self.clip).stem, f"{self.time:.1f}", seen)
        if not self.leading:
            return (*head, "no face", "", "", "")
        values = (f"{self.probability:.2f}", f"{self.valence:+.2f}", f"{self.arousal:+.2f}")
        return (*head, self.leading, *values)


def read_truth(path: Path) -> list[Tick]:
    """Read what was seen by eye."""
    ticks = []
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            _, _, others = row["note"].rpartition(_ALTERNATIVES)
            named = others if _ALTERNATIVES in row["note"] else ""
            accepted = {row["seen"], *(word.strip() for word in named.split(",") if word.strip())}
            ticks.append(Tick(row["clip"], float(row["time"]), row["seen"], frozenset(accepted)))
    return ticks


def measure(path: Path, looks: Sequence[Tick], settings: dict[str, Any]) -> list[Tick]:
    """Analyse a clip and put the timeline's values beside each look."""
    import reelpulse
    from reelpulse.timeline import EMOTIONS

    with tempfile.TemporaryDirectory() as out:
        timeline = reelpulse.analyze(path, out=out, **settings)
    emotions = timeline.select(EMOTIONS).values
    measured = []
    for look in looks:
        there = np.flatnonzero(np.abs(timeline.times - look.time) < 1e-3)
        if not len(there):
            raise SystemExit(f"{path.name}: the timeline has no tick at {look.time:g} s")
        tick = int(there[0])
        best = ""
        probability = float("nan")
        if np.isfinite(emotions[tick]).all():
            place = int(emotions[tick].argmax())
            best, probability = EMOTIONS[place], float(emotions[tick, place])
        valence, arousal = (float(timeline.column(c)[tick]) for c in ("valence", "arousal"))
        measured.append(
            Tick(
                *(look.clip, look.time, look.seen, look.accepted),
                *(best, probability, valence, arousal),
            )
        )
    return measured


def summary(ticks: Sequence[Tick]) -> str:
    """Write the agreement of each clip and of all."""
    clips = list(dict.fromkeys(tick.clip for tick in ticks))
    groups = [(Path(clip).stem, [t for t in ticks if t.clip == clip]) for clip in clips]
    header = ["clip", "ticks", "scored", "strict", "lenient", "no face by eye", "none found there"]
    return table(header, [_agreement(name, group) for name, group in [*groups, ("all", ticks)]])


def _agreement(name: str, ticks: Sequence[Tick]) -> tuple[str, ...]:
    scored = [tick for tick in ticks if _is_emotion(tick.seen)]
    strict = sum(tick.leading == tick.seen for tick in scored)
    lenient = sum(tick.leading in tick.accepted for tick in scored)
    empty = [tick for tick in ticks if tick.seen == NONE]
    absent = sum(not tick.leading for tick in empty)
    shares = (_share(strict, len(scored)), _share(lenient, len(scored)))
    return (name, str(len(ticks)), str(len(scored)), *shares, str(len(empty)), str(absent))


def _is_emotion(label: str) -> bool:
    from reelpulse.timeline import EMOTIONS

    return label in EMOTIONS


def _share(count: int, whole: int) -> str:
    return f"{count / whole:.0%} ({count})" if whole else "–"


def constant(ticks: Sequence[Tick]) -> str:
    """Say what one answer to everything would reach, to set beside the agreement."""
    labels = Counter(tick.seen for tick in ticks if _is_emotion(tick.seen))
    if not labels:
        return ""
    label, count = labels.most_common(1)[0]
    return f"Answering `{label}` always would reach {_share(count, labels.total())} strictly."


def by_label(ticks: Sequence[Tick]) -> str:
    """Write, for each label by eye, what led and the mean valence and arousal."""
    rows = []
    for label, count in Counter(tick.seen for tick in ticks).most_common():
        group = [tick for tick in ticks if tick.seen == label]
        led = Counter(tick.leading or "no face" for tick in group).most_common()
        found = [tick for tick in group if tick.leading]
        means = ["", ""]
        if found:
            pairs = np.array([(tick.valence, tick.arousal) for tick in found])
            means = [f"{mean:+.2f}" for mean in pairs.mean(axis=0)]
        rows.append((label, count, ", ".join(f"{name} {n}" for name, n in led), *means))
    return table(["by eye", "ticks", "leading emotion", "mean valence", "mean arousal"], rows)


def options() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--emotion", default="builtin", help="emotion model (default: %(default)s)")
    made.add_argument("--detector", default="yunet", help="(default: %(default)s)")
    made.add_argument("--identity", default="mobilefacenet", help="(default: %(default)s)")
    made.add_argument(
        "--truth", type=Path, default=TRUTH, help="default: benchmarks/truth/expressions.csv"
    )
    made.add_argument("--clip", action="append", help="only this clip; give it again for more")
    made.add_argument(
        *("-o", "--output"),
        type=Path,
        default=RESULTS,
        help="file for all tables (default: benchmarks/results/expressions.md)",
    )
    return made.parse_args()


def main() -> None:
    from reelpulse import hub
    from reelpulse.files import digest

    arguments = options()
    folder = faces_folder(arguments)
    settings = {key: getattr(arguments, key) for key in ("emotion", "detector", "identity")}
    looks: dict[str, list[Tick]] = {}
    for look in read_truth(arguments.truth):
        if not arguments.clip or look.clip in arguments.clip:
            looks.setdefault(look.clip, []).append(look)
    ticks = [
        tick for clip, ours in looks.items() for tick in measure(folder / clip, ours, settings)
    ]
    model = Path(arguments.emotion).name
    checksum = digest(hub.obtain(arguments.emotion))
    short = f"{summary(ticks)}\n\n{constant(ticks)}\n\n{by_label(ticks)}\n"
    header = ["clip", "time", "by eye", "leading", "probability", "valence", "arousal"]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(
        f"# Expressions by eye and by `{model}` ({checksum})\n\n{__doc__}\n{short}\n"
        "## Tick by tick\n\n"
        "In brackets: labels that are acceptable too.\n\n"
        f"{table(header, [tick.row() for tick in ticks])}\n",
        encoding="utf-8",
    )
    print(f"Emotion model `{model}` ({checksum}), detector {arguments.detector}.\n\n{short}")
    print(f"Tick by tick: {arguments.output.name}")


if __name__ == "__main__":
    main()
