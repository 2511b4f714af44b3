"""Pictures on disk as batches to train on, the next made while one is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reelpulse.speech.augment import Augment, augment, mixup
from reelpulse.speech.dataset import PictureSet

if TYPE_CHECKING:
    from torch import Tensor

Rows = npt.NDArray[np.intp]


class PictureBatches:
    """Batches of ``pictures`` (n, height, width), not yet normalised, and ``targets`` (n, classes).

    What a batch holds is drawn from the seed, the pass and its place: a training that is gone on
    with is given what it would have been given. Batches are as even as can be.

    Parameters
    ----------
    pictures : PictureSet
    rows : ndarray of int
        Which of them.
    labels : ndarray of int, shape (len(pictures),)
    classes : int
    size : int
        Of a batch, at most.
    settings : Augment, optional
        How pictures are varied, beside their variants; they are left as they are without it.
    seed : int, optional
        Draws an order for each pass; without it, the order is that of the rows.
    """

    def __init__(
        self,
        pictures: PictureSet,
        rows: Rows,
        labels: npt.NDArray[Any],
        classes: int,
        size: int,
        *,
        settings: Augment | None = None,
        seed: int | None = None,
    ) -> None:
        self._pictures, self._rows, self._labels = pictures, rows, labels
        self._classes, self._size = classes, size
        self._settings, self._seed = settings, seed
        self._passes = 0

    def go_on(self, passes: int) -> None:
        """Count so many passes as made: their number decides the order of the next."""
        self._passes = passes

    def __len__(self) -> int:
        _, ways = self._place()
        return -(-len(self._rows) // (self._size * ways))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        number, self._passes = self._passes, self._passes + 1
        batches = self._dealt(number)
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._made, number, 0, batches[0])
            for place in range(len(batches)):
                batch = coming.result()
                if place + 1 < len(batches):
                    coming = ahead.submit(self._made, number, place + 1, batches[place + 1])
                yield batch

    def _dealt(self, number: int) -> list[Rows]:
        """Rows of each batch of a pass; of those that this process has, where there are several."""
        order = self._rows
        if self._seed is None:
            return np.array_split(order, len(self))
        order = np.random.default_rng([self._seed, number]).permutation(order)
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

    def _made(self, number: int, place: int, rows: Rows) -> dict[str, Tensor]:
        import torch

        targets = np.eye(self._classes, dtype=np.float32)[self._labels[rows]]
        if self._settings is None:
            drawn = self._pictures[rows]
        else:
            rng = np.random.default_rng([self._seed or 0, number, place, self._place()[0]])
            drawn = augment(self._pictures.varied(rows, rng), self._settings, rng)
            if self._settings.mixup:
                drawn, targets = mixup(drawn, targets, self._settings.mixup, rng)
        return {"pictures": torch.from_numpy(drawn), "targets": torch.from_numpy(targets)}
