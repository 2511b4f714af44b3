"""A trained model slid over ten hours: what each stage takes, beside running the network alone.

The timeline is made: two ticks a second, thirteen columns of noise with a laugh every five minutes
and a face that is gone for a tenth of the time. The network is conv1d's graph (64 and 32 filters of
width 3) with random weights, or a trained one with ``--model``.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, parser, table

from reelpulse.learn.task import BINARY
from reelpulse.moments.detect import detect
from reelpulse.moments.inputs import Recipe
from reelpulse.moments.lengths import Shape
from reelpulse.moments.model import MomentModel, load_model
from reelpulse.moments.tension import extent
from reelpulse.moments.windows import Slider, laid, score_curve, window_scores
from reelpulse.timeline import FACE_COLUMNS, LOUDNESS_COLUMNS, Timeline

COLUMNS = (*FACE_COLUMNS, *LOUDNESS_COLUMNS, "laughter")
GOAL = 3.0
"""Seconds for ten hours on two cores."""


def made_timeline(hours: float) -> Timeline:
    """Noise around a calm person, laughs, and stretches without a face."""
    random = np.random.default_rng(0)
    times = np.arange(0, hours * 3600, 0.5)
    values = np.abs(random.normal(0, 0.05, (len(times), len(COLUMNS)))).astype(np.float32)
    column = {name: place for place, name in enumerate(COLUMNS)}
    values[:, column["neutral"]] += 0.6
    for start in np.arange(150, times[-1], 300):
        laugh = (times >= start) & (times < start + 4)
        for name in ("happiness", "valence", "arousal", "loudness", "laughter"):
            values[laugh, column[name]] += 0.5
    for start in np.arange(60, times[-1], 400):
        away = (times >= start) & (times < start + 40)
        values[away, : len(FACE_COLUMNS)] = np.nan
    return Timeline(times, values, COLUMNS, {"video": {"duration": hours * 3600}})


def random_conv1d(path: Path) -> Path:
    """Write conv1d's graph with random weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    width = len(COLUMNS)

    def weight(name: str, *shape: int) -> Any:
        values = random.normal(0, 1 / np.sqrt(np.prod(shape[1:]) or 1), shape)
        return numpy_helper.from_array(values.astype(np.float32), name)

    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Transpose", ["input"], ["rows"], perm=[0, 2, 1]),
            node("Conv", ["rows", "w1", "b1"], ["c1"], pads=[1, 1], kernel_shape=[3]),
            node("Relu", ["c1"], ["r1"]),
            node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1], kernel_shape=[3]),
            node("Relu", ["c2"], ["r2"]),
            node("ReduceMax", ["r2", "axis"], ["most"], keepdims=0),
            node("Gemm", ["most", "w3", "b3"], ["odds"]),
            node("Sigmoid", ["odds"], ["output"]),
        ],
        "conv1d",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 15, width])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 1])],
        [
            *(weight("w1", 64, width, 3), weight("b1", 64), weight("w2", 32, 64, 3)),
            *(weight("b2", 32), weight("w3", 32, 1), weight("b3", 1)),
            numpy_helper.from_array(np.array([2], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    recipe = Recipe(COLUMNS, Shape(), mean=(0.1,) * width, std=(0.2,) * width)
    said = {
        "kind": "moments",
        "version": 1,
        "name": "conv1d",
        "task": BINARY.as_dict(),
        "recipe": recipe.as_dict(),
        "window": {"seconds": [5, 6, 7], "step": 0.5},
    }
    helper.set_model_props(model, {"reelpulse": json.dumps(said)})
    onnx.save(model, path)
    return path


def stages(timeline: Timeline, model: MomentModel) -> dict[str, Callable[[], object]]:
    """What is timed, by name; the first is the network alone."""
    bounds = extent(timeline)
    starts, ends = laid(bounds, *model.window)
    slider = Slider(timeline, model)
    blocks = [slice(first, first + 2048) for first in range(0, len(starts), 2048)]
    windows = window_scores(timeline, model, bounds=bounds)
    one = slider.steps(starts[blocks[0]], ends[blocks[0]])
    given = model.recipe(one)
    fed = {item.name: given[item.name] for item in model.session.get_inputs()}

    def network() -> None:
        from concurrent.futures import ThreadPoolExecutor
        from os import cpu_count

        with ThreadPoolExecutor(min(4, cpu_count() or 1)) as pool:
            list(pool.map(lambda _: model.session.run(None, fed), blocks))

    return {
        "the network alone": network,
        "windows brought to steps, one thread": lambda: [
            slider.steps(starts[b], ends[b]) for b in blocks
        ],
        "normalised, one thread": lambda: [model.recipe(one) for _ in blocks],
        "windows scored": lambda: window_scores(timeline, model, bounds=bounds),
        "a score a tick": lambda: score_curve(windows, timeline.times, bounds),
        "all, with moments and reasons": lambda: detect(timeline, model=model),
    }


def main() -> None:
    """Time each stage and print the table."""
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--hours", type=float, default=10.0, help="default: %(default)g")
    made.add_argument("--turns", type=int, default=5, help="default: %(default)s")
    made.add_argument("--model", type=Path, help="a trained model instead of random weights")
    arguments = made.parse_args()
    print(machine(), "\n")
    timeline = made_timeline(arguments.hours)
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(arguments.model or random_conv1d(Path(folder) / "conv1d.onnx"))
    timed = stages(timeline, model)
    rows = {name: np.zeros((arguments.turns, 2)) for name in timed}
    for turn in range(arguments.turns):
        for name, stage in timed.items():
            begin = time.perf_counter(), time.process_time()
            stage()
            rows[name][turn] = time.perf_counter() - begin[0], time.process_time() - begin[1]
    alone = rows["the network alone"]
    print(
        table(
            ("stage", "s", "CPU s", "× network, CPU", "goal"),
            (
                (
                    name,
                    f"{np.median(taken[:, 0]):.2f}",
                    f"{np.median(taken[:, 1]):.2f}",
                    f"{np.median(taken[:, 1] / alone[:, 1]):.2f}",
                    f"≤ {GOAL:g} s" if name.startswith("all") else "",
                )
                for name, taken in rows.items()
            ),
        )
    )
    count = len(laid(extent(timeline), *model.window)[0])
    print(f"\n{arguments.hours:g} hours, {count:,} windows, {len(timeline):,} ticks.")


if __name__ == "__main__":
    main()
