import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colorizer.data.workers import PREFETCH, Workers, available_processors
from colorizer.errors import InputError
from tests.conftest import REPOSITORY


def slow_first(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise InputError("three is refused")
    return number


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_the_order_of_the_calls(processes):
    with Workers(processes) as workers:
        results = list(workers.in_order(slow_first, ((number,) for number in range(9))))
    assert results == [number * number for number in range(9)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_function_is_raised(processes):
    with Workers(processes) as workers, pytest.raises(InputError, match="three is refused"):
        list(workers.in_order(refuse, ((number,) for number in range(9))))


def test_calls_are_consumed_as_needed():
    consumed = []

    def calls():
        for number in range(100):
            consumed.append(number)
            yield (number,)

    with Workers(2) as workers:
        results = workers.in_order(refuse, calls())
        assert next(results) == 0
        assert len(consumed) <= PREFETCH * 2 + 1


def test_a_killed_process_is_an_input_error():
    with Workers(2) as workers, pytest.raises(InputError, match="was killed, most likely for lack"):
        list(workers.in_order(die, [()]))


def test_available_processors_is_at_most_the_cpu_count():
    assert 1 <= available_processors() <= os.cpu_count()


SLEEPING = """
import time
from colorizer.data.workers import Workers
with Workers(2) as workers:
    list(workers.in_order(time.sleep, [(300,), (300,)]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of children")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_exit_when_their_parent_is_killed(number):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPING], cwd=REPOSITORY, stderr=subprocess.DEVNULL
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 2)
    started = [Path(f"/proc/{child}") for child in children.read_text().split()]
    time.sleep(0.2)  # until they watch their parent
    process.send_signal(number)
    process.wait(60)
    wait_until(lambda: not any(is_running(child) for child in started))


def is_running(process: Path) -> bool:
    try:
        return "State:\tZ" not in (process / "status").read_text()
    except OSError:
        return False


def wait_until(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited for a minute")
