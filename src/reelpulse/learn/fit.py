"""One fit loop for every network: PyTorch Lightning, early stopping, the best weights kept.

It knows nothing of what is learnt: a network, a loss, and batches of tensors.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MissingExtra, at
from reelpulse.learn import checkpoint
from reelpulse.learn.batches import Batches
from reelpulse.learn.schedule import warm_cosine
from reelpulse.learn.surroundings import interruptible, on_threads, quietly, settled

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reelpulse.learn.batches import Batch as Batch

    Loss = Callable[[nn.Module, Batch], Tensor]

__all__ = ["Batches", "Fit", "FitSettings", "Judge", "Kept", "beside", "fit", "on_threads"]

OPTIMISERS = ("adamw", "adam", "sgd")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")

_LEAST_GAIN = 1e-5
"""What the watched figure must change by to count as better."""

_MOMENTUM = 0.9
_EPOCH_SEEDS = 1_000_003


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Parameters
    ----------
    epochs : int
        At most this many passes over the examples.
    patience : int or None
        Stop when this many passes bring nothing better on the examples held back; None never does.
    rate, decay : float
        The highest learning rate, and weight decay.
    seed : int
    threads : int
        Of torch on a CPU. What small networks compute in a step takes less time than it takes two
        threads to meet; on a busy machine, twenty times less.
    optimiser : {"adamw", "adam", "sgd"}
        SGD has a momentum of 0.9.
    warm : float or None
        The share of all steps in which the rate rises, before it falls: see `warm_cosine`. None
        leaves it as it is.
    step_decay : float
        After each pass the rate is multiplied by this; not beside `warm`.
    accumulate : int
        Batches that one step of the optimiser is made of.
    precision : {"32-true", "16-mixed", "bf16-mixed"}
        Of what is computed; weights have 32 bits.
    devices : int
        GPUs (or processes, on a CPU); each gets a part of every pass.
    watched : str
        The figure of a `Judge` by which the weights are best, the more the better; or ``loss``.
    """

    epochs: int
    patience: int | None
    rate: float
    decay: float
    seed: int = 0
    threads: int = 1
    optimiser: str = "adamw"
    warm: float | None = None
    step_decay: float = 1.0
    accumulate: int = 1
    precision: str = "32-true"
    devices: int = 1
    watched: str = "loss"


class Judge(Protocol):
    """What tells, after each pass, how good a network is on all that was held back together."""

    def begin(self) -> None:
        """Forget what was added."""

    def add(self, network: nn.Module, batch: Batch) -> Tensor:
        """Take a batch; give its loss, a mean."""

    def figures(self) -> dict[str, float]:
        """Figures of all batches since `begin`, by name."""

    def picture(self) -> npt.NDArray[np.uint8] | None:
        """What is to be seen of them in TensorBoard, (height, width, 3)."""


@dataclass(frozen=True)
class Kept:
    """Where a fit stands after each pass, so that a stopped one goes on.

    Parameters
    ----------
    path : Path
        The file; it is up to the caller to remove it.
    plan : str
        Names what is fitted and how: a file of another plan is not gone on from.
    """

    path: Path
    plan: str


@dataclass(frozen=True)
class Fit:
    """A fitted network, on the CPU, in evaluation mode, with its best weights."""

    network: nn.Module
    epochs: int
    """Passes made."""
    best: int
    """After which of them, counted from 1, the weights were best."""
    loss: float
    """Then, on the examples held back, or trained on where there were none."""
    figures: dict[str, float] = field(default_factory=dict)
    """Then, of the judge."""
    seconds: float = 0.0
    """Of all passes."""


def beside() -> bool:
    """Whether this process was started to train beside another, which speaks and writes."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def fit(
    build: Callable[[], nn.Module],
    loss: Loss,
    training: Iterable[Batch],
    held_back: Iterable[Batch] | None,
    settings: FitSettings,
    *,
    measures: Callable[[nn.Module, Batch], dict[str, Tensor]] | None = None,
    judge: Judge | None = None,
    kept: Kept | None = None,
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
        weights count. What draws an order anew each pass has a ``go_on``, as `Batches` has.
    settings : FitSettings
    measures : callable, optional
        ``measures(network, batch)``: figures of the examples held back, by name, for the logs.
    judge : Judge, optional
        In place of `loss` and `measures` for the examples held back.
    kept : Kept, optional
        Where to go on from, and to keep what is done.
    logs : path, optional
        Folder for TensorBoard: loss, learning rate, figures.
    tick : callable, optional
        Told after each pass which share of `settings.epochs` is done. It may raise to end the fit.

    Raises
    ------
    DataError
        When the loss is no number, or what was kept is damaged.
    MissingExtra
        When torch or Lightning is not installed.
    """
    try:
        from lightning.pytorch import Trainer
        from lightning.pytorch.callbacks import LearningRateMonitor
        from lightning.pytorch.loggers import TensorBoardLogger
    except ImportError:
        raise MissingExtra("train", "training a network") from None
    with settled(settings.seed), on_threads(settings.threads), quietly():
        network = build()
        validates = held_back is not None
        module = _module(network, loss, measures, judge, settings, validates=validates)
        watch = _watch(settings, training, kept, tick)
        callbacks: list[Any] = [watch]
        logger: Any = False
        if logs is not None:
            try:
                Path(logs).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(at(logs, f"cannot be a folder ({error.strerror})")) from None
            logger = TensorBoardLogger(str(logs), name="", version="")
            callbacks.append(LearningRateMonitor("epoch" if settings.warm is None else "step"))
        trainer = Trainer(
            max_epochs=settings.epochs,
            accelerator="auto",
            devices=settings.devices,
            strategy="ddp" if settings.devices > 1 else "auto",
            use_distributed_sampler=False,
            precision=settings.precision,  # type: ignore[arg-type]
            accumulate_grad_batches=settings.accumulate,
            deterministic="warn",  # some operations of a GPU have no repeatable form
            logger=logger,
            callbacks=callbacks,
            plugins=None if kept is None else [checkpoint.plugin(kept.plan)],
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        there = kept is not None and checkpoint.of_plan(kept.path, kept.plan)
        with interruptible():
            trainer.fit(
                module, training, held_back, ckpt_path=str(kept.path) if kept and there else None
            )
        if watch.weights is None:
            raise DataError("the loss is no number: look for values beyond all bounds in the data")
        network.load_state_dict(watch.weights)
        return Fit(
            network.cpu().eval(), watch.passes, watch.best, watch.loss, watch.figures, watch.seconds
        )


def _module(
    network: nn.Module,
    loss: Loss,
    measures: Any,
    judge: Judge | None,
    settings: FitSettings,
    *,
    validates: bool,
) -> Any:
    """What Lightning trains."""
    import torch
    from lightning.pytorch import LightningModule

    together = settings.devices > 1

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: Batch, index: int) -> Tensor:
            value = loss(self.network, batch)
            size = len(next(iter(batch.values())))
            self.log(
                "loss", value, on_step=False, on_epoch=True, batch_size=size, sync_dist=together
            )
            return value

        def on_validation_epoch_start(self) -> None:
            if judge is not None:
                judge.begin()

        def validation_step(self, batch: Batch, index: int) -> None:
            size = len(next(iter(batch.values())))
            value = loss(self.network, batch) if judge is None else judge.add(self.network, batch)
            figures = {"val_loss": value}
            if measures is not None and judge is None:
                found = measures(self.network, batch)
                figures |= {f"val_{name}": value for name, value in found.items()}
            self.log_dict(figures, on_step=False, on_epoch=True, batch_size=size)

        def on_validation_epoch_end(self) -> None:
            if judge is None:
                return
            self.log_dict({f"val_{name}": value for name, value in judge.figures().items()})
            picture = judge.picture()
            if picture is not None and self.logger is not None:
                log: Any = self.logger.experiment  # type: ignore[attr-defined]
                log.add_image("val", picture, self.current_epoch, dataformats="HWC")

        def configure_optimizers(self) -> Any:
            optimiser = _optimiser(self.parameters(), settings)
            warm = settings.warm
            if warm is None and settings.step_decay == 1:
                return optimiser
            if warm is None:
                falling = torch.optim.lr_scheduler.ExponentialLR(optimiser, settings.step_decay)
                return [optimiser], [{"scheduler": falling, "interval": "epoch"}]
            steps = int(self.trainer.estimated_stepping_batches)
            rising = round(warm * steps)
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimiser, lambda step: warm_cosine(step, steps, rising)
            )
            return [optimiser], [{"scheduler": schedule, "interval": "step"}]

    module = Module()
    if not validates:
        module.validation_step = None  # type: ignore[assignment, method-assign]
    return module


def _optimiser(parameters: Any, settings: FitSettings) -> Any:
    import torch

    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, lr=settings.rate, momentum=_MOMENTUM, weight_decay=settings.decay
        )
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(parameters, lr=settings.rate, weight_decay=settings.decay)


def _watch(
    settings: FitSettings,
    training: Iterable[Batch],
    kept: Kept | None,
    tick: Callable[[float], None] | None,
) -> Any:
    """Keep the best weights in memory, and stop when nothing gets better."""
    import torch
    from lightning.pytorch import Callback

    by_figure = settings.watched != "loss"

    class Watch(Callback):
        weights: dict[str, Tensor] | None = None
        loss = least = float("inf")
        passes = best = 0
        over = False
        seconds = begun = 0.0

        def __init__(self) -> None:
            self.figures: dict[str, float] = {}

        def state_dict(self) -> dict[str, Any]:
            names = ("weights", "loss", "least", "passes", "best", "over", "figures", "seconds")
            return {name: getattr(self, name) for name in names}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            for name, value in state_dict.items():
                setattr(self, name, value)
            if hasattr(training, "go_on"):
                training.go_on(self.passes)

        def on_train_start(self, trainer: Any, module: Any) -> None:
            trainer.should_stop = self.over
            self.begun = time.perf_counter()

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            # Each pass draws its own, so that one gone on from draws what it would have drawn.
            if index == 0:
                torch.manual_seed(settings.seed * _EPOCH_SEEDS + trainer.current_epoch)

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            self.passes += 1
            self.seconds, self.begun = (
                self.seconds + time.perf_counter() - self.begun, time.perf_counter()
            )  # fmt: skip
            figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
            held = figures.get("val_loss")
            now = figures["loss"] if held is None else held
            figure = -figures[f"val_{settings.watched}"] if by_figure and held is not None else now
            better = figure < self.least - _LEAST_GAIN if held is not None else True
            if better and np.isfinite(now):
                self.least, self.loss, self.best = figure, now, self.passes
                self.figures = {
                    name.removeprefix("val_"): value
                    for name, value in figures.items()
                    if name.startswith("val_") and name != "val_loss"
                }
                self.weights = {
                    name: value.detach().cpu().clone()
                    for name, value in module.network.state_dict().items()
                }
            patient = settings.patience is None or self.passes - self.best < settings.patience
            self.over = not np.isfinite(now) or (held is not None and not patient)
            trainer.should_stop = self.over
            if kept is not None:
                trainer.save_checkpoint(kept.path)
            if tick is not None:
                tick(1.0 if self.over else self.passes / settings.epochs)

    return Watch()
