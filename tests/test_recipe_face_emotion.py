"""The recipe of the built-in face model, and the model that it made."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from scipy.special import softmax

REPOSITORY = Path(__file__).resolve().parents[1]
ASSET = REPOSITORY / "src" / "reelpulse" / "assets" / "face_emotion.onnx"
CARD = ASSET.with_suffix(".md")
FERPLUS = (
    Path(os.environ.get("REELPULSE_TEST_DATA") or REPOSITORY.parent / "shared" / "data") / "ferplus"
)
CLASSES = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
# Valence and arousal of each class: Russell & Mehrabian (1977); contempt is a stand-in.
VALENCE = [-0.51, (-0.51 - 0.60) / 2, -0.60, -0.64, 0.81, 0.0, -0.63, 0.40]
AROUSAL = [0.59, (0.59 + 0.35) / 2, 0.35, 0.60, 0.51, 0.0, -0.27, 0.67]
NORMS = np.array([VALENCE, AROUSAL]).T


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    for module in ("torch", "onnx", "onnxscript"):
        pytest.importorskip(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return importlib.import_module("face_emotion")


@pytest.fixture(scope="module")
def scores_of(recipe: ModuleType) -> ModuleType:
    """The recipe's file of scores, which `recipe` has imported."""
    return sys.modules["face_emotion_scores"]


@pytest.fixture(scope="module")
def crops_of(recipe: ModuleType) -> ModuleType:
    return sys.modules["face_emotion_crops"]


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
    printed = capsys.readouterr().out
    assert "epoch 1: loss" in printed
    assert "| sharpness: lowest third |" in printed
    assert "crops side by side" not in printed  # there are no clips beside these data
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    check_contract(session)
    scores = described(session)["scores"]
    assert set(scores["recall"]) == set(scores["recall_interval"]) == set(CLASSES)
    assert scores["temperature"] > 0
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


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (count, 192), and logits (count, 8) that say how likely each class is."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, 192)).astype(np.float32)
    weights = rng.normal(size=(8, 192)).astype(np.float32) * np.float32(0.15)
    return features, weights


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_calibrate_brings_back_a_head_that_is_too_modest_or_too_sure(
    recipe: ModuleType, factor: float
) -> None:
    torch = pytest.importorskip("torch")
    features, weights = drawn(6000)
    chance = softmax(features @ weights.T, axis=1)
    rng = np.random.default_rng(1)
    truth = [rng.choice(8, p=p / p.sum()) for p in chance.astype(np.float64)]
    votes = np.pad(np.eye(8, dtype=np.uint8)[truth] * 10, ((0, 0), (0, 2)))
    votes[:50] = 0
    votes[:50, [0, 8]] = 4, 6  # no emotion has a majority: not to be fitted to

    head = torch.nn.Linear(192, 8)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights * factor))
        head.bias.fill_(0.5 * factor)
        before = head(torch.from_numpy(features)).numpy()
        found = recipe.calibrate(head, before, votes)
        after = head(torch.from_numpy(features)).numpy()
    assert found["temperature"] == pytest.approx(factor, rel=0.05)
    assert found["ece_crossfitted"] < 0.03
    np.testing.assert_array_equal(after.argmax(1), before.argmax(1))
    np.testing.assert_allclose(head.weight.detach().numpy(), weights, rtol=0.05)
    np.testing.assert_allclose(head.bias.detach().numpy(), 0.5, rtol=0.05)


def test_calibration_error_is_the_gap_within_each_bin(scores_of: ModuleType) -> None:
    right = np.array([True, False, True, True])
    confidence = np.array([0.55, 0.55, 0.99, 1.0])  # too sure by .05; too modest by .005
    assert scores_of.calibration_error(right, confidence) == pytest.approx(0.0275)


def test_intervals_hold_the_figure_and_narrow_with_more_faces(scores_of: ModuleType) -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 4000)
    right, truth = rng.random(4000) < confidence, np.arange(4000) % 8
    widths = []
    for count in (400, 4000):
        found = scores_of.intervals(right[:count], confidence[:count], truth[:count])
        for name in ("accuracy", "macro_recall"):
            low, high = found[f"{name}_interval"]
            assert low < right[:count].mean() < high
            widths.append(high - low)
        assert 0 <= found["ece_interval"][0] < found["ece_interval"][1] < 0.1
    # Hits are nearly binomial: 1.96 standard deviations to either side.
    assert widths[0] == pytest.approx(2 * 1.96 * (0.75 * 0.25 / 400) ** 0.5, rel=0.1)
    assert widths[2] == pytest.approx(widths[0] / 10**0.5, rel=0.1)
    assert widths[3] == pytest.approx(widths[1] / 10**0.5, rel=0.1)


def test_wilson_gives_an_interval_even_where_nothing_was_hit(scores_of: ModuleType) -> None:
    # 1 of 8, by the formula: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96
    assert scores_of.wilson(1, 8) == pytest.approx([0.0224, 0.4709], abs=1e-4)
    assert scores_of.wilson(0, 8) == pytest.approx([0, 0.3244], abs=1e-4)


def test_looks_tell_dark_flat_and_blurred_pictures(scores_of: ModuleType) -> None:
    sharp = np.random.default_rng(0).integers(60, 200, (48, 48), np.uint8)
    dark, flat = sharp // 2, sharp // 4 + 100
    blurred = cv2.GaussianBlur(sharp, (7, 7), 2)
    found = scores_of.looks(np.stack([sharp, dark, flat, blurred]))
    assert found["brightness"].argmin() == 1
    assert found["contrast"][2] == pytest.approx(found["contrast"][0] / 4, rel=0.05)
    assert found["sharpness"].argmin() == 3
    assert found["sharpness"][2] == pytest.approx(found["sharpness"][0], rel=0.05)


def test_crops_of_clips_lie_where_training_faces_do(
    recipe: ModuleType,
    crops_of: ModuleType,
    test_data: Path,
    test_models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_ferplus(tmp_path / "data", {"train": 8})
    clips, sheet = tmp_path / "clips", tmp_path / "crops.png"
    clips.mkdir()
    (clips / "one.mp4").symlink_to(test_data / "faces" / "pyfeat_single_face.mp4")
    arguments = ["--data", tmp_path / "data", "--work", tmp_path / "work", "--clips", clips]
    arguments += ["--yunet", test_models / "face_detection_yunet_2023mar.onnx", "--crops", sheet]
    recipe.main([*map(str, arguments)])

    picture = cv2.imread(str(sheet), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (2 * (36 + 3 * 48), 12 * 3 * 48)
    printed = capsys.readouterr().out
    line = re.search(r"run time: eyes ([\d.]+) apart, middle at \(([\d.]+), ([\d.]+)\)", printed)
    assert line is not None
    right_eye, left_eye = crops_of.TEMPLATE[:2]
    middle = np.mean(crops_of.TEMPLATE, axis=0)
    assert float(line[1]) == pytest.approx(left_eye[0] - right_eye[0], rel=0.1)
    np.testing.assert_allclose([float(line[2]), float(line[3])], middle, atol=0.03)


def test_crops_without_clips_are_a_usage_error(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ferplus(tmp_path / "data", {"train": 8})
    yunet = tmp_path / "yunet.onnx"
    arguments = ["--data", tmp_path / "data", "--work", tmp_path / "work", "--yunet", yunet]
    arguments += ["--crops", tmp_path / "crops.png"]
    for named in ("--yunet", "--clips"):
        with pytest.raises(SystemExit) as stop:
            recipe.main([*map(str, arguments)])
        assert stop.value.code == 2
        assert capsys.readouterr().err.rstrip().endswith(named)
        yunet.write_bytes(b"there")
    assert not (tmp_path / "crops.png").exists()


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
    found = re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+)–([\d.]+) \|$", card, re.MULTILINE)
    rows = {name: [float(figure) for figure in figures] for name, *figures in found}
    names = {
        "accuracy by majority vote": "accuracy",
        "macro recall, eight classes": "macro_recall",
        "calibration error (top 1, 15 bins)": "ece",
    }
    for row, name in names.items():
        assert rows[row] == [scores[name], *scores[f"{name}_interval"]]
    for name in CLASSES:
        row = rows[f"recall of {name} ({scores['faces'][name]} faces)"]
        assert row == [scores["recall"][name], *scores["recall_interval"][name]]
    assert f"T = {scores['temperature']}" in card
    assert f"is {scores['ece_crossfitted']}" in card


def test_the_built_in_model_is_as_good_as_it_was_asked_to_be(asset: ort.InferenceSession) -> None:
    scores = described(asset)["scores"]
    assert scores["accuracy"] >= 0.88
    assert scores["macro_recall"] >= 0.65
    assert scores["ece"] <= 0.05
    assert scores["ece_interval"][1] <= 0.05


@pytest.mark.slow
def test_the_built_in_model_reaches_the_card_s_figures(asset: ort.InferenceSession) -> None:
    if not (FERPLUS / "valid.zip").is_file():
        pytest.skip("no test data")
    with (FERPLUS / "votes.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == "valid"]
    clear = [(row["name"], k) for row in rows for k, c in enumerate(CLASSES) if int(row[c]) > 5]
    with zipfile.ZipFile(FERPLUS / "valid.zip") as pictures:
        raw = [np.frombuffer(pictures.read(f"{name}.png"), np.uint8) for name, _ in clear]
    faces = np.stack([cv2.imdecode(png, cv2.IMREAD_GRAYSCALE) for png in raw])[:, None]
    logits, truth = outputs(asset, faces.astype(np.float32) / 255)[:, :8], [k for _, k in clear]
    right = logits.argmax(1) == np.array(truth)
    confidence = softmax(logits, axis=1).max(1)
    scores = described(asset)["scores"]
    assert right.mean() >= scores["accuracy"] - 0.002
    bins = np.minimum((confidence * 15).astype(int), 14)
    error = np.abs(np.bincount(bins, right - confidence, 15)).sum() / len(right)
    assert error == pytest.approx(scores["ece"], abs=0.001)
