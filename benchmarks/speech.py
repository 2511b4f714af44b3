"""How fast emotions are heard: clips a second, and what the stream adds to a video.

The first table is of 3 s clips of real speech in memory, from samples to probabilities: drawn, and
heard by the built-in model; by one process as `predict` runs it, and by two of one thread each. The
second is of the stream `speech` over a minute of speech: sound read, voices told, emotions heard;
the loudness of the same sound, measured the same way, is what reading it costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from common import SHARED, machine, median, parser, table, use_models, work_folder

from reelpulse.measure import measure
from reelpulse.media import RegularTicks, probe, read_sound, write_sound
from reelpulse.settings import AnalyzeSettings
from reelpulse.speech.model import load_speech
from reelpulse.speech.voice import RATE, load_voice
from reelpulse.streams import STREAMS

CLIP_SECONDS, CORES, GOAL = 3.0, 2, "≥ 50"


def clips_of(folder: Path, count: int) -> np.ndarray:
    """Clips of 3 s of speech, (count, samples)."""
    paths = sorted(folder.glob("*.ogg"))[:: max(1, len(list(folder.glob("*.ogg"))) // count)]
    length = round(CLIP_SECONDS * RATE)
    return np.stack([np.resize(read_sound(path, RATE), length) for path in paths[:count]])


def heard(model: str, clips: np.ndarray, times: int) -> list[float]:
    """Clips a second, once for each time, in this process on one thread."""
    network = load_speech(model)
    network.heard(clips[:2])
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        network.heard(clips)
        found.append(len(clips) / (time.perf_counter() - begin))
    return found


def side_by_side(model: str, clips: np.ndarray, times: int) -> list[float]:
    """Clips a second of several processes together; libraries read the threads as they start."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        jobs = [pool.submit(heard, model, clips, times) for _ in range(CORES)]
        return [sum(rates) for rates in zip(*(job.result() for job in jobs), strict=True)]


def spoken_minutes(clips: np.ndarray, path: Path, minutes: float) -> Path:
    """A file of sound in which somebody speaks all the time."""
    if not path.is_file():
        whole = np.resize(clips.reshape(-1), round(60 * minutes * RATE))
        write_sound(path, whole, RATE)
    return path


def minute_of(stream: str, path: Path, settings: AnalyzeSettings) -> tuple[float, float]:
    """Seconds of CPU that a stream takes for a minute of sound, and the share measured."""
    facts, made = probe(path), STREAMS[stream](settings)
    begin = time.process_time()
    observations = measure(path, facts, RegularTicks(settings.fps), [made])
    seconds = time.process_time() - begin
    values = observations.blocks[stream].values
    return seconds * 60 / facts.duration, float(np.isfinite(values[:, 0]).mean())


def main() -> None:
    made = parser((__doc__ or "").split("\n\n")[0])
    made.add_argument("--work", type=Path, help="folder that keeps what is made")
    made.add_argument("--model", default="builtin", help="model (default: %(default)s)")
    made.add_argument("--clips", type=int, default=100, help="clips (default: %(default)s)")
    made.add_argument("--times", type=int, default=5, help="runs (default: %(default)s)")
    arguments: argparse.Namespace = made.parse_args()
    use_models()
    data = arguments.data or Path(os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    if not any((data / "ravdess").glob("*.ogg")):
        sys.exit(f"{data / 'ravdess'}: no recordings; give --data or set REELPULSE_TEST_DATA")
    before = machine()
    clips = clips_of(data / "ravdess", arguments.clips)
    alone = heard(arguments.model, clips, arguments.times)
    together = side_by_side(arguments.model, clips, arguments.times)
    print(before + "\n")
    rows = [
        (what, f"{median(rates):.0f}", f"{min(rates):.0f} to {max(rates):.0f}", goal)
        for what, rates, goal in (
            ("one process", alone, ""),
            (f"{CORES} processes of one thread", together, GOAL),
        )
    ]
    print(table(["clips of 3 s a second", "median", "range", "goal"], rows) + "\n")
    path = spoken_minutes(clips, work_folder(arguments) / "spoken.flac", 3)
    settings = AnalyzeSettings(speech=arguments.model)
    runs = {
        stream: [minute_of(stream, path, settings) for _ in range(arguments.times)]
        for stream in ("loudness", "speech")
    }
    print(
        table(
            [f"a minute of sound, voices by {load_voice().name}", "CPU s", "ticks measured"],
            [
                (name, f"{median(cost for cost, _ in found):.2f}", f"{found[0][1]:.0%}")
                for name, found in runs.items()
            ],
        )
    )


if __name__ == "__main__":
    main()
