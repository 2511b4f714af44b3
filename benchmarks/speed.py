"""Wall time of `reelpulse analyze` beside ffmpeg's decoding and a plain loop, in one run.

The contenders take turns (A B C A B C ...), each as a whole process; medians are printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import (
    REPO,
    Cost,
    add_work,
    analyze_command,
    describe_film,
    emotion_model,
    faces_folder,
    machine,
    make_film,
    median,
    parser,
    run,
    table,
    work_folder,
)

GOALS = {"analyze": "≤ 1.5", "first tick": "≤ 1.5 s", "--help": "≤ 0.3 s"}

FIRST_TICK = """
import os, sys, time
import reelpulse.measure as measure
whole = measure._measured
def first(*arguments):
    whole(*arguments)
    print(time.time())
    sys.stdout.flush()
    os._exit(0)
measure._measured = first
from reelpulse.cli import main
sys.argv = ["reelpulse", *sys.argv[1:]]
main()
"""
"""A program that ends where `analyze` has measured its first tick, and prints the time."""


def contenders(
    film: Path, emotion: str, analyze: Callable[[], Cost], loops: list[str]
) -> dict[str, Callable[[], Cost]]:
    """Name what is compared; ffmpeg first, for the others are multiples of it."""

    def loop(detector: str) -> Callable[[], Cost]:
        script = REPO / "benchmarks" / "plain_loop.py"
        models = ["--emotion", emotion, "--detector", detector]
        return lambda: run([sys.executable, script, film, *models])

    ffmpeg: list[str | Path] = ["ffmpeg", "-nostdin", "-v", "error", "-i", film, "-f", "null", "-"]
    made = {"`ffmpeg -i FILE -f null -`": lambda: run(ffmpeg), "`reelpulse analyze`": analyze}
    return made | {f"plain loop, {detector}": loop(detector) for detector in loops}


def analyze_once(film: Path, emotion: str, work: Path) -> Cost:
    """Run `analyze` into a fresh folder."""
    with tempfile.TemporaryDirectory(dir=work) as out:
        return run(analyze_command(film, Path(out), emotion))


def first_tick(film: Path, emotion: str, work: Path) -> float:
    """Measure seconds from the start of the process to the first tick."""
    with tempfile.TemporaryDirectory(dir=work) as out:
        arguments = analyze_command(film, Path(out), emotion)[3:]
        begin = time.time()
        cost = run([sys.executable, "-c", FIRST_TICK, *arguments])
        return float(cost.stdout.split()[-1]) - begin


def options() -> argparse.Namespace:
    made = parser(__doc__ or "")
    add_work(made)
    made.add_argument("--film", type=Path, help="measure this file instead of the film")
    made.add_argument("--repeat", type=int, default=5, help="turns (default: %(default)s)")
    made.add_argument(
        "--mtcnn", action="store_true", help="also the plain loop with facenet-pytorch's MTCNN"
    )
    made.add_argument("--no-loop", action="store_true", help="leave the plain loop out")
    made.add_argument("--profile", action="store_true", help="also say where `analyze` spends time")
    return made.parse_args()


def main() -> None:
    arguments = options()
    folder, work = faces_folder(arguments), work_folder(arguments)
    before = machine()
    film = arguments.film or make_film(folder, work, arguments.seconds, arguments.crf)
    emotion = emotion_model(arguments, work)
    loops = [] if arguments.no_loop else ["yunet"]
    if arguments.mtcnn and importlib.util.find_spec("facenet_pytorch"):
        loops.append("mtcnn")
    elif arguments.mtcnn:
        print("facenet_pytorch is not installed: no MTCNN\n", file=sys.stderr)
    film.read_bytes()  # into the system's cache, so that the first does not wait for the disk
    runs = contenders(film, emotion, lambda: analyze_once(film, emotion, work), loops)
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    ticks, helps = [], []
    for _ in range(arguments.repeat):
        for name, start in runs.items():
            costs[name].append(start())
        ticks.append(first_tick(film, emotion, work))
        helps.append(run([sys.executable, "-m", "reelpulse", "--help"]).wall)

    print(before)
    if arguments.film is None:
        print(describe_film(film, arguments.seconds, arguments.crf))
    print(f"Medians of {arguments.repeat} runs in turn, whole processes.\n")
    print(speed_table(costs))
    starts = [
        ("start to first tick of `analyze`", ticks, GOALS["first tick"]),
        ("`reelpulse --help`", helps, GOALS["--help"]),
    ]
    rows = [(n, f"{median(v):.2f}", f"{min(v):.2f}–{max(v):.2f}", goal) for n, v, goal in starts]
    print("\n" + table(["start", "s", "range", "goal"], rows))
    if arguments.profile:
        with tempfile.TemporaryDirectory(dir=work) as out:
            script = REPO / "benchmarks" / "profiling.py"
            command = [sys.executable, script, film, "--emotion", emotion, "-o", out]
            print("\n" + run(command).stdout)


def speed_table(costs: dict[str, list[Cost]]) -> str:
    """Write walls, ratios and CPU time; a ratio is the median of the turns' own ratios."""
    rows = []
    base = next(iter(costs.values()))
    for name, taken in costs.items():
        walls = [cost.wall for cost in taken]
        ratios = [cost.wall / first.wall for cost, first in zip(taken, base, strict=True)]
        rows.append(
            (
                name,
                f"{median(walls):.2f}",
                f"{min(walls):.2f}–{max(walls):.2f}",
                f"{median(ratios):.2f}",
                f"{median(cost.cpu for cost in taken):.2f}",
                f"{median(cost.peak for cost in taken):.0f}",
                GOALS["analyze"] if "analyze" in name else "",
            )
        )
    header = ["what", "wall s", "range", "× ffmpeg", "CPU s", "peak MiB", "goal × ffmpeg"]
    return table(header, rows)


if __name__ == "__main__":
    main()
