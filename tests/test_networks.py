"""Every network: fits every task, is exported as it is, and sees no padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse import hub
from reelpulse.errors import DataError, SettingsError
from reelpulse.learn.onnx_file import check, write_onnx
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.inputs import Steps
from reelpulse.moments.training.fitting import Trained, fit_network
from reelpulse.moments.training.networks import MOMENT_NETWORKS
from reelpulse.settings import TrainSettings
from sets import COLUMNS, SHAPE, order_set

for needed in ("torch", "lightning", "sklearn", "xgboost", "skl2onnx", "onnxmltools"):
    pytest.importorskip(needed)

TASKS = {"binary": BINARY, "levels": LEVELS, "score": SCORE}
NEURAL = tuple(name for name, network in MOMENT_NETWORKS.items() if network.form == "steps")
SUMMARY = tuple(name for name in MOMENT_NETWORKS if name not in NEURAL)
TINY = TrainSettings(epochs=3)


def labelled(n: int, task: Task, seed: int = 0) -> tuple[Steps, np.ndarray]:
    """Clips whose first column says what their label is."""
    steps, funny = order_set(n, seed)
    labels = funny if task.kind == "binary" else np.arange(n) % 3
    if task.kind == "score":
        labels = np.arange(n) % 11
    steps.values[:, :, 0] += labels[:, None]
    return steps, labels.astype(np.float32)


def fitted(
    name: str, task: Task = BINARY, settings: TrainSettings = TINY, **others: Any
) -> Trained:
    steps, labels = labelled(60, task)
    chosen = replace(settings, network=name)
    groups = np.arange(60) // 6
    return fit_network(steps, labels, task, COLUMNS, SHAPE, chosen, groups=groups, **others)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", MOMENT_NETWORKS)
def test_every_network_of_every_task_is_exported_as_it_is(
    name: str, task: str, tmp_path: Path
) -> None:
    trained = fitted(name, TASKS[task])
    unseen, _ = labelled(70, TASKS[task], seed=1)
    inputs, expected = trained.inputs(unseen), trained.outputs(unseen)
    assert expected.shape == (70, TASKS[task].outputs)
    assert expected.dtype == np.float32
    assert ((expected >= 0) & (expected <= 1)).all()
    if task == "levels":
        np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    proto = trained.fitted.onnx()
    check(proto, inputs, expected)
    write_onnx(tmp_path / "model.onnx", proto, {"kind": "moments"})
    session = hub.open_onnx(tmp_path / "model.onnx").session
    assert {end.name for end in session.get_inputs()} == set(inputs)
    assert [end.name for end in session.get_outputs()] == ["output"]
    for size in (1, 3, 70):
        found = session.run(["output"], {key: value[:size] for key, value in inputs.items()})[0]
        np.testing.assert_allclose(found, expected[:size], atol=1e-4)
    assert trained.outputs(unseen[:0]).shape == (0, TASKS[task].outputs)


@pytest.mark.parametrize("name", SUMMARY)
@pytest.mark.parametrize("task", TASKS)
def test_principal_components_are_inside_the_model(name: str, task: str) -> None:
    trained = fitted(name, TASKS[task], replace(TINY, pca=4))
    assert trained.fitted.projection.axes.shape == (4 * len(COLUMNS), 4)  # type: ignore[attr-defined]
    unseen, _ = labelled(300, TASKS[task], seed=1)
    check(trained.fitted.onnx(), trained.inputs(unseen), trained.outputs(unseen))


@pytest.mark.parametrize("name", MOMENT_NETWORKS)
def test_the_same_seed_gives_the_same_outputs(name: str) -> None:
    unseen, _ = labelled(30, BINARY, seed=1)
    first, again = (fitted(name).outputs(unseen) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", MOMENT_NETWORKS)
def test_every_network_learns_what_a_column_says(name: str) -> None:
    from sklearn.metrics import roc_auc_score

    steps, labels = labelled(120, BINARY)
    unseen, truth = labelled(80, BINARY, seed=1)
    chosen = TrainSettings(network=name, epochs=15)
    trained = fit_network(steps, labels, BINARY, COLUMNS, SHAPE, chosen)
    assert roc_auc_score(truth, trained.outputs(unseen)[:, 0]) > 0.95


def test_only_networks_of_steps_learn_an_order() -> None:
    from sklearn.metrics import roc_auc_score

    steps, labels = order_set(240, 0)
    unseen, truth = order_set(300, 1)
    for name in ("conv1d", "lstm", "gru", "conv1d_lstm", *SUMMARY):
        chosen = TrainSettings(network=name, epochs=50)
        trained = fit_network(steps, labels, BINARY, COLUMNS, SHAPE, chosen)
        area = roc_auc_score(truth, trained.outputs(unseen)[:, 0])
        assert area >= 0.9 if name in NEURAL else 0.35 <= area <= 0.65, (name, area)


# Padding


@pytest.fixture(scope="module")
def neural() -> Mapping[str, Any]:
    return {name: fitted(name).fitted for name in NEURAL}


@pytest.fixture
def padded() -> dict[str, np.ndarray]:
    """Clips of 9, 4 and 0 steps of 15."""
    rng = np.random.default_rng(0)
    mask = (np.arange(15) < np.array([9, 4, 0])[:, None]).astype(np.float32)
    values = rng.normal(size=(3, 15, len(COLUMNS))).astype(np.float32)
    return {"input": values * mask[..., None], "mask": mask}


@pytest.mark.parametrize("name", NEURAL)
def test_what_stands_in_padding_changes_nothing(
    name: str, neural: Mapping[str, Any], padded: dict[str, np.ndarray]
) -> None:
    expected = neural[name].outputs(padded)
    junk = np.random.default_rng(1).normal(0, 50, padded["input"].shape).astype(np.float32)
    filled = np.where(padded["mask"][..., None] > 0, padded["input"], junk)
    found = neural[name].outputs({"input": filled, "mask": padded["mask"]})
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", NEURAL)
def test_padding_in_front_changes_nothing(
    name: str, neural: Mapping[str, Any], padded: dict[str, np.ndarray]
) -> None:
    there = int(padded["mask"][0].sum())
    one = {key: value[:1] for key, value in padded.items()}
    moved = {key: np.roll(value, 15 - there, axis=1) for key, value in one.items()}
    found, expected = neural[name].outputs(moved), neural[name].outputs(one)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NEURAL if name != "mlp"])
@pytest.mark.parametrize("more", [0, 12])
def test_how_much_is_padded_changes_nothing(
    name: str, more: int, neural: Mapping[str, Any], padded: dict[str, np.ndarray]
) -> None:
    one = {key: value[:1] for key, value in padded.items()}
    cut = {key: value[:, :9] for key, value in one.items()}
    wide = {
        key: np.pad(value, [(0, 0), (0, more), *[(0, 0)] * (value.ndim - 2)])
        for key, value in cut.items()
    }
    found, expected = neural[name].outputs(wide), neural[name].outputs(one)
    np.testing.assert_allclose(found, expected, atol=1e-5)


# What is asked for


def test_a_network_sees_only_the_columns_asked_for() -> None:
    steps, labels = labelled(60, BINARY)
    chosen = TrainSettings(network="svm", inputs=("sound",))
    trained = fit_network(steps, labels, BINARY, COLUMNS, SHAPE, chosen)
    assert trained.recipe.columns == ("loudness", "loudness_change", "laughter")
    steps.values[:, :, 0] = np.nan
    again = fit_network(steps, labels, BINARY, COLUMNS, SHAPE, chosen)
    np.testing.assert_array_equal(again.outputs(steps), trained.outputs(steps))


def test_classes_weigh_the_same_however_many_clips_they_have() -> None:
    steps, _ = order_set(120, 0)
    labels = (np.arange(120) % 6 == 0).astype(np.float32)
    means = [
        fit_network(
            steps, labels, BINARY, COLUMNS, SHAPE,
            TrainSettings(network="conv1d", epochs=2, patience=1, balance=balance),
        ).outputs(steps).mean()
        for balance in (True, False)
    ]  # fmt: skip
    assert means[0] > means[1] + 0.05


def test_numbers_of_a_network_can_be_changed() -> None:
    trained = fitted("gru", params={"hidden": 48})
    assert trained.fitted.network.layer.hidden_size == 48  # type: ignore[attr-defined]
    for wrong in ({"hiden": 48}, {"hidden": -1}, {"hidden": True}, {"dropout": float("nan")}):
        with pytest.raises(SettingsError, match="param"):
            fitted("gru", params=wrong)


@pytest.mark.parametrize("name", MOMENT_NETWORKS)
def test_what_a_search_draws_can_be_fitted(name: str) -> None:
    optuna = pytest.importorskip("optuna")
    from reelpulse.settings import changed

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for seed in range(3):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        drawn = MOMENT_NETWORKS[name].space(study.ask())
        MOMENT_NETWORKS[name].with_defaults(drawn.pop("params", {}))
        changed(TrainSettings(), drawn)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([0.0] * 20, "no clip is labelled funny"),
        ([0.0, 1.0] * 9 + [np.nan, 1.0], "clip 18 is labelled nan"),
        ([0.0, 1.0] * 9 + [np.inf, 1.0], "clip 18 is labelled inf"),
        ([0.0, 1.0] * 9 + [0.5, 1.0], "clip 18 is labelled 0.5"),
        ([0.0, 1.0] * 9 + [2.0, 1.0], "clip 18 is labelled 2.0"),
    ],
)
def test_impossible_labels_are_refused(labels: list[float], problem: str) -> None:
    steps, _ = order_set(20, 0)
    with pytest.raises(DataError, match=problem):
        fit_network(steps, labels, BINARY, COLUMNS, SHAPE, TINY)


def test_equal_scores_and_infinite_values_are_refused() -> None:
    steps, labels = order_set(20, 0)
    with pytest.raises(DataError, match="the same score"):
        fit_network(steps, np.full(20, 3.0), SCORE, COLUMNS, SHAPE, TINY)
    steps.values[3, 4, 5] = np.inf
    with pytest.raises(DataError, match="infinite"):
        fit_network(steps, labels, BINARY, COLUMNS, SHAPE, TINY)


def test_a_few_clips_are_enough_to_fit() -> None:
    steps, labels = labelled(4, BINARY)
    for name in MOMENT_NETWORKS:
        chosen = replace(TINY, network=name)
        trained = fit_network(steps, labels, BINARY, COLUMNS, SHAPE, chosen)
        assert np.isfinite(trained.outputs(steps)).all()
