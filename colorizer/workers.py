"""A few processes that share out calls of one function, and give the answers in order."""

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

AHEAD = 2  # calls that wait for each process, so that none is idle and memory stays bounded


def available_processors() -> int:
    """How many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Processes that end with the block that they are used in, however it ends."""

    def __init__(self, processes: int) -> None:
        """Use `processes` processes: one is this one, and starts no other."""
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            # Memory that processes have in common stays common if garbage collection, which
            # would write to it, passes over it.
            gc.freeze()
            self._pool = ProcessPoolExecutor(processes, initializer=_begin)
            # The first call starts them: now, while there is little that they could inherit.
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
        """Give function(*arguments) for each of `calls`, in their order.

        Raises what the function raises, and InputError when a process was killed.
        """
        if not self._pool:
            yield from (function(*arguments) for arguments in calls)
            return
        waiting: deque[Future[T]] = deque()
        try:
            for arguments in calls:
                waiting.append(self._pool.submit(function, *arguments))
                if len(waiting) > AHEAD * self._processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise InputError(
                "a process that decodes was killed, most likely for want of memory; "
                "give this more memory or fewer processors"
            ) from None


def _begin() -> None:
    """In a new process: leave Ctrl-C to its parent, and end when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
