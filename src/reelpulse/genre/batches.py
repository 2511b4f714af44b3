"""Pairs on disk as batches to train on, the next made while one is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reelpulse.genre.dataset import PairSet
from reelpulse.genre.spec import PairSpec

if TYPE_CHECKING:
    from torch import Tensor

Rows = npt.NDArray[np.intp]


class PairBatches:
    """Batches of what a network is given, not yet normalised, and ``targets`` (n,), codes.

    What is drawn is a frame: a network of single frames is given it, one of pairs its pair, in
    their order, an odd frame with the next and an even one with the one before. So a pass sees
    every frame once, and each pair twice. Batches are as even as can be.

    Without a seed, the order is that of the pairs, each once; a network of single frames is given
    both frames of each, one after the other.

    Parameters
    ----------
    kept : PairSet
    rows : ndarray of int
        Which pairs.
    labels : ndarray of int, shape (len(kept),)
    spec : PairSpec
        Of the network.
    size : int
        Of a batch, at most.
    seed : int, optional
        Draws an order for each pass: a training that is gone on with is given what it would have
        been given.
    """

    def __init__(
        self,
        kept: PairSet,
        rows: Rows,
        labels: npt.NDArray[Any],
        spec: PairSpec,
        size: int,
        *,
        seed: int | None = None,
    ) -> None:
        self._kept, self._rows, self._labels = kept, rows, labels
        self._spec, self._size, self._seed = spec, size, seed
        self._passes = 0

    def go_on(self, passes: int) -> None:
        """Count so many passes as made: their number decides the order of the next."""
        self._passes = passes

    def __len__(self) -> int:
        items = len(self._rows) if self._seed is None else 2 * len(self._rows)
        return -(-items // (self._size * self._place()[1]))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        number, self._passes = self._passes, self._passes + 1
        batches = self._dealt(number)
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._made, batches[0])
            for place in range(len(batches)):
                batch = coming.result()
                if place + 1 < len(batches):
                    coming = ahead.submit(self._made, batches[place + 1])
                yield batch

    def _dealt(self, number: int) -> list[Rows]:
        """Items of each batch of a pass; of those that this process has, where there are several.

        An item is twice the place of its pair, and one more for the second frame.
        """
        if self._seed is None:
            return np.array_split(2 * np.arange(len(self._rows)), len(self))
        order = np.random.default_rng([self._seed, number]).permutation(2 * len(self._rows))
        own, ways = self._place()
        if ways > 1:  # each is given as many
            order = np.resize(order, -(-len(order) // ways) * ways)[own::ways]
        return np.array_split(order, len(self))

    def _place(self) -> tuple[int, int]:
        """Which process this is, of how many that share a pass; each goes through all to test."""
        from torch import distributed

        if self._seed is None or not (distributed.is_available() and distributed.is_initialized()):
            return 0, 1
        return distributed.get_rank(), distributed.get_world_size()

    def _made(self, items: Rows) -> dict[str, Tensor]:
        import torch

        if self._seed is None and self._spec.single:
            items = np.stack([items, items + 1], axis=1).reshape(-1)
        rows = self._rows[items // 2]
        if self._spec.single:
            given = self._kept.frames(rows, items % 2)
        else:
            given = self._kept.stored(rows, self._spec)
        batch = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in given.items()}
        return {**batch, "targets": torch.from_numpy(np.asarray(self._labels[rows], np.int64))}
