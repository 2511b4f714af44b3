"""From a folder of pairs to a model, and what can go wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from genre_frames import COLOURS, write_frames, write_scenes
from reelpulse.errors import DataError, SettingsError
from reelpulse.files import only_one
from reelpulse.genre import compare as comparing
from reelpulse.genre import fitting
from reelpulse.genre.evaluate import evaluate
from reelpulse.genre.fitting import FittedGenre, fit_genre
from reelpulse.genre.model import load_genre
from reelpulse.genre.networks import GENRE_NETWORKS
from reelpulse.genre.pairs import load_pairs
from reelpulse.genre.settings import plan
from reelpulse.genre.train import GenreTraining, made_set, read_folder, train
from reelpulse.hub import open_onnx
from reelpulse.learn import comparison
from reelpulse.learn.comparison import parts_of, write_comparison
from reelpulse.learn.memory import too_large
from reelpulse.settings import GenreTrainSettings

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

QUICK: dict[str, Any] = {
    "network": "fc", "size": "8x12", "epochs": 8, "batch": 8, "rate": 0.01, "threads": 1,
}  # fmt: skip
ARGUMENTS = ["--network", "fc", "--size", "8x12", "--epoch", 2, "--bs", 8, "--lr", 0.01]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def trained(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> GenreTraining:
    folder = tmp_path_factory.mktemp("trained")
    return train(frames, folder / "genre.onnx", logs=folder / "logs", **QUICK)


def fitted(frames: Path, name: str, **more: Any) -> tuple[FittedGenre, Any, Any]:
    """Fit a network for a pass on pictures as small as it takes them."""
    least = max(GENRE_NETWORKS[name].least, 16)
    changes = {
        "network": name, "size": f"{least}x{least}", "epochs": 1, "batch": 8, "threads": 1,
        "pretrained": False, **more,
    }  # fmt: skip
    chosen = plan(GenreTrainSettings(), changes)
    pairs, (parts, *_), _ = read_folder(frames, chosen.settings)
    kept = made_set(pairs, chosen)
    return fit_genre(pairs, kept, parts, chosen), kept, parts


# What comes of it


def test_it_learns_what_a_colour_tells_of_films_that_it_never_saw(
    trained: GenreTraining, frames: Path
) -> None:
    scores = trained.tested.scores()
    assert set(scores) == {"accuracy", "macro_f1", "uar"}
    assert scores["accuracy"].value > 0.9
    pairs = load_pairs(frames)
    assert set(trained.tested.groups) == set(pairs.film_keys[pairs.splits == "test"])
    assert trained.tested.matrix.sum() == (pairs.splits == "test").sum()
    assert set(trained.fitted.valid) == {"accuracy", "macro_f1", "uar"}
    assert 1 <= trained.fitted.best <= trained.fitted.epochs == 8
    assert not trained.path.with_name("genre.onnx.parts").exists()


def test_the_file_says_what_it_is_and_judges_pictures_as_the_training_did(
    trained: GenreTraining, frames: Path
) -> None:
    said = open_onnx(trained.path).metadata
    assert (said["kind"], said["version"], said["name"]) == ("genre", 1, "fc")
    assert said["classes"] == list(COLOURS)
    assert said["data"]["parts"]["test"]["films"] == 3
    assert said["settings"]["preset"] == "fc"
    found = evaluate(trained.path, frames)
    assert found.part == "test"
    np.testing.assert_allclose(found.tested.outputs, trained.tested.outputs, atol=1e-4)
    assert load_genre(trained.path).spec == trained.fitted.spec


def test_tensorboard_is_given_figures_and_the_confusion(trained: GenreTraining) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.path.parent / "logs" / "fold0"))
    events.Reload()
    assert {"loss", "val_loss", "val_accuracy", "val_macro_f1"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("val_accuracy")) == 8
    assert events.Tags()["images"] == ["val"]


def test_every_film_is_tested_once_when_each_is_left_out(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames", train=2, test=0, pairs=2)
    found = train(
        folder, tmp_path / "out.onnx", **{**QUICK, "epochs": 1}, split="leave_one_film_out"
    )
    pairs = load_pairs(folder)
    assert sorted(found.tested.groups) == sorted(pairs.film_keys)
    assert found.facts["parts"]["test"]["films"] == 1
    assert any("too few films" in warning for warning in found.warnings)


def test_a_split_by_scene_says_that_it_flatters(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "frames")
    found = train(folder, tmp_path / "out.onnx", **{**QUICK, "epochs": 1}, split="scene", folds=4)
    assert any("films of the test are trained on" in warning for warning in found.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("name", GENRE_NETWORKS)
def test_each_network_trains_and_is_exported(name: str, frames: Path) -> None:
    found, kept, parts = fitted(frames, name)
    proto = found.onnx(kept, parts.test)
    assert [given.name for given in proto.graph.input] == list(found.spec.inputs)
    assert [given.name for given in proto.graph.output] == ["probabilities"]
    outputs = found.outputs(kept, parts.test)
    assert outputs.shape == (len(parts.test), 3)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_a_network_of_pairs_is_exported_with_inputs_by_name(frames: Path, tmp_path: Path) -> None:
    found, kept, parts = fitted(frames, "flow_pair")
    assert found.spec.magnitude_mean == pytest.approx(float(kept.magnitudes(parts.train).mean()))
    proto = found.onnx(kept, parts.test)
    assert [given.name for given in proto.graph.input] == ["frames", "flow"]
    single, kept, parts = fitted(frames, "fc")
    each = single.outputs(kept, parts.test)
    logits = [
        torch.from_numpy(kept.frames(parts.test, np.full(len(parts.test), which))["frames"])
        for which in (0, 1)
    ]
    shares = [
        single.network((one.float() / 255 - 0.5) / 0.5).softmax(1).detach().numpy()
        for one in logits
    ]
    np.testing.assert_allclose(each, np.mean(shares, axis=0), atol=1e-5)


# Stopped, and gone on with


def test_a_stopped_training_goes_on_to_the_same_model(frames: Path, tmp_path: Path) -> None:
    changes = {**QUICK, "epochs": 3}
    whole = train(frames, tmp_path / "whole.onnx", **changes)

    def stop(share: float, total: int, what: str) -> None:
        if what.startswith("fc") and share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(frames, tmp_path / "out.onnx", progress=stop, **changes)
    assert (tmp_path / "out.onnx.parts" / "fold0.safetensors").exists()
    shares: list[float] = []
    again = train(
        frames, tmp_path / "out.onnx", progress=lambda *done: shares.append(done[0]), **changes
    )
    np.testing.assert_array_equal(again.tested.outputs, whole.tested.outputs)
    assert shares[-1] == 1
    assert not (tmp_path / "out.onnx.parts").exists()


def test_two_runs_do_not_train_the_same(frames: Path, tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "out.onnx.parts", "another"),
        pytest.raises(DataError, match="is being trained by another run"),
    ):
        train(frames, tmp_path / "out.onnx", **QUICK)


# The command line


def test_options_have_the_spellings_of_both_houses(
    run: Command, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "genre.onnx"
    done = run(
        "genre", "train", frames, *ARGUMENTS, "--optimizer", "sgd", "--accumulate", 2, "-o", out,
        "--json",
    )  # fmt: skip
    found = json.loads(done.out)
    settings = found["settings"]
    assert (settings["epochs"], settings["batch"], settings["rate"]) == (2, 8, 0.01)
    assert (settings["optimiser"], settings["accumulate"]) == ("sgd", 2)
    assert found["classes"] == list(COLOURS)
    shown = run("genre", "evaluate", out, frames, "--split", "all")
    assert "the figures flatter it" in str(shown.errors)
    assert "48 pairs of 12 films (all)" in shown.out
    judged = json.loads(run("genre", "evaluate", out, frames, "--split", "valid", "--json").out)
    assert judged["films"] == 3


def test_a_larger_step_than_batch_is_said(run: Command, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "genre.onnx"
    done = run("genre", "train", frames, *ARGUMENTS, "--accumulate", 4, "-o", out)
    assert "a step is made of 4 batches: 32 examples" in str(done.errors)
    assert "of each film, the hardest first" in done.out


def test_out_of_memory_names_the_batch_to_try(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(fitting, "fit", full)
    with pytest.raises(SettingsError, match="try --bs 4 --accumulate 2"):
        train(frames, tmp_path / "out.onnx", **QUICK)


def test_a_model_is_not_judged_by_classes_that_it_does_not_know(
    trained: GenreTraining, frames: Path, tmp_path: Path, run: Command
) -> None:
    other = write_frames(tmp_path / "other", train=0, pairs=1)
    (other / "sf_test").rename(other / "musical_test")
    with pytest.raises(DataError, match="has pairs of musical, which"):
        evaluate(trained.path, other)
    with pytest.raises(DataError, match="has no pair in the part train"):
        evaluate(trained.path, other, "train")
    run("genre", "evaluate", trained.path, tmp_path / "none").one_line("no such folder")


# All networks side by side


def test_networks_are_compared_on_the_same_films_and_one_that_fails_is_named(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_frames(tmp_path / "frames")
    tried = []
    real = comparing.fit_and_judge

    def broken(pairs: Any, kept: Any, parts: Any, chosen: Any, *more: Any, **others: Any) -> Any:
        tried.append(chosen.network)
        if chosen.network == "flownet_fc":
            raise RuntimeError("no luck")
        return real(pairs, kept, parts, chosen, *more, **others)

    monkeypatch.setattr(comparing, "fit_and_judge", broken)
    arguments = [
        "genre", "compare", folder, "--network", "fc", "--network", "flownet_fc", "--size", "16x24",
        "--epochs", 1, "--bs", 8, "--threads", 1, "--json",
    ]  # fmt: skip
    done = run(*arguments)
    assert done.code == 1
    found = json.loads(done.out)
    assert [line["name"] for line in found["networks"]] == ["fc"]
    assert found["networks"][0]["published"] == 36.7
    assert found["networks"][0]["costs"]["trained"] > 0
    assert "flownet_fc could not be trained" in str(done.errors)
    monkeypatch.setattr(comparing, "fit_and_judge", real)
    done = run(*arguments[:-1])
    assert tried == ["fc", "flownet_fc"]
    assert "flownet_fc" in done.out
    assert json.loads((folder / "compare.json").read_text())["failed"] == {}
    assert not (folder / "compare.parts").exists()


@pytest.mark.parametrize(("out", "said"), [("c.txt", "ends with .json"), ("c.json", "another -o")])
def test_where_a_comparison_cannot_go_is_said_before_it_is_made(
    run: Command, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, said: str
) -> None:
    (tmp_path / "c.json").mkdir()
    monkeypatch.setattr(comparing, "fit_and_judge", None)
    run("genre", "compare", frames, "--network", "fc", "-o", tmp_path / out).one_line(out, said)


def test_a_comparison_keeps_its_parts_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_frames(tmp_path / "frames")
    settings = GenreTrainSettings(size="16x24", epochs=1, batch=8, threads=1)
    first = comparing.compare(folder, settings, presets=["fc"])
    assert parts_of(folder).is_dir()
    monkeypatch.setattr(comparing, "fit_and_judge", None)
    again = comparing.compare(folder, settings, presets=["fc"])
    assert again.as_dict() == first.as_dict()
    write_comparison(again)
    assert not parts_of(folder).exists()


def test_a_network_whose_outputs_cannot_be_kept_is_none_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(comparison.np, "savez", full)
    folder = write_frames(tmp_path / "frames")
    settings = GenreTrainSettings(size="16x24", epochs=1, batch=8, threads=1)
    with pytest.raises(DataError, match=r"fc\.npz: cannot be written \(No space left"):
        comparing.compare(folder, settings, presets=["fc"])


def test_logs_that_cannot_be_a_folder_are_one_line(
    run: Command, frames: Path, tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("")
    typed = ["genre", "train", frames, *ARGUMENTS, "-o", tmp_path / "g.onnx", "-q"]
    run(*typed, "--logs", tmp_path / "logs").one_line("logs", "cannot be a folder")


def test_films_trained_on_in_another_folder_are_left_out_of_a_test(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames")
    path = train(folder, tmp_path / "g.onnx", **QUICK, split="film", folds=2).path
    own = evaluate(path, folder).tested
    write_frames(folder, train=3, test=2)  # one film more to test with
    changed = evaluate(path, folder)
    told = load_genre(path).description
    known = {name for part in ("train", "valid") for name in told["data"]["parts"][part]["named"]}
    assert known.isdisjoint(changed.tested.groups)
    assert set(changed.tested.groups) - set(own.groups) == {f"{genre}/movie5" for genre in COLOURS}
    assert any("left out, as it was trained on films of these names" in w for w in changed.warnings)
    assert any("the figures flatter it" in w for w in evaluate(path, folder, "all").warnings)


def test_the_batch_advised_can_be_asked_for() -> None:
    assert "try --bs 2 --accumulate 2" in too_large("vgg16", 3, 1, "--bs", 2)
    assert "even with two at a time" in too_large("vgg16", 2, 1, "--bs", 2)
    assert "even with one at a time" in too_large("small", 1, 1)
