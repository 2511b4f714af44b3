"""One fit loop for every network: PyTorch Lightning, AdamW, early stopping, the best weights kept.

It knows nothing of what is learnt: a network, a loss, and batches of tensors.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    Batch = dict[str, Tensor]
    Loss = Callable[[nn.Module, Batch], Tensor]
    Change = Callable[[Batch, Generator], Batch]

_LEAST_GAIN = 1e-5
"""What the loss must fall by to count as better."""


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Parameters
    ----------
    epochs : int
        At most this many passes over the examples.
    patience : int
        Stop when this many passes bring nothing better on the examples held back.
    rate, decay : float
        Learning rate and weight decay of AdamW.
    seed : int
    threads : int
        Of torch on a CPU. What small networks compute in a step takes less time than it takes two
        threads to meet; on a busy machine, twenty times less.
    """

    epochs: int
    patience: int
    rate: float
    decay: float
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class Fit:
    """A fitted network, on the CPU, in evaluation mode, with its best weights."""

    network: nn.Module
    epochs: int
    """Passes made."""
    best: int
    """After which of them, counted from 1, the weights were best."""
    loss: float
    """On the examples held back, or trained on where there were none."""


class Batches:
    """Examples that lie in memory, in batches: quicker by far than a loader of single examples.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        First axes of one length.
    size : int
    seed : int, optional
        Draws the order anew each pass; without it, the order is theirs.
    change : callable, optional
        Alters a batch: ``change(batch, generator)``.
    """

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        size: int,
        *,
        seed: int | None = None,
        change: Change | None = None,
    ) -> None:
        import torch

        self._tensors = {
            name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()
        }
        self._count = len(next(iter(self._tensors.values())))
        self._size, self._seed, self._change = size, seed, change
        self._passes = 0

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def __iter__(self) -> Iterator[Batch]:
        import torch

        generator = torch.Generator()
        order = torch.arange(self._count)
        if self._seed is not None:
            generator.manual_seed(self._seed * 1_000_003 + self._passes)
            order = torch.randperm(self._count, generator=generator)
        self._passes += 1
        for rows in torch.split(order, self._size):
            batch = {name: value[rows] for name, value in self._tensors.items()}
            yield self._change(batch, generator) if self._change else batch


def fit(
    build: Callable[[], nn.Module],
    loss: Loss,
    training: Iterable[Batch],
    held_back: Iterable[Batch] | None,
    settings: FitSettings,
    *,
    measures: Callable[[nn.Module, Batch], dict[str, Tensor]] | None = None,
    logs: str | Path | None = None,
    tick: Callable[[float], None] | None = None,
) -> Fit:
    """Fit a network.

    Parameters
    ----------
    build : callable
        Makes the network, of weights drawn from torch's generator, which is seeded before.
    loss : callable
        ``loss(network, batch)``, a mean over the batch.
    training, held_back : iterable of dict of str to Tensor
        Batches, gone through once a pass. Without `held_back` all passes are made, and the last
        weights count.
    settings : FitSettings
    measures : callable, optional
        ``measures(network, batch)``: figures of the examples held back, by name, for the logs.
    logs : path, optional
        Folder for TensorBoard: loss, learning rate, measures.
    tick : callable, optional
        Told after each pass which share of `settings.epochs` is done. It may raise to end the fit.

    Raises
    ------
    DataError
        When the loss is no number.
    MissingExtra
        When torch or Lightning is not installed.
    """
    try:
        from lightning.pytorch import Trainer
        from lightning.pytorch.callbacks import LearningRateMonitor
        from lightning.pytorch.loggers import TensorBoardLogger
    except ImportError:
        raise MissingExtra("train", "training a network") from None
    with _settled(settings.seed), on_threads(settings.threads), _quietly():
        network = build()
        module = _module(network, loss, measures, settings, validates=held_back is not None)
        watch = _watch(settings, tick)
        callbacks: list[Any] = [watch]
        logger: Any = False
        if logs is not None:
            logger = TensorBoardLogger(str(logs), name="", version="")
            callbacks.append(LearningRateMonitor("epoch"))
        trainer = Trainer(
            max_epochs=settings.epochs,
            accelerator="auto",
            devices=1,
            deterministic=True,
            logger=logger,
            callbacks=callbacks,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with _interruptible():
            trainer.fit(module, training, held_back)
        if watch.weights is None:
            raise DataError("the loss is no number: look for values beyond all bounds in the data")
        network.load_state_dict(watch.weights)
        return Fit(network.cpu().eval(), watch.passes, watch.best, watch.least)


def _module(
    network: nn.Module, loss: Loss, measures: Any, settings: FitSettings, *, validates: bool
) -> Any:
    """What Lightning trains."""
    import torch
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: Batch, index: int) -> Tensor:
            value = loss(self.network, batch)
            size = len(next(iter(batch.values())))
            self.log("loss", value, on_step=False, on_epoch=True, batch_size=size)
            return value

        def validation_step(self, batch: Batch, index: int) -> None:
            size = len(next(iter(batch.values())))
            figures = {"val_loss": loss(self.network, batch)}
            if measures is not None:
                found = measures(self.network, batch)
                figures |= {f"val_{name}": value for name, value in found.items()}
            self.log_dict(figures, on_step=False, on_epoch=True, batch_size=size)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(
                self.parameters(), lr=settings.rate, weight_decay=settings.decay
            )

    module = Module()
    if not validates:
        module.validation_step = None  # type: ignore[assignment, method-assign]
    return module


def _watch(settings: FitSettings, tick: Callable[[float], None] | None) -> Any:
    """Keep the best weights in memory, and stop when nothing gets better."""
    from lightning.pytorch import Callback

    class Watch(Callback):
        weights: dict[str, Tensor] | None = None
        least = float("inf")
        passes = best = 0

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            self.passes += 1
            held = trainer.callback_metrics.get("val_loss")
            now = float(trainer.callback_metrics["loss"] if held is None else held)
            better = now < self.least - _LEAST_GAIN if held is not None else np.isfinite(now)
            if better:
                self.least, self.best = now, self.passes
                self.weights = {
                    name: value.detach().cpu().clone()
                    for name, value in module.network.state_dict().items()
                }
            stale = self.passes - self.best >= settings.patience
            trainer.should_stop = not np.isfinite(now) or (held is not None and stale)
            if tick is not None:
                tick(1.0 if trainer.should_stop else self.passes / settings.epochs)

    return Watch()


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _settled(seed: int) -> Iterator[None]:
    """Seed torch, and run it the same way each time; as before afterwards."""
    import torch

    # What makes CUDA's matrix products repeatable is read when its first is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    strict = torch.are_deterministic_algorithms_enabled()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Lightning's notes and advice from the user."""
    names = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be what it is: Lightning turns it into an exit, and leaves the signal ignored."""
    own = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if own else None
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if own and handler is not None:
            signal.signal(signal.SIGINT, handler)
