"""Every network on the same folds, beside what needs no network; which differences are noise."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, ReelpulseError, SettingsError, at
from reelpulse.files import Busy, atomic_path, only_one
from reelpulse.learn.comparison import begin, measured
from reelpulse.learn.splits import Fold, clip_groups, grouped_folds, split_warnings, strata
from reelpulse.learn.task import Task
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.moments.inputs import Steps, settled
from reelpulse.moments.lengths import Shape
from reelpulse.moments.training.baselines import baselines
from reelpulse.moments.training.comparison import RANKED_BY, Comparison, Costs, judge
from reelpulse.moments.training.fitting import (
    OnProgress,
    Trained,
    checked_labels,
    cross_validate,
    fit_network,
)
from reelpulse.moments.training.networks import MOMENT_NETWORKS
from reelpulse.settings import TrainSettings, as_dict, one_of
from reelpulse.times import clock_text

logger = logging.getLogger(__name__)

_TIMED_CLIPS = 2000

Array = npt.NDArray[np.float32]
OnFit = Callable[[float, int, str], None]
"""Called with fits done, that at work counted by its share, fits in all, and the network."""


@dataclass(frozen=True)
class Labelled:
    """Labelled clips in memory, and the folds that they are dealt to."""

    path: Path
    fingerprint: str
    task: Task
    columns: tuple[str, ...]
    shape: Shape
    steps: Steps
    labels: Array
    groups: npt.NDArray[np.intp]
    folds: list[Fold]
    rows: npt.NDArray[Any]
    warnings: list[str]


def read_labelled(clips: ClipSet, settings: TrainSettings) -> Labelled:
    """Read the clips that `settings.where` names, and deal them to folds.

    Raises
    ------
    DataError
        When no clip is left, all are of one class, or there are fewer groups than folds.
    """
    rows = clips.where(settings.where)
    labels, task = clips.labels[rows], clips.task
    codes = strata(task, labels)
    try:
        if not len(rows):
            raise DataError("no clip is left: check the conditions of --where")
        checked_labels(labels, task)
        groups, notes = clip_groups(
            clips.facts["source"][rows], clips.facts["person"][rows], fewest=settings.folds
        )
        folds = grouped_folds(codes, groups, settings.folds, settings.seed)
    except DataError as error:
        raise DataError(at(clips.path, str(error))) from None
    steps = clips.read(rows)
    places = zip(clips.facts["video"][rows], clips.facts["start"][rows], strict=True)
    names = [f"{video} from {clock_text(start)}" for video, start in places]
    return Labelled(
        clips.path, clips.fingerprint, task, clips.columns, clips.shape, steps, labels, groups,
        folds, rows, notes + split_warnings(task, labels, groups, steps.values, names),
    )  # fmt: skip


def compare(
    clips: str | Path,
    settings: TrainSettings | None = None,
    *,
    networks: Sequence[str] | None = None,
    progress: OnFit | None = None,
) -> Comparison:
    """Cross-validate every network, and the baselines, on the same folds.

    What is finished is kept in ``<name>.compare.parts`` beside the dataset until all is: run again,
    it goes on there.

    Parameters
    ----------
    clips : str or Path
        A dataset.
    settings : TrainSettings, optional
        `network` is not used.
    networks : sequence of str, optional
        Keys of `MOMENT_NETWORKS`; all of them without it.
    progress : callable, optional
        See `OnFit`.

    Raises
    ------
    DataError
        When the dataset cannot be used, or no network could be fitted on it.
    SettingsError
        On an unknown network (the nearest is named), column or fact.
    """
    chosen = settings or TrainSettings()
    names = list(dict.fromkeys(networks or MOMENT_NETWORKS))
    for name in names:
        one_of("network", name, tuple(MOMENT_NETWORKS))
    parts = Path(clips).with_suffix(".compare.parts")
    with ClipSet(clips) as opened:
        labelled = read_labelled(opened, chosen)
        chosen = settled(chosen, labelled.steps)
        known = baselines(opened, labelled.rows, labelled.folds, chosen)
    try:
        with only_one(parts, str(clips)):
            _begin(parts, labelled, chosen)
            done, failed = _fit_all(labelled, chosen, names, parts, progress)
            shutil.rmtree(parts)
    except Busy:
        raise DataError(at(clips, "is being compared by another run: wait for it")) from None
    if not done:
        first = next(iter(failed.values()))
        raise DataError(at(clips, f"no network could be fitted on it ({first})"))
    costs = {name: one.costs for name, one in done.items()}
    outputs = {name: one.outputs for name, one in done.items()} | known
    return Comparison(
        path=Path(clips),
        task=labelled.task,
        metric=RANKED_BY[labelled.task.kind],
        rows=judge(labelled.task, labelled.labels, labelled.groups, outputs, costs),
        failed=failed,
        warnings=tuple(labelled.warnings),
        facts=_facts(labelled, chosen),
    )


def _facts(labelled: Labelled, settings: TrainSettings) -> dict[str, Any]:
    codes = strata(labelled.task, labelled.labels)
    names = labelled.task.classes or ("below half", "half or more")
    return {
        "fingerprint": labelled.fingerprint,
        "clips": len(codes),
        "labels": {name: int((codes == code).sum()) for code, name in enumerate(names)},
        "groups": len(np.unique(labelled.groups)),
        "folds": len(labelled.folds),
        "settings": as_dict(settings),
    }


@dataclass(frozen=True)
class _Done:
    """What is kept of a network that was cross-validated."""

    outputs: Array
    costs: Costs


def _begin(parts: Path, labelled: Labelled, settings: TrainSettings) -> None:
    """Keep earlier parts only where they are of these clips and settings."""
    plan = {
        "dataset": labelled.fingerprint,
        "settings": {**as_dict(settings), "network": ""},
        "reelpulse": reelpulse.__version__,
    }
    begin(parts, plan)


def _fit_all(
    labelled: Labelled,
    settings: TrainSettings,
    names: Sequence[str],
    parts: Path,
    progress: OnFit | None,
) -> tuple[dict[str, _Done], dict[str, str]]:
    each = len(labelled.folds) + 1
    done: dict[str, _Done] = {}
    failed: dict[str, str] = {}
    for place, name in enumerate(names):

        def tell(fits: float, *_: Any, name: str = name, before: int = place * each) -> None:
            if progress is not None:
                progress(before + fits, each * len(names), name)

        tell(0)
        kept = parts / f"{name}.npz"
        try:
            done[name] = _read(kept)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            try:
                done[name] = _fit(labelled, replace(settings, network=name), parts / name, tell)
                _write(kept, done[name])
            except SettingsError:
                raise
            except Exception as error:  # of whatever library the network is from
                logger.debug("%s failed", name, exc_info=True)
                text = str(error) if isinstance(error, ReelpulseError) else f"{error!r}"
                failed[name] = " ".join(text.split())
        tell(each)
    return done, failed


def _fit(labelled: Labelled, settings: TrainSettings, folder: Path, tell: OnProgress) -> _Done:
    crossed = cross_validate(
        labelled.steps,
        labelled.labels,
        labelled.groups,
        labelled.task,
        labelled.columns,
        labelled.shape,
        settings,
        folds=labelled.folds,
        progress=tell,
        folder=folder,
    )
    whole = fit_network(
        labelled.steps,
        labelled.labels,
        labelled.task,
        labelled.columns,
        labelled.shape,
        settings,
        groups=labelled.groups,
        tick=lambda share: tell(len(labelled.folds) + share, 0),
    )
    if not np.isfinite(crossed.outputs).all():
        raise DataError("its predictions are not finite numbers: try a lower learning rate")
    seconds = crossed.train_seconds / len(labelled.folds)
    return _Done(crossed.outputs, Costs(seconds, *_measured(whole, labelled)))


def _measured(trained: Trained, labelled: Labelled) -> tuple[float, float]:
    """Microseconds a clip and kilobytes of the exported model."""
    rows = np.resize(np.arange(len(labelled.labels)), _TIMED_CLIPS)
    inputs = trained.inputs(labelled.steps[rows])
    seconds, size = measured(trained.fitted.onnx(), inputs)
    return seconds * 1e6, size / 1000


def _write(path: Path, done: _Done) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, outputs=done.outputs, costs=np.array(astuple(done.costs)))


def _read(path: Path) -> _Done:
    with np.load(path, allow_pickle=False) as kept:
        return _Done(kept["outputs"], Costs(*map(float, kept["costs"])))
