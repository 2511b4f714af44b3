"""Figures equal those of scikit-learn and SciPy; intervals cover what they promise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelpulse.errors import DataError
from reelpulse.learn.metrics import (
    FEWEST_GROUPS,
    Score,
    by_class,
    calibration,
    confusion,
    difference,
    score,
    scores,
)
from reelpulse.learn.task import BINARY, LEVELS, SCORE

sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
stats = pytest.importorskip("scipy.stats")

Array = npt.NDArray[np.float64]


def predictions(count: int, seed: int = 0, signal: float = 0.2) -> tuple[Array, Array]:
    """Labels and probabilities, with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    outputs = np.round(np.clip(rng.normal(0.4 + signal * labels, 0.2), 0, 1), 1)
    return labels.astype(float), outputs[:, None]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10_000))
def test_figures_of_two_classes_are_those_of_scikit_learn(count: int, seed: int) -> None:
    labels, outputs = predictions(count, seed)
    labels[:2] = 0, 1
    found = scores(BINARY, labels, outputs, np.arange(count), draws=2)
    p = outputs[:, 0]
    expected = {
        "roc_auc": sk.roc_auc_score(labels, p),
        "average_precision": sk.average_precision_score(labels, p),
        "f1": sk.f1_score(labels, p >= 0.5),
        "accuracy": sk.accuracy_score(labels, p >= 0.5),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 60), st.integers(0, 10_000))
def test_figures_of_classes_are_those_of_scikit_learn(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, outputs = rng.integers(0, 3, count), rng.dirichlet(np.ones(3), count)
    labels[:3] = 0, 1, 2
    found = scores(LEVELS, labels, outputs, np.arange(count), draws=2)
    guessed = outputs.argmax(axis=1)
    expected = {
        "macro_f1": sk.f1_score(labels, guessed, average="macro", labels=[0, 1, 2]),
        "uar": sk.balanced_accuracy_score(labels, guessed),
        "accuracy": sk.accuracy_score(labels, guessed),
        "roc_auc": sk.roc_auc_score(labels == 2, outputs[:, 2]),
        "f1": sk.f1_score(labels == 2, guessed == 2),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert (confusion(labels, guessed, 3) == sk.confusion_matrix(labels, guessed)).all()


def test_figures_of_scores_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 11, 80).astype(float)
    outputs = np.clip(labels / 10 + rng.normal(0, 0.2, 80), 0, 1)[:, None].round(1)
    found = scores(SCORE, labels, outputs, np.arange(80), draws=2)
    error = 10 * outputs[:, 0] - labels
    expected = {
        "mae": np.abs(error).mean(),
        "rmse": math.sqrt((error**2).mean()),
        "spearman": stats.spearmanr(outputs[:, 0], labels).statistic,
        "roc_auc": sk.roc_auc_score(labels >= 5, outputs[:, 0]),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)


def resampled(rows: Array) -> list[float]:
    """Figures of the rows of a draw, by the libraries."""
    labels, outputs = predictions(60, 3)
    y, p = labels[rows], outputs[rows, 0]
    return [sk.roc_auc_score(y, p), sk.average_precision_score(y, p), sk.f1_score(y, p >= 0.5)]


def test_a_draw_is_scored_as_its_rows_would_be() -> None:
    labels, outputs = predictions(60, 3)
    groups = np.repeat(np.arange(12), 5)
    draws = 40
    drawn = np.random.default_rng(7).integers(0, 12, (draws, 12))
    rows = [np.concatenate([np.flatnonzero(groups == g) for g in draw]) for draw in drawn]
    by_hand = np.percentile([resampled(r) for r in rows], (2.5, 97.5), axis=0)
    found = scores(BINARY, labels, outputs, groups, draws=draws, seed=7)
    for place, name in enumerate(("roc_auc", "average_precision", "f1")):
        assert [found[name].low, found[name].high] == pytest.approx(by_hand[:, place])


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Examples of a group are alike: single ones drawn would make intervals too narrow."""
    from scipy.stats import norm

    truth = norm.cdf(1 / math.sqrt(2 * (1 + 1)))  # a shift of 1, spreads of 1 within and between
    covered = {"groups": 0, "clips": 0}
    runs = 100
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(40), 8)
        labels = rng.integers(0, 2, 40)[groups]
        logits = labels + rng.normal(0, 1, 320) + rng.normal(0, 1, 40)[groups]
        outputs = (1 / (1 + np.exp(-logits)))[:, None]
        for name, drawn in (("groups", groups), ("clips", np.arange(320))):
            found = scores(BINARY, labels, outputs, drawn, draws=200)["roc_auc"]
            covered[name] += found.low <= truth <= found.high
    assert covered["groups"] >= 0.85 * runs
    assert covered["clips"] < 0.7 * runs


def test_few_groups_draw_single_examples_within_each_class() -> None:
    labels, outputs = predictions(30, 2)
    labels[:] = np.arange(30) < 3
    for groups in (np.zeros(30), np.arange(30) % (FEWEST_GROUPS - 1)):
        found = scores(BINARY, labels, outputs, groups, draws=300)
        assert math.isfinite(found["roc_auc"].low)  # no draw lacks a class
        alone = scores(BINARY, labels, outputs, np.zeros(30), draws=300)
        assert found["roc_auc"] == alone["roc_auc"]


def test_the_same_seed_gives_the_same_intervals_and_another_does_not() -> None:
    labels, outputs = predictions(60)
    found = [scores(BINARY, labels, outputs, np.arange(60), seed=s)["roc_auc"] for s in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_difference_is_paired() -> None:
    labels, outputs = predictions(200, 4)
    rng = np.random.default_rng(0)
    other = np.clip(outputs + rng.normal(0, 0.01, outputs.shape), 0, 1)
    groups = np.arange(200)
    found = difference(BINARY, labels, outputs, other, groups)
    alone = scores(BINARY, labels, outputs, groups)["roc_auc"]
    expected = [sk.roc_auc_score(labels, p[:, 0]) for p in (outputs, other)]
    assert found.value == pytest.approx(expected[0] - expected[1])
    assert found.high - found.low < (alone.high - alone.low) / 2
    assert difference(BINARY, labels, outputs, outputs, groups) == Score(0.0, 0.0, 0.0)


def test_a_difference_tells_a_guess_from_knowledge() -> None:
    labels, outputs = predictions(200, 5, signal=0.4)
    guessed = np.random.default_rng(1).random((200, 1))
    assert difference(BINARY, labels, outputs, guessed, np.arange(200)).low > 0
    assert score(BINARY, labels, outputs, "roc_auc") > 0.8


def test_calibration_tells_promises_kept_from_broken_ones() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    labels = rng.random(20_000) < p
    kept = scores(BINARY, labels, p[:, None], np.zeros(20_000), draws=2)["ece"].value
    broken = scores(BINARY, labels, p[:, None] ** 3, np.zeros(20_000), draws=2)["ece"].value
    assert kept < 0.02
    assert broken > 0.2
    table = calibration(BINARY, labels, p[:, None])
    assert np.allclose(table.predicted, np.arange(0.05, 1, 0.1), atol=0.01)
    assert np.allclose(table.observed, table.predicted, atol=0.04)
    assert sum(table.counts) == 20_000


def test_calibration_leaves_out_empty_bins_and_takes_the_ends() -> None:
    table = calibration(BINARY, [0, 1, 1], [[0.0], [1.0], [1.0]])
    assert table.predicted == (0.0, 1.0)
    assert table.observed == (0.0, 1.0)
    assert table.counts == (1, 2)


def test_calibration_of_classes_is_of_the_likeliest() -> None:
    outputs = [[0.8, 0.1, 0.1], [0.8, 0.1, 0.1]]
    table = calibration(LEVELS, [0, 2], outputs)
    assert table.predicted == pytest.approx((0.8,))
    assert table.observed == (0.5,)


def test_each_class_has_its_figures() -> None:
    matrix = confusion([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 3)
    assert matrix.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    found = by_class(matrix, LEVELS.classes)
    assert found["boring"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "count": 2.0}
    assert found["funny"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 0.0}


def test_what_is_not_defined_is_not_a_number() -> None:
    found = scores(BINARY, [1, 1, 1], [[0.2], [0.4], [0.9]], [0, 1, 2], draws=5)
    assert math.isnan(found["roc_auc"].value)
    assert found["roc_auc"].as_list() == [None, None, None]
    assert found["f1"].value == pytest.approx(0.5)


def test_the_threshold_changes_what_counts_as_of_the_class() -> None:
    labels, outputs = [0, 0, 1, 1], [[0.1], [0.3], [0.4], [0.6]]
    assert scores(BINARY, labels, outputs, range(4))["accuracy"].value == 0.75
    assert scores(BINARY, labels, outputs, range(4), threshold=0.35)["accuracy"].value == 1.0


def test_predictions_that_diverged_are_refused() -> None:
    with pytest.raises(DataError, match="learning rate"):
        scores(BINARY, [0, 1], [[0.5], [math.nan]], [0, 1])


def test_many_examples_are_scored_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, outputs = predictions(50)
    whole = scores(BINARY, labels, outputs, np.arange(50), draws=30)
    monkeypatch.setattr("reelpulse.learn.metrics._MOST_CELLS", 50 * 7)
    parts = scores(BINARY, labels, outputs, np.arange(50), draws=30)
    assert whole["accuracy"].as_list() == parts["accuracy"].as_list()
