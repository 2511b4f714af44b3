"""Say where `reelpulse analyze` spends its time, by wrapping its functions from outside.

Times are a part's own: what it calls that is also listed is subtracted. Waiting is shown apart.
"""

from __future__ import annotations

import time

BEGIN = time.perf_counter()

import argparse  # noqa: E402
import functools  # noqa: E402
import threading  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from common import table, use_models  # noqa: E402

MAIN, DECODE = "main", "decode"
_END = object()


class Clock:
    """Own wall and CPU time of each part, by thread."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], list[float]] = {}
        self._local = threading.local()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block."""
        stack = self._local.__dict__.setdefault("stack", [])
        inner = [0.0, 0.0]
        stack.append(inner)
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            stack.pop()
            if stack:
                stack[-1][0] += wall
                stack[-1][1] += cpu
            self.add(name, wall - inner[0], cpu - inner[1])

    def add(self, name: str, wall: float, cpu: float, calls: int = 1) -> None:
        """Put time on a part's account."""
        thread = MAIN if threading.current_thread() is threading.main_thread() else DECODE
        account = self.parts.setdefault((thread, name), [0, 0.0, 0.0])
        account[0] += calls
        account[1] += wall
        account[2] += cpu

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Time a function or method from now on."""
        setattr(owner, name, self.timed(getattr(owner, name), part))

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Return the function, timed."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.part(part):
                return function(*arguments, **named)

        return timed

    def wrap_iterator(self, owner: Any, name: str, part: str) -> None:
        """Time each step of what a method yields."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def timed(*arguments: Any) -> Iterator[Any]:
            steps = iter(original(*arguments))
            while True:
                with self.part(part):
                    item = next(steps, _END)
                if item is _END:
                    return
                yield item

        setattr(owner, name, timed)


def wrap_all(clock: Clock) -> None:
    """Wrap what `analyze` does, part by part."""
    from reelpulse import analysis, batch, measure
    from reelpulse.faces.detectors import DlibHog, Mtcnn, YuNet
    from reelpulse.faces.emotion import EmotionModel
    from reelpulse.faces.identity import DlibResNet, MobileFaceNet, SFace
    from reelpulse.media.audio import SoundReader
    from reelpulse.media.ticks import TickReader
    from reelpulse.media.video import FrameReader, Picture
    from reelpulse.streams import FaceStream, LoudnessStream, face

    convert: Any = vars(Picture)["rgb"]
    rgb = functools.cached_property(clock.timed(convert.func, "convert to RGB"))
    rgb.__set_name__(Picture, "rgb")
    Picture.rgb = rgb  # type: ignore[assignment]
    clock.wrap_iterator(TickReader, "__iter__", "wait for decoding")
    clock.wrap_iterator(FrameReader, "__iter__", "decode pictures")
    for method in ("before", "advance"):
        clock.wrap(SoundReader, method, "decode sound")
    for detector in (YuNet, DlibHog, Mtcnn):
        clock.wrap(detector, "__call__", "detect")
    for identity in (MobileFaceNet, SFace, DlibResNet):
        clock.wrap(identity, "__call__", "embed")
    clock.wrap(EmotionModel, "__call__", "emotion")
    clock.wrap(face, "crop", "crop for emotion")
    clock.wrap(FaceStream, "process", "track, and the rest of the face stream")
    clock.wrap(LoudnessStream, "process", "loudness")
    clock.wrap(analysis, "probe", "probe the file")
    clock.wrap(analysis, "load_face_models", "load models")
    clock.wrap(analysis, "resolve", "resolve")
    clock.wrap(analysis, "write_timeline", "write .h5")
    clock.wrap(measure.Parts, "write", "write parts")
    clock.wrap(batch, "find_moments", "find moments")
    clock.wrap(batch, "export", "write .json and .csv")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("film", type=Path)
    made.add_argument("-o", "--out", type=Path, required=True, help="folder for the results, fresh")
    made.add_argument("--emotion", default="auto", help="emotion model (default: %(default)s)")
    made.add_argument("--detector", default="yunet", help="face detector (default: %(default)s)")
    made.add_argument(
        "--identity", default="mobilefacenet", help="identity model (default: %(default)s)"
    )
    arguments = made.parse_args()
    use_models()

    from reelpulse.batch import analyze_many
    from reelpulse.settings import AnalyzeSettings

    clock = Clock()
    wrap_all(clock)
    clock.add("import", time.perf_counter() - BEGIN, time.process_time())
    settings = AnalyzeSettings(
        detector=arguments.detector, identity=arguments.identity, emotion=arguments.emotion
    )
    with clock.part("the rest"):
        results = list(analyze_many([arguments.film], arguments.out, settings))
    if results[0].error:
        raise SystemExit(results[0].error)
    print(report(clock, time.perf_counter() - BEGIN, time.process_time()))


def report(clock: Clock, wall: float, cpu: float) -> str:
    """Write the parts of both threads, the largest first, and what is left over."""
    rows: list[tuple[str, ...]] = []
    order = sorted(clock.parts.items(), key=lambda item: (item[0][0] == DECODE, -item[1][1]))
    for (thread, name), (calls, own, own_cpu) in order:
        share = f"{own / wall:.0%}"
        rows.append((thread, name, f"{calls:.0f}", f"{own:.2f}", share, f"{own_cpu:.2f}"))
    counted = sum(own_cpu for _, _, own_cpu in clock.parts.values())
    rows.append(("all others", "FFmpeg's, OpenCV's, ONNX's", "", "", "", f"{cpu - counted:.2f}"))
    rows.append(("", "**whole**", "", f"{wall:.2f}", "100%", f"{cpu:.2f}"))
    note = "Own time of the parts; the two threads run beside each other.\n\n"
    return note + table(["thread", "part", "calls", "wall s", "of all", "CPU s"], rows)


if __name__ == "__main__":
    main()
