"""Processes, of this machine or of a Dask cluster, that call a function; results in order."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from colorizer.errors import InputError

T = TypeVar("T")

PREFETCH = 2  # submitted calls for each process: none is idle, and memory stays bounded
CONNECT_SECONDS = 10  # for a scheduler to answer, and for a first worker to be there


def available_processors() -> int:
    """Number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers(NamedTuple):
    """Where calls run: `processes` at a time by the executor; without one, in this process."""

    place: str  # in words
    processes: int
    executor: Executor | None
    lost: tuple[type[Exception], ...]  # what the executor raises when a process is lost
    lost_message: str

    def in_order(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Yield function(*arguments) for each of `calls`, in their order.

        Raises what the function raises, and InputError when a process is lost.
        """
        if not self.executor:
            yield from (function(*arguments) for arguments in calls)
            return
        pending: deque[Future[T]] = deque()
        try:
            for arguments in calls:
                pending.append(self.executor.submit(function, *arguments))
                if len(pending) > PREFETCH * self.processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except self.lost:
            raise InputError(self.lost_message) from None


@contextmanager
def local_workers(processes: int) -> Iterator[Workers]:
    """Start `processes` processes, which end when the block does; for 1, use this process."""
    if processes == 1:
        yield Workers("1 process", 1, None, (), "")
        return
    # Pages shared with child processes stay shared when garbage collection, which would write to
    # them, leaves them alone.
    gc.freeze()
    pool = ProcessPoolExecutor(processes, initializer=_start)
    try:
        # The first call starts the processes: now, while they inherit little memory.
        pool.submit(int).result()
        yield Workers(
            f"{processes} processes",
            processes,
            pool,
            (BrokenProcessPool,),
            "a process that decodes was killed, most likely for lack of memory; "
            "free some memory or allow fewer processors",
        )
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """Use the workers of the Dask scheduler at an address, which outlive the block.

    They must run in a folder of the same path as this process, on a file system that all share.
    Raises InputError when no scheduler answers, when it has no worker, or one in another folder.
    """
    from distributed import Client, KilledWorker  # here, since few runs need it

    place = f"the Dask scheduler at {address}"
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError):  # ValueError: an address of another form
        raise InputError(
            f"{place} (DASK_SCHEDULER_ADDRESS) does not answer; start it with `dask scheduler`, or "
            "unset the variable to use the processors of this machine only"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise InputError(f"{place} has no workers; start some with `dask worker`") from None
        for worker, folder in client.run(os.getcwd).items():
            if folder != str(Path.cwd()):
                raise InputError(
                    f"{place}: its worker {worker} runs in {folder}; start it in {Path.cwd()}, on "
                    "a file system that all machines share"
                )
        executor = client.get_executor(pure=False)
        try:
            yield Workers(
                place,
                sum(client.nthreads().values()),
                executor,
                (KilledWorker, CancelledError),
                f"{place} lost its workers, or ended; look into their logs, start them again, then "
                "this stage",
            )
        finally:
            executor.shutdown(wait=False)  # cancels what is pending


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
