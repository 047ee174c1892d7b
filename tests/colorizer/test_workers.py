import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colorizer.errors import InputError
from colorizer.workers import AHEAD, Workers, available_processors
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
def test_answers_come_in_the_order_of_the_calls(processes):
    with Workers(processes) as workers:
        answers = list(workers.in_order(slow_first, ((number,) for number in range(9))))
    assert answers == [number * number for number in range(9)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_function_is_raised(processes):
    with Workers(processes) as workers, pytest.raises(InputError, match="three is refused"):
        list(workers.in_order(refuse, ((number,) for number in range(9))))


def test_calls_are_taken_as_they_are_needed():
    taken = []

    def calls():
        for number in range(100):
            taken.append(number)
            yield (number,)

    with Workers(2) as workers:
        answers = workers.in_order(refuse, calls())
        assert next(answers) == 0
        assert len(taken) <= AHEAD * 2 + 1


def test_a_killed_process_is_told_in_a_line():
    with Workers(2) as workers, pytest.raises(InputError, match="was killed, most likely for want"):
        list(workers.in_order(die, [()]))


def test_no_more_processors_than_there_are():
    assert 1 <= available_processors() <= os.cpu_count()


SLEEPING = """
import time
from colorizer.workers import Workers
with Workers(2) as workers:
    list(workers.in_order(time.sleep, [(300,), (300,)]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of children")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_one_that_started_them(number):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPING], cwd=REPOSITORY, stderr=subprocess.DEVNULL
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 2)
    started = [Path(f"/proc/{child}") for child in children.read_text().split()]
    time.sleep(0.2)  # until they have begun to watch
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
