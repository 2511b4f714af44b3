"""A search for the settings of one network, and how good what is found is on clips unseen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, SettingsError, at
from reelpulse.files import Busy, only_one
from reelpulse.learn.metrics import Score, difference, score, scores
from reelpulse.learn.search import Found, report, search
from reelpulse.learn.splits import Fold, grouped_folds, strata
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.moments.inputs import settled
from reelpulse.moments.training.compare import Labelled, read_labelled
from reelpulse.moments.training.comparison import RANKED_BY
from reelpulse.moments.training.fitting import cross_validate
from reelpulse.moments.training.networks import MOMENT_NETWORKS
from reelpulse.settings import TrainSettings, as_dict, changed, one_of

INNER_FOLDS = 3
INNER_SHARE = 5
"""Inside a fold, the search has one trial for so many of the whole search."""

_FEWEST_INNER = 3
_NESTED_TIME = 0.4
"""Share of the time that is kept for the searches inside the folds."""

Array = npt.NDArray[np.float32]
OnTrial = Callable[[float, int, str], None]
"""Called with trials done, trials in all, and how the search stands."""


@dataclass(frozen=True)
class Tuned:
    """What `tune` found.

    Parameters
    ----------
    path : Path
        The dataset.
    settings : TrainSettings
        The best; those given, where no trial was finished.
    params : dict
        Numbers of the network itself that go with them.
    metric : str
        What was searched for, a key of what `learn.metrics.scores` gives.
    found : Found
        The search over all folds. Its value is the best of many, and so too good.
    usual : dict of str to Score
        Figures of the settings that were given, on the same folds; empty where it was interrupted.
    nested : dict of str to Score
        Figures of clips that the search had not seen: it was made anew inside each fold. Empty
        where that was not asked for, or it was interrupted.
    gain : Score or None
        By how much `nested` exceeds `usual`, on the same draws.
    storage : Path
        Where the trials are kept.
    warnings : tuple of str
    facts : dict
    """

    path: Path
    settings: TrainSettings
    params: dict[str, Any]
    metric: str
    found: Found
    usual: dict[str, Score]
    nested: dict[str, Score]
    gain: Score | None
    storage: Path
    warnings: tuple[str, ...]
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "dataset": str(self.path),
            **self.facts,
            "metric": self.metric,
            "settings": as_dict(self.settings),
            "params": self.params,
            "trials": {
                "finished": self.found.finished,
                "pruned": self.found.pruned,
                "failed": self.found.failed,
                "earlier": self.found.earlier,
            },
            "best_of_search": Score(self.found.value, np.nan, np.nan).as_list()[0],
            "interrupted": self.found.interrupted,
            "usual": {name: figure.as_list() for name, figure in self.usual.items()},
            "nested": {name: figure.as_list() for name, figure in self.nested.items()},
            "gain": None if self.gain is None else self.gain.as_list(),
            "storage": str(self.storage),
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def tune(
    clips: str | Path,
    settings: TrainSettings | None = None,
    *,
    trials: int = 50,
    minutes: float | None = None,
    nested: bool = True,
    storage: str | Path | None = None,
    progress: OnTrial | None = None,
) -> Tuned:
    """Search for the settings of a network that cross-validate best.

    Every trial is kept: run again, the search goes on. Ctrl-C ends it, with what was found so far.

    Parameters
    ----------
    clips : str or Path
        A dataset.
    settings : TrainSettings, optional
        What to start from; `network` names the network.
    trials : int
        How many to have in the end, those of earlier runs included.
    minutes : float, optional
        After so long no trial begins.
    nested : bool
        Search anew inside each fold too, with a fifth of the trials and three folds, so that the
        figure is of clips that the search had not seen.
    storage : str or Path, optional
        Where the trials are kept; without it ``<name>.<network>.tune.db`` beside the dataset.
    progress : callable, optional
        See `OnTrial`.

    Raises
    ------
    DataError
        When the dataset cannot be used, the trials kept are of another one or of other settings, or
        every trial failed.
    SettingsError
        On an unknown network (the nearest is named), column or fact.
    """
    chosen = settings or TrainSettings()
    one_of("network", chosen.network, tuple(MOMENT_NETWORKS))
    if trials < 1 or (minutes is not None and not minutes > 0):
        raise SettingsError("a search needs at least one trial, and more than 0 minutes")
    with ClipSet(clips) as opened:
        labelled = read_labelled(opened, chosen)
        chosen = settled(chosen, labelled.steps)
    path = Path(clips)
    kept = Path(storage) if storage else path.with_suffix(f".{chosen.network}.tune.db")
    try:
        with only_one(kept, str(clips)):
            job = _Job(labelled, chosen, kept, trials, minutes, nested, progress)
            return job.run()
    except Busy:
        raise DataError(at(kept, "is at work in another run: wait for it")) from None


class _Job:
    """One search, and those inside the folds."""

    def __init__(
        self,
        labelled: Labelled,
        settings: TrainSettings,
        storage: Path,
        trials: int,
        minutes: float | None,
        nested: bool,
        progress: OnTrial | None,
    ) -> None:
        self.labelled, self.settings, self.storage = labelled, settings, storage
        self.trials, self.nested, self.progress = trials, nested, progress
        self.seconds = None if minutes is None else 60 * minutes
        self.began = time.monotonic()
        self.network = MOMENT_NETWORKS[settings.network]
        self.metric = RANKED_BY[labelled.task.kind]
        self.about = {
            "dataset": labelled.fingerprint,
            "set of settings": json.dumps(as_dict(settings), sort_keys=True),
        }
        self.inner = max(_FEWEST_INNER, trials // INNER_SHARE)
        self.done = 0

    def run(self) -> Tuned:
        labelled, share = self.labelled, 1 - _NESTED_TIME if self.nested else 1.0
        everything = np.arange(len(labelled.labels))
        seconds = None if self.seconds is None else share * self.seconds
        found = self._search("all clips", everything, labelled.folds, self.trials, seconds)
        warnings = list(labelled.warnings)
        usual: dict[str, Score] = {}
        nested: dict[str, Score] = {}
        gain = None
        if found.finished and not found.interrupted:
            try:
                plain = self._outputs(self.settings, {}, labelled.folds)
                usual = self._scores(plain)
                if self.nested:
                    unseen = self._unseen()
                    nested = self._scores(unseen)
                    gain = difference(
                        labelled.task, labelled.labels, unseen, plain, labelled.groups, self.metric
                    )
            except KeyboardInterrupt:
                found = replace(found, interrupted=True)
            except DataError as error:
                warnings.append(f"no figure of clips that the search had not seen: {error}")
        if not found.finished and not found.interrupted:
            why = found.problem or "give it more time"
            raise DataError(at(labelled.path, f"no trial came to its end ({why})"))
        best, params = self._settings(found)
        codes = strata(labelled.task, labelled.labels)
        facts = {
            "fingerprint": labelled.fingerprint,
            "task": labelled.task.as_dict(),
            "clips": len(codes),
            "groups": len(np.unique(labelled.groups)),
            "folds": len(labelled.folds),
            "inner_folds": INNER_FOLDS if nested else 0,
            "inner_trials": self.inner if nested else 0,
        }
        return Tuned(
            labelled.path, best, params, self.metric, found, usual, nested, gain, self.storage,
            tuple(warnings), facts,
        )  # fmt: skip

    def _search(
        self,
        name: str,
        rows: npt.NDArray[np.intp],
        folds: list[Fold],
        trials: int,
        seconds: float | None,
    ) -> Found:
        """Search on some of the clips; `folds` are places in `rows`."""
        labelled, before = self.labelled, self.done
        steps, labels = labelled.steps[rows], labelled.labels[rows]
        groups = labelled.groups[rows]

        def objective(trial: Any) -> float:
            settings, params = self._drawn(trial)
            outputs = np.full((len(rows), labelled.task.outputs), np.nan, np.float32)
            tested = np.zeros(0, int)
            figure = np.nan
            for number, fold in enumerate(folds):
                crossed = cross_validate(
                    steps, labels, groups, labelled.task, labelled.columns, labelled.shape,
                    settings, folds=[fold], params=params,
                )  # fmt: skip
                outputs[fold[1]] = crossed.outputs[fold[1]]
                tested = np.concatenate([tested, fold[1]])
                figure = score(labelled.task, labels[tested], outputs[tested], self.metric)
                if number < len(folds) - 1:
                    report(trial, figure, number)
            if not np.isfinite(figure):
                raise DataError("its predictions are all alike")
            return figure

        def tell(found: Found) -> None:
            tried = found.finished + found.pruned
            best = f", best {found.value:.3f}" if found.finished else ""
            self._tell(before + min(tried, trials), f"{name}{best}")

        self._tell(before, name)
        found = search(
            objective,
            trials=trials,
            seconds=seconds,
            seed=self.settings.seed,
            storage=self.storage,
            name=name,
            about=self.about,
            progress=tell,
        )
        self.done = before + trials
        return found

    def _unseen(self) -> Array:
        """Outputs of each fold's clips, (N, outputs), by a search that had not seen them."""
        labelled = self.labelled
        outputs = np.zeros((len(labelled.labels), labelled.task.outputs), np.float32)
        for number, (train, test) in enumerate(labelled.folds):
            codes = strata(labelled.task, labelled.labels[train])
            folds = grouped_folds(codes, labelled.groups[train], INNER_FOLDS, self.settings.seed)
            seconds = None
            if self.seconds is not None:
                left = self.seconds - (time.monotonic() - self.began)
                seconds = max(left, 0.0) / (len(labelled.folds) - number)
            name = f"fold {number + 1} of {len(labelled.folds)}"
            found = self._search(name, train, folds, self.inner, seconds)
            if found.interrupted:
                raise KeyboardInterrupt
            if not found.finished:
                raise DataError(f"{name}: no trial came to its end ({found.problem or 'no time'})")
            outputs[test] = self._outputs(*self._settings(found), [(train, test)])[test]
        return outputs

    def _outputs(self, settings: TrainSettings, params: dict[str, Any], folds: list[Fold]) -> Array:
        labelled = self.labelled
        return cross_validate(
            labelled.steps, labelled.labels, labelled.groups, labelled.task, labelled.columns,
            labelled.shape, settings, folds=folds, params=params,
        ).outputs  # fmt: skip

    def _scores(self, outputs: Array) -> dict[str, Score]:
        labelled = self.labelled
        return scores(labelled.task, labelled.labels, outputs, labelled.groups)

    def _drawn(self, trial: Any) -> tuple[TrainSettings, dict[str, Any]]:
        """What a trial draws: settings, and numbers of the network itself."""
        drawn = dict(self.network.space(trial))
        params = dict(drawn.pop("params", {}))
        return changed(self.settings, drawn), params

    def _settings(self, found: Found) -> tuple[TrainSettings, dict[str, Any]]:
        """What the best trial drew; where there is none, what was given."""
        if not found.params:
            return self.settings, {}
        from optuna.trial import FixedTrial

        return self._drawn(FixedTrial(found.params))

    def _tell(self, done: int, text: str) -> None:
        if self.progress is not None:
            inside = self.inner * len(self.labelled.folds) if self.nested else 0
            self.progress(done, self.trials + inside, text)


def settings_file(tuned: Tuned) -> str:
    """Write settings as TOML that ``moments train --config`` takes: what is not the default."""
    usual = TrainSettings()
    lines = ["[train]", f"network = {_toml(tuned.settings.network)}"]
    for item in fields(tuned.settings):
        value = getattr(tuned.settings, item.name)
        if item.name != "network" and value != getattr(usual, item.name):
            lines.append(f"{item.name} = {_toml(value)}")
    if tuned.params:
        own = [f"{name}={value}" for name, value in tuned.params.items()]
        lines.append(f"param = {_toml(own)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A plain value; what JSON writes of it is TOML too."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
