"""How well cuts between two frames are told, and how fast pairs are extracted and cleaned.

The shots are those of the test data's films and faces, told apart by `truth/genre_cuts.csv`, which
a person wrote. Pairs with a cut: the real ones, and planted ones, frames of two shots of one film
or of two. Pairs without: neighbours inside shots, and hard ones made of them: the camera shaken and
blurred, a flash, a fade, frames four apart where motion is already fast. PySceneDetect's
ContentDetector, where it is installed, judges the same pairs by its own threshold.
"""

from __future__ import annotations

import csv
import importlib.util
import itertools
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from common import faces_folder, machine, parser, table, work_folder

from reelpulse.genre.clean import clean, is_black
from reelpulse.genre.cuts import CUT, frame_change
from reelpulse.genre.extract import extract

TRUTH = Path(__file__).parent / "truth" / "genre_cuts.csv"
CONTENT_THRESHOLD = 27.0
"""ContentDetector's own default."""

WIDTH = 320
LEAST_SHOT = 8
PLANTED, NEIGHBOURS, HARD = 600, 1500, 300
FAST_SHARE = 0.1
"""Of the neighbours, those that differ most pixel by pixel: there motion is fast."""

Frame = np.ndarray
Pair = tuple[Frame, Frame]
Measure = Callable[[Frame, Frame], float]


def frames_of(path: Path) -> list[Frame]:
    """Every frame of a film, small."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        height = round(WIDTH * stream.height / stream.width / 2) * 2
        return [
            frame.to_ndarray(format="rgb24", width=WIDTH, height=height)
            for frame in container.decode(stream)
        ]


def shots_of(data: Path) -> tuple[list[list[Frame]], list[Pair]]:
    """Shots without their black frames, and the real cuts between them."""
    cuts = defaultdict[str, list[int]](list)
    with open(TRUTH, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cuts[row["file"]].append(int(row["frame"]))
    shots, real = list[list[Frame]](), list[Pair]()
    for path in sorted([*data.glob("films/*.webm"), *data.glob("faces/*.m*")]):
        frames = frames_of(path)
        bounds = [0, *sorted(cuts[path.relative_to(data).as_posix()]), len(frames)]
        real += [(frames[n - 1], frames[n]) for n in bounds[1:-1]]
        pieces = (frames[a:b] for a, b in itertools.pairwise(bounds))
        shots += [[frame for frame in piece if not is_black(frame)] for piece in pieces]
    real = [pair for pair in real if not any(map(is_black, pair))]
    return [shot for shot in shots if len(shot) >= LEAST_SHOT], real


def planted(shots: list[list[Frame]], rng: np.random.Generator) -> list[Pair]:
    """The last frame of a shot and the first of another, as an editor would join them."""
    pairs = []
    while len(pairs) < PLANTED:
        one, other = rng.choice(len(shots), 2, replace=False)
        size = shots[one][0].shape[1::-1]
        second = shots[other][rng.integers(len(shots[other]))]
        pairs.append((shots[one][rng.integers(len(shots[one]))], cv2.resize(second, size)))
    return pairs


def shaken(pair: Pair, rng: np.random.Generator) -> Pair:
    """The second frame moved by up to a tenth and blurred along that way."""
    height, width = pair[1].shape[:2]
    dx, dy = rng.uniform(-0.1, 0.1, 2) * (width, height)
    moved = cv2.warpAffine(
        pair[1],
        np.array([[1, 0, dx], [0, 1, dy]]),
        (width, height),
        borderMode=cv2.BORDER_REFLECT,
    )
    steps = max(1, int(np.hypot(dx, dy) / 3))
    way = [np.array([[1, 0, dx / 3 * i / steps], [0, 1, dy / 3 * i / steps]]) for i in range(steps)]
    blurred = [
        cv2.warpAffine(moved, w, (width, height), borderMode=cv2.BORDER_REFLECT) for w in way
    ]
    return pair[0], np.mean(blurred, axis=0).astype(np.uint8)


def flashed(pair: Pair, rng: np.random.Generator) -> Pair:
    """The second frame lit up."""
    lit = pair[1].astype(np.float32) * rng.uniform(1.2, 1.8) + rng.uniform(20, 80)
    return pair[0], np.clip(lit, 0, 255).astype(np.uint8)


def faded(pair: Pair, rng: np.random.Generator) -> Pair:
    """Both frames on the way to black."""
    light = rng.uniform(0.2, 0.8)
    first, second = (
        (frame * share).astype(np.uint8)
        for frame, share in zip(pair, (light, 0.85 * light), strict=True)
    )
    return first, second


def difference(pair: Pair) -> float:
    """Mean difference pixel by pixel."""
    return float(np.mean(cv2.absdiff(*pair)))


def kinds(data: Path, seed: int) -> Iterator[tuple[str, bool, list[Pair]]]:
    """Name, whether there are cuts, and the pairs."""
    rng = np.random.default_rng(seed)
    shots, real = shots_of(data)
    yield "real cuts", True, real
    yield "planted cuts", True, planted(shots, rng)
    inside = [(a, b) for shot in shots for a, b in itertools.pairwise(shot)]
    some = [inside[i] for i in rng.permutation(len(inside))]
    yield "neighbours", False, some[:NEIGHBOURS]
    for name, change in (("shaken", shaken), ("flash", flashed), ("fade", faded)):
        yield name, False, [change(pair, rng) for pair in some[:HARD]]
    apart = [(shot[i], shot[i + 4]) for shot in shots for i in range(len(shot) - 4)]
    apart.sort(key=difference)
    apart = apart[-int(FAST_SHARE * len(apart)) :]
    chosen = rng.choice(len(apart), min(HARD, len(apart)), replace=False)
    yield "fast, four apart", False, [apart[i] for i in chosen]
    inside.sort(key=difference)
    yield "fastest neighbours", False, inside[-HARD:]


def content_value() -> Measure | None:
    """Wrap PySceneDetect's measure of one pair, or None where it is not installed."""
    if importlib.util.find_spec("scenedetect") is None:
        return None
    from scenedetect import FrameTimecode, StatsManager
    from scenedetect.detectors import ContentDetector

    def measure(first: Frame, second: Frame) -> float:
        detector = ContentDetector(min_scene_len=1)
        detector.stats_manager = StatsManager()
        for number, frame in enumerate((first, second)):
            bgr = np.ascontiguousarray(frame[:, :, ::-1])
            detector.process_frame(FrameTimecode(number, fps=25.0), bgr)
        at = FrameTimecode(1, fps=25.0)
        return float(detector.stats_manager.get_metrics(at, ["content_val"])[0])

    return measure


def best_threshold(scores: np.ndarray, cut: np.ndarray) -> float:
    """The threshold of the highest F1."""
    found = [
        (f1(scores >= level, cut), level) for level in np.quantile(scores, np.arange(0, 1, 2e-3))
    ]
    return float(max(found)[1])


def f1(said: np.ndarray, cut: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    return 2 * float((said & cut).sum()) / max(1, int(said.sum() + cut.sum()))


def judged(data: Path, seed: int) -> None:
    """Print what each measure makes of each kind of pairs."""
    measures: dict[str, tuple[Measure | None, float]] = {
        "frame_change": (frame_change, CUT),
        "ContentDetector": (content_value(), CONTENT_THRESHOLD),
    }
    groups = list(kinds(data, seed))
    for name, (measure, threshold) in measures.items():
        if measure is None:
            print(f"\n{name}: not installed")
            continue
        begin = time.process_time()
        scores = [np.array([measure(*pair) for pair in pairs]) for _, _, pairs in groups]
        seconds = time.process_time() - begin
        cut = np.concatenate([np.full(len(p), is_cut) for _, is_cut, p in groups])
        every = np.concatenate(scores)
        print(f"\n**{name}**, {1000 * seconds / len(every):.1f} ms of CPU a pair\n")
        rows = []
        levels = {"own": threshold, "best": best_threshold(every, cut)}
        for (kind, is_cut, pairs), values in zip(groups, scores, strict=True):
            shares = [f"{np.mean(values >= level):.1%}" for level in levels.values()]
            spread = "–".join(f"{q:.2f}" for q in np.quantile(values, (0.01, 0.5, 0.99)))
            rows.append([kind, "cut" if is_cut else "none", len(pairs), *shares, spread])
        said = [f"called cuts at {level:.2f} ({kind})" for kind, level in levels.items()]
        print(table(["pairs", "truth", "count", *said, "1 %–median–99 %"], rows))
        for kind, level in levels.items():
            right = (every >= level) & cut
            precision = right.sum() / max(1, (every >= level).sum())
            print(
                f"\n{kind} threshold {level:.2f}: precision {precision:.3f},"
                f" recall {right.sum() / cut.sum():.3f}, F1 {f1(every >= level, cut):.3f}"
            )


def speed(film: Path, work: Path, pairs: int) -> None:
    """Print how long extracting and cleaning take."""
    rows = []
    for kind in ("png", "jpg"):
        out = work / f"frames_{kind}"
        shutil.rmtree(out, ignore_errors=True)
        begin, used = time.perf_counter(), time.process_time()
        done = extract(film, out, genre="sf", pairs=pairs, format=kind)
        wall, cpu = time.perf_counter() - begin, time.process_time() - used
        rows.append([f"extract, {kind}", done.pairs, wall, cpu, done.pairs / wall])
        begin, used = time.perf_counter(), time.process_time()
        kept = clean(out)
        wall, cpu = time.perf_counter() - begin, time.process_time() - used
        rows.append([f"clean, {kind}", kept.kept + len(kept.dropped), wall, cpu, pairs / wall])
    print(f"\n{film.name}\n")
    shown = [[a, b, *(f"{x:.1f}" for x in rest)] for a, b, *rest in rows]
    print(table(["what", "pairs", "wall s", "CPU s", "pairs a second"], shown))


def main() -> None:
    made = parser((__doc__ or "").split("\n\n")[0])
    made.add_argument("--work", type=Path, help="folder that keeps what is made")
    made.add_argument("--seed", type=int, default=0, help="of the pairs (default: %(default)s)")
    made.add_argument("--film", type=Path, help="a film to extract from (default: one of the data)")
    made.add_argument("--pairs", type=int, default=300, help="(default: %(default)s)")
    made.add_argument("--no-cuts", action="store_true", help="measure the speed alone")
    arguments = made.parse_args()
    data = faces_folder(arguments).parent
    print(machine())
    if not arguments.no_cuts:
        judged(data, arguments.seed)
    film = arguments.film or data / "films" / "tears_of_steel_battle_mdn.webm"
    speed(film, work_folder(arguments), arguments.pairs)


if __name__ == "__main__":
    main()
