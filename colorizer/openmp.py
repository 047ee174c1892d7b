"""How OpenMP's threads wait for each other, chosen by the load of the machine.

Import this before PyTorch, whose OpenMP library reads the choice when it is loaded.

A thread that waits by spinning answers at once, which is fastest on an idle machine. On a busy one
it takes processor time from the thread that it waits for: docs/speed.md has measurements. Results
do not depend on the choice.
"""

import os

import psutil

SAMPLE_SECONDS = 0.05
# Share of the processors that other processes may use before waiting threads sleep.
BUSY_SHARE = 0.25


def idle_processors(seconds: float) -> tuple[float, int]:
    """How many of the processors that this process may use are idle, and how many there are.

    Measured for `seconds`, in which this process should have nothing to do.
    """
    busy = psutil.cpu_percent(seconds, percpu=True)
    # On Linux those that this process may use, unless some are offline and not in the list.
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if allowed and len(busy) == os.cpu_count() and max(allowed) < len(busy):
        busy = [busy[number] for number in allowed]
    return sum(100 - percent for percent in busy) / 100, len(busy)


def choose_wait_policy(idle: float, processors: int) -> None:
    """Let waiting threads sleep if the machine is busy and the user has not chosen."""
    if idle < processors * (1 - BUSY_SHARE):
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def busy_warning(threads: int) -> str | None:
    """A line for the user when too few processors are idle for `threads` threads; else None."""
    if threads == 1 or min(threads, PROCESSORS) * (1 - BUSY_SHARE) <= IDLE:
        return None
    return (
        f"the machine is busy: {IDLE:.1f} of {PROCESSORS} processors are idle. {threads} threads "
        "wait for each other, so train.threads=1 may be faster; its last digits can differ"
    )


IDLE, PROCESSORS = idle_processors(SAMPLE_SECONDS)
choose_wait_policy(IDLE, PROCESSORS)
