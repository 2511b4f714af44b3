"""From a prepared corpus to a model, and what can go wrong on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from reelpulse.errors import DataError, SettingsError
from reelpulse.files import only_one
from reelpulse.hub import open_onnx
from reelpulse.learn.metrics import confusion
from reelpulse.media import read_sound
from reelpulse.settings import SpeechTrainSettings
from reelpulse.speech import fitting
from reelpulse.speech.augment import Augment
from reelpulse.speech.batches import PictureBatches
from reelpulse.speech.corpus import EMOTIONS, load_corpus
from reelpulse.speech.dataset import load_pictures
from reelpulse.speech.model import load_speech
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.picture import IMAGENET_MEAN, PictureSpec, normalised, picture
from reelpulse.speech.settings import augment_of, checked, picture_of
from reelpulse.speech.splitting import split
from reelpulse.speech.train import SpeechTraining, train
from voices import make_plain, write_voices

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

QUICK: dict[str, Any] = {
    "network": "small",
    "epochs": 6,
    "batch": 8,
    "folds": 3,
    "picture": ("seconds=0.4", "size=80x24"),
    "variants": 1,
}
SETTINGS = checked(SpeechTrainSettings(), QUICK)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("corpus") / "speech")


@pytest.fixture(scope="module")
def trained(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> SpeechTraining:
    folder = tmp_path_factory.mktemp("trained")
    return train(speech, folder / "speech.onnx", SETTINGS, logs=folder / "logs")


# What comes of it


def test_it_learns_what_a_pitch_tells_of_speakers_that_it_never_heard(
    trained: SpeechTraining, speech: Path
) -> None:
    scores = trained.tested.scores()
    assert set(scores) == {"macro_f1", "precision", "recall", "uar", "war"}
    assert scores["uar"].value > 0.8
    corpus = load_corpus(speech)
    parts = split(corpus, "speaker", 3, 0)[0]
    assert set(trained.tested.groups) == set(corpus.speakers[parts.test])
    assert trained.tested.matrix.sum() == len(parts.test)
    assert 1 <= trained.fitted.best <= trained.fitted.epochs == 6


def test_the_file_says_what_it_is_and_answers_as_the_network(
    trained: SpeechTraining, speech: Path
) -> None:
    said = open_onnx(trained.path).metadata
    assert (said["kind"], said["version"], said["name"]) == ("speech", 1, "small")
    assert said["classes"] == list(EMOTIONS)
    assert said["settings"]["epochs"] == 6
    assert said["data"]["parts"]["test"]["clips"] == len(trained.tested.labels)
    assert said["scores"]["uar"] == trained.tested.scores()["uar"].as_list()
    corpus = load_corpus(speech)
    spec = PictureSpec.from_dict(said["picture"])
    assert spec == trained.fitted.spec
    session = open_onnx(trained.path).session
    rows = split(corpus, "speaker", 3, 0)[0].test[:5]
    drawn = np.stack([picture(read_sound(corpus.path(int(row))), spec) for row in rows])
    found = session.run(["output"], {"input": normalised(drawn, spec)})[0]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    # The pictures of training were stored as bytes.
    np.testing.assert_allclose(found, trained.tested.outputs[:5], atol=0.05)
    model = load_speech(trained.path)
    heard = model.heard([read_sound(corpus.path(int(row))) for row in rows])
    assert (heard.argmax(axis=1) == found.argmax(axis=1)).all()


def test_mean_and_deviation_are_of_what_was_trained_on(
    trained: SpeechTraining, speech: Path
) -> None:
    corpus = load_corpus(speech)
    spec = picture_of(SETTINGS, SPEECH_NETWORKS["small"].spec)
    pictures = load_pictures(corpus, spec)
    rows = split(corpus, "speaker", 3, 0)[0].train
    assert (trained.fitted.spec.mean[0], trained.fitted.spec.std[0]) == pytest.approx(
        pictures.statistics(rows)
    )
    assert trained.fitted.spec.mean[0] != pictures.statistics(range(len(corpus)))[0]


def test_its_course_can_be_seen(trained: SpeechTraining) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = str(trained.path.parent / "logs" / "fold0")
    events = reading.EventAccumulator(folder, size_guidance={"images": 0}).Reload()
    tags = events.Tags()
    assert {"loss", "val_loss", "val_macro_f1", "val_precision", "val_recall"} <= set(
        tags["scalars"]
    )
    assert any(tag.startswith("lr") for tag in tags["scalars"])
    assert len(events.Images("val")) == 6


def test_the_same_seed_gives_the_same_model(
    trained: SpeechTraining, speech: Path, tmp_path: Path
) -> None:
    again = train(speech, tmp_path / "again.onnx", SETTINGS)
    np.testing.assert_array_equal(again.tested.outputs, trained.tested.outputs)
    assert not (tmp_path / "again.onnx.parts").exists()


def test_a_stopped_training_goes_on_to_the_same_model(
    trained: SpeechTraining, speech: Path, tmp_path: Path, run: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from reelpulse.speech import train as room

    typed = ["--network", "small", "--epochs", 6, "--batch", 8, "--folds", 3,
             "--picture", "seconds=0.4", "--picture", "size=80x24", "-q"]  # fmt: skip
    path = tmp_path / "speech.onnx"
    real = room.fit_speech

    def stopped(*given: Any, **named: Any) -> Any:
        def tick(share: float) -> None:
            if share > 0.4:
                raise KeyboardInterrupt

        return real(*given, **{**named, "tick": tick})

    with monkeypatch.context() as patch:
        patch.setattr(room, "fit_speech", stopped)
        ended = run("speech", "train", speech, *typed, "-o", path)
    assert ended.code == 130
    assert ended.errors[-1].endswith("the same command goes on from the last pass")
    assert (tmp_path / "speech.onnx.parts" / "fold0.safetensors").exists()
    passes: list[int] = []
    module = fitting.PictureBatches._dealt

    def counted(self: PictureBatches, number: int) -> Any:
        passes.append(number)
        return module(self, number)

    monkeypatch.setattr(fitting.PictureBatches, "_dealt", counted)
    done = run("speech", "train", speech, *typed, "-o", path, "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["test"] == trained.tested.as_dict()
    assert len(passes) < 12  # of twelve with those held back, three passes were made before
    assert not (tmp_path / "speech.onnx.parts").exists()


def test_the_command_prints_figures_classes_and_speakers(
    speech: Path, tmp_path: Path, run: Command
) -> None:
    done = run("speech", "train", speech, "--network", "small", "--epochs", 1, "--folds", 3,
               "--every-fold", "--picture", "seconds=0.4", "--picture", "size=80x24",
               "--balance", "--smoothing", 0.1, "--augment", "mixup=0.2", "--optimiser", "sgd",
               "-o", tmp_path / "s.onnx")  # fmt: skip
    assert done.code == 0, done
    for part in ("macro F1", "UAR", "WAR", "taken for", "of each speaker", "surprise"):
        assert part in done.out
    speakers = [line.split()[0] for line in done.out.partition("hardest first")[2].splitlines()[2:]]
    assert {"1", "2", "3", "4", "5", "6"} <= set(speakers)  # each was tested in some fold


def test_imagenets_mean_is_a_setting(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plain(monkeypatch)
    found = train(
        speech, tmp_path / "r.onnx", network="resnet18", pretrained=False, epochs=1, folds=3,
        picture=("size=32",), normalise="imagenet", augment=("none",), schedule="constant",
    )  # fmt: skip
    assert found.fitted.spec.mean == IMAGENET_MEAN
    with pytest.raises(SettingsError, match="takes one"):
        train(speech, tmp_path / "s.onnx", SETTINGS, normalise="imagenet")


@pytest.mark.slow
def test_two_processes_train_one_model(speech: Path, tmp_path: Path) -> None:
    typed = ["speech", "train", speech, "--network", "small", "--epochs", 2, "--folds", 3,
             "--picture", "seconds=0.4", "--picture", "size=80x24", "--devices", 2,
             "--every-fold", "-o", tmp_path / "s.onnx", "--json"]  # fmt: skip
    command = Path(sys.executable).with_name("reelpulse")
    done = subprocess.run(
        [command, *map(str, typed)], capture_output=True, text=True, timeout=280, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # the other process says nothing
    assert found["test"]["clips"] == 84
    assert load_speech(tmp_path / "s.onnx").classes == EMOTIONS


# Batches


def test_batches_are_varied_anew_each_pass_and_as_before_when_gone_on_with(speech: Path) -> None:
    corpus = load_corpus(speech)
    pictures = load_pictures(corpus, PictureSpec(size=(16, 16)))
    rows = np.arange(3, 20)

    def batches() -> PictureBatches:
        return PictureBatches(
            pictures, rows, corpus.labels, 7, 8, settings=Augment(mixup=0.3), seed=1
        )

    one = batches()
    first, second = list(one), list(one)
    assert [len(batch["pictures"]) for batch in first] == [6, 6, 5]  # even, none left alone
    assert len(one) == 3
    assert not torch.equal(first[0]["pictures"], second[0]["pictures"])
    again = batches()
    again.go_on(1)
    for batch, other in zip(second, again, strict=True):
        assert torch.equal(batch["pictures"], other["pictures"])
        assert torch.equal(batch["targets"], other["targets"])
    plain = list(PictureBatches(pictures, rows, corpus.labels, 7, 8))
    labels = torch.cat([batch["targets"] for batch in plain]).argmax(1)
    assert labels.tolist() == corpus.labels[rows].tolist()


# What can go wrong


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--network", "convnext_smal"], "did you mean `convnext_small`"),
        (["--folds", "9"], "9 folds need at least 9 speakers, and there are 6: use --folds 6"),
        (["--split", "speakers"], "did you mean `speaker`"),
        (["--fold", "5"], "there is no fold 5"),
        (["--batch", "0"], "must lie between 1 and"),
        (["--rate", "0"], "setting `rate` must lie"),
        (["--bits", "8"], "use auto, 32, 16, bf16"),
        (["--augment", "shft=1"], "did you mean `shift`"),
        (["--augment", "time_mask=much"], "'much' is no value of time_mask"),
        (["--picture", "size=wide"], "'wide' is no value of size"),
        (["--picture", "seconds=nan"], "no value of seconds"),
        (["--picture", "colour=1"], "`picture` cannot be 'colour'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    typed: list[str], said: str, speech: Path, run: Command
) -> None:
    run("speech", "train", speech, "-o", "s.onnx", *typed).one_line(said)


def test_a_folder_that_was_not_prepared(run: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run("speech", "train", "empty", "-o", "s.onnx").one_line("empty: has no table.csv", "prepare")


def test_another_name_of_a_model(run: Command, speech: Path) -> None:
    run("speech", "train", speech, "-o", "s.pt").one_line("s.pt: a model's name ends with .onnx")


def test_classes_without_a_clip_are_named(tmp_path: Path) -> None:
    some = write_voices(tmp_path / "some", emotions=EMOTIONS[:4], speakers=3, each=1)
    found = train(some, tmp_path / "s.onnx", SETTINGS, epochs=1)
    assert found.warnings == (
        "no clip of neutral, sadness and surprise: the model will not know them",
    )
    assert set(found.tested.labels.tolist()) == {0, 1, 2, 3}
    lone = write_voices(tmp_path / "lone", emotions=EMOTIONS[:1], speakers=3)
    with pytest.raises(DataError, match="all recordings are of one class"):
        train(lone, tmp_path / "s.onnx", SETTINGS)


def test_a_class_of_one_speaker_is_named(tmp_path: Path) -> None:
    lacking = [(str(speaker), "fear") for speaker in (2, 3)]
    folder = write_voices(tmp_path / "speech", speakers=3, lacking=lacking)
    with pytest.raises(DataError, match="no clip of fear is left to train on"):
        train(folder, tmp_path / "s.onnx", SETTINGS)


@pytest.mark.parametrize(
    ("error", "batch", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), 8,
         "small with batches of 8: try --batch 4 --accumulate 2"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 7,
         "try --batch 3 --accumulate 3"),
        (MemoryError(), 1, "even with one at a time: take a smaller"),
    ],
)  # fmt: skip
def test_memory_too_small_names_the_batch_to_try(
    error: BaseException, batch: int, said: str, speech: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*given: Any) -> Any:
        raise error

    monkeypatch.setattr(fitting, "_loss", refuse)
    with pytest.raises(SettingsError, match=said):
        train(speech, tmp_path / "s.onnx", SETTINGS, batch=batch)


def test_more_gpus_than_there_are(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingsError, match="--devices 2: this machine has 1"):
        train(speech, tmp_path / "s.onnx", SETTINGS, devices=2)


def test_two_runs_at_one_model(speech: Path, tmp_path: Path) -> None:
    said = pytest.raises(DataError, match="is being trained by another run")
    with only_one(tmp_path / "s.onnx.parts", "another"), said:
        train(speech, tmp_path / "s.onnx", SETTINGS)


def test_a_rate_far_too_high_is_said(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no number|not finite"):
        train(speech, tmp_path / "s.onnx", SETTINGS, rate=10, optimiser="sgd", epochs=2,
              schedule="constant", decay=10, batch=4)  # fmt: skip


# Settings


def test_augmentation_and_pictures_as_typed() -> None:
    chosen = SpeechTrainSettings(augment=("none", "mixup=0.4"))
    assert augment_of(chosen).mixup == 0.4
    assert augment_of(chosen).time_masks == 0
    assert augment_of(SpeechTrainSettings()) == Augment()
    drawn = SpeechTrainSettings(
        picture=("size=64x96", "margin=none", "seconds=3", "trim_db=none", "floor_db=-60")
    )
    spec = picture_of(drawn, PictureSpec())
    assert (spec.size, spec.margin, spec.seconds, spec.trim_db) == ((64, 96), None, 3.0, None)
    assert spec.floor_db == -60


def test_the_defaults_are_the_last_rung() -> None:
    chosen = SpeechTrainSettings()
    assert (chosen.network, chosen.epochs, chosen.schedule) == ("convnext_small", 20, "cosine")
    assert (chosen.normalise, chosen.split) == ("corpus", "speaker")
    assert augment_of(chosen) == Augment()
    assert picture_of(chosen, SPEECH_NETWORKS["convnext_small"].spec).margin is not None


def test_a_settings_file_has_a_table_of_its_own(speech: Path, tmp_path: Path, run: Command) -> None:
    (tmp_path / "s.toml").write_text('[speech]\nnetwork = "smal"\n', encoding="utf-8")
    run("speech", "train", speech, "--config", "s.toml").one_line("did you mean `small`")


def test_confusion_counts_rows_by_class(trained: SpeechTraining) -> None:
    tested = trained.tested
    again = confusion(tested.labels, tested.outputs.argmax(axis=1), 7)
    np.testing.assert_array_equal(tested.matrix, again)
