"""A trained model of moments, as `reelpulse moments train` wrote it: one ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import ModelError, at
from reelpulse.learn.onnx_file import answers_of, odd_model, open_trained
from reelpulse.learn.task import Task
from reelpulse.moments.inputs import Recipe, Steps
from reelpulse.moments.sampling import MAX_GAP, USUAL_SECONDS
from reelpulse.settings import AnalyzeSettings, changed
from reelpulse.timeline import LOUDNESS_COLUMNS, Timeline

KIND, VERSION = "moments", 1

WINDOW_SECONDS, WINDOW_STEP = (5.0, 6.0, 7.0), 0.5
"""Lengths of the windows that a model is slid over a timeline in, and how far apart they start."""

_BATCH = 4096
_RATE_APART = 0.02
"""Share by which the ticks a second may differ from those of the training clips."""

_STREAMS = {"laughter": "laughter"} | dict.fromkeys(LOUDNESS_COLUMNS, "loudness")
"""Which stream measures a column that is not named after its stream, the face's apart."""


@dataclass(frozen=True)
class Operating:
    """What was right on labelled videos where moments scored `threshold` or more."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True)
class MomentModel:
    """A network that says how funny a window of a timeline is, with all that it wants to know.

    Parameters
    ----------
    path : Path
    name : str
        The file's name: what moments found with it are said to be by.
    checksum : str
        Sixteen digits of the file's SHA-256.
    task : Task
    recipe : Recipe
    window : (tuple of float, float)
        Lengths of windows and the step between them, in seconds.
    operating : tuple of Operating
        From the lowest threshold on; none where it was not tried on labelled videos.
    description : dict
        All that stands in the file.
    """

    path: Path
    name: str
    checksum: str
    task: Task
    recipe: Recipe
    window: tuple[tuple[float, ...], float]
    operating: tuple[Operating, ...]
    description: dict[str, Any]
    session: Any

    def outputs(self, steps: Steps) -> npt.NDArray[np.float32]:
        """Run the network on clips or windows.

        Parameters
        ----------
        steps : Steps
            Of just the columns of `recipe`, in their order.

        Returns
        -------
        ndarray of float32, shape (N, outputs)
            Probabilities; of a score, the share of the highest.

        Raises
        ------
        ModelError
            When the network fails, or gives something else.
        """
        wide = self.task.outputs
        parts = [np.empty((0, wide), np.float32)]
        for first in range(0, len(steps), _BATCH):
            batch = steps[first : first + _BATCH]
            given = self.recipe(batch)
            inputs = {name: given[name] for name in self._inputs}
            parts.append(np.clip(answers_of(self.path, self.session, inputs, wide), 0, 1))
        return np.concatenate(parts)

    def scores(self, steps: Steps) -> npt.NDArray[np.float32]:
        """How funny clips or windows are, (N,) in [0, 1]; see `outputs`."""
        return self.task.positive(self.outputs(steps))

    def threshold(self, precision: float) -> float:
        """The lowest threshold from which on this share of the moments was right.

        Raises
        ------
        ModelError
            Where it was not tried on labelled videos, or never reached that.
        """
        if not self.operating:
            problem = (
                "was not tried on labelled videos, so --precision has no meaning: train it with"
                " --videos, or use --per-hour"
            )
            raise ModelError(at(self.path, problem))
        reached = [point.threshold for point in self.operating if point.precision >= precision]
        if not reached:
            best = max(point.precision for point in self.operating)
            problem = f"reaches a precision of {best:.2g} at best on its labelled videos"
            raise ModelError(at(self.path, f"{problem}, not {precision:g}: ask for less"))
        return min(reached)

    @property
    def trained_on(self) -> dict[str, Any]:
        """How the videos of the training clips were measured: ``rate``, ``models`` and more."""
        said = self.description.get("sampling")
        return said if isinstance(said, dict) else {}

    @property
    def max_gap(self) -> float:
        """Seconds over which what was not measured was bridged in the training clips."""
        said = self.trained_on.get("max_gap", MAX_GAP)
        return float(said) if isinstance(said, int | float) and said >= 0 else MAX_GAP

    @property
    def _inputs(self) -> list[str]:
        return [item.name for item in self.session.get_inputs()]


def load_model(path: str | Path) -> MomentModel:
    """Open a trained model.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file that ``reelpulse moments train`` wrote. What runs it is part of every
        installation.

    Raises
    ------
    ModelError
        When the file is missing, damaged, of a newer version, or no model of moments.
    """
    opened = open_trained(path, KIND, VERSION)
    said = opened.metadata
    try:
        task, recipe = Task.from_dict(said.get("task")), Recipe.from_dict(said.get("recipe") or {})
        window, operating = _window(said.get("window")), _operating(said.get("operating"))
    except ModelError as error:
        raise ModelError(at(path, f"{error}: train it again")) from None
    model = MomentModel(
        opened.path,
        opened.path.name,
        opened.checksum,
        task,
        recipe,
        window,
        operating,
        said,
        opened.session,
    )
    if not {"input"} <= set(model._inputs) <= {"input", "mask"}:
        raise odd_model(model.path, f"takes {', '.join(model._inputs)}, not `input` and `mask`")
    model.scores(_nothing(recipe))
    return model


def _window(said: Any) -> tuple[tuple[float, ...], float]:
    try:
        seconds, step = tuple(map(float, said["seconds"])), float(said["step"])
    except (KeyError, TypeError, ValueError):
        raise ModelError("does not say over which windows it is slid") from None
    if not seconds or not all(0 < s <= 600 for s in seconds) or not 0.05 <= step <= 600:
        raise ModelError(f"is slid over windows of {seconds} s every {step} s")
    return seconds, step


def _operating(said: Any) -> tuple[Operating, ...]:
    try:
        points = [
            Operating(float(row["threshold"]), float(row["precision"]), float(row["recall"]))
            for row in said or ()
        ]
    except (KeyError, TypeError, ValueError):
        raise ModelError("does not say how right it was at which threshold") from None
    return tuple(sorted(points, key=lambda point: point.threshold))


def _nothing(recipe: Recipe) -> Steps:
    """Two windows of which nothing was measured: enough to see whether a network fits."""
    count, wide = recipe.shape.steps, len(recipe.columns)
    return Steps(
        np.full((2, count, wide), np.nan, np.float32),
        np.tile(np.arange(count, dtype=np.float32), (2, 1)),
        np.ones((2, count), bool),
        np.full((2, wide), np.nan, np.float32),
        np.zeros((2, recipe.embeddings), np.float32) if recipe.embeddings else None,
    )


def analysis_for(model: MomentModel) -> AnalyzeSettings:
    """How to analyse a video for a model: at the rate of the clips that it learnt from."""
    rate = model.trained_on.get("rate")
    changes: dict[str, Any] = {"fps": rate} if isinstance(rate, int | float) else {}
    more = [("embedding", bool(model.recipe.embeddings))]
    more.append(("speech", any(name.startswith("speech_") for name in model.recipe.columns)))
    if any(wanted for _, wanted in more):
        changes["stream"] = tuple(name for name, wanted in more if wanted)
    return changed(AnalyzeSettings(), changes)


def check_timeline(model: MomentModel, timeline: Timeline) -> list[str]:
    """See whether a timeline is what a model was trained on.

    Parameters
    ----------
    model : MomentModel
    timeline : Timeline

    Returns
    -------
    list of str
        A warning where its ticks, or the models that measured it, are others than those of the
        training clips.

    Raises
    ------
    ModelError
        When it lacks columns; all are named, with what measures them.
    """
    missing = [name for name in model.recipe.columns if name not in timeline.columns]
    if missing:
        streams = sorted({_STREAMS.get(name, name.split("_")[0]) for name in missing})
        wanted = " ".join(f"--stream {name}" for name in streams)
        problem = f"wants {', '.join(missing)}, which the timeline lacks: analyse the video again"
        raise ModelError(at(model.path, f"{problem} with {wanted}"))
    found = []
    seconds = timeline.bounds[1] - timeline.bounds[0]
    if model.recipe.baseline == "video" and seconds < USUAL_SECONDS:
        found.append(
            f"{seconds:.0f} s tell little of what is usual for the person, which"
            f" {model.name} compares with: its scores may be off"
        )
    apart = [*_rates(model.trained_on, timeline), *_measured_by(model.trained_on, timeline)]
    if not apart:
        return found
    return [
        *found,
        f"the clips that {model.name} learnt from were measured otherwise"
        f" ({'; '.join(apart)}): its scores may be off",
    ]


def _rates(trained: Mapping[str, Any], timeline: Timeline) -> list[str]:
    rate = trained.get("rate")
    now = 1 / timeline.spacing
    is_clip = timeline.meta.get("sampling", {}).get("ticks") is not None
    if not isinstance(rate, int | float) or is_clip or len(timeline) < 2:
        return []
    if abs(now - rate) <= _RATE_APART * rate:
        return []
    return [f"{rate:g} ticks a second, here {now:.3g}"]


def _measured_by(trained: Mapping[str, Any], timeline: Timeline) -> list[str]:
    theirs, ours = trained.get("models"), timeline.meta.get("models", {})
    if not isinstance(theirs, dict):
        return []
    return [
        f"{role} by {theirs[role]}, here by {ours[role]}"
        for role in sorted(set(theirs) & set(ours))
        if theirs[role] != ours[role]
    ]
