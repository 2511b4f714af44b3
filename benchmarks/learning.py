"""What learning from labelled clips adds over tension, on streams with a known truth.

Clips are labelled in streams of `composite.py` of one part (``dev``: faces, speakers and sounds of
its own), the models find moments in the streams of the other (``final``), with the figures of
`tension.py`. A funny clip is five to seven seconds with a funny event inside; half of the ordinary
ones show an event of another kind, the others none.

Tables: networks by number of labelled clips; what is seen (face, sound, both; values less what is
usual; embeddings); how clips are brought to steps; whether clips are sampled by themselves or from
the video's timeline; and a set whose classes hold the same values in another order.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from common import SHARED, parser, table, use_models, work_folder
from composite import CLIPS, FOLDS, FPS, SECONDS, Stage, Stream, make_streams
from sklearn.metrics import roc_auc_score
from tension import interval, judged

from reelpulse.learn.task import BINARY
from reelpulse.moments.inputs import STATISTICS, Recipe, Steps
from reelpulse.moments.lengths import LENGTHS, Shape, step_times
from reelpulse.moments.model import WINDOW_SECONDS, WINDOW_STEP
from reelpulse.moments.sampling import MAX_GAP, Sampler
from reelpulse.moments.tension import tension_parts
from reelpulse.moments.training.fitting import Trained, fit_network
from reelpulse.moments.training.networks import MOMENT_NETWORKS
from reelpulse.moments.windows import score_curve, window_scores
from reelpulse.settings import ClipSettings, TrainSettings
from reelpulse.streams import load_laughter
from reelpulse.streams.laughter import LaughterModel
from reelpulse.timeline import Timeline

SIZES = (10, 20, 50, 100)
TEACHING = range(100, 105)
"""Of the streams that clips are labelled in: 15 streams, 120 funny events."""

_AWAY = 8.0
"""Seconds between a plain clip and the nearest funny event."""

Array = np.ndarray


@dataclass(frozen=True)
class Labelled:
    """Clips of one stream: where they lie, and 1 for the funny ones."""

    stream: Stream
    starts: Array
    ends: Array
    labels: Array


def label(stream: Stream, seed: int) -> Labelled:
    """Cut clips out of a stream as somebody who labels it would."""
    rng = np.random.default_rng([seed, len(stream.name)])
    funny = [event for event in stream.events if event.kind == "funny"]
    others = [e for e in stream.events if e.kind != "funny" and not e.kind.startswith("hidden")]
    clips = []
    for event in funny:
        clips.append((*_around(event.start, event.end, rng), 1.0))
    for event in rng.permutation(np.array(others, object))[: len(funny) // 2]:
        clips.append((*_around(event.start, event.end, rng), 0.0))
    while len(clips) < 2 * len(funny):
        start, length = rng.uniform(0, SECONDS - 7), rng.uniform(5, 7)
        if all(start + length + _AWAY < e.start or e.end + _AWAY < start for e in funny):
            clips.append((start, start + length, 0.0))
    starts, ends, labels = np.array(clips).T
    return Labelled(stream, starts, ends, labels)


def _around(start: float, end: float, rng: np.random.Generator) -> tuple[float, float]:
    length = rng.uniform(5, 7)
    first = start - rng.uniform(0, max(length - (end - start), 0.5))
    first = min(max(first, 0.0), SECONDS - length)
    return first, first + length


@dataclass(frozen=True)
class Clips:
    """Steps of all the labelled clips, and which stream each is of."""

    steps: Steps
    labels: Array
    groups: Array
    columns: tuple[str, ...]
    shape: Shape

    def some(self, count: int, seed: int) -> Clips:
        """Draw so many clips a class."""
        rng = np.random.default_rng(seed)
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(self.labels == code))[:count] for code in (0, 1)]
        )
        return replace(
            self, steps=self.steps[rows], labels=self.labels[rows], groups=self.groups[rows]
        )


def clips_of(
    labelled: Sequence[Labelled], shape: Shape, stages: Sequence[Stage] | None, ear: LaughterModel
) -> Clips:
    """Bring the clips to steps: from the streams' timelines, or each looked at by itself."""
    parts = []
    for number, one in enumerate(labelled):
        timeline = one.stream.with_laughter("builtin")
        steps = Sampler(timeline, shape)(one.starts, one.ends)
        if stages is not None:
            at = one.starts[:, None] + step_times(one.ends - one.starts, shape)
            values = np.stack([_looked(stages[number], row, ear) for row in at])
            steps = replace(steps, values=values)
        parts.append(replace(steps, embeddings=_embeddings(one)))
    joined = Steps(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))
    groups = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    labels = np.concatenate([one.labels for one in labelled]).astype(np.float32)
    return Clips(joined, labels, groups, timeline.columns, shape)


_FIELDS = ("values", "times", "measured", "usual", "embeddings")


def _looked(stage: Stage, times: Array, ear: LaughterModel) -> Array:
    values = np.concatenate([stage.values(times), stage.laughter(times, ear)[:, None]], axis=1)
    one = Timeline(times, values.astype(np.float32), tuple(map(str, range(values.shape[1]))))
    return one.filled().values


def _embeddings(one: Labelled) -> Array:
    """Mean and standard deviation of the face embeddings over each clip."""
    times, seen = one.stream.timeline.times, one.stream.seen
    rows = []
    for start, end in zip(one.starts, one.ends, strict=True):
        inside = seen[(times >= start) & (times < end)]
        inside = inside[np.isfinite(inside[:, 0])]
        none = np.full(seen.shape[1], np.nan)
        rows.append(np.concatenate([f(inside, axis=0) if len(inside) else none for f in _TWO]))
    return np.array(rows, np.float32)


_TWO = (np.mean, np.std)


@dataclass(frozen=True)
class Slid:
    """A fitted network as the model that is slid over a timeline, without its file between."""

    trained: Trained
    window = (WINDOW_SECONDS, WINDOW_STEP)
    path = "in memory"
    max_gap = MAX_GAP

    @property
    def recipe(self) -> Recipe:
        """What stands between steps and the network."""
        return self.trained.recipe

    def scores(self, steps: Steps) -> Array:
        """How funny windows are, (N,)."""
        return BINARY.positive(self.trained.fitted.outputs(self.recipe(steps)))


def found(trained: Trained, streams: Sequence[Stream]) -> list[tuple[float, float, float]]:
    """AP a tick, F1 and false alarms an hour of a model on whole streams."""
    out = []
    for stream in streams:
        timeline = stream.with_laughter("builtin")
        windows = window_scores(timeline, Slid(trained))
        curve = score_curve(windows, timeline.times, timeline.bounds)
        out.append(judged(stream, np.nan_to_num(curve))[:3])
    return out


def row(name: str, draws: Sequence[Trained], streams: Sequence[Stream]) -> list[str]:
    """A line of a table: the mean over draws of clips, the interval over streams."""
    figures = np.mean([found(one, streams) for one in draws], axis=0)
    ap, f1, alarms = figures.T
    return [name, interval(list(ap)), interval(list(f1)), f"{alarms.mean():.1f}"]


HEAD = ("model", "AP a tick", "F1 at IoU .3", "false alarms an hour")


def trained(clips: Clips, size: int, draws: int, settings: TrainSettings) -> list[Trained]:
    """Fit a network on several draws of so many clips a class."""
    models = []
    for seed in range(draws):
        some = clips.some(size, seed)
        models.append(
            fit_network(
                some.steps, some.labels, BINARY, some.columns, some.shape,
                replace(settings, seed=seed), groups=some.groups,
            )
        )  # fmt: skip
    return models


def by_size(clips: Clips, streams: Sequence[Stream], draws: int) -> Iterator[list[str]]:
    """Every network by number of labelled clips, with values less what is usual."""
    for name in MOMENT_NETWORKS:
        for size in SIZES:
            settings = TrainSettings(network=name, baseline="video")
            models = trained(clips, size, draws, settings)
            yield row(f"{name}, {size} a class", models, streams)


def seen(clips: Clips, streams: Sequence[Stream], draws: int) -> Iterator[list[str]]:
    """What the networks are given."""
    for name in ("conv1d", "lstm", "xgboost"):
        for baseline in ("none", "video"):
            for inputs in (("face",), ("sound",), ()):
                settings = TrainSettings(network=name, baseline=baseline, inputs=inputs)
                what = inputs[0] if inputs else "face and sound"
                title = f"{name}: {what}, {'less the usual' if baseline == 'video' else 'as it is'}"
                yield row(title, trained(clips, SIZES[-1], draws, settings), streams)


def by_length(
    make: Callable[[Shape], Clips], streams: Sequence[Stream], draws: int
) -> Iterator[list[str]]:
    """Each way to bring clips to steps, and time as an input."""
    for length in LENGTHS:
        if length == "linear":
            continue  # as `even`, where clips are ranges of timelines
        for name in ("conv1d", "lstm"):
            shape = Shape.from_settings(ClipSettings(length=length))
            settings = TrainSettings(network=name, baseline="video")
            models = trained(make(shape), SIZES[-1], draws, settings)
            yield row(f"{name}: {length}, {shape.steps} steps", models, streams)
    even = make(Shape())
    for name in ("conv1d", "lstm"):
        for time, missing in (("delta", "fill"), ("encoding", "fill"), ("delta", "drop")):
            settings = TrainSettings(network=name, baseline="video", time=time, missing=missing)
            models = trained(even, SIZES[-1], draws, settings)
            yield row(f"{name}: even, time: {time}, not measured: {missing}", models, streams)


def by_embedding(clips: Clips, held: Clips, draws: int) -> Iterator[list[str]]:
    """The columns' summary against the embeddings': ROC-AUC on clips of the other part."""
    for name in ("xgboost", "random_forest", "svm"):
        for title, inputs, wide, pca in (
            ("the columns of the face", ("face",), False, 0),
            ("and its embeddings", ("face",), True, 0),
            ("and its embeddings, 32 components", ("face",), True, 32),
        ):
            settings = TrainSettings(network=name, inputs=inputs, embeddings=wide, pca=pca)
            aucs = [
                roc_auc_score(held.labels, BINARY.positive(model.outputs(held.steps)))
                for model in trained(clips, SIZES[-1], draws, settings)
            ]
            width = len(STATISTICS) * 10 + (clips.steps.embeddings.shape[1] if wide else 0)
            yield [f"{name}: {title}", f"{pca or width}", f"{np.mean(aucs):.3f}"]


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--work", type=Path, help="folder that keeps the clips' measured faces")
    made.add_argument("--laughter", default="runs/laughter/fold{fold}.onnx", help="see tension.py")
    made.add_argument("--draws", type=int, default=3, help="of the clips (default: %(default)s)")
    made.add_argument(
        "--tables", nargs="+", default=["size", "seen", "length", "sample", "embedding"]
    )
    arguments = made.parse_args()
    use_models()
    # Forests are asked from several threads here; scikit-learn would say so each time.
    warnings.filterwarnings("ignore", module="sklearn.utils.parallel")
    data = arguments.data or Path(os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    work, draws = work_folder(arguments), arguments.draws
    ears = {part: load_laughter(arguments.laughter.format(fold=FOLDS[part])) for part in CLIPS}
    teaching = make_streams(data, "dev", TEACHING, work, {"builtin": ears["dev"]})
    streams = make_streams(data, "final", range(4), work, {"builtin": ears["final"]})
    labelled = [label(stream, seed) for seed, stream in enumerate(teaching)]

    def make(shape: Shape) -> Clips:
        return clips_of(labelled, shape, None, ears["dev"])

    clips = make(Shape())
    print(f"{len(clips.labels)} clips, {FPS:g} ticks a second, {len(streams)} streams.\n")
    rows = []
    for name, score in (
        ("loudness", lambda timeline: np.nan_to_num(timeline.column("loudness"))),
        ("laughter", lambda timeline: np.nan_to_num(timeline.column("laughter"))),
        ("tension", lambda timeline: tension_parts(timeline).score),
    ):
        ap, f1, alarms = np.array(
            [judged(stream, score(stream.with_laughter("builtin")))[:3] for stream in streams]
        ).T
        rows.append([name, interval(list(ap)), interval(list(f1)), f"{alarms.mean():.1f}"])
    print(table(HEAD, rows), "\n", flush=True)
    if "size" in arguments.tables:
        print(table(HEAD, by_size(clips, streams, draws)), "\n", flush=True)
    if "seen" in arguments.tables:
        print(table(HEAD, seen(clips, streams, draws)), "\n", flush=True)
    if "length" in arguments.tables:
        print(table(HEAD, by_length(make, streams, draws)), "\n", flush=True)
    if "sample" in arguments.tables:
        stages = [
            Stage(data, "dev", n, s, work) for n in range(len(CLIPS["dev"])) for s in TEACHING
        ]
        alone = clips_of(labelled, Shape(), stages, ears["dev"])
        settings = [TrainSettings(network=name, baseline="video") for name in ("conv1d", "lstm")]
        rows = [
            row(f"{one.network}: {how}", trained(these, SIZES[-1], draws, one), streams)
            for one in settings
            for how, these in (("from the timeline", clips), ("each by itself", alone))
        ]
        print(table(HEAD, rows), "\n", flush=True)
    if "embedding" in arguments.tables:
        other = [label(stream, seed) for seed, stream in enumerate(streams)]
        held = clips_of(other, Shape(), None, ears["final"])
        head = ("summary of", "values", "ROC-AUC on clips of other people")
        print(table(head, by_embedding(clips, held, draws)))


if __name__ == "__main__":
    main()
