"""A pool of processes that calls one function and returns the results in order."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, TypeVar

from colorizer.errors import InputError

T = TypeVar("T")

PREFETCH = 2  # submitted calls for each process: none is idle, and memory stays bounded


def available_processors() -> int:
    """Number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Processes that end when the `with` block does, however it ends."""

    def __init__(self, processes: int) -> None:
        """Start `processes` processes; for 1, use this one and start none."""
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            # Pages shared with child processes stay shared when garbage collection, which would
            # write to them, leaves them alone.
            gc.freeze()
            self._pool = ProcessPoolExecutor(processes, initializer=_start)
            # The first call starts the processes: now, while they inherit little memory.
            self._pool.submit(int).result()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def in_order(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Yield function(*arguments) for each of `calls`, in their order.

        Raises what the function raises, and InputError when a process was killed.
        """
        if not self._pool:
            yield from (function(*arguments) for arguments in calls)
            return
        pending: deque[Future[T]] = deque()
        try:
            for arguments in calls:
                pending.append(self._pool.submit(function, *arguments))
                if len(pending) > PREFETCH * self._processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            raise InputError(
                "a process that decodes was killed, most likely for lack of memory; "
                "free some memory or allow fewer processors"
            ) from None


def _start() -> None:
    """In a new process: leave Ctrl-C to its parent, and exit when the parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
