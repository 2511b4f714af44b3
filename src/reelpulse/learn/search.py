"""A search over hyperparameters, by Optuna; kept in a file, so that it goes on where it stopped."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, MissingExtra, ReelpulseError, at

_PRUNED_FROM = 1
"""The step from which a trial may be ended early: one fold alone tells too little."""

_ABOUT, _PROBLEM = "about ", "problem"
"""What is kept with a search and with a trial, as Optuna's user attributes."""


@dataclass(frozen=True)
class Found:
    """Where a search stands.

    Parameters
    ----------
    params : dict
        Of the best trial, by Optuna's names; empty where no trial was finished.
    value : float
        Its objective; NaN where no trial was finished.
    finished, pruned, failed : int
        Trials so far, those of earlier runs included: brought to their end, ended early because
        they were behind, and ended by an error.
    earlier : int
        How many of those finished or pruned were there when this run began.
    problem : str or None
        What the last failed trial said.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    params: dict[str, Any]
    value: float
    finished: int
    pruned: int
    failed: int
    earlier: int
    problem: str | None = None
    interrupted: bool = False


def search(
    objective: Callable[[Any], float],
    *,
    trials: int,
    seconds: float | None = None,
    seed: int = 0,
    storage: str | Path | None = None,
    name: str = "search",
    about: Mapping[str, str] | None = None,
    progress: Callable[[Found], None] | None = None,
) -> Found:
    """Look for the hyperparameters that make an objective highest.

    Trials are drawn by the tree-structured Parzen estimator and ended early by the median rule:
    those whose reports lie under the median of earlier trials at the same step.

    Parameters
    ----------
    objective : callable
        Takes an Optuna trial, asks it for values, reports to it by `report`, and returns the
        figure. A `ReelpulseError` fails that trial alone.
    trials : int
        How many to have in the end, those of earlier runs included.
    seconds : float, optional
        No trial begins after so long.
    seed : int
        Of the draws. A search that goes on draws on, and does not repeat its first trials.
    storage : str or Path, optional
        An SQLite file that keeps the trials; none keeps them.
    name : str
        Of this search in the file.
    about : mapping of str to str, optional
        What the trials depend on; kept with them.
    progress : callable, optional
        Called after each trial.

    Raises
    ------
    DataError
        When the file keeps a search about something else, or is no file of Optuna's.
    MissingExtra
        When Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtra("train", "a search over settings") from None

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _opened(storage) as kept:
        study = optuna.create_study(
            storage=kept,
            study_name=name,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=_PRUNED_FROM),
            load_if_exists=True,
        )
        _check_about(study, dict(about or {}), storage)
        running = optuna.trial.TrialState.RUNNING
        for trial in study.get_trials(deepcopy=False, states=(running,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # its run was killed
        begun = _found(study)
        earlier = begun.finished + begun.pruned
        study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
        interrupted = False

        def tried(trial: Any) -> float:
            try:
                return objective(trial)
            except ReelpulseError as error:
                trial.set_user_attr(_PROBLEM, str(error))
                raise

        def told(study: Any, trial: Any) -> None:
            if progress is not None:
                progress(_found(study, earlier))

        try:
            if earlier < trials:
                study.optimize(
                    tried,
                    n_trials=trials - earlier,
                    timeout=seconds,
                    catch=(ReelpulseError,),
                    callbacks=[told],
                )
        except KeyboardInterrupt:
            interrupted = True
        return _found(study, earlier, interrupted)


def report(trial: Any, figure: float, step: int) -> None:
    """Tell how a trial does so far, and end it where it is behind; a NaN tells nothing."""
    import optuna

    if math.isfinite(figure):
        trial.report(figure, step)
        if trial.should_prune():
            raise optuna.TrialPruned


@contextmanager
def _opened(storage: str | Path | None) -> Iterator[Any]:
    """Open the file; what SQLite and its mapper say of a bad one becomes a `DataError`."""
    if storage is None:
        yield None
        return
    import optuna
    import sqlalchemy

    path = Path(storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not as a URL, in which a name with "?" would end there.
        kept = optuna.storages.RDBStorage(
            "sqlite://", engine_kwargs={"creator": lambda: sqlite3.connect(path)}
        )
    except (OSError, RuntimeError, optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError):
        problem = "is not a search that can be read or gone on with: give another --storage"
        raise DataError(at(path, problem)) from None
    try:
        yield kept
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise DataError(at(path, f"cannot be written ({error})")) from None
    finally:
        kept.engine.dispose()


def _check_about(study: Any, about: Mapping[str, str], storage: str | Path | None) -> None:
    kept = study.user_attrs
    for key, value in about.items():
        there = kept.get(_ABOUT + key)
        if there is None:
            study.set_user_attr(_ABOUT + key, value)
        elif there != value:
            problem = f"keeps a search with another {key}: give another --storage, or remove it"
            raise DataError(at(storage or "the search", problem))


def _found(study: Any, earlier: int = 0, interrupted: bool = False) -> Found:
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    # Trials that were stopped have failed too, for Optuna, and say nothing.
    problems = [trial.user_attrs[_PROBLEM] for trial in trials if _PROBLEM in trial.user_attrs]
    best = max(done, key=lambda trial: trial.value, default=None)
    return Found(
        params=dict(best.params) if best else {},
        value=float(best.value) if best else math.nan,
        finished=len(done),
        pruned=sum(trial.state == TrialState.PRUNED for trial in trials),
        failed=len(problems),
        earlier=earlier,
        problem=problems[-1] if problems else None,
        interrupted=interrupted,
    )
