"""Peak memory of `reelpulse analyze` on a short film and on the same content looped to an hour.

Each run is a process of its own; its peak resident memory is what the system counted for it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from common import (
    Cost,
    add_work,
    analyze_command,
    describe_film,
    emotion_model,
    faces_folder,
    machine,
    make_film,
    parser,
    run,
    table,
    work_folder,
)

GOAL = "≤ 1.2"


def looped(film: Path, times: int) -> Path:
    """Repeat a film, its packets copied, unless that is there."""
    path = film.with_name(f"{film.stem}_x{times}.mp4")
    if not path.exists():
        part = path.with_suffix(".part.mp4")
        head = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-stream_loop", str(times - 1)]
        run([*head, "-i", film, "-c", "copy", part])
        part.replace(path)
    return path


def options() -> argparse.Namespace:
    made = parser(__doc__ or "")
    add_work(made)
    made.add_argument(
        "--minutes", type=float, default=60.0, help="length of the long one (%(default)g)"
    )
    made.add_argument("--film", type=Path, help="measure this file instead of the film")
    return made.parse_args()


def main() -> None:
    arguments = options()
    folder, work = faces_folder(arguments), work_folder(arguments)
    before = machine()
    film = arguments.film or make_film(folder, work, arguments.seconds, arguments.crf)
    emotion = emotion_model(arguments, work)
    times = max(2, round(arguments.minutes * 60 / arguments.seconds))
    costs: dict[int, Cost] = {}
    for count in (1, times):
        path = film if count == 1 else looped(film, count)
        with tempfile.TemporaryDirectory(dir=work) as out:
            costs[count] = run(analyze_command(path, Path(out), emotion))
    print(before)
    if arguments.film is None:
        print(describe_film(film, arguments.seconds, arguments.crf))
    print("Peak resident memory of `reelpulse analyze`, a process each.\n")
    rows = []
    for count, cost in costs.items():
        minutes = f"{count * arguments.seconds / 60:g}"
        ratio = f"{cost.peak / costs[1].peak:.2f}"
        goal = GOAL if count > 1 else ""
        rows.append((minutes, f"{cost.peak:.0f}", ratio, goal, f"{cost.wall:.1f}"))
    print(table(["minutes", "peak MiB", "ratio", "goal", "wall s"], rows))


if __name__ == "__main__":
    main()
