"""Processes, of this machine or of a Dask cluster, that call a function; results in order."""

import gc
import logging
import multiprocessing
import operator
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from colorizer.errors import InputError

T = TypeVar("T")

PREFETCH = 2  # submitted calls for each process: none is idle, and memory stays bounded
CONNECT_SECONDS = 10  # for a scheduler to answer, and for a first worker to be there
# Packages that the decoded bytes depend on; code that is sent needs the same Python, too.
SAME_VERSIONS = ("pillow", "numpy", "tifffile", "pillow-heif")


def available_processors() -> int:
    """Number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers(NamedTuple):
    """Where calls run, `processes` at a time."""

    place: str  # in words
    root: Path  # where they find what is relative to the working directory here
    processes: int
    submit: Callable[..., Any] | None  # returns a future; None: calls run in this process
    lost: tuple[type[Exception], ...]  # what a result raises whose process is lost
    lost_message: str

    def in_order(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Yield function(*arguments) for each of `calls`, in their order.

        Raises what the function raises, and InputError when a process is lost.
        """
        if not self.submit:
            yield from (function(*arguments) for arguments in calls)
            return
        pending: deque[Any] = deque()
        try:
            for arguments in calls:
                pending.append(self.submit(function, *arguments))
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
        yield Workers("1 process", Path(), 1, None, (), "")
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
            Path(),
            processes,
            pool.submit,
            (BrokenProcessPool,),
            "a process that decodes was killed, most likely for lack of memory; "
            "free some memory or allow fewer processors",
        )
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """Use the workers of the Dask scheduler at an address, which outlive the block.

    They need one thread each, the packages of this environment and, at the same path, the files of
    the working directory; code is sent to them. Raises InputError when no scheduler answers, when
    it has no worker, or one that lacks any of these.
    """
    import cloudpickle  # here, since few runs need them
    from distributed import Client, KilledWorker
    from distributed.comm.core import CommClosedError

    place, here = f"the Dask scheduler at {address}", Path.cwd()
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError):  # ValueError: an address of another form
        raise InputError(
            f"{place} (DASK_SCHEDULER_ADDRESS) does not answer; start it with `dask scheduler`, or "
            "unset the variable to use the processors of this machine only"
        ) from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it raises them, too
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise InputError(f"{place} has no workers; start some with `dask worker`") from None
        for worker, has_folder in client.run(os.path.isdir, str(here)).items():
            if not has_folder:
                raise InputError(
                    f"{place}: its worker {worker} has no folder {here}; all machines should share "
                    "a file system that has it at this path"
                )
        for worker, threads in client.nthreads().items():
            if threads > 1:
                raise InputError(
                    f"{place}: its worker {worker} has {threads} threads, and Pillow's settings "
                    "are of a process; start workers with `dask worker --nthreads 1`"
                )
        versions: Any = client.get_versions(packages=SAME_VERSIONS)
        ours = versions["client"]["packages"]
        for worker, info in versions["workers"].items():
            for name in ("python", *SAME_VERSIONS):
                if (theirs := info["packages"][name]) != ours[name]:
                    raise InputError(
                        f"{place}: its worker {worker} has {name} {theirs} and this machine "
                        f"{ours[name]}; all machines should have the same versions"
                    )
        # Code is pickled as such, not as the names of modules: the scheduler and the workers need
        # none of it, and none of them runs an earlier version that it has imported.
        package = sys.modules[__name__.partition(".")[0]]
        cloudpickle.register_pickle_by_value(package)

        @cache
        def sent(function: Callable[..., T]) -> object:
            return client.submit(cloudpickle.loads, cloudpickle.dumps(function), pure=False)

        try:
            yield Workers(
                place,
                here,
                sum(client.nthreads().values()),
                lambda function, *args: client.submit(
                    operator.call, sent(function), *args, pure=False
                ),
                (KilledWorker, CancelledError, CommClosedError),
                f"{place} lost its workers, or ended; look into their logs, start them again, then "
                "this stage",
            )
        finally:
            cloudpickle.unregister_pickle_by_value(package)


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
