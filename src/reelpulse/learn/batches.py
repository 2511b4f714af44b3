"""Examples that lie in memory, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Batch = dict[str, Tensor]
    Change = Callable[[Batch, Generator], Batch]


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

    def go_on(self, passes: int) -> None:
        """Count so many passes as made: their number decides the order of the next."""
        self._passes = passes

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
