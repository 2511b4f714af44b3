"""How the learning rate goes: up in a straight line, down in a cosine."""

from __future__ import annotations

import math

LEAST = 0.01
"""Where the rate begins and ends, as a share of the highest."""


def warm_cosine(step: int, steps: int, warm: int, least: float = LEAST) -> float:
    """Give what the rate is multiplied by at a step.

    It rises in a straight line to 1, then falls by half a cosine (Loshchilov and Hutter, "SGDR",
    2017): what PyTorch's ``LinearLR`` and ``CosineAnnealingLR`` make one after the other.

    Parameters
    ----------
    step : int
        From 0 on; of whatever unit the other two have, an optimiser's step or an epoch.
    steps : int
        How many there are, those of rising included; at that one, which is after the last, it is
        `least`.
    warm : int
        How many of them rise; at this one it is 1.
    least : float
        Where it begins and ends.

    Returns
    -------
    float
        Between `least` and 1.
    """
    if step < warm:
        return least + (1 - least) * step / warm
    done = min(step - warm, steps - warm) / max(steps - warm, 1)
    return least + (1 - least) * (1 + math.cos(math.pi * done)) / 2
