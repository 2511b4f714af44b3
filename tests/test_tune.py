"""A search that goes on where it stopped, and does not flatter itself."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from quick import fit_broken, fit_lines, use_quick
from reelpulse.config import read_config
from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.files import only_one
from reelpulse.learn.search import report, search
from reelpulse.learn.task import SCORE
from reelpulse.moments.training import tune as tuning
from reelpulse.moments.training.networks import MOMENT_NETWORKS, Network
from reelpulse.moments.training.tune import settings_file, tune
from reelpulse.settings import TrainSettings
from test_compare import clip_file

pytest.importorskip("optuna", reason="Optuna is not installed")

QUICK = TrainSettings(network="lines", folds=3)


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_quick(monkeypatch, lines=fit_lines)
    return clip_file(tmp_path / "클립.h5")


def parabola(trial: Any) -> float:
    x = trial.suggest_float("x", -3, 3)
    for step in range(4):
        report(trial, -((x - 1) ** 2), step)
    if x > 2.5:
        raise ModelError("x is\ntoo large")
    return -((x - 1) ** 2)


# The search itself


def test_a_search_finds_the_top_and_ends_what_is_behind() -> None:
    found = search(parabola, trials=40)
    assert abs(found.params["x"] - 1) < 0.3
    assert found.value == -((found.params["x"] - 1) ** 2)
    assert found.finished + found.pruned == 40 or found.failed
    assert found.pruned > 5


@pytest.mark.parametrize("name", ["s.db", "가 나?#%20.db"])
def test_a_search_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    first = search(parabola, trials=6, storage=tmp_path / name)
    again = search(parabola, trials=6, storage=tmp_path / name)
    more = search(parabola, trials=12, storage=tmp_path / name)
    assert (first.earlier, again.earlier) == (0, first.finished + first.pruned)
    assert again.params == first.params or first.failed
    assert more.finished + more.pruned + more.failed >= 12
    assert (tmp_path / name).exists()


def test_the_same_seed_draws_the_same_trials_and_going_on_draws_others(tmp_path: Path) -> None:
    drawn: list[float] = []

    def note(trial: Any) -> float:
        drawn.append(trial.suggest_float("x", 0, 1))
        return drawn[-1]

    search(note, trials=4, seed=3)
    search(note, trials=4, seed=3)
    assert drawn[:4] == drawn[4:]
    search(note, trials=2, seed=3, storage=tmp_path / "s.db")
    search(note, trials=4, seed=3, storage=tmp_path / "s.db")
    assert len(set(drawn[8:])) == 4


def test_a_trial_that_fails_does_not_end_the_search() -> None:
    def failing(trial: Any) -> float:
        if trial.suggest_float("x", 0, 1) > 0.5:
            raise ModelError("too much")
        return 1.0

    found = search(failing, trials=12)
    assert found.failed > 0
    assert found.finished + found.failed == 12
    assert found.problem == "too much"


def test_ctrl_c_keeps_what_is_finished_and_a_killed_trial_does_not_count(tmp_path: Path) -> None:
    import optuna

    calls: list[int] = []

    def stopped(trial: Any) -> float:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return trial.suggest_float("x", 0, 1)

    found = search(stopped, trials=10, storage=tmp_path / "s.db")
    assert (found.finished, found.failed, found.interrupted) == (3, 0, True)
    kept = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 's.db'}")
    kept.ask()  # as a run leaves it that is killed
    again = search(stopped, trials=10, storage=tmp_path / "s.db")
    assert (again.finished, again.earlier, again.interrupted) == (10, 3, False)


def test_no_trial_begins_after_the_time() -> None:
    found = search(parabola, trials=10_000, seconds=0.0)
    assert (found.finished, math.isnan(found.value), found.params) == (0, True, {})


def test_a_search_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    search(parabola, trials=2, storage=path, about={"dataset": "a", "set of settings": "b"})
    with pytest.raises(DataError, match="with another dataset: give another --storage"):
        search(parabola, trials=2, storage=path, about={"dataset": "c", "set of settings": "b"})
    with pytest.raises(DataError, match="with another set of settings"):
        search(parabola, trials=2, storage=path, about={"dataset": "a", "set of settings": "d"})


def test_a_file_that_is_no_search_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "notes.db"
    wrong.write_text("not a database" * 200)
    for path in (wrong, tmp_path):
        with pytest.raises(DataError, match="give another --storage") as caught:
            search(parabola, trials=2, storage=path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


# Settings of a network


def test_tuning_finds_better_settings_and_tells_what_they_bring(clips: Path) -> None:
    seen: list[tuple[float, int, str]] = []
    found = tune(clips, QUICK, trials=10, progress=lambda *now: seen.append(now))
    assert found.metric == "roc_auc"
    assert found.found.finished + found.found.pruned + found.found.failed >= 10
    assert set(found.params) == {"strength"}
    assert found.settings.network == "lines"
    assert set(found.nested) == set(found.usual)
    for figures in (found.nested, found.usual):
        assert figures["roc_auc"].low <= figures["roc_auc"].value <= figures["roc_auc"].high
    assert found.gain is not None
    expected = found.nested["roc_auc"].value - found.usual["roc_auc"].value
    assert found.gain.value == pytest.approx(expected)
    assert found.storage == clips.with_name("클립.lines.tune.db")
    done = [trials for trials, _, _ in seen]
    assert done == sorted(done)
    assert {total for _, total, _ in seen} == {10 + 3 * 3}
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_search_inside_a_fold_never_sees_its_clips(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = clip_file(clips.with_name("scored.h5"), SCORE, count=60)
    real, seen, judged = tuning.cross_validate, set(), []

    def watched(steps: Any, labels: Any, *rest: Any, folds: Any, **more: Any) -> Any:
        own = steps.values[:, 0, 0]  # tells clips apart
        if len(labels) < 60:
            seen.update(own.tolist())
        elif seen and len(folds) == 1:
            judged.append((set(seen), set(own[folds[0][1]].tolist())))
            seen.clear()
        return real(steps, labels, *rest, folds=folds, **more)

    monkeypatch.setattr(tuning, "cross_validate", watched)
    found = tune(scored, QUICK, trials=3)
    assert len(judged) == 3
    for searched, tested in judged:
        assert len(searched | tested) == 60
        assert not searched & tested
    assert found.nested["spearman"].value > 0.3


def test_what_is_kept_is_of_this_dataset_and_these_settings(clips: Path) -> None:
    tune(clips, QUICK, trials=3, nested=False)
    again = tune(clips, QUICK, trials=5, nested=False)
    assert again.found.earlier == 3
    with pytest.raises(DataError, match="another set of settings"):
        tune(clips, replace(QUICK, mixup=0.0), trials=3, nested=False)
    other = clip_file(clips.with_name("other.h5"), count=90)
    with pytest.raises(DataError, match="another dataset"):
        tune(other, QUICK, trials=3, storage=again.storage)


def test_where_a_search_inside_a_fold_cannot_be_it_is_said(clips: Path) -> None:
    few = clip_file(clips.with_name("few.h5"), sources=4)
    found = tune(few, QUICK, trials=4)
    assert found.nested == {}
    assert found.usual["roc_auc"].value > 0.5
    assert any("no figure of clips that the search had not seen" in w for w in found.warnings)


def test_ctrl_c_gives_the_best_so_far(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []

    def stopped(examples: Any, held_back: np.ndarray, how: Any) -> Any:
        fits.append(1)
        if len(fits) == 10:
            raise KeyboardInterrupt
        return fit_lines(examples, held_back, replace(how, params={"strength": 1.0}))

    use_quick(monkeypatch, lines=stopped)
    found = tune(clips, QUICK, trials=20)
    assert found.found.interrupted
    assert found.found.finished >= 2
    assert found.nested == {}
    assert found.params
    again = tune(clips, QUICK, trials=5)
    assert again.found.earlier >= 3
    assert again.nested


def test_a_search_all_of_whose_trials_fail_says_why(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weak(examples: Any, held_back: np.ndarray, how: Any) -> Any:
        raise ModelError("it is too weak")

    use_quick(monkeypatch, lines=weak)
    with pytest.raises(DataError, match=r"no trial came to its end \(it is too weak\)"):
        tune(clips, QUICK, trials=2)


def test_a_mistake_of_the_code_is_not_taken_for_a_bad_trial(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_quick(monkeypatch, lines=fit_broken)
    with pytest.raises(RuntimeError):
        tune(clips, QUICK, trials=2)


def test_mistakes_are_said_in_a_line(clips: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean `lines`"):
        tune(clips, TrainSettings(network="line"))
    for wrong in ({"trials": 0}, {"minutes": 0.0}, {"minutes": math.nan}):
        with pytest.raises(SettingsError, match="at least one trial"):
            tune(clips, QUICK, **wrong)
    with pytest.raises(DataError, match="use --folds"):
        tune(clips, replace(QUICK, folds=40))
    held = only_one(clips.with_name("클립.lines.tune.db"), "x")
    with held, pytest.raises(DataError, match="another run"):
        tune(clips, QUICK, trials=2)


def test_the_settings_file_holds_what_is_not_the_default(clips: Path) -> None:
    found = tune(clips, replace(QUICK, inputs=("valence",)), trials=3, nested=False)
    read = tomllib.loads(settings_file(found))["train"]
    assert read["network"] == "lines"
    assert read["folds"] == 3
    assert read["inputs"] == ["valence"]
    assert read["jitter"] == found.settings.jitter
    assert "epochs" not in read
    assert read["param"] == [f"strength={found.params['strength']}"]
    path = clips.with_name("best.toml")
    path.write_text(settings_file(found), encoding="utf-8")
    assert list(read_config(path)["train"]["param"]) == read["param"]


def test_the_command_prints_what_was_found_and_writes_it(
    clips: Path, tmp_path: Path, run: Command
) -> None:
    chosen = ("--network", "lines", "--folds", "3", "--trials", "4", "-o", tmp_path / "best.toml")
    done = run("moments", "tune", clips, *chosen)
    assert done.code == 0, done.errors
    assert f"{clips}: lines" in done.out
    assert "4; " in done.out
    assert "on clips that the search had not seen" in done.out
    assert "noise" in done.out
    assert tomllib.loads((tmp_path / "best.toml").read_text("utf-8"))["train"]["network"] == "lines"
    again = run("moments", "tune", clips, *chosen, "--no-nested", "--json")
    assert again.code == 0, again.errors
    assert json.loads(again.out)["trials"]["earlier"] == 4


def test_the_command_ends_with_130_on_ctrl_c(
    clips: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(examples: Any, held_back: np.ndarray, how: Any) -> Any:
        raise KeyboardInterrupt

    use_quick(monkeypatch, lines=stopped)
    done = run("moments", "tune", clips, "--network", "lines", "--quiet")
    assert done.code == 130
    assert "stopped" in done.errors[-1]


@pytest.mark.parametrize("name", list(MOMENT_NETWORKS))
def test_what_every_network_draws_is_known_to_it(name: str) -> None:
    """And again from what the best trial drew."""
    import optuna

    network: Network = MOMENT_NETWORKS[name]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        trial = study.ask()
        drawn = dict(network.space(trial))
        params = drawn.pop("params", {})
        assert network.with_defaults(params) == {**network.params, **params}
        tuning.changed(TrainSettings(), drawn)
        again = dict(network.space(optuna.trial.FixedTrial(trial.params)))
        assert again == {**drawn, "params": params}
