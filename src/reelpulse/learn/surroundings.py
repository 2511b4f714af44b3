"""Where a fit runs: torch seeded and on so many threads, Lightning quiet, Ctrl-C what it is."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from reelpulse.errors import SettingsError


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
def settled(seed: int) -> Iterator[None]:
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
def quietly() -> Iterator[None]:
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
def interruptible() -> Iterator[None]:
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


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_gpu(devices: int) -> bool:
    """Whether a fit runs on GPUs.

    Raises
    ------
    SettingsError
        When there are some, but not so many.
    """
    import torch

    if not torch.cuda.is_available():
        return False
    have = torch.cuda.device_count()
    if devices > have:
        raise SettingsError(f"--devices {devices}: this machine has {have}")
    return True


def precision_of(bits: str, *, gpu: bool) -> str:
    """What Lightning calls so many bits: mixed on a GPU, and where it is asked for."""
    import torch

    half = "bf16" if not gpu or torch.cuda.is_bf16_supported() else "16"
    chosen = (half if gpu else "32") if bits == "auto" else bits
    return "32-true" if chosen == "32" else f"{chosen}-mixed"
