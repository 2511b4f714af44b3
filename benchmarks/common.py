"""What the benchmarks share: where the data lies, the film, processes and their cost, tables."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"

PIECES = (
    ("avobjects_demo.mp4", 0.25),
    ("latentsync_demo2.mp4", 1 / 3),
    ("face_recognition_short_hamilton_clip.mp4", 1 / 6),
    ("facenet_pytorch_video.mp4", 0.25),
)
"""Clips of the film and their shares of it: small faces on TV, one talker close by, shots of a
stage, a crowd. Each is looped to its share, scaled to 1080 lines and padded to 16:9."""

QUIET_LOAD = 0.5
"""Load average a core above which times are marked as taken on a busy machine."""


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds on the wall and of all its threads, peak memory in MiB."""

    wall: float
    cpu: float
    peak: float
    stdout: str


def parser(description: str) -> argparse.ArgumentParser:
    """Make a parser that has ``--data``."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--data",
        type=Path,
        help="folder of test data (default: $REELPULSE_TEST_DATA, or ../shared/data beside the"
        " repository)",
    )
    return made


def add_work(made: argparse.ArgumentParser) -> None:
    """Give a parser the options of the film's making."""
    made.add_argument(
        "--work", type=Path, help="folder that keeps what is made (default: a temporary one)"
    )
    made.add_argument(
        "--seconds", type=float, default=60.0, help="length of the film (default: %(default)g)"
    )
    made.add_argument(
        "--crf", type=int, default=21, help="x264's quality, less is more (default: %(default)s)"
    )
    add_emotion(made)


def add_emotion(made: argparse.ArgumentParser) -> None:
    """Give a parser ``--emotion``, where only the model's size matters."""
    made.add_argument(
        "--emotion", help="emotion model (default: an EfficientNet-B0 of random weights)"
    )


def use_models() -> None:
    """Let this process and its children find the weights."""
    os.environ.setdefault("REELPULSE_MODELS", str(SHARED / "models"))


def faces_folder(arguments: argparse.Namespace) -> Path:
    """Find the clips, and the weights for this process and its children."""
    use_models()
    data = arguments.data or Path(os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    folder = Path(data) / "faces"
    if not folder.is_dir():
        sys.exit(f"{folder}: no such folder; give --data or set REELPULSE_TEST_DATA")
    return folder


def work_folder(arguments: argparse.Namespace) -> Path:
    """Return the folder of ``--work``, or a temporary one that goes with the process."""
    if arguments.work is not None:
        arguments.work.mkdir(parents=True, exist_ok=True)
        return Path(arguments.work)
    temporary = tempfile.TemporaryDirectory(prefix="reelpulse-benchmark-")
    arguments.keep_alive = temporary
    return Path(temporary.name)


def run(command: Sequence[str | Path]) -> Cost:
    """Run a process to its end and say what it cost; its failure ends the benchmark."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=errors
        )
        # Not of all children so far: Linux keeps only the largest of their peaks.
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if child.returncode:
            tail = errors.read()[-2000:].decode(errors="replace")
            sys.exit(f"{' '.join(map(str, command))}: exit {child.returncode}\n{tail}")
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        text = out.read().decode(errors="replace")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, text)


def median(values: Iterable[float]) -> float:
    """Middle of some values; of two, their mean."""
    return statistics.median(values)


def make_film(folder: Path, work: Path, seconds: float, crf: int) -> Path:
    """Make 1920x1080, 25 fps, H.264 + AAC out of `PIECES`, unless it is there."""
    film = work / f"film_{seconds:g}s_1080p25_crf{crf}.mp4"
    if film.exists():
        return film
    inputs: list[str | Path] = []
    chains = []
    for index, (name, share) in enumerate(PIECES):
        inputs += ["-stream_loop", "-1", "-t", f"{seconds * share:.3f}", "-i", folder / name]
        chains.append(
            f"[{index}:v]fps=25:start_time=0,"
            "scale=1920:1080:force_original_aspect_ratio=decrease,pad=1920:1080:-1:-1,"
            f"setsar=1,format=yuv420p[v{index}];"
            f"[{index}:a]aresample=48000,aformat=channel_layouts=stereo[a{index}];"
        )
    joined = "".join(f"[v{index}][a{index}]" for index in range(len(PIECES)))
    graph = "".join(chains) + f"{joined}concat=n={len(PIECES)}:v=1:a=1[v][a]"
    part = film.with_suffix(".part.mp4")
    video = ["-c:v", "libx264", "-preset", "medium", "-crf", str(crf)]
    sound = ["-c:a", "aac", "-b:a", "160k"]
    head = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    maps = ["-map", "[v]", "-map", "[a]", "-t", f"{seconds:g}"]
    run([*head, *inputs, "-filter_complex", graph, *maps, *video, *sound, part])
    part.replace(film)
    return film


def describe_film(film: Path, seconds: float, crf: int) -> str:
    """Say what the film is."""
    parts = ", ".join(f"{Path(name).stem} {seconds * share:g} s" for name, share in PIECES)
    rate = film.stat().st_size * 8 / seconds / 1e6
    return (
        f"Film: {seconds:g} s of 1920x1080, 25 fps, H.264 (x264 medium, crf {crf}) and AAC,"
        f" {rate:.1f} Mbit/s: {parts}; looped, scaled and padded to 16:9."
    )


def emotion_model(arguments: argparse.Namespace, work: Path) -> str:
    """Return the model of ``--emotion``, or make one of random weights."""
    if arguments.emotion:
        return str(arguments.emotion)
    path = work / "random_efficientnet_b0.onnx"
    if not path.exists():
        # In a process of its own: a child's peak memory counts its parent's at the time of birth.
        run([sys.executable, REPO / "benchmarks" / "random_emotion.py", path])
    return str(path)


def analyze_command(film: Path, out: Path, emotion: str) -> list[str | Path]:
    """Return the command line that is measured."""
    models = ["--detector", "yunet", "--identity", "mobilefacenet", "--emotion", emotion]
    return [sys.executable, "-m", "reelpulse", "analyze", film, "-o", out, *models]


def machine() -> str:
    """Say what the machine is and whether it was quiet."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    busy = " **Busy machine: not for publishing.**" if load / cores > QUIET_LOAD else ""
    version = "none"
    if shutil.which("ffmpeg"):
        version = run(["ffmpeg", "-version"]).stdout.split("Copyright")[0].split()[-1]
    return f"Machine: {cores} cores, load average {load:.1f} at the start; ffmpeg {version}.{busy}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table; numbers to the right."""
    texts = [[str(cell) for cell in row] for row in rows]

    def is_number(column: int) -> bool:
        cells = [row[column] for row in texts]
        return bool(cells) and all(cell[:1].isdigit() or cell in ("", "–") for cell in cells)

    marks = ["---:" if is_number(column) else "---" for column in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(header), marks, *texts])
