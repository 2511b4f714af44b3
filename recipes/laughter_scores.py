"""Measure laughter detectors: clip by clip, against speech, and second by second in streams.

All of it out of fold: sounds and speakers are scored by a network that was taught without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np
from laughter_pool import FOLDS, FRAMES, MEL, RATE, STRIDE, Sound, patches_of
from sklearn.metrics import average_precision_score, roc_auc_score

LEVELS = (0, 5, 10)
"""Laughter over speech in the streams, in dB."""

SECONDS = 60
FRAMES_A_SECOND = 20
FRAME = RATE // FRAMES_A_SECOND
DRAWS = 1000
MOST_FALSE = 0.02
"""Share of the seconds of ESC-50 without laughter that may score above a half."""

MEN = {
    "ravdess": {f"{actor:02}" for actor in range(1, 25, 2)},
    "emodb": {"03", "10", "11", "12", "15"},
}
"""Speakers that are men, as the corpora say; the Korean one does not say."""

Hear = Callable[[int, np.ndarray], np.ndarray]
"""Scores (P,) of patches (P, 96, 64), by what was taught without the fold."""


# Streams


@dataclass(frozen=True)
class Stream:
    """A minute of one speaker into which somebody laughs, and the seconds that hold laughter."""

    fold: int
    level: int
    samples: np.ndarray
    truth: np.ndarray


def make_streams(sounds: Sequence[Sound], seed: int) -> list[Stream]:
    """Make a stream for each speaker and level, with laughs from the speaker's fold."""
    streams = []
    for corpus, speaker in sorted(
        {(sound.kind, sound.speaker) for sound in sounds if sound.speaker}
    ):
        own = [s for s in sounds if (s.kind, s.speaker) == (corpus, speaker)]
        fold = own[0].fold
        sentences = [s.samples for s in own]
        laughs = [s.samples for s in sounds if (s.kind, s.fold) == ("laughing", fold)]
        for level in LEVELS:
            # The same sentences and laughs at each level: only the level differs.
            rng = np.random.default_rng([seed, len(streams) // len(LEVELS)])
            streams.append(Stream(fold, level, *mix(sentences, laughs, level, rng)))
    return streams


def mix(
    sentences: list[np.ndarray], laughs: list[np.ndarray], decibel: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Speech with pauses, and every 8 to 14 s some 1.5 to 3 s of laughter over it.

    Levels are those of the loud parts. A second holds laughter where a quarter of it or more is
    loud with it.
    """
    speech = rng.normal(0, 1e-4, SECONDS * RATE)
    at = 0
    while at < len(speech):
        sentence = loud_part(sentences[int(rng.integers(len(sentences)))])[: len(speech) - at]
        speech[at : at + len(sentence)] += sentence * 0.05
        at += len(sentence) + int(rng.uniform(0.2, 1.0) * RATE)
    heard = np.zeros(SECONDS * FRAMES_A_SECOND, bool)
    at = int(rng.uniform(1, 6) * RATE)
    while at < len(speech) - RATE:
        laugh = loud_part(laughs[int(rng.integers(len(laughs)))])
        start = int(rng.integers(0, max(1, len(laugh) - 3 * RATE)))
        laugh = loud_part(laugh[start : start + int(rng.uniform(1.5, 3) * RATE)])
        laugh = laugh[: len(speech) - at]
        speech[at : at + len(laugh)] += laugh * 0.05 * 10 ** (decibel / 20)
        where = at // FRAME + np.flatnonzero(loud(laugh))
        heard[where[where < len(heard)]] = True
        at += len(laugh) + int(rng.uniform(6, 11) * RATE)
    truth = heard.reshape(SECONDS, FRAMES_A_SECOND).mean(1) >= 0.25
    return np.clip(speech, -1, 1).astype(np.float32), truth


def loud(samples: np.ndarray) -> np.ndarray:
    """Which whole frames of 50 ms are within 20 dB of the loudest."""
    count = len(samples) // FRAME
    levels = np.sqrt(np.square(samples[: count * FRAME]).reshape(count, FRAME).mean(1))
    return levels > 0.1 * levels.max(initial=1e-6)


def loud_part(samples: np.ndarray) -> np.ndarray:
    """Cut silence off both ends, and bring the loud frames to a root mean square of 1."""
    cut, _ = librosa.effects.trim(samples, top_db=30, frame_length=1024, hop_length=256)
    frames = cut[: len(cut) // FRAME * FRAME].reshape(-1, FRAME)[loud(cut)]
    return cut / np.sqrt(np.mean(np.square(frames)) + 1e-12) if frames.size else cut


# What a detector hears


def listen(sounds: Sequence[Sound], streams: Sequence[Stream], hear: Hear) -> dict[str, np.ndarray]:
    """Score sounds, (N, P) with NaN after a sound's end, and streams, (S, seconds)."""
    scores = [hear(sound.fold, patches_of(sound.samples)) for sound in sounds]
    clips = np.full((len(scores), max(map(len, scores))), np.nan, np.float32)
    for row, score in enumerate(scores):
        clips[row, : len(score)] = score
    seconds = [by_second(hear(stream.fold, patches_of(stream.samples))) for stream in streams]
    return {"clips": clips, "streams": np.stack(seconds)}


def by_second(scores: np.ndarray) -> np.ndarray:
    """The most that was heard in the patches whose middle lies in a second."""
    middle = (np.arange(len(scores)) * STRIDE + FRAMES / 2) * MEL.hop / RATE
    return np.array([scores[middle.astype(int) == second].max() for second in range(SECONDS)])


# Figures


def fit_shift(sounds: Sequence[Sound], logits: np.ndarray) -> float:
    """What to add to logits (N, P), so that 2 % of ESC-50 without laughter is above 0."""
    others = [not sound.speaker and sound.kind != "laughing" for sound in sounds]
    return -float(np.nanquantile(logits[others], 1 - MOST_FALSE))


def interval(figure: Callable[..., float], *groups: np.ndarray, seed: int) -> list[float]:
    """95 % of a figure's bootstrap values; the members of each group are drawn anew."""
    rng = np.random.default_rng(seed)
    values = [
        figure(*(group[rng.integers(0, len(group), len(group))] for group in groups))
        for _ in range(DRAWS)
    ]
    return [round(float(value), 4) for value in np.nanquantile(values, [0.025, 0.975])]


def auc(laughs: np.ndarray, others: np.ndarray) -> float:
    """Area under the ROC curve: how often a laugh scores above another sound."""
    truth = np.repeat([1, 0], [len(laughs), len(others)])
    return float(roc_auc_score(truth, np.concatenate([laughs, others])))


def precision(seconds: np.ndarray) -> float:
    """Average precision over the seconds of streams (S, 2, seconds): truth, score."""
    return float(average_precision_score(seconds[:, 0].ravel(), seconds[:, 1].ravel()))


def evaluate(
    sounds: Sequence[Sound],
    streams: Sequence[Stream],
    heard: dict[str, np.ndarray],
    threshold: float,
    seed: int,
) -> dict[str, Any]:
    """Measure what a detector heard (`listen`).

    Parameters
    ----------
    sounds, streams : sequences
        What it listened to. A clip scores as the patch of it that scores most.
    heard : dict of ndarray
        Scores, in any unit.
    threshold : float
        The score from which something is taken for laughter, in the same unit.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``auc`` against the rest of ESC-50 and ``auc_speech``, with 95 % intervals over clips;
        ``ap`` by level over the seconds of the streams, with intervals over streams, and at the
        threshold, which share of seconds with laughter was ``found`` and of those without
        ``false``; ``above``: by group, clips, clips above the threshold, share of patches above.
    """
    score = np.nanmax(heard["clips"], axis=1)
    folds = np.array([sound.fold for sound in sounds])
    laughs = np.array([sound.kind == "laughing" for sound in sounds])
    speech = np.array([bool(sound.speaker) for sound in sounds])
    others = ~laughs & ~speech
    by_fold = [
        (score[laughs & (folds == k)], score[others & (folds == k)]) for k in range(1, FOLDS + 1)
    ]
    found: dict[str, Any] = {
        "auc": round(auc(score[laughs], score[others]), 4),
        "auc_interval": interval(auc, score[laughs], score[others], seed=seed),
        "auc_folds": [round(auc(*pair), 4) for pair in by_fold],
        "auc_speech": round(auc(score[laughs], score[speech]), 4),
        "auc_speech_interval": interval(auc, score[laughs], score[speech], seed=seed),
        **{name: {} for name in ("ap", "ap_interval", "found", "false")},
        "above": above(sounds, heard["clips"], threshold),
    }
    seconds = np.stack([[stream.truth for stream in streams], heard["streams"]], axis=1)
    for level in LEVELS:
        part = seconds[[stream.level == level for stream in streams]]
        truth, high = part[:, 0] > 0, part[:, 1] > threshold
        found["ap"][str(level)] = round(precision(part), 4)
        found["ap_interval"][str(level)] = interval(precision, part, seed=seed)
        found["found"][str(level)] = round(float(high[truth].mean()), 4)
        found["false"][str(level)] = round(float(high[~truth].mean()), 4)
    return found


def above(sounds: Sequence[Sound], clips: np.ndarray, threshold: float) -> dict[str, list[float]]:
    """Count clips, and those with a patch above a threshold, and the share of such patches.

    By group of speakers and class of ESC-50; classes without any are left out.
    """
    groups: dict[str, list[int]] = {}
    for row, sound in enumerate(sounds):
        names = [sound.kind]
        if sound.speaker:
            corpus = sound.kind.removeprefix("speech:")
            sex = (
                "" if corpus not in MEN else ", men" if sound.speaker in MEN[corpus] else ", women"
            )
            names = ["speech", f"speech, {corpus}{sex}"]
        elif sound.kind != "laughing":
            names.append("other")
        for name in names:
            groups.setdefault(name, []).append(row)
    counts = {}
    for name, rows in sorted(groups.items()):
        high = clips[rows] > threshold
        if high.any() or name == "other" or name.startswith("speech"):
            share = float(high.sum() / np.isfinite(clips[rows]).sum())
            counts[name] = [len(rows), int(high.any(1).sum()), round(share, 4)]
    return counts
