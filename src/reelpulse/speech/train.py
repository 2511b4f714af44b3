"""From a prepared corpus to a model in one file: fitted, tested on other speakers, exported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.learn.fit import beside
from reelpulse.learn.judged import Array, joined
from reelpulse.learn.kept import alone, clear
from reelpulse.learn.onnx_file import write_onnx
from reelpulse.learn.trials import OnWork, fit_or_read, folds_of, in_turn
from reelpulse.settings import SpeechTrainSettings, as_dict, one_of
from reelpulse.speech.corpus import EMOTIONS, Corpus, load_corpus
from reelpulse.speech.dataset import PictureSet, load_pictures
from reelpulse.speech.fitting import (
    FittedSpeech,
    fit_speech,
    missing_classes,
    plan_of,
)
from reelpulse.speech.judged import JudgedClips, judged
from reelpulse.speech.model import KIND, VERSION
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.settings import checked, picture_of, sound_of
from reelpulse.speech.splitting import PARTS, Parts, split

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpeechTraining:
    """What came of a training.

    Parameters
    ----------
    path : Path
        The model.
    settings : SpeechTrainSettings
    facts : dict
        What it was trained on: ``fingerprint``, ``clips``, ``speakers`` and ``labels`` of the
        corpus, and of each part its clips, speakers and fingerprint.
    tested : JudgedClips
        Of the test part; of all folds together, where each was tested.
    fitted : FittedSpeech
    warnings : tuple of str
    """

    path: Path
    settings: SpeechTrainSettings
    facts: dict[str, Any]
    tested: JudgedClips
    fitted: FittedSpeech
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": str(self.path),
            "network": self.settings.network,
            "data": self.facts,
            "test": self.tested.as_dict(),
            "valid": {name: round(value, 4) for name, value in self.fitted.valid.items()},
            "epochs": self.fitted.epochs,
            "best": self.fitted.best,
            "seconds": round(self.fitted.seconds, 2),
            "settings": as_dict(self.settings),
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def train(
    speech: str | Path,
    out: str | Path,
    settings: SpeechTrainSettings | None = None,
    *,
    logs: str | Path | None = None,
    progress: OnWork | None = None,
    **changes: Any,
) -> SpeechTraining:
    """Train a network on a part of a prepared corpus, test it on another, and write it.

    After each pass what is reached is kept in ``<out>.parts``: stopped and run again, it goes on
    there, and comes to the same model.

    Parameters
    ----------
    speech : str or Path
        A folder that ``reelpulse speech prepare`` made.
    out : str or Path
        The model to write, ``.onnx``. One that is there is replaced.
    settings : SpeechTrainSettings, optional
    logs : path, optional
        Folder for TensorBoard: loss, figures, learning rate, what is taken for what.
    progress : callable, optional
        See `OnWork`.
    **changes
        Fields of `SpeechTrainSettings`, such as ``network="resnet18"``.

    Raises
    ------
    DataError
        When the corpus cannot be used, has fewer speakers than folds or no clip of a class to train
        on; or another run trains the same.
    SettingsError
        On an unknown network or value, or when memory is too small (a batch to try is named).
    ModelError
        When the exported model differs from the trained one.
    MissingExtra
        When the libraries of training are not installed.
    """
    chosen = checked(settings or SpeechTrainSettings(), changes)
    one_of("network", chosen.network, tuple(SPEECH_NETWORKS))
    path = Path(out)
    if path.suffix.lower() != ".onnx":
        raise DataError(at(path, "a model's name ends with .onnx"))
    corpus, dealt, warnings = read_corpus(speech, chosen)
    pictures = drawn(corpus, chosen, progress)
    parts = path.with_name(f"{path.name}.parts")
    every = chosen.every_fold or chosen.split == "leave_one_speaker_out"
    folds = folds_of(len(dealt), chosen.fold, every)
    places = [f"{chosen.network}, fold {number + 1} of {len(dealt)}" for number in folds]
    done: list[JudgedClips] = []
    with alone(parts, speech, path):
        for number, (_, tick) in zip(folds, in_turn(places, progress), strict=True):
            kept = parts / f"fold{number}"
            found = fit_and_judge(
                corpus, pictures, dealt[number], chosen, kept,
                None if logs is None else Path(logs) / f"fold{number}", tick,
                again=number == chosen.fold,
            )  # fmt: skip
            done.append(found[0])
        fitted = found[1]
        assert fitted is not None
        facts = _facts(corpus, dealt[chosen.fold])
        whole = joined(done)
        if not beside():
            own = done[-1]
            description = {
                "kind": KIND,
                "version": VERSION,
                "name": chosen.network,
                "classes": list(EMOTIONS),
                "picture": fitted.spec.as_dict(),
                "scores": {name: score.as_list() for name, score in own.scores().items()},
                "data": facts,
                "settings": as_dict(chosen),
                "reelpulse": reelpulse.__version__,
            }
            write_onnx(path, fitted.onnx(pictures, dealt[chosen.fold].test), description)
            clear(parts)
    return SpeechTraining(path, chosen, facts, whole, fitted, tuple(warnings))


def read_corpus(
    speech: str | Path, settings: SpeechTrainSettings
) -> tuple[Corpus, list[Parts], list[str]]:
    """Read a corpus and deal it; with warnings.

    Raises
    ------
    DataError
        When it cannot be used or dealt so.
    """
    corpus = load_corpus(speech)
    try:
        warnings = missing_classes(corpus)
    except DataError as error:
        raise DataError(at(corpus.folder, str(error))) from None
    dealt = split(corpus, settings.split, settings.folds, settings.seed)
    if settings.fold >= len(dealt):
        raise DataError(
            at(corpus.folder, f"there is no fold {settings.fold}: {len(dealt)} are counted from 0")
        )
    if settings.split == "random":
        warnings.append(
            "the split is random: speakers and sentences of the test are trained on, and the"
            " figures say nothing of new speakers"
        )
    return corpus, dealt, warnings


def drawn(
    corpus: Corpus, settings: SpeechTrainSettings, progress: OnWork | None = None
) -> PictureSet:
    """The pictures that the network of the settings is given, and their variants."""
    network = SPEECH_NETWORKS[settings.network]
    spec = picture_of(settings, network.spec)
    count = network.variants if settings.variants is None else settings.variants

    def one(number: int) -> PictureSet:
        what = f"changed sounds {number} of {count}" if number else "pictures"
        return load_pictures(
            corpus,
            spec,
            variant=number,
            changes=sound_of(settings),
            progress=None if progress is None else lambda done, all_: progress(done, all_, what),
        )

    plain = one(0)
    return PictureSet(plain.path, spec, [one(number) for number in range(1, 1 + count)])


def fit_and_judge(
    corpus: Corpus,
    pictures: PictureSet,
    parts: Parts,
    settings: SpeechTrainSettings,
    kept: Path,
    logs: Path | None = None,
    tick: Callable[[float], None] | None = None,
    *,
    again: bool = True,
) -> tuple[JudgedClips, FittedSpeech | None]:
    """Fit on one part and judge the test part.

    Parameters
    ----------
    corpus, pictures, parts, settings, logs, tick
        As in `fit_speech`.
    kept : Path
        Beginning of the names of the files kept there.
    again : bool
        Whether the network is wanted; without it, outputs of an earlier run do.
    """

    def fit(file: Path) -> FittedSpeech:
        return fit_speech(corpus, pictures, parts, settings, kept=file, logs=logs, tick=tick)

    def answers(one: FittedSpeech) -> Array:
        return one.outputs(pictures, parts.test)

    found = fit_or_read(
        kept,
        plan_of(corpus, parts, settings, pictures.spec),
        (len(parts.test), len(EMOTIONS)),
        fit,
        answers,
        again=again,
        not_finite=at(corpus.folder, "predictions are not finite: try a lower --rate"),
    )
    return judged(corpus, parts.test, found[0]), found[1]


def _facts(corpus: Corpus, parts: Parts) -> dict[str, Any]:
    prints = parts.fingerprints(corpus)
    of_parts = {}
    for part in PARTS:
        rows = getattr(parts, part)
        speakers = len(np.unique(corpus.speakers[rows]))
        of_parts[part] = {"clips": len(rows), "speakers": speakers, "fingerprint": prints[part]}
    return {
        "fingerprint": corpus.fingerprint,
        "clips": len(corpus),
        "speakers": len(np.unique(corpus.speakers)),
        "labels": corpus.counts(),
        "parts": of_parts,
    }
