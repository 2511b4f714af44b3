"""Networks of steps: small ones, of PyTorch, that do not see what is padding.

Each takes ``input`` (N, S, width) and ``mask`` (N, S), 1 at the steps that are there, which follow
one another without a gap; and gives logits (N, outputs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.fit import Batches, FitSettings, fit, on_threads
from reelpulse.learn.onnx_file import from_torch
from reelpulse.learn.task import Task
from reelpulse.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from reelpulse.learn.fit import Batch

Array = npt.NDArray[np.float32]

WIDE, NARROW, KERNEL = 64, 32, 3
"""Filters of the two convolutions, and the steps that each looks at."""

_ROWS = 4096
"""Examples at once where a network only answers."""


@dataclass(frozen=True)
class NeuralNetwork:
    """A fitted network of steps.

    Parameters
    ----------
    network : torch.nn.Module
        Gives logits.
    task : Task
    steps, width : int
        Of what it takes.
    """

    network: nn.Module
    task: Task
    steps: int
    width: int

    def outputs(self, inputs: Mapping[str, Array]) -> Array:
        """Give probabilities, (N, outputs), for ``input`` and ``mask``."""
        import torch

        answering = _answering(self.network, self.task)
        found = [np.zeros((0, self.task.outputs), np.float32)]
        with torch.no_grad(), on_threads(1):
            for start in range(0, len(inputs["input"]), _ROWS):
                rows = slice(start, start + _ROWS)
                pair = (torch.from_numpy(inputs[name][rows]) for name in ("input", "mask"))
                found.append(answering(*pair).numpy())
        return np.concatenate(found)

    def onnx(self) -> Any:
        """Make an ONNX model, from ``input`` and ``mask`` to ``output``."""
        example = {
            "input": np.zeros((2, self.steps, self.width), np.float32),
            "mask": np.ones((2, self.steps), np.float32),
        }
        return from_torch(_answering(self.network, self.task), example)


def fit_neural(
    build: Callable[[int, int, int, Mapping[str, Any]], nn.Module],
    training: Mapping[str, Array],
    held_back: Mapping[str, Array] | None,
    task: Task,
    settings: TrainSettings,
    params: Mapping[str, Any],
    seed: int,
    logs: Path | None,
    tick: Callable[[float], None] | None,
) -> NeuralNetwork:
    """Fit one of the networks below.

    Parameters
    ----------
    build : callable
        ``build(steps, width, outputs, params)``.
    training, held_back : mapping of str to ndarray
        ``input``, ``mask``, ``targets`` (N, outputs) and ``weights`` (N,).
    task : Task
    settings : TrainSettings
    params : mapping
        Numbers of the network itself, such as ``hidden``.
    seed : int
    logs : Path or None
        Folder for TensorBoard.
    tick : callable or None
        Told which share of the passes is done.
    """
    _, steps, width = training["input"].shape
    how = FitSettings(settings.epochs, settings.patience, settings.rate, settings.decay, seed)
    fitted = fit(
        lambda: build(steps, width, task.outputs, params),
        lambda network, batch: _loss(network, batch, task),
        Batches(training, settings.batch, seed=seed, change=_varied(settings)),
        None if held_back is None else Batches(held_back, _ROWS),
        how,
        measures=lambda network, batch: _measures(network, batch, task),
        logs=logs,
        tick=tick,
    )
    return NeuralNetwork(fitted.network, task, steps, width)


def _loss(network: nn.Module, batch: Batch, task: Task) -> Tensor:
    """Cross-entropy with targets that may be soft, weighted."""
    from torch.nn import functional

    logits, targets = network(batch["input"], batch["mask"]), batch["targets"]
    if task.kind == "classes":
        each = functional.cross_entropy(logits, targets, reduction="none")
    else:
        each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")[:, 0]
    return (each * batch["weights"]).sum() / batch["weights"].sum().clamp(min=1e-6)


def _measures(network: nn.Module, batch: Batch, task: Task) -> dict[str, Tensor]:
    """Accuracy; of scores, the mean error as a share of the highest."""
    found, targets = network(batch["input"], batch["mask"]), batch["targets"]
    if task.kind == "score":
        return {"error": (found.sigmoid() - targets).abs().mean()}
    if task.kind == "classes":
        return {"accuracy": (found.argmax(1) == targets.argmax(1)).float().mean()}
    return {"accuracy": ((found > 0) == (targets > 0.5)).float().mean()}


def _varied(settings: TrainSettings) -> Callable[[Batch, Generator], Batch] | None:
    """What is done to a batch: noise, and blends of two clips.

    Mixup is of Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018).
    """
    if not settings.mixup and not settings.jitter:
        return None

    def change(batch: Batch, generator: Generator) -> Batch:
        import torch

        given, mask, targets, weights = (
            batch[name] for name in ("input", "mask", "targets", "weights")
        )
        if settings.jitter:
            given = given + settings.jitter * torch.randn(given.shape, generator=generator)
        given = given * mask[..., None]
        if settings.mixup:
            share = _beta(settings.mixup, len(given), generator)
            other = torch.randperm(len(given), generator=generator)
            wide, flat = share[:, None, None], share[:, None]
            given = wide * given + (1 - wide) * given[other]
            targets = flat * targets + (1 - flat) * targets[other]
            weights = share * weights + (1 - share) * weights[other]
            mask = torch.maximum(mask, mask[other])
        return {"input": given, "mask": mask, "targets": targets, "weights": weights}

    return change


def _beta(alpha: float, count: int, generator: Generator) -> Tensor:
    """Draw shares of the first of two clips, half or more, from Beta(alpha, alpha)."""
    import torch

    seed = int(torch.randint(0, 2**31 - 1, (1,), generator=generator))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, count)
    return torch.from_numpy(np.maximum(drawn, 1 - drawn).astype(np.float32))


def _answering(network: nn.Module, task: Task) -> nn.Module:
    """The network with probabilities for logits: what is exported."""
    from torch import nn

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, given: Tensor, mask: Tensor) -> Tensor:
            logits: Tensor = self.network(given, mask)
            return logits.softmax(1) if task.kind == "classes" else logits.sigmoid()

    return Answering().eval()


# The networks


def conv1d(steps: int, width: int, outputs: int, params: Mapping[str, Any]) -> nn.Module:
    """Two convolutions; of each filter the strongest answer over the steps that are there."""
    from torch import nn

    class Conv1d(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = _convolution(width, WIDE), _convolution(WIDE, NARROW)
            self.dropout = nn.Dropout(params["dropout"])
            self.last = nn.Linear(NARROW, outputs)

        def forward(self, given: Tensor, mask: Tensor) -> Tensor:
            seen = self.second(self.first(given, mask), mask)
            # Padding is 0, and no answer is less.
            logits: Tensor = self.last(self.dropout(seen.amax(1)))
            return logits

    return Conv1d()


def recurrent(
    kind: str, convolved: bool, steps: int, width: int, outputs: int, params: Mapping[str, Any]
) -> nn.Module:
    """One layer of LSTM or GRU: its state after the last step that is there."""
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = _convolution(width, WIDE) if convolved else None
            layer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
            hidden = int(params["hidden"])
            self.layer = layer(WIDE if convolved else width, hidden, batch_first=True)
            self.dropout = nn.Dropout(params["dropout"])
            self.last = nn.Linear(hidden, outputs)

        def forward(self, given: Tensor, mask: Tensor) -> Tensor:
            if self.convolution is not None:
                given = self.convolution(given, mask)
            states = self.layer(_first(given, mask))[0]
            # Without any step, the state after the first, which is padding.
            at = ((mask > 0).sum(1) - 1).clamp(min=0)
            state = states.gather(1, at[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
            logits: Tensor = self.last(self.dropout(state))
            return logits

    return Recurrent()


def mlp(steps: int, width: int, outputs: int, params: Mapping[str, Any]) -> nn.Module:
    """All steps side by side, those of padding 0."""
    from torch import nn

    class Mlp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            hidden = int(params["hidden"])
            self.layers = nn.Sequential(
                nn.Linear(steps * width, hidden),
                nn.ReLU(),
                nn.Dropout(params["dropout"]),
                nn.Linear(hidden, NARROW),
                nn.ReLU(),
                nn.Dropout(params["dropout"]),
                nn.Linear(NARROW, outputs),
            )

        def forward(self, given: Tensor, mask: Tensor) -> Tensor:
            logits: Tensor = self.layers(_first(given, mask).flatten(1))
            return logits

    return Mlp()


def _convolution(inside: int, outside: int) -> nn.Module:
    """A convolution over steps with ReLU, 0 at padding.

    Written as a matrix product of each step beside its neighbours: ONNX Runtime takes half the time
    for it on a CPU that it takes for its own convolution of so few steps.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.filters = nn.Linear(KERNEL * inside, outside)

        def forward(self, given: Tensor, mask: Tensor) -> Tensor:
            there = mask[..., None]
            side = KERNEL // 2
            wide = functional.pad(given * there, (0, 0, side, side))
            steps = given.shape[1]
            beside = torch.cat([wide[:, i : i + steps] for i in range(KERNEL)], 2)
            seen: Tensor = self.filters(beside).relu() * there
            return seen

    return Convolution()


def _first(given: Tensor, mask: Tensor) -> Tensor:
    """Move the steps that are there to the front; 0 after them."""
    import torch

    there = mask > 0
    steps = given.shape[1]
    before = (there.cumsum(1) == 0).sum(1)
    at = (torch.arange(steps, device=given.device)[None] + before[:, None]).clamp(max=steps - 1)
    moved = (given * mask[..., None]).gather(1, at[..., None].expand(-1, -1, given.shape[2]))
    kept = torch.arange(steps, device=given.device)[None] < there.sum(1)[:, None]
    return moved * kept[..., None]
