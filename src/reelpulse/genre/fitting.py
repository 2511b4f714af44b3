"""One network fitted on some pairs of frames, and asked about others."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import MissingExtra, SettingsError
from reelpulse.genre.batches import PairBatches
from reelpulse.genre.dataset import PairSet
from reelpulse.genre.judged import matrix_figures
from reelpulse.genre.networks import GENRE_NETWORKS
from reelpulse.genre.pairs import Pairs
from reelpulse.genre.settings import LEAST_BATCH, Plan
from reelpulse.genre.spec import PairSpec, normalised
from reelpulse.genre.splitting import Parts
from reelpulse.learn.figures import confusion_picture
from reelpulse.learn.fit import FitSettings, Kept, beside, fit, on_threads
from reelpulse.learn.memory import out_of_memory, too_large
from reelpulse.learn.metrics import confusion
from reelpulse.learn.onnx_file import check, from_torch
from reelpulse.learn.surroundings import cores, on_gpu, precision_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reelpulse.learn.fit import Batch

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

WATCHED = "macro_f1"
"""The figure, of the pairs held back, by which the weights of a pass are kept."""

OUTPUT = "probabilities"
"""What the exported model gives, (N, classes)."""

_CHECKED = 8
"""Pairs that the exported model is held against the trained one on."""

_ANSWERED = 32


@dataclass(frozen=True)
class FittedGenre:
    """A fitted network.

    Parameters
    ----------
    name : str
        Key of `GENRE_NETWORKS`.
    classes : tuple of str
    network : torch.nn.Module
        Gives logits.
    spec : PairSpec
        With the mean and deviation of the magnitudes of what it was trained on.
    epochs, best : int
        Passes made, and after which of them its weights are.
    valid : dict of str to float
        Figures then, of the pairs held back; none where none were.
    seconds : float
        Of all passes.
    """

    name: str
    classes: tuple[str, ...]
    network: nn.Module
    spec: PairSpec
    epochs: int
    best: int
    valid: dict[str, float]
    seconds: float

    @property
    def epoch_seconds(self) -> float:
        """Of one pass, on average."""
        return self.seconds / self.epochs

    def outputs(self, kept: PairSet, rows: Rows) -> Array:
        """Probabilities of some pairs, (len(rows), classes)."""
        import torch

        found = [np.zeros((0, len(self.classes)), np.float32)]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        network = self.network.to(device).eval()
        if len(rows):
            with torch.no_grad(), on_threads(cores()):
                for batch in PairBatches(kept, rows, np.zeros(len(kept)), self.spec, _ANSWERED):
                    given = {name: values.to(device) for name, values in batch.items()}
                    shares = _probabilities(_logits(network, given, self.spec), self.spec)
                    found.append(shares.float().cpu().numpy())
        self.network.cpu()
        return np.concatenate(found)

    def given(self, kept: PairSet, rows: Rows) -> dict[str, Array]:
        """What the network takes of some pairs, by name; of a single frame, the first."""
        return normalised(kept.stored(rows, self.spec), self.spec)

    def onnx(self, kept: PairSet, rows: Rows) -> Any:
        """Make an ONNX model, held against the network on some pairs.

        Its inputs are those that the spec names, its output `OUTPUT`; the first axis is free.

        Raises
        ------
        ModelError
            When it differs from the network.
        """
        import torch

        given = self.given(kept, np.resize(rows, max(2, min(_CHECKED, len(rows)))))
        answering = _answering(self.network.cpu())
        with torch.no_grad(), on_threads(cores()):
            expected = answering(*map(torch.from_numpy, given.values())).numpy()
        proto = from_torch(answering, {name: values[:2] for name, values in given.items()})
        check(proto, given, expected)
        last = proto.graph.output[0]
        for node in proto.graph.node:
            node.output[:] = [OUTPUT if name == last.name else name for name in node.output]
        last.name = OUTPUT
        return proto


def fit_genre(
    pairs: Pairs,
    kept: PairSet,
    parts: Parts,
    plan: Plan,
    *,
    file: Path | None = None,
    logs: str | Path | None = None,
    tick: Callable[[float], None] | None = None,
) -> FittedGenre:
    """Fit a network on the training part; the statistics of magnitude are of that part alone.

    Parameters
    ----------
    pairs : Pairs
    kept : PairSet
        Of the pairs.
    parts : Parts
    plan : Plan
    file : Path, optional
        From which a stopped fit of the same goes on; up to the caller to remove.
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
        from torch.nn import functional
    except ImportError:
        raise MissingExtra("train", "training a network") from None
    settings = plan.settings
    gpu = on_gpu(settings.devices)
    spec = spec_of(plan, kept, parts)

    def build() -> nn.Module:
        network = GENRE_NETWORKS[plan.network]
        return network.build(spec, len(pairs.classes), settings.pretrained).to(
            memory_format=torch.channels_last  # half as fast again
        )

    def loss(module: nn.Module, batch: Batch) -> Tensor:
        return functional.cross_entropy(_logits(module, batch, spec), batch["targets"])

    how = FitSettings(
        epochs=plan.epochs,
        patience=settings.patience,
        rate=plan.rate,
        decay=plan.decay,
        seed=settings.seed,
        threads=settings.threads or cores(),
        optimiser=plan.optimiser,
        step_decay=plan.step_decay,
        accumulate=settings.accumulate,
        precision=precision_of(settings.bits, gpu=gpu),
        devices=settings.devices,
        watched=WATCHED,
    )
    if settings.accumulate > 1 and not beside():
        whole = plan.batch * settings.accumulate * settings.devices
        log.info("a step is made of %d batches: %d examples", settings.accumulate, whole)
    training = PairBatches(kept, parts.train, pairs.labels, spec, plan.batch, seed=settings.seed)
    valid = PairBatches(kept, parts.valid, pairs.labels, spec, plan.batch)
    held = len(parts.valid) > 0
    try:
        fitted = fit(
            build,
            loss,
            training,
            valid if held else None,
            how,
            judge=_Confused(spec, pairs.classes) if held else None,
            kept=None if file is None else Kept(file, plan_of(pairs, parts, plan)),
            logs=logs,
            tick=tick,
        )
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            problem = too_large(plan.network, plan.batch, settings.accumulate, "--bs", LEAST_BATCH)
            raise SettingsError(problem) from None
        raise
    return FittedGenre(
        plan.network, pairs.classes, fitted.network, spec, fitted.epochs, fitted.best,
        fitted.figures, fitted.seconds,
    )  # fmt: skip


def spec_of(plan: Plan, kept: PairSet, parts: Parts) -> PairSpec:
    """What the network is given, with the magnitudes of the pairs trained on."""
    if not plan.spec.moves:
        return plan.spec
    return plan.spec.with_magnitudes(kept.magnitudes(parts.train))


def plan_of(pairs: Pairs, parts: Parts, plan: Plan) -> str:
    """Name what is fitted, and how: another name, and nothing that was kept is of use."""
    told = [
        reelpulse.__version__,
        pairs.fingerprint,
        parts.fingerprints(pairs),
        {**plan.as_dict(), "fold": 0, "every_fold": False, "preset": ""},
        plan.spec.as_dict(),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class _Confused:
    """Counts what a network takes the pairs held back for."""

    def __init__(self, spec: PairSpec, classes: tuple[str, ...]) -> None:
        self._spec, self._classes = spec, classes
        self.begin()

    def begin(self) -> None:
        self._matrix = np.zeros((len(self._classes), len(self._classes)), np.intp)

    def add(self, network: nn.Module, batch: Batch) -> Tensor:
        from torch.nn import functional

        logits = _logits(network, batch, self._spec)
        shares = _probabilities(logits, self._spec)
        targets = batch["targets"][:: 2 if self._spec.single else 1]
        true, guessed = targets.cpu().numpy(), shares.argmax(1).cpu().numpy()
        self._matrix += confusion(true, guessed, len(self._classes))
        return functional.cross_entropy(logits, batch["targets"])

    def figures(self) -> dict[str, float]:
        return matrix_figures(self._matrix)

    def picture(self) -> npt.NDArray[np.uint8]:
        return confusion_picture(self._matrix, self._classes)


def _logits(network: nn.Module, batch: Batch, spec: PairSpec) -> Tensor:
    found: Tensor = network(*normalised(batch, spec).values())
    return found


def _probabilities(logits: Tensor, spec: PairSpec) -> Tensor:
    """Of pairs; a network of single frames, given both of each in a row, says their mean."""
    shares = logits.float().softmax(1)
    return shares.view(-1, 2, shares.shape[1]).mean(1) if spec.single else shares


def _answering(network: nn.Module) -> nn.Module:
    """The network with probabilities for logits: what is exported."""
    from torch import nn

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
            given = (first,) if second is None else (first, second)
            shares: Tensor = self.network(*given).softmax(1)
            return shares

    return Answering().eval()
