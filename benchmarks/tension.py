"""What finds the planted funny moments: tension, its parts, and what it must beat.

Streams of `composite.py`. For each contender: average precision of its score a tick against the
funny seconds; F1 of its best moments (as many as there are funny ones) at an overlap (IoU) of 0.3;
false alarms an hour among them; and what the wrong ones were. Intervals are 95 % of 2,000
resamplings of the streams.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from common import SHARED, parser, table, use_models, work_folder
from composite import CLIPS, FOLDS, SECONDS, Stream, make_streams
from sklearn.metrics import average_precision_score

from reelpulse.moments.detect import spans
from reelpulse.moments.tension import tension_parts
from reelpulse.settings import WEIGHTS, MomentSettings
from reelpulse.streams import load_laughter
from reelpulse.timeline import FACE_COLUMNS, Timeline

Score = Callable[[Stream], np.ndarray]
_IOU = 0.3


def contenders() -> dict[str, Score]:
    """Name each score to be tried."""
    rng = np.random.default_rng(0)
    return {
        "random": lambda stream: rng.random(len(stream.timeline)),
        "loudness": _column("loudness"),
        "happiness": _column("happiness"),
        "laughter, built-in": _column("laughter", "builtin"),
        "laughter, yamnet": _column("laughter", "yamnet"),
        "tension of the sound, built-in laughter": _tension("builtin", hidden=FACE_COLUMNS),
        "tension of the face": _tension(None, hidden=("loudness",)),
        "tension without laughter": _tension(None),
        "tension, yamnet": _tension("yamnet"),
        "tension, built-in: without `together`": _tension("builtin", together=0.0),
        "tension, built-in: without loudness": _tension("builtin", loudness=0.0),
        "tension, built-in: without arousal": _tension("builtin", arousal=0.0),
        "tension, built-in: without valence": _tension("builtin", valence=0.0),
        "tension, built-in: without expression": _tension("builtin", expression=0.0),
        "**tension, built-in laughter**": _tension("builtin"),
    }


def _timeline(stream: Stream, detector: str | None) -> Timeline:
    return stream.with_laughter(detector) if detector else stream.timeline


def _column(name: str, detector: str | None = None) -> Score:
    return lambda stream: np.nan_to_num(_timeline(stream, detector).column(name).astype(float))


def _tension(detector: str | None, hidden: Sequence[str] = (), **changes: float) -> Score:
    def score(stream: Stream) -> np.ndarray:
        timeline = _timeline(stream, detector)
        values = timeline.values.copy()
        values[:, [timeline.columns.index(name) for name in hidden]] = np.nan
        left = Timeline(timeline.times, values, timeline.columns, timeline.meta)
        return tension_parts(left, {**WEIGHTS, **changes}).score

    return score


def judged(stream: Stream, score: np.ndarray) -> tuple[float, float, float, Counter[str]]:
    """AP a tick, F1 of moments, false alarms an hour, and what the wrong moments were."""
    times, truth = stream.timeline.times, stream.truth
    funny = np.any([(times >= start) & (times < end) for start, end in truth], axis=0)
    settings = MomentSettings(top=len(truth), min_score=0.0)
    found = spans(times, score, (0.0, SECONDS), settings)
    missed = list(truth)
    wrong: Counter[str] = Counter()
    for span in found:
        match = next((t for t in missed if _iou((span.start, span.end), t) >= _IOU), None)
        if match is not None:
            missed.remove(match)
            continue
        peak = times[span.tick]
        near = [e.kind for e in stream.events if e.start - 1 <= peak < e.end + 1]
        wrong[near[0] if near else "nothing"] += 1
    hits = len(truth) - len(missed)
    alarms = (len(found) - hits) * 3600 / SECONDS
    f1 = 2 * hits / (len(found) + len(truth))
    return float(average_precision_score(funny, score)), f1, alarms, wrong


def _iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / (a[1] - a[0] + b[1] - b[0] - shared)


def interval(values: list[float]) -> str:
    """Mean, and 95 % of 2,000 resamplings."""
    rng = np.random.default_rng(0)
    drawn = np.array(values)[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.mean(values):.2f} ({low:.2f}–{high:.2f})"


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--work", type=Path, help="folder that keeps the clips' measured faces")
    made.add_argument("--part", choices=list(CLIPS), default="final")
    made.add_argument(
        "--laughter",
        default="runs/laughter/fold{fold}.onnx",
        help="built-in detector trained without the part's fold, as recipes/laughter.py leaves it"
        " in its work folder (default: %(default)s)",
    )
    made.add_argument("--seeds", type=int, default=4, help="streams a clip (default: %(default)s)")
    arguments = made.parse_args()
    use_models()
    data = arguments.data or Path(os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    work = work_folder(arguments)
    fold = arguments.laughter.format(fold=FOLDS[arguments.part])
    detectors = {"builtin": load_laughter(fold), "yamnet": load_laughter("yamnet")}
    streams = make_streams(data, arguments.part, range(arguments.seeds), work, detectors)
    minutes = len(streams) * SECONDS / 60
    print(f"{len(streams)} streams (`{arguments.part}`), {minutes:g} minutes.\n")
    rows = []
    for name, score in contenders().items():
        aps, f1s, alarms, kinds = zip(
            *(judged(stream, score(stream)) for stream in streams), strict=True
        )
        wrong = sum(kinds, Counter()).most_common(3)
        rows.append(
            (
                name,
                interval(list(aps)),
                interval(list(f1s)),
                f"{np.mean(alarms):.1f}",
                ", ".join(f"{kind} {count}" for kind, count in wrong),
            )
        )
    head = ("score", "AP a tick", "F1 at IoU .3", "false alarms an hour", "wrong ones")
    print(table(head, rows))


if __name__ == "__main__":
    main()
