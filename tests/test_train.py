"""``moments train``: figures, the model's description, going on, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from reelpulse.errors import DataError, MissingExtra, ModelError
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.dataset.clips import make_clip_file
from reelpulse.moments.inputs import Steps
from reelpulse.moments.model import load_model
from reelpulse.moments.training import fitting
from reelpulse.moments.training.train import best_threshold, train
from reelpulse.settings import TrainSettings
from sets import COLUMNS, SHAPE, order_set

for needed in ("torch", "lightning", "sklearn", "skl2onnx"):
    pytest.importorskip(needed)

SAMPLING = {"rate": 2.0, "sample": "timeline", "models": {"emotion": "tiny"}}
SVM = TrainSettings(network="svm", folds=3)

MakeClips = Callable[..., Path]


@pytest.fixture
def make_clips(tmp_path: Path) -> MakeClips:
    def make(
        name: str = "clips.h5",
        task: Task = BINARY,
        labels: np.ndarray | None = None,
        videos: int = 12,
        steps: Steps | None = None,
        **facts: list[Any],
    ) -> Path:
        made, funny = order_set(60, 0)
        if labels is None:
            labels = funny if task == BINARY else np.arange(60) % 3 * (1 if task == LEVELS else 4)
        made.values[:, :, COLUMNS.index("laughter")] += np.asarray(labels)[:, None]
        facts = {
            "source": [f"stream-{i % videos}" for i in range(60)],
            "video": [f"clip-{i}.mp4" for i in range(60)],
            **facts,
        }
        return make_clip_file(
            tmp_path / name, steps or made, labels, task=task, columns=COLUMNS, shape=SHAPE,
            facts=facts, sampling=SAMPLING,
        )  # fmt: skip

    return make


def test_a_model_is_written_with_all_that_there_is_to_know(
    make_clips: MakeClips, tmp_path: Path
) -> None:
    told: list[tuple[float, int]] = []
    found = train(
        make_clips(),
        tmp_path / "funny.onnx",
        TrainSettings(network="conv1d", folds=3, epochs=3),
        progress=lambda done, total, name: told.append((done, total)),
    )
    model = load_model(tmp_path / "funny.onnx")
    said = model.description
    assert (said["kind"], said["version"], said["name"]) == ("moments", 1, "conv1d")
    assert said["window"] == {"seconds": [5.0, 6.0, 7.0], "step": 0.5}
    assert said["sampling"] == SAMPLING
    assert said["data"]["labels"] == {"ordinary": 30, "funny": 30}
    assert (said["data"]["clips"], said["data"]["sources"]) == (60, 12)
    assert said["data"]["columns"] == list(COLUMNS)
    assert said["scores"]["roc_auc"] == found.scores["roc_auc"].as_list()
    assert said["threshold"] == found.threshold
    assert said["settings"]["epochs"] == 3
    assert "operating" not in said
    assert set(found.baselines) == {"majority", "loudness", "tension"}
    assert model.recipe.columns == COLUMNS
    assert told == sorted(told)
    assert told[-1] == (4, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips.h5", "funny.onnx"]


@pytest.mark.parametrize("task", [BINARY, LEVELS, SCORE], ids=["binary", "levels", "score"])
def test_the_model_gives_what_was_trained(
    task: Task, make_clips: MakeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[fitting.Trained] = []
    fit = fitting.fit_network
    monkeypatch.setattr(
        "reelpulse.moments.training.train.fit_network",
        lambda *args, **others: trained.append(fit(*args, **others)) or trained[-1],
    )
    found = train(make_clips(task=task), tmp_path / "m.onnx", SVM, inputs=("sound", "happiness"))
    model = load_model(tmp_path / "m.onnx")
    steps, _ = order_set(20, 3)
    own = steps.columns([COLUMNS.index(name) for name in model.recipe.columns])
    np.testing.assert_allclose(model.outputs(own), trained[0].outputs(steps), atol=1e-4)
    assert found.scores["roc_auc"].value > 0.9
    assert 0 < found.threshold < 1


def test_figures_are_of_clips_that_were_not_fitted_on(
    make_clips: MakeClips, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    steps, _ = order_set(60, 0)
    noise = replace(steps, values=rng.normal(size=steps.values.shape).astype(np.float32))
    labels = rng.permutation(np.arange(60) % 2).astype(np.float32)
    clips = make_clips(labels=labels, steps=noise)
    forest = TrainSettings(network="random_forest", folds=3)
    assert train(clips, tmp_path / "m.onnx", forest).scores["roc_auc"].value < 0.75


def test_each_clip_is_tested_once_by_a_model_of_other_videos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps, labels = order_set(60, 0)
    groups = np.arange(60) // 5
    fitted_on: list[np.ndarray] = []
    fit = fitting.fit_network

    def watching(part: Steps, *args: Any, groups: np.ndarray, **others: Any) -> fitting.Trained:
        fitted_on.append(groups)
        return fit(part, *args, groups=groups, **others)

    monkeypatch.setattr(fitting, "fit_network", watching)
    folds = fitting.grouped_folds(labels, groups, 4, 0)
    crossed = fitting.cross_validate(
        steps, labels, groups, BINARY, COLUMNS, SHAPE, replace(SVM, folds=4), folds=folds
    )
    assert np.isfinite(crossed.outputs).all()
    assert sorted(set(crossed.folds.tolist())) == [0, 1, 2, 3]
    for number, seen in enumerate(fitted_on):
        assert not set(seen) & set(groups[crossed.folds == number])


# Going on


def interrupted_after(fits: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a training be ended when it begins one fit more; gives how many were begun."""
    begun: list[int] = []
    fit = fitting.fit_network

    def fragile(*args: Any, **others: Any) -> fitting.Trained:
        begun.append(len(begun))
        if len(begun) == fits + 1:
            raise KeyboardInterrupt
        return fit(*args, **others)

    monkeypatch.setattr(fitting, "fit_network", fragile)
    return begun


def test_an_interrupted_training_goes_on_to_the_same_model(
    make_clips: MakeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = make_clips()
    train(clips, tmp_path / "whole.onnx", SVM)
    begun = interrupted_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(clips, tmp_path / "m.onnx", SVM)
    assert not (tmp_path / "m.onnx").exists()
    parts = tmp_path / "m.onnx.parts"
    assert sorted(path.name for path in parts.iterdir()) == ["fold0.npz", "fold1.npz"]
    (parts / "fold1.npz").write_bytes((parts / "fold1.npz").read_bytes()[:200])  # half there
    train(clips, tmp_path / "m.onnx", SVM)
    assert len(begun) == 5  # the two, that which was ended, and folds 1 and 2
    assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    assert not parts.exists()


@pytest.mark.parametrize("other", ["settings", "labels"])
def test_what_is_left_of_another_training_is_not_used(
    other: str, make_clips: MakeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = interrupted_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(make_clips(), tmp_path / "m.onnx", SVM)
    labels = np.arange(60) // 2 % 2 if other == "labels" else None
    settings = SVM if other == "labels" else replace(SVM, pca=5)
    train(make_clips("others.h5", labels=labels), tmp_path / "m.onnx", settings)
    assert len(begun) == 3 + 3


# What is refused


def test_folds_need_enough_videos(make_clips: MakeClips, run: Command, tmp_path: Path) -> None:
    ran = run("moments", "train", make_clips(videos=3), "-o", "m.onnx", "--network", "svm")
    ran.one_line("clips.h5", "5 folds", "videos", "--folds 3")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--network", "conv2d"], ["conv2d", "conv1d"]),
        (["--inputs", "laughtr"], ["laughtr", "laughter"]),
        (["--where", "persn=Kim"], ["persn", "person"]),
        (["--where", "source=stream-1"], ["clips.h5"]),
        (["--embeddings", "--network", "svm"], ["embeddings"]),
        (["-o", "model.pt"], ["model.pt", ".onnx"]),
        (["--videos", "none.csv"], ["none.csv"]),
        (["--epochs", "0"], ["epochs"]),
    ],
)
def test_impossible_wishes_are_refused_in_one_line(
    arguments: list[str], parts: list[str], make_clips: MakeClips, run: Command
) -> None:
    clips = make_clips()
    run("moments", "train", clips, "-o", "m.onnx", *arguments).one_line(*parts)


def test_files_that_are_no_dataset_are_refused(run: Command, tmp_path: Path) -> None:
    run("moments", "train", "nowhere.h5", "-o", "m.onnx").one_line("nowhere.h5")
    (tmp_path / "text.h5").write_text("file,label\n")
    run("moments", "train", "text.h5", "-o", "m.onnx").one_line("text.h5")


def test_one_class_is_not_enough(make_clips: MakeClips, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clips\.h5.* no clip is labelled funny"):
        train(make_clips(labels=np.zeros(60)), tmp_path / "m.onnx", SVM)
    two = make_clips("two.h5", task=LEVELS, labels=np.arange(60) % 2)
    with pytest.raises(DataError, match=r"two\.h5.* no clip is labelled funny"):
        train(two, tmp_path / "m.onnx", SVM)


def test_a_model_that_is_exported_wrongly_is_not_written(
    make_clips: MakeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reelpulse.moments.training.vectors import SupportVectors

    outputs = SupportVectors.outputs
    monkeypatch.setattr(SupportVectors, "outputs", lambda *args: outputs(*args) * 0.99)
    with pytest.raises(ModelError, match="differs from the trained one"):
        train(make_clips(), tmp_path / "m.onnx", SVM)
    assert not (tmp_path / "m.onnx").exists()


def test_what_is_not_installed_is_named(
    make_clips: MakeClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = make_clips()
    monkeypatch.setitem(__import__("sys").modules, "lightning.pytorch", None)
    with pytest.raises(MissingExtra, match=r"reelpulse\[train\]"):
        train(clips, tmp_path / "m.onnx", folds=3, epochs=1)


# The command


def test_the_command_prints_a_table_beside_what_needs_no_network(
    make_clips: MakeClips, run: Command
) -> None:
    ran = run("moments", "train", make_clips(), "-o", "웃음.onnx", "--network", "svm")
    assert ran.code == 0, ran
    for word in ("웃음.onnx", "30 funny", "ROC-AUC", "svm", "majority", "loudness", "tension"):
        assert word in ran.out
    assert any("12" not in line and "clips" in line for line in ran.errors) or not ran.errors


def test_the_command_gives_json(make_clips: MakeClips, run: Command, tmp_path: Path) -> None:
    ran = run("moments", "train", make_clips(), "-o", "m.onnx", "--network", "svm", "--json")
    found = json.loads(ran.out)
    assert found["network"] == "svm"
    assert found["data"]["clips"] == 60
    assert len(found["scores"]["roc_auc"]) == 3
    assert (tmp_path / found["model"]).is_file()


def test_ctrl_c_says_that_it_will_go_on(
    make_clips: MakeClips, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_after(1, monkeypatch)
    ran = run("moments", "train", make_clips(), "-o", "m.onnx", "--network", "svm")
    assert ran.code == 130
    assert "goes on" in ran.errors[-1]


def test_logs_are_written_for_each_fold(make_clips: MakeClips, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    settings = TrainSettings(network="conv1d", folds=2, epochs=2)
    train(make_clips(), tmp_path / "m.onnx", settings, logs=tmp_path / "logs")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["all", "fold0", "fold1"]


# The threshold


def test_the_threshold_is_where_f1_is_highest() -> None:
    outputs = np.array([0.1, 0.2, 0.6, 0.3, 0.8, 0.9])[:, None]
    assert best_threshold(BINARY, [0, 0, 0, 1, 1, 1], outputs) == pytest.approx(0.25)
    assert best_threshold(BINARY, [0, 0, 0, 0, 1, 1], outputs) == pytest.approx(0.7)
    assert best_threshold(BINARY, [1, 1, 1, 1, 1, 1], outputs) == pytest.approx(0.05)
    alike = np.full((6, 1), 0.5)
    assert best_threshold(BINARY, [0, 0, 0, 1, 1, 1], alike) == pytest.approx(0.25)
    shares = np.stack([1 - outputs[:, 0], np.zeros(6), outputs[:, 0]], axis=1)
    assert best_threshold(LEVELS, [0, 1, 1, 0, 2, 2], shares) == pytest.approx(0.7)
    assert best_threshold(SCORE, [0, 1, 4, 4, 5, 10], outputs) == pytest.approx(0.7)
