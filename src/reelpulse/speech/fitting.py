"""One network fitted on one part of a corpus, and asked about another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, MissingExtra, SettingsError
from reelpulse.learn.figures import confusion_picture, figures_of
from reelpulse.learn.fit import FitSettings, Kept, fit, on_threads
from reelpulse.learn.memory import out_of_memory, too_large
from reelpulse.learn.metrics import confusion
from reelpulse.learn.onnx_file import check, from_torch
from reelpulse.learn.surroundings import cores, on_gpu, precision_of
from reelpulse.settings import SpeechTrainSettings, as_dict
from reelpulse.speech.batches import PictureBatches
from reelpulse.speech.corpus import EMOTIONS, Corpus
from reelpulse.speech.dataset import PictureSet
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.picture import PictureSpec, normalised
from reelpulse.speech.settings import augment_of
from reelpulse.speech.splitting import Parts

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reelpulse.learn.fit import Batch

Array = npt.NDArray[np.float32]

WATCHED = "macro_f1"
"""The figure, of the clips held back, by which the weights of a pass are kept."""

_CHECKED = 8
"""Clips that the exported model is held against the trained one on."""

_ANSWERED = 64


@dataclass(frozen=True)
class FittedSpeech:
    """A fitted network.

    Parameters
    ----------
    name : str
        Key of `SPEECH_NETWORKS`.
    network : torch.nn.Module
        Gives logits.
    spec : PictureSpec
        With the mean and deviation of what it was trained on.
    epochs, best : int
        Passes made, and after which of them it was best.
    valid : dict of str to float
        Figures then, of the clips held back.
    seconds : float
        Of all passes.
    """

    name: str
    network: nn.Module
    spec: PictureSpec
    epochs: int
    best: int
    valid: dict[str, float]
    seconds: float

    @property
    def epoch_seconds(self) -> float:
        """Of one pass, on average."""
        return self.seconds / self.epochs

    def outputs(self, pictures: PictureSet, rows: npt.NDArray[np.intp]) -> Array:
        """Probabilities of some pictures, (len(rows), classes)."""
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        answering = _answering(self.network).to(device)
        found = [np.zeros((0, len(EMOTIONS)), np.float32)]
        with torch.no_grad(), on_threads(cores()):
            for first in range(0, len(rows), _ANSWERED):
                some = torch.from_numpy(pictures[rows[first : first + _ANSWERED]]).to(device)
                found.append(answering(normalised(some, self.spec)).float().cpu().numpy())
        self.network.cpu()
        return np.concatenate(found)

    def onnx(self, pictures: PictureSet, rows: npt.NDArray[np.intp]) -> Any:
        """Make an ONNX model, from ``input`` to ``output``, held against the network on pictures.

        Raises
        ------
        ModelError
            When it differs from the network.
        """
        import torch

        drawn = pictures[np.resize(rows, max(2, min(_CHECKED, len(rows))))]
        given = np.ascontiguousarray(normalised(drawn, self.spec), np.float32)
        answering = _answering(self.network.cpu())
        with torch.no_grad(), on_threads(cores()):
            expected = answering(torch.from_numpy(given)).numpy()
        proto = from_torch(answering, {"input": given[:2]})
        check(proto, {"input": given}, expected)
        return proto


def fit_speech(
    corpus: Corpus,
    pictures: PictureSet,
    parts: Parts,
    settings: SpeechTrainSettings,
    *,
    kept: Path | None = None,
    logs: str | Path | None = None,
    tick: Callable[[float], None] | None = None,
) -> FittedSpeech:
    """Fit a network on the training part; the mean and deviation are of that part alone.

    Parameters
    ----------
    corpus : Corpus
    pictures : PictureSet
        Of the corpus.
    parts : Parts
    settings : SpeechTrainSettings
    kept : Path, optional
        A file from which a stopped fit of the same goes on; up to the caller to remove.
    logs : path, optional
        Folder for TensorBoard.
    tick : callable, optional
        Told which share of the passes is done.

    Raises
    ------
    DataError
        When the loss is no number.
    SettingsError
        When memory is too small for the batches, or there are not as many GPUs.
    MissingExtra
        When the libraries of training are not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("train", "training a network") from None
    gpu = on_gpu(settings.devices)
    network = SPEECH_NETWORKS[settings.network]
    spec = pictures.spec.with_statistics(*pictures.statistics(parts.train))
    count = len(EMOTIONS)
    weights = _class_weights(corpus.labels[parts.train], settings)

    def build() -> nn.Module:
        made = network.build(spec, count, settings.dropout, settings.pretrained)
        return made.to(memory_format=torch.channels_last)  # half as fast again

    def loss(module: nn.Module, batch: Batch) -> Tensor:
        logits = module(normalised(batch["pictures"], spec))
        return _loss(logits, batch["targets"], weights, settings.smoothing)

    how = FitSettings(
        epochs=settings.epochs,
        patience=settings.patience,
        rate=settings.rate or network.rate,
        decay=settings.decay,
        seed=settings.seed,
        threads=settings.threads or network.threads or cores(),
        optimiser=settings.optimiser,
        warm=settings.warmup if settings.schedule == "cosine" else None,
        accumulate=settings.accumulate,
        precision=precision_of(settings.bits, gpu=gpu),
        devices=settings.devices,
        watched=WATCHED,
    )
    training = PictureBatches(
        pictures, parts.train, corpus.labels, count, settings.batch,
        settings=augment_of(settings), seed=settings.seed,
    )  # fmt: skip
    try:
        fitted = fit(
            build,
            loss,
            training,
            PictureBatches(pictures, parts.valid, corpus.labels, count, settings.batch),
            how,
            judge=_Confused(spec, weights, settings.smoothing),
            kept=None if kept is None else Kept(kept, plan_of(corpus, parts, settings, spec)),
            logs=logs,
            tick=tick,
        )
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            problem = too_large(settings.network, settings.batch, settings.accumulate)
            raise SettingsError(problem) from None
        raise
    return FittedSpeech(
        settings.network, fitted.network, spec, fitted.epochs, fitted.best, fitted.figures,
        fitted.seconds,
    )  # fmt: skip


def plan_of(corpus: Corpus, parts: Parts, settings: SpeechTrainSettings, spec: PictureSpec) -> str:
    """Name what is fitted, and how: another name, and nothing that was kept is of use."""
    told = [
        reelpulse.__version__,
        corpus.fingerprint,
        parts.fingerprints(corpus),
        {**as_dict(settings), "fold": 0, "every_fold": False},
        spec.as_dict(),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class _Confused:
    """Counts what a network takes the clips held back for."""

    def __init__(self, spec: PictureSpec, weights: list[float] | None, smoothing: float) -> None:
        self._spec, self._weights, self._smoothing = spec, weights, smoothing
        self.begin()

    def begin(self) -> None:
        self._matrix = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.intp)

    def add(self, network: nn.Module, batch: Batch) -> Tensor:
        targets = batch["targets"]
        logits = network(normalised(batch["pictures"], self._spec))
        true, guessed = (one.argmax(1).cpu().numpy() for one in (targets, logits))
        self._matrix += confusion(true, guessed, len(EMOTIONS))
        return _loss(logits, targets, self._weights, self._smoothing)

    def figures(self) -> dict[str, float]:
        return figures_of(self._matrix)

    def picture(self) -> npt.NDArray[np.uint8]:
        return confusion_picture(self._matrix, EMOTIONS)


def _loss(logits: Tensor, targets: Tensor, weights: list[float] | None, smoothing: float) -> Tensor:
    from torch.nn import functional

    each = None if weights is None else logits.new_tensor(weights)
    return functional.cross_entropy(logits, targets, weight=each, label_smoothing=smoothing)


def _class_weights(labels: npt.NDArray[Any], settings: SpeechTrainSettings) -> list[float] | None:
    """What a clip of each class weighs, 1 on average; None where all weigh the same."""
    if not settings.balance:
        return None
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    there = int((counts > 0).sum())
    weights: list[float] = (len(labels) / (there * np.maximum(counts, 1))).tolist()
    return weights


def _answering(network: nn.Module) -> nn.Module:
    """The network with probabilities for logits: what is exported."""
    from torch import nn

    return nn.Sequential(network, nn.Softmax(1)).eval()


def missing_classes(corpus: Corpus) -> list[str]:
    """A line for the classes that a corpus has no clip of."""
    lacking = [name for name, count in corpus.counts().items() if not count]
    if len(lacking) > len(EMOTIONS) - 2:
        raise DataError("all recordings are of one class: there is nothing to tell apart")
    if not lacking:
        return []
    *others, last = lacking
    names = f"{', '.join(others)} and {last}" if others else last
    return [f"no clip of {names}: the model will not know {'them' if others else 'it'}"]
