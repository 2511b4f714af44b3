"""What a measurement is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reelpulse.media import Tick
from reelpulse.timeline import Faces

Measured = Faces | npt.NDArray[np.float32]


class Stream(Protocol):
    """One measurement.

    Attributes
    ----------
    name : str
    columns : tuple of str
        What it gives a tick.
    settings : dict
        All that its values depend on, the checksums of its models with it: what is there with the
        same settings is not measured again.
    wants_pictures : bool
        Whether it looks at the picture.
    sound : mapping of int to float
        Sample rate to the seconds of sound it wants before each tick, also before a segment's
        first: its lead.
    needs_previous_frame : bool
        Whether it compares a tick's frame with the one before it in the file.
    """

    name: str
    wants_pictures: bool
    needs_previous_frame: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """What it gives a tick."""
        ...

    @property
    def sound(self) -> Mapping[int, float]:
        """Sample rate to seconds of sound before a tick."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """All that its values depend on."""
        ...

    def reset(self) -> None:
        """Forget the past: a new segment begins."""
        ...

    def process(self, ticks: Sequence[Tick]) -> Measured:
        """Measure the next ticks.

        Returns
        -------
        ndarray of float32, shape (len(ticks), len(columns)), or Faces
            NaN where nothing was to be measured.
        """
        ...
