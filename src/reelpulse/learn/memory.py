"""What to say where memory is too small to train in."""

from __future__ import annotations

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or off it."""
    return isinstance(error, MemoryError) or any(s in str(error).lower() for s in _NO_MEMORY)


def too_large(
    network: str, batch: int, accumulate: int, option: str = "--batch", least: int = 1
) -> str:
    """Say which batches to try, that make a step of as many examples.

    Parameters
    ----------
    network : str
        Its name.
    batch, accumulate : int
        Examples at once, and batches a step, that were too many.
    option : str
        What the command line calls the first.
    least : int
        The smallest batch that can be asked for.
    """
    if batch <= least:
        many = {1: "one", 2: "two"}.get(batch, str(batch))
        return f"memory is too small for {network} even with {many} at a time: take a smaller one"
    half = max(least, batch // 2)
    steps = accumulate * -(-batch // half)
    return (
        f"memory is too small for {network} with batches of {batch}:"
        f" try {option} {half} --accumulate {steps}"
    )
