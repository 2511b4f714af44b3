"""From labelled clips to a model in one file: tried on folds, fitted on all, exported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.files import Busy, only_one
from reelpulse.learn.metrics import Score, scores
from reelpulse.learn.onnx_file import check, write_onnx
from reelpulse.learn.task import Task
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.moments.inputs import settled
from reelpulse.moments.model import (
    KIND,
    VERSION,
    WINDOW_SECONDS,
    WINDOW_STEP,
    Operating,
    load_model,
)
from reelpulse.moments.training.baselines import baselines
from reelpulse.moments.training.compare import Labelled, read_labelled
from reelpulse.moments.training.fitting import CrossValidation, Trained, cross_validate, fit_network
from reelpulse.moments.training.networks import MOMENT_NETWORKS
from reelpulse.moments.training.operating import LabelledVideo, operating_points, read_videos
from reelpulse.settings import TrainSettings, as_dict, changed, one_of

__all__ = ["CrossValidation", "Trained", "Training", "cross_validate", "fit_network", "train"]

_CHECKED = 2048
"""Clips that the exported model is held against the trained one on."""

OnFit = Callable[[float, int, str], None]
"""Called with fits done, that at work counted by its share; fits in all; and what is at work."""


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Parameters
    ----------
    path : Path
        The model.
    network : str
    task : Task
    facts : dict
        What it was trained on: ``fingerprint``, ``clips``, ``labels`` (class to clips),
        ``sources``, ``groups``, ``columns``.
    scores : dict of str to Score
        Of clips that it had not been fitted on.
    baselines : dict of str to dict of str to Score
        Of what needs no network, on the same clips.
    threshold : float
        The score from which on a clip counts as funny, where F1 is highest out of fold.
    operating : list of Operating
        How right it is on the labelled videos; empty where none were given, or nothing was right.
    train_seconds : float
        Of all fits.
    warnings : list of str
    """

    path: Path
    network: str
    task: Task
    facts: dict[str, Any]
    scores: dict[str, Score]
    baselines: dict[str, dict[str, Score]]
    threshold: float
    operating: list[Operating]
    train_seconds: float
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": str(self.path),
            "network": self.network,
            "task": self.task.as_dict(),
            "data": self.facts,
            "scores": _plain(self.scores),
            "baselines": {name: _plain(found) for name, found in self.baselines.items()},
            "threshold": self.threshold,
            "operating": [asdict(point) for point in self.operating],
            "train_seconds": round(self.train_seconds, 2),
            "warnings": self.warnings,
            "reelpulse": reelpulse.__version__,
        }


def train(
    clips: str | Path,
    out: str | Path,
    settings: TrainSettings | None = None,
    *,
    videos: str | Path | None = None,
    logs: str | Path | None = None,
    progress: OnFit | None = None,
    **changes: Any,
) -> Training:
    """Train a classifier of moments, and write it.

    It is cross-validated first, then fitted on all clips. Folds that are finished are kept in
    ``<out>.parts`` until the model is written: interrupted and run again, it goes on with the next
    fold.

    Parameters
    ----------
    clips : str or Path
        A dataset that ``reelpulse moments build`` wrote.
    out : str or Path
        The model to write, ``.onnx``. One that is there is replaced.
    settings : TrainSettings, optional
    videos : str or Path, optional
        CSV of funny stretches of whole videos (``file,start,end``; ``.h5`` timelines): the model is
        tried on them, so that `detect` can be asked for a precision.
    logs : str or Path, optional
        Folder for TensorBoard, of neural networks.
    progress : callable, optional
        See `OnFit`.
    **changes
        Fields of `TrainSettings`, such as ``network="lstm"``.

    Raises
    ------
    DataError
        When the dataset or the table cannot be used, has one class only, or fewer groups than
        folds; or another run trains the same.
    SettingsError
        On an unknown network, column, fact or value.
    ModelError
        When the exported model differs from the trained one.
    MissingExtra
        When the libraries of training are not installed.
    """
    chosen = changed(settings or TrainSettings(), changes)
    one_of("network", chosen.network, tuple(MOMENT_NETWORKS))
    path = Path(out)
    if path.suffix.lower() != ".onnx":
        raise DataError(at(path, "a model's name ends with .onnx"))
    tried, warnings = read_videos(videos) if videos is not None else ([], [])
    parts = path.with_name(f"{path.name}.parts")
    with ClipSet(clips) as opened:
        labelled = read_labelled(opened, chosen)
        chosen = settled(chosen, labelled.steps)
        warnings = [*labelled.warnings, *warnings, *_seen_before(opened, labelled.rows, tried)]
        sampling = opened.sampling
        facts = _facts(opened, labelled)
        known = baselines(opened, labelled.rows, labelled.folds, chosen)
    try:
        with only_one(parts, str(clips)):
            crossed, trained = _fitted(labelled, chosen, parts, logs, progress)
            figures = _scores(labelled, crossed.outputs)
            threshold = best_threshold(labelled.task, labelled.labels, crossed.outputs)
            description = {
                "kind": KIND,
                "version": VERSION,
                "name": chosen.network,
                "task": labelled.task.as_dict(),
                "recipe": trained.recipe.as_dict(),
                "window": {"seconds": list(WINDOW_SECONDS), "step": WINDOW_STEP},
                "sampling": sampling,
                "threshold": threshold,
                "data": facts,
                "scores": _plain(figures),
                "settings": as_dict(chosen),
                "reelpulse": reelpulse.__version__,
            }
            operating = _written(path, trained, labelled, description, tried, parts)
            _clear(parts)
    except Busy:
        raise DataError(at(path, "is being trained by another run: wait for it")) from None
    if tried and not operating:
        warnings.append("no moment was right on the labelled videos: --precision cannot be used")
    return Training(
        path,
        chosen.network,
        labelled.task,
        facts,
        figures,
        {name: _scores(labelled, outputs) for name, outputs in known.items()},
        threshold,
        operating,
        crossed.train_seconds,
        [*warnings, *crossed.warnings],
    )


def _fitted(
    labelled: Labelled,
    settings: TrainSettings,
    parts: Path,
    logs: str | Path | None,
    progress: OnFit | None,
) -> tuple[CrossValidation, Trained]:
    """Cross-validate, then fit on all clips."""
    folds = len(labelled.folds)

    def tell(done: float, name: str) -> None:
        if progress is not None:
            progress(done, folds + 1, name)

    about = (labelled.task, labelled.columns, labelled.shape, settings)
    try:
        crossed = cross_validate(
            labelled.steps,
            labelled.labels,
            labelled.groups,
            *about,
            folds=labelled.folds,
            progress=lambda done, _: tell(done, f"{settings.network}, fold by fold"),
            folder=parts,
            logs=logs,
        )
        trained = fit_network(
            labelled.steps,
            labelled.labels,
            *about,
            groups=labelled.groups,
            logs=None if logs is None else Path(logs) / "all",
            tick=lambda share: tell(folds + share, f"{settings.network}, on all clips"),
        )
    except DataError as error:
        raise DataError(at(labelled.path, str(error))) from None
    return crossed, trained


def _written(
    path: Path,
    trained: Trained,
    labelled: Labelled,
    description: dict[str, Any],
    tried: list[LabelledVideo],
    parts: Path,
) -> list[Operating]:
    """Export, hold against the trained network, try on the videos, and write."""
    proto = trained.fitted.onnx()
    some = labelled.steps[:_CHECKED]
    check(proto, trained.inputs(some), trained.outputs(some))
    if not tried:
        write_onnx(path, proto, description)
        return []
    trial = parts / "trial.onnx"
    write_onnx(trial, proto, description)
    operating = operating_points(load_model(trial), tried)
    write_onnx(path, proto, {**description, "operating": [asdict(point) for point in operating]})
    return operating


def _seen_before(clips: ClipSet, rows: npt.NDArray[Any], tried: list[LabelledVideo]) -> list[str]:
    """Warn of videos to be tried that clips were cut from."""
    prints = set(clips.facts["fingerprint"][rows].tolist()) - {""}
    own = [video.path.name for video in tried if video.fingerprint in prints]
    if not own:
        return []
    return [
        f"clips of {', '.join(own[:3])}{' and others' if len(own) > 3 else ''} were trained on:"
        " how right the model is there flatters it; try it on other videos"
    ]


def _facts(clips: ClipSet, labelled: Labelled) -> dict[str, Any]:
    task, labels = labelled.task, labelled.labels
    if task.kind == "score":
        high = int(task.is_positive(labels).sum())
        counts = {"below half": len(labels) - high, "half or more": high}
    else:
        counts = {name: int((labels == code).sum()) for code, name in enumerate(task.classes)}
    return {
        "fingerprint": labelled.fingerprint,
        "clips": len(labels),
        "labels": counts,
        "sources": len(set(clips.facts["source"][labelled.rows].tolist())),
        "groups": len(np.unique(labelled.groups)),
        "columns": list(labelled.columns),
    }


def _scores(labelled: Labelled, outputs: npt.NDArray[np.float32]) -> dict[str, Score]:
    return scores(labelled.task, labelled.labels, outputs, labelled.groups)


def best_threshold(task: Task, labels: npt.ArrayLike, outputs: npt.ArrayLike) -> float:
    """Find the score from which on F1 is highest, halfway to the next lower one.

    Parameters
    ----------
    task : Task
    labels : array_like, shape (N,)
    outputs : array_like, shape (N, task.outputs)
        Of clips that the model was not fitted on.

    Returns
    -------
    float
        In [0, 1], of `Task.positive`.
    """
    score, true = task.positive(outputs).astype(np.float64), task.is_positive(labels)
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(true[order])
    # Equal scores are taken together.
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    f1 = 2 * hits[ends] / (ends + 1 + true.sum())
    best = int(ends[int(np.argmax(f1))])
    after = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return round(float((ranked[best] + after) / 2), 4)


def _plain(figures: dict[str, Score]) -> dict[str, list[float | None]]:
    return {name: figure.as_list() for name, figure in figures.items()}


def _clear(parts: Path) -> None:
    """Remove what was kept to go on from, and nothing else."""
    with suppress(OSError):
        for file in [*parts.glob("fold*.npz"), parts / "trial.onnx"]:
            file.unlink(missing_ok=True)
        parts.rmdir()
