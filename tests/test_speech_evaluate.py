"""A model judged by a corpus, the figures themselves, and several networks side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from conftest import Command
from reelpulse.errors import DataError, ModelError
from reelpulse.learn.figures import (
    FIGURES,
    ahead_by,
    confusion_picture,
    figures_of,
    matrices,
    scores_of,
)
from reelpulse.media import write_sound
from reelpulse.settings import SpeechTrainSettings
from reelpulse.speech.corpus import EMOTIONS, load_corpus
from reelpulse.speech.evaluate import evaluate
from reelpulse.speech.settings import checked
from reelpulse.speech.splitting import split
from reelpulse.speech.train import train
from voices import make_plain, write_voices

pytest.importorskip("lightning")

SETTINGS = checked(
    SpeechTrainSettings(),
    {
        "network": "small",
        "epochs": 2,
        "batch": 8,
        "folds": 3,
        "fold": 1,
        "picture": ("seconds=0.5", "size=80x24"),
    },
)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("corpus") / "speech")


@pytest.fixture(scope="module")
def model(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(speech, tmp_path_factory.mktemp("model") / "speech.onnx", SETTINGS).path


# Figures


def some(count: int = 300, speakers: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, count)  # of seven classes four are there
    predicted = np.where(rng.random(count) < 0.6, labels, rng.integers(0, 7, count))
    return labels, predicted, rng.integers(0, speakers, count)


def test_figures_are_scikit_learns_over_the_classes_that_are_there() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels, predicted, speakers = some()
    found = figures_of(matrices(labels, predicted, speakers, 7).sum(axis=0))
    given: dict[str, Any] = {"labels": range(4), "average": "macro", "zero_division": 0}
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, **given))
    assert found["precision"] == pytest.approx(metrics.precision_score(labels, predicted, **given))
    assert found["recall"] == pytest.approx(metrics.recall_score(labels, predicted, **given))
    assert found["uar"] == found["recall"]
    assert found["war"] == pytest.approx((labels == predicted).mean())


@pytest.mark.parametrize("speakers", [3, 12])
def test_intervals_hold_the_figure_and_widen_with_unlike_speakers(speakers: int) -> None:
    labels, predicted, of_speaker = some(speakers=speakers)
    scores = scores_of(labels, predicted, of_speaker, 7)
    assert tuple(scores) == FIGURES
    for score in scores.values():
        assert score.low < score.value < score.high
    if speakers == 12:
        half = np.where(of_speaker < 6, labels, (labels + 1) % 4)  # half are always wrong
        war = scores_of(labels, half, of_speaker, 7)["war"]
        assert war.high - war.low > 2 * (scores["war"].high - scores["war"].low)


def test_a_difference_is_paired() -> None:
    labels, predicted, speakers = some()
    same = ahead_by(labels, predicted, predicted, speakers, 7)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = np.where(np.arange(len(labels)) % 2 == 0, labels, predicted)
    ahead = ahead_by(labels, better, predicted, speakers, 7)
    assert 0 < ahead.low < ahead.value < ahead.high


def test_the_picture_is_darkest_where_most_are() -> None:
    matrix = [[5, 0, 15], [0, 1, 0], [0, 0, 9]]
    drawn = confusion_picture(matrix, ["one", "two", "감정"])
    assert drawn.dtype == np.uint8
    assert drawn.ndim == 3
    corner = np.array([30 + 5, 120 + 5])
    ground = [
        [drawn[corner[0] + 64 * row, corner[1] + 64 * column].sum() for column in range(3)]
        for row in range(3)
    ]
    assert ground[2][2] == ground[1][1] < ground[0][2] < ground[0][0] < ground[0][1]


# Evaluation


def test_the_test_part_is_that_of_the_training(model: Path, speech: Path) -> None:
    found = evaluate(model, speech)
    corpus = load_corpus(speech)
    parts = split(corpus, "speaker", 3, 0)[1]
    assert found.part == "test"
    assert found.tested.names.tolist() == [corpus.names[row] for row in parts.test]
    assert found.silent == found.warnings == ()
    assert len(evaluate(model, speech, "train").tested.names) == len(parts.train)


def test_all_of_its_own_corpus_is_warned_of(model: Path, speech: Path, run: Command) -> None:
    done = run("speech", "evaluate", model, speech, "--split", "all", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["clips"] == 84
    assert len(found["by_speaker"]) == 6
    assert set(found["classes"]) == set(EMOTIONS)
    assert np.sum(found["confusion"]) == 84
    assert "flatter" in found["warnings"][0]


def test_the_command_prints_what_the_training_printed(
    model: Path, speech: Path, run: Command
) -> None:
    done = run("speech", "evaluate", model, speech)
    assert done.code == 0
    assert "(test)" in done.out
    for part in ("macro F1", "UAR", "taken for", "hardest first"):
        assert part in done.out


def test_another_corpus_is_tried_whole_and_has_no_test(
    model: Path, tmp_path: Path, run: Command
) -> None:
    other = write_voices(tmp_path / "other", speakers=2, each=1)
    found = evaluate(model, other)
    assert found.part == "all"
    assert len(found.tested.names) == 14
    run("speech", "evaluate", model, other, "--split", "test").one_line(
        "is not what", "use --split all"
    )
    run("speech", "evaluate", model, other, "--split", "tests").one_line("did you mean `test`")


def test_silence_counts_nowhere_and_is_named(model: Path, tmp_path: Path) -> None:
    other = write_voices(tmp_path / "other", speakers=1, each=1)
    write_sound(other / "1_00.flac", np.zeros(6400, np.float32))
    found = evaluate(model, other)
    assert found.silent == ("1_00",)
    assert len(found.tested.names) == 6
    assert found.warnings == ("nothing is heard in 1 recordings, such as 1_00",)
    for path in other.glob("*.flac"):
        write_sound(path, np.zeros(6400, np.float32))
    with pytest.raises(DataError, match="nothing is heard in any"):
        evaluate(model, other)


def test_a_damaged_sound_is_named_with_what_to_do(model: Path, tmp_path: Path) -> None:
    other = write_voices(tmp_path / "other", speakers=1, each=1)
    (other / "1_00.flac").write_bytes(b"fLaC")
    with pytest.raises(DataError, match=r"1_00\.flac: .*; remove it, and run `reelpulse speech"):
        evaluate(model, other)


def changed(model: Path, to: Path, **said: Any) -> Path:
    """The model, with something else said of it."""
    proto = onnx.load(model)
    facts = json.loads(proto.metadata_props[0].value)
    proto.metadata_props[0].value = json.dumps({**facts, **said})
    onnx.save(proto, to)
    return to


def test_a_split_that_cannot_be_dealt_again_is_said(
    model: Path, speech: Path, tmp_path: Path
) -> None:
    fingerprint = load_corpus(speech).fingerprint
    bare = changed(model, tmp_path / "bare.onnx", data={"fingerprint": fingerprint})
    with pytest.raises(ModelError, match="does not say which recordings were its test"):
        evaluate(bare, speech)
    parts = {"test": {"fingerprint": "other"}}
    other = changed(
        model, tmp_path / "other.onnx", data={"fingerprint": fingerprint, "parts": parts}
    )
    with pytest.raises(ModelError, match="another version of scikit-learn"):
        evaluate(other, speech)


def test_other_classes_are_put_in_order_and_unknown_ones_refused(
    model: Path, speech: Path, tmp_path: Path
) -> None:
    turned = changed(model, tmp_path / "turned.onnx", classes=list(EMOTIONS[::-1]))
    own, other = (evaluate(one, speech).tested.outputs for one in (model, turned))
    np.testing.assert_allclose(other, own[:, ::-1])
    odd = changed(model, tmp_path / "odd.onnx", classes=["boredom", *EMOTIONS[1:]])
    with pytest.raises(ModelError, match="'boredom'"):
        evaluate(odd, speech)


# Comparison


def test_networks_side_by_side(
    speech: Path, run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from reelpulse.speech import compare as room

    make_plain(monkeypatch)
    typed = ["--network", "small", "--network", "resnet18", "--no-pretrained", "--epochs", 2,
             "--batch", 16, "--folds", 3, "--picture", "size=32", "-q"]  # fmt: skip
    real = room.fit_and_judge

    def stopped(*given: Any, **named: Any) -> Any:
        if given[3].network == "resnet18":
            raise KeyboardInterrupt
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(room, "fit_and_judge", stopped)
        assert run("speech", "compare", speech, *typed).code == 130
    fitted: list[str] = []

    def counted(*given: Any, **named: Any) -> Any:
        fitted.append(given[3].network)
        return real(*given, **named)

    monkeypatch.setattr(room, "fit_and_judge", counted)
    done = run("speech", "compare", speech, *typed, "-o", tmp_path / "c.json")
    assert done.code == 0, done
    assert fitted == ["resnet18"]  # the other was done before
    for part in ("small", "resnet18", "macro F1", "ms each"):
        assert part in done.out
    found = json.loads((tmp_path / "c.json").read_text())
    figures = [line["scores"]["macro_f1"][0] for line in found["networks"]]
    assert figures == sorted(figures, reverse=True)
    assert found["networks"][0]["behind"] == [0, 0, 0]
    assert all(line["costs"]["megabytes"] > 0 for line in found["networks"])
    assert not (speech / "compare.parts").exists()


def test_a_network_that_fails_is_named_and_the_others_go_on(
    speech: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["--network", "vit_base_patch16_224", "--network", "small", "--no-pretrained",
             "--epochs", 1, "--folds", 3, "--picture", "size=30", "-q", "--json"]  # fmt: skip
    done = run("speech", "compare", speech, *typed)
    assert done.code == 1
    assert [line["name"] for line in json.loads(done.out)["networks"]] == ["small"]
    assert done.errors[-1].startswith("error: vit_base_patch16_224 could not be trained: ")
    assert "multiple of 16" in done.errors[-1]
    run("speech", "compare", speech, "--network", "large").one_line("`network` cannot be 'large'")
