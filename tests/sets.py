"""Clips made up: two classes that hold the same values in another order."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from reelpulse.moments.inputs import Steps
from reelpulse.moments.lengths import Shape, step_times
from reelpulse.timeline import EMOTIONS, FACE_COLUMNS, LOUDNESS_COLUMNS

COLUMNS = (*FACE_COLUMNS, *LOUDNESS_COLUMNS, "laughter")
SHAPE = Shape()

# Happiness, neutral, surprise, valence, arousal, loudness, laughter.
SHOWN = ("happiness", "neutral", "surprise", "valence", "arousal", "loudness", "laughter")
ACTS = np.array(
    [
        [0.05, 0.80, 0.05, 0.0, -0.1, 0.05, 0.02],  # calm and quiet
        [0.10, 0.15, 0.65, 0.1, 0.6, 0.60, 0.10],  # surprised and loud
        [0.80, 0.10, 0.05, 0.7, 0.4, 0.35, 0.80],  # smile and laughter
    ]
)
ORDERS = list(permutations(range(3)))  # the first one is the joke's


def order_set(n: int, seed: int, *, noise: float = 0.08) -> tuple[Steps, np.ndarray]:
    """Clips of 5 to 7 s, 15 steps: in funny ones the three acts follow in order, else in another.

    Of n clips every second is funny. Nothing but the order tells the classes apart: acts last
    equally long in each class, and their values are drawn alike.
    """
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.float32)
    values = np.zeros((n, SHAPE.steps, len(COLUMNS)), np.float32)
    shown = [COLUMNS.index(name) for name in SHOWN]
    for clip in range(n):
        order = ORDERS[0] if labels[clip] else ORDERS[rng.integers(1, len(ORDERS))]
        lasting = np.diff([0, *np.sort(rng.choice(np.arange(3, 13, 3), 2, replace=False)), 15])
        lasting = rng.permutation(lasting)
        drawn = ACTS * rng.uniform(0.8, 1.2, (3, 1))
        for start, act in zip(np.cumsum([0, *lasting[list(order)][:-1]]), order, strict=True):
            values[clip, start : start + lasting[act], shown] = drawn[act][:, None]
    values += rng.normal(0, noise, values.shape).astype(np.float32)
    emotions = [COLUMNS.index(name) for name in EMOTIONS]
    shares = np.clip(values[:, :, emotions], 0.01, None)
    values[:, :, emotions] = shares / shares.sum(axis=2, keepdims=True)
    times = step_times(rng.uniform(5, 7, n), SHAPE).astype(np.float32)
    measured = np.ones((n, SHAPE.steps), bool)
    usual = np.full((n, len(COLUMNS)), np.nan, np.float32)
    return Steps(values, times, measured, usual), labels
