"""What the built-in face emotion model is measured by: calibration, scores with their intervals.

Measured are the faces of which one emotion has more than half of all votes.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest

CLASSES = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
BINS = 15
DRAWS = 2000
"""Of the bootstrap."""


def majority(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell which faces of votes (N, 10) are measured, as (N,) bool, and the class of each of them.

    The votes are those of the classes in order, then unknown, not a face.
    """
    truth = votes.argmax(1)
    clear = (votes.max(1) * 2 > votes.sum(1, dtype=int)) & (truth < len(CLASSES))
    return clear, truth[clear]


# Calibration


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Find what to divide logits (N, 8) by for the least negative log-likelihood of classes (N,).

    Temperature scaling: Guo et al. (2017), "On calibration of modern neural networks".
    """

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(likelihood[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Measure the expected calibration error of the leading class, in `BINS` equal bins."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - confidence, BINS)
    return float(np.abs(gaps).sum() / len(right))


def crossfitted_error(logits: np.ndarray, truth: np.ndarray, splits: int = 10) -> float:
    """Measure the calibration error where the temperature was fitted on the other half.

    Returns
    -------
    float
        The mean over random splits, both ways. Half as many faces leave more noise in it than in
        the figure of all.
    """
    rng, errors = np.random.default_rng(0), []
    for _ in range(splits):
        halves = np.array_split(rng.permutation(len(truth)), 2)
        for fitted, held in (halves, halves[::-1]):
            temperature = fit_temperature(logits[fitted], truth[fitted])
            probabilities = softmax(logits[held] / temperature, axis=1)
            right = probabilities.argmax(1) == truth[held]
            errors.append(calibration_error(right, probabilities.max(1)))
    return float(np.mean(errors))


# Scores


def wilson(right: int, faces: int) -> list[float]:
    """Give the 95 % interval of a share (Wilson 1927)."""
    found = binomtest(right, faces).proportion_ci(0.95, "wilson")
    return [round(float(found.low), 4), round(float(found.high), 4)]


def intervals(right: np.ndarray, confidence: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Draw faces anew, `DRAWS` times: 95 % intervals of accuracy, macro recall, calibration error.

    For macro recall the faces of each class are drawn apart, so that no class is ever missing.
    """
    rng, count = np.random.default_rng(0), len(right)
    draws: dict[str, Any] = {"accuracy": [], "ece": []}
    for _ in range(DRAWS):
        rows = rng.integers(0, count, count)
        draws["accuracy"].append(right[rows].mean())
        draws["ece"].append(calibration_error(right[rows], confidence[rows]))
    of_class = [right[truth == k] for k in np.unique(truth)]
    # Hits among n faces drawn anew are binomial.
    recalls = [rng.binomial(len(hits), hits.mean(), DRAWS) / len(hits) for hits in of_class]
    draws["macro_recall"] = np.mean(recalls, axis=0)
    return {
        f"{name}_interval": np.quantile(values, [0.025, 0.975]).round(4).tolist()
        for name, values in draws.items()
    }


def score(outputs: np.ndarray, votes: np.ndarray) -> dict[str, Any]:
    """Measure outputs (N, 10) against votes (N, 10).

    Returns
    -------
    dict
        ``accuracy``, ``macro_recall`` and ``ece`` (see `calibration_error`) with their bootstrap
        intervals, ``recall`` of each class with Wilson's, ``faces`` of each class.
    """
    clear, truth = majority(votes)
    probabilities = softmax(outputs[clear, : len(CLASSES)], axis=1)
    right, confidence = probabilities.argmax(1) == truth, probabilities.max(1)
    hits = {c: right[truth == k] for k, c in enumerate(CLASSES) if (truth == k).any()}
    recall = {name: float(values.mean()) for name, values in hits.items()}
    return {
        "split": "FER+ validation, majority vote",
        "accuracy": round(float(right.mean()), 4),
        "macro_recall": round(float(np.mean(list(recall.values()))), 4),
        "ece": round(calibration_error(right, confidence), 4),
        **intervals(right, confidence, truth),
        "recall": {name: round(value, 4) for name, value in recall.items()},
        "recall_interval": {name: wilson(int(v.sum()), len(v)) for name, v in hits.items()},
        "faces": {name: len(values) for name, values in hits.items()},
    }


# Groups


def looks(faces: np.ndarray) -> dict[str, np.ndarray]:
    """Measure pictures (N, 48, 48): brightness, contrast, and sharpness whatever the contrast."""
    contrast = faces.std((1, 2))
    edges = np.array([cv2.Laplacian(face, cv2.CV_32F).std() for face in faces])
    sharpness = edges / np.maximum(contrast, 1)
    return {"brightness": faces.mean((1, 2)), "contrast": contrast, "sharpness": sharpness}


def by_group(outputs: np.ndarray, votes: np.ndarray, faces: np.ndarray) -> str:
    """Write a Markdown table of accuracy by third of `looks`, and by how many taggers agreed."""
    clear, truth = majority(votes)
    probabilities = softmax(outputs[clear, : len(CLASSES)], axis=1)
    right, confidence = probabilities.argmax(1) == truth, probabilities.max(1)
    groups = {}
    for name, values in looks(faces[clear]).items():
        parts = np.array_split(values.argsort(), 3)
        for which, rows in zip(("lowest", "middle", "highest"), parts, strict=True):
            groups[f"{name}: {which} third"] = rows
    agreed = votes[clear].max(1) / votes[clear].sum(1, dtype=int)
    for which, low, high in (("6 or 7", 0.5, 0.7), ("8 or 9", 0.7, 0.9), ("all", 0.9, 1.0)):
        rows = np.flatnonzero((agreed > low + 1e-9) & (agreed <= high + 1e-9))
        groups[f"taggers of ten who agreed: {which}"] = rows
    lines = ["| group | faces | accuracy | 95 % | mean confidence |", "|---|---|---|---|---|"]
    for name, rows in groups.items():
        if len(rows):
            low, high = wilson(int(right[rows].sum()), len(rows))
            figures = f"{right[rows].mean():.3f} | {low:.3f}–{high:.3f}"
            lines.append(f"| {name} | {len(rows)} | {figures} | {confidence[rows].mean():.3f} |")
    return "\n".join(lines)
