"""Make one of the streams of `composite.py` as a real video, analyse it, and compare.

Prints, for each column, how far the composed timeline lies from what `analyze` measures in the
video, and the average precision of both against the planted truth.
"""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
from common import SHARED, parser, table, use_models, work_folder
from composite import CLIPS, RATE, SECONDS, Script, make_script, make_streams
from tension import judged

import reelpulse
from reelpulse.moments.tension import tension
from reelpulse.streams import load_laughter

FPS = 25
LONGER_SIDE = 512


def frames_of(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Times and pictures of a short clip, made small."""
    times, pictures = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            scale = LONGER_SIDE / max(picture.shape[:2])
            size = [round(side * scale / 2) * 2 for side in picture.shape[1::-1]]
            times.append(frame.time)
            pictures.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return np.array(times) - times[0], pictures


def render(script: Script, clip: Path, path: Path, seconds: float) -> None:
    """Write H.264 and AAC of the first seconds of a script."""
    times, pictures = frames_of(clip)
    blank = np.full_like(pictures[0], 40)
    with av.open(str(path), "w") as container:
        film = container.add_stream(
            "libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"}
        )
        film.height, film.width = pictures[0].shape[:2]
        film.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(round(seconds * FPS)):
            at = script.source(number / FPS)
            picture = blank if np.isnan(at) else pictures[int(np.argmin(np.abs(times - at)))]
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(film.encode())
        for start in range(0, round(seconds * RATE), RATE):
            piece = np.ascontiguousarray(script.sound[None, start : start + RATE], np.float32)
            frame = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--work", type=Path, help="folder that keeps the video and its results")
    made.add_argument("--part", choices=list(CLIPS), default="final")
    made.add_argument(
        "--clip", type=int, default=1, help="number of the clip (default: %(default)s)"
    )
    made.add_argument("--seed", type=int, default=0)
    arguments = made.parse_args()
    use_models()
    data = arguments.data or Path(os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    work = work_folder(arguments)
    script = make_script(data, arguments.part, arguments.clip, arguments.seed)
    video = work / f"stream-{arguments.part}-{arguments.clip}-{arguments.seed}.mp4"
    if not video.exists():
        render(script, data / "faces" / script.clip.file, video, SECONDS)
    detectors = {"builtin": load_laughter("builtin")}
    streams = make_streams(data, arguments.part, [arguments.seed], work, detectors)
    stream = streams[arguments.clip]
    composed = stream.with_laughter("builtin")
    measured = reelpulse.analyze(video, out=work, emotion="builtin", laughter="builtin")
    count = min(len(composed), len(measured))
    rows = []
    for name in composed.columns:
        one, other = composed.column(name)[:count], measured.column(name)[:count]
        both = np.isfinite(one) & np.isfinite(other)
        apart = np.abs(one - other)[both]
        alike = np.corrcoef(one[both], other[both])[0, 1]
        rows.append((name, f"{np.median(apart):.3f}", f"{alike:.3f}", f"{both.mean():.0%}"))
    print(f"{video.name}: {SECONDS / 60:g} minutes, {video.stat().st_size / 1e6:.0f} MB.\n")
    print(table(("column", "median difference", "correlation", "measured in both"), rows), "\n")
    for name, timeline in (("composed", composed), ("measured in the video", measured)):
        score = np.resize(tension(timeline), len(stream.timeline))
        precision, f1, _, _ = judged(stream, score)
        print(f"{name}: average precision {precision:.3f}, F1 {f1:.3f}")


if __name__ == "__main__":
    main()
