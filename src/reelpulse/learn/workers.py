"""Many small tasks, spread over processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from reelpulse.learn.surroundings import cores

log = logging.getLogger(__name__)

_FEW = 8
"""So few tasks are done sooner than other processes start."""

_AHEAD = 4
"""Tasks handed out for each process: none waits for the next, and little is lost by a stop."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None = None
) -> Iterator[tuple[Task, Result | None]]:
    """Do tasks in other processes.

    The processes are spawned: a script that calls this needs the usual
    ``if __name__ == "__main__":``. Where they cannot start, the work is done in this one.

    Parameters
    ----------
    work : callable
        A function of a module; what it raises ends the work.
    tasks : sequence
        What to call it with.
    workers : int, optional
        Processes; as many as this one may use cores without it. 1 works in this process.

    Yields
    ------
    task, result
        As they are done; None for a task that ended its process, as a broken file may that crashes
        its decoder.
    """
    workers = workers or cores()
    if workers == 1 or len(tasks) <= _FEW or not _starts():
        for task in tasks:
            yield task, work(task)
        return
    waiting = deque(tasks)
    while waiting:
        running: dict[Future[Result], Task] = {}
        pool = _pool(workers)
        try:
            while waiting or running:
                while waiting and len(running) < workers * _AHEAD:
                    running[pool.submit(work, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            # One of those at hand ended its process, and with it the others'.
            yield from _one_by_one(work, list(running.values()))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Spawned: a fork of a process that has threads, as training has, may hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=_settle)


def _starts() -> bool:
    """Whether other processes can be had."""
    try:
        with _pool(1) as pool:
            pool.submit(int).result()
        return True
    except (BrokenProcessPool, OSError, RuntimeError) as error:
        if "bootstrapping" in str(error):
            # A script without that guard, run again in the new process: it must not do all the
            # work there a second time. The first one goes on alone.
            raise SystemExit(1) from None
        log.warning(
            "no other processes start (%s): the work is done in one. "
            'A script needs `if __name__ == "__main__":` before its calls',
            error,
        )
        return False


def _one_by_one(
    work: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Result | None]]:
    """Do tasks in another process, one at a time, so that it is clear which one ends it."""
    waiting = deque(tasks)
    while waiting:
        with _pool(1) as pool:
            try:
                while waiting:
                    result = pool.submit(work, waiting[0]).result()
                    yield waiting.popleft(), result
            except BrokenProcessPool:
                yield waiting.popleft(), None


def _settle() -> None:
    """In a new process: Ctrl-C is left to the one that asked, and so is what is said."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("reelpulse").addHandler(logging.NullHandler())
    logging.getLogger("reelpulse").propagate = False
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
