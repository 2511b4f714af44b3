"""The recipe of the built-in face model, and the model that it made."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import zipfile
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from scipy.special import softmax

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPE = REPOSITORY / "recipes" / "face_emotion.py"
ASSET = REPOSITORY / "src" / "reelpulse" / "assets" / "face_emotion.onnx"
CARD = ASSET.with_suffix(".md")
FERPLUS = (
    Path(os.environ.get("REELPULSE_TEST_DATA") or REPOSITORY.parent / "shared" / "data") / "ferplus"
)
CLASSES = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
# Valence and arousal of each class: Russell & Mehrabian (1977); contempt is a stand-in.
NORMS = np.array(
    [
        [-0.51, 0.59],
        [(-0.51 - 0.60) / 2, (0.59 + 0.35) / 2],
        [-0.60, 0.35],
        [-0.64, 0.60],
        [0.81, 0.51],
        [0.0, 0.0],
        [-0.63, -0.27],
        [0.40, 0.67],
    ]
)


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    for module in ("torch", "onnx", "onnxscript"):
        pytest.importorskip(module)
    spec = importlib.util.spec_from_file_location("recipe_face_emotion", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def asset() -> ort.InferenceSession:
    return ort.InferenceSession(ASSET, providers=["CPUExecutionProvider"])


def described(session: ort.InferenceSession) -> dict:
    return json.loads(session.get_modelmeta().custom_metadata_map["reelpulse"])


def outputs(session: ort.InferenceSession, faces: np.ndarray) -> np.ndarray:
    parts = [faces[i : i + 64] for i in range(0, len(faces), 64)]
    return np.concatenate([session.run(None, {"input": part})[0] for part in parts])


def check_contract(session: ort.InferenceSession) -> None:
    """What everything downstream of a face model relies on."""
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape[1:], given.type) == ("input", [1, 48, 48], "tensor(float)")
    assert (made.name, made.shape[1:], made.type) == ("output", [10], "tensor(float)")
    for size in (1, 3):
        faces = np.random.default_rng(size).random((size, 1, 48, 48), np.float32)
        values = outputs(session, faces)
        assert values.shape == (size, 10)
        derived = softmax(values[:, :8].astype(np.float64), axis=1) @ NORMS
        np.testing.assert_allclose(values[:, 8:], derived, atol=1e-5)

    facts = described(session)
    assert (facts["kind"], facts["version"], facts["name"]) == ("face_emotion", 1, "builtin")
    assert facts["classes"] == CLASSES
    assert facts["outputs"] == [*CLASSES, "valence", "arousal"]
    assert facts["input"] == {"size": [48, 48], "colour": "grey", "mean": [0.0], "std": [1.0]}
    assert facts["crop"]["geometry"] == "points"
    assert facts["recipe"] == "recipes/face_emotion.py"
    assert facts["data"]["name"] == "FER+ (training split)"
    assert re.fullmatch("[0-9a-f]{64}", facts["data"]["fingerprint"])
    assert "MIT" in facts["data"]["licence"]
    assert facts["licence"]
    assert 0 <= facts["scores"]["accuracy"] <= 1
    right_eye, left_eye, nose, right_mouth, left_mouth = facts["crop"]["template"]
    assert 0 < right_eye[0] < nose[0] < left_eye[0] < 1
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1]) < 1


def write_ferplus(folder: Path, counts: dict[str, int]) -> None:
    """Write data of FER+'s shape, of random faces and votes."""
    folder.mkdir()
    random = np.random.default_rng(0)
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    columns += ["contempt", "unknown", "not_a_face"]
    rows = []
    for split, count in counts.items():
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as pictures:
            for i in range(count):
                face = random.integers(0, 256, (48, 48), np.uint8)
                pictures.writestr(f"fer{i:07d}.png", cv2.imencode(".png", face)[1].tobytes())
                votes = np.bincount([i % 10] * 6 + list(random.integers(0, 10, 4)), minlength=10)
                rows.append([split, f"fer{i:07d}", *votes])
    with (folder / "votes.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([["split", "name", *columns], *rows])


@pytest.mark.slow
def test_a_tiny_run_exports_a_model_that_keeps_the_contract(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ferplus(tmp_path / "data", {"train": 60, "valid": 40})
    model, work = tmp_path / "tiny.onnx", tmp_path / "work"
    arguments = ["--data", tmp_path / "data", "--work", work, "-o", model]
    recipe.main([*map(str, arguments), "--limit", "40", "--epochs", "1"])
    assert "epoch 1: loss" in capsys.readouterr().out
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    check_contract(session)
    assert set(described(session)["scores"]["recall"]) == set(CLASSES)
    assert str(REPOSITORY).encode() not in model.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "tiny.onnx", "work"]


def test_a_run_that_was_broken_off_ends_as_an_unbroken_one(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (20, 48, 48), np.uint8)
    votes = np.eye(10, dtype=np.uint8)[np.arange(20) % 8] * 10

    def trained(name: str) -> dict:
        return recipe.train(faces, votes, 2, 0, tmp_path / name).state_dict()

    unbroken, augment, calls = trained("unbroken.pt"), recipe.augment, []

    def break_off_in_the_second_epoch(batch: object) -> object:
        calls.append(batch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return augment(batch)

    monkeypatch.setattr(recipe, "augment", break_off_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        trained("broken.pt")
    resumed = trained("broken.pt")
    assert len(calls) == 3
    for name, tensor in unbroken.items():
        np.testing.assert_array_equal(resumed[name].numpy(), tensor.numpy(), err_msg=name)


def test_soft_labels_leave_out_single_votes_and_faces_that_are_none(recipe: ModuleType) -> None:
    votes = np.zeros((5, 10), np.uint8)
    votes[0, [0, 4, 8]] = 3, 6, 1
    votes[1, [0, 4, 8]] = 1, 5, 4
    votes[2, [2, 9]] = 4, 6
    votes[3, :8] = 1
    votes[4, [5, 8]] = 5, 5
    keep, targets = recipe.soft_labels(votes)
    assert keep.tolist() == [True, True, False, False, True]
    np.testing.assert_allclose(targets[0, [0, 4]], [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(targets[1], np.eye(8)[4])
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)


def test_score_counts_only_faces_with_a_majority(recipe: ModuleType) -> None:
    votes = np.zeros((5, 10), np.uint8)
    votes[0, 4], votes[1, 4], votes[2, 6] = 10, 6, 7
    votes[1, 5], votes[2, 5] = 4, 3
    votes[3, [4, 5]] = 5, 5  # no majority
    votes[4, 8] = 10  # a majority for unknown
    sure = np.where(np.eye(8)[[4, 5, 6, 0, 0]] == 1, 50.0, 0.0)
    scores = recipe.score(np.pad(sure, ((0, 0), (0, 2))), votes)
    assert scores["faces"] == {"happiness": 2, "sadness": 1}
    assert scores["recall"] == {"happiness": 0.5, "sadness": 1.0}
    assert scores["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores["macro_recall"] == 0.75
    assert scores["ece"] == pytest.approx(1 / 3, abs=1e-4)


def test_augment_keeps_shape_and_range(recipe: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    faces = torch.rand(50, 1, 48, 48)
    varied = recipe.augment(faces.clone())
    assert varied.shape == faces.shape
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert bool((varied != faces).flatten(1).any(1).all())


def test_missing_data_is_a_usage_error(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        recipe.main(["--data", str(tmp_path / "none"), "--work", str(tmp_path / "work")])
    assert stop.value.code == 2
    assert "--data" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_the_built_in_model_keeps_the_contract(asset: ort.InferenceSession) -> None:
    check_contract(asset)
    assert ASSET.stat().st_size <= 5_000_000


def test_the_built_in_model_takes_even_and_mirrored_images(asset: ort.InferenceSession) -> None:
    even = np.concatenate([np.full((1, 1, 48, 48), grey, np.float32) for grey in (0, 0.3, 1)])
    assert np.isfinite(outputs(asset, even)).all()
    faces = np.random.default_rng(0).random((4, 1, 48, 48), np.float32)
    mirrored = outputs(asset, np.ascontiguousarray(faces[..., ::-1]))
    np.testing.assert_allclose(mirrored, outputs(asset, faces), atol=1e-4)


def test_the_built_in_model_standardises_each_image(asset: ort.InferenceSession) -> None:
    faces = np.random.default_rng(0).random((4, 1, 48, 48), np.float32)
    darker = faces * np.float32(0.5) + np.float32(0.1)
    np.testing.assert_allclose(outputs(asset, darker), outputs(asset, faces), atol=1e-3)


def test_the_card_gives_the_figures_in_the_model(asset: ort.InferenceSession) -> None:
    card, scores = CARD.read_text(encoding="utf-8"), described(asset)["scores"]
    rows = dict(re.findall(r"^\| (.+?) \| ([\d.]+) \|$", card, re.MULTILINE))
    assert float(rows["accuracy by majority vote"]) == scores["accuracy"]
    assert float(rows["macro recall, eight classes"]) == scores["macro_recall"]
    assert float(rows["calibration error (top 1, 15 bins)"]) == scores["ece"]
    for name in CLASSES:
        row = rows[f"recall of {name} ({scores['faces'][name]} faces)"]
        assert float(row) == scores["recall"][name]


@pytest.mark.slow
def test_the_built_in_model_reaches_the_card_s_accuracy(asset: ort.InferenceSession) -> None:
    if not (FERPLUS / "valid.zip").is_file():
        pytest.skip("no test data")
    with (FERPLUS / "votes.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == "valid"]
    clear = [(row["name"], k) for row in rows for k, c in enumerate(CLASSES) if int(row[c]) > 5]
    with zipfile.ZipFile(FERPLUS / "valid.zip") as pictures:
        raw = [np.frombuffer(pictures.read(f"{name}.png"), np.uint8) for name, _ in clear]
    faces = np.stack([cv2.imdecode(png, cv2.IMREAD_GRAYSCALE) for png in raw])[:, None]
    guess = outputs(asset, faces.astype(np.float32) / 255)[:, :8].argmax(1)
    accuracy = float((guess == np.array([k for _, k in clear])).mean())
    assert accuracy >= described(asset)["scores"]["accuracy"] - 0.002
