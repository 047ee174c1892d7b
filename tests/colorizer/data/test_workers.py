import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import PIL
import pytest

from colorizer.data.photos import find_photos
from colorizer.data.workers import (
    PREFETCH,
    available_processors,
    dask_workers,
    local_workers,
)
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
    with local_workers(processes) as workers:
        results = list(workers.in_order(slow_first, ((number,) for number in range(9))))
    assert results == [number * number for number in range(9)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_function_is_raised(processes):
    with local_workers(processes) as workers, pytest.raises(InputError, match="three is refused"):
        list(workers.in_order(refuse, ((number,) for number in range(9))))


def test_calls_are_consumed_as_needed():
    consumed = []

    def calls():
        for number in range(100):
            consumed.append(number)
            yield (number,)

    with local_workers(2) as workers:
        results = workers.in_order(refuse, calls())
        assert next(results) == 0
        assert len(consumed) <= PREFETCH * 2 + 1


def test_a_killed_process_is_an_input_error():
    with (
        local_workers(2) as workers,
        pytest.raises(InputError, match="was killed, most likely for lack"),
    ):
        list(workers.in_order(die, [()]))


def test_available_processors_is_at_most_the_cpu_count():
    assert 1 <= available_processors() <= os.cpu_count()


SLEEPING = """
import time
from colorizer.data.workers import local_workers
with local_workers(2) as workers:
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


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    threads = int(sys.argv[1])
    with LocalCluster(n_workers=2, threads_per_worker=threads, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def start_cluster(folder: Path, threads: int = 1) -> subprocess.Popen[str]:
    """Start a Dask cluster of two processes, which know nothing of this project.

    They take packages in `folder` before those that are installed.
    """
    (folder / "cluster.py").write_text(CLUSTER)
    return subprocess.Popen(
        [sys.executable, "cluster.py", str(threads)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The address of a Dask cluster."""
    with start_cluster(tmp_path_factory.mktemp("cluster")) as process:
        yield process.stdout.readline().strip()


def test_a_cluster_returns_results_in_the_order_of_the_calls(address):
    with dask_workers(address) as workers:
        processes = set(workers.in_order(os.getpid, [()] * 9))
        results = list(workers.in_order(math.sqrt, ((number,) for number in range(9))))
    assert results == [math.sqrt(number) for number in range(9)]
    assert os.getpid() not in processes
    assert workers.processes == 2


def test_an_error_on_a_cluster_is_raised(address):
    with dask_workers(address) as workers, pytest.raises(ValueError, match="math domain"):
        list(workers.in_order(math.sqrt, [(1,), (-1,)]))


def test_a_killed_process_of_a_cluster_is_an_input_error_and_another_is_started(address):
    call = (os._exit, [(1,)])
    with dask_workers(address) as workers, pytest.raises(InputError, match="lost its workers"):
        list(workers.in_order(*call))
    with dask_workers(address) as workers:
        assert list(workers.in_order(math.sqrt, [(4,)])) == [2]


def test_a_scheduler_that_ends_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setattr("colorizer.data.workers.CONNECT_SECONDS", 2)
    with start_cluster(tmp_path) as process:
        address = process.stdout.readline().strip()
        Timer(1, process.kill).start()
        message = f"{address} lost its workers, or ended"
        with dask_workers(address) as workers, pytest.raises(InputError, match=message):
            list(workers.in_order(time.sleep, [(100,)]))


def test_a_worker_without_the_working_directory_is_named(address, tmp_path, monkeypatch):
    hidden = tmp_path / "hidden"
    monkeypatch.setattr(Path, "cwd", lambda: hidden)
    message = rf"its worker tcp://\S+ has no folder {hidden}; all machines should share a file"
    with pytest.raises(InputError, match=message), dask_workers(address):
        pass


def assert_refused(process: subprocess.Popen[str], message: str) -> None:
    """The workers of a cluster are refused; then it ends."""
    address = process.stdout.readline().strip()
    with pytest.raises(InputError, match=message), dask_workers(address):
        pass
    process.stdin.close()


def test_workers_of_several_threads_are_refused(tmp_path):
    with start_cluster(tmp_path, threads=2) as process:
        message = r"its worker tcp://\S+ has 2 threads, .* `dask worker --nthreads 1`$"
        assert_refused(process, message)


def test_workers_with_another_version_of_a_package_are_refused(tmp_path):
    (tmp_path / "pillow-1.2.dist-info").mkdir()
    (tmp_path / "pillow-1.2.dist-info/METADATA").write_text("Name: pillow\nVersion: 1.2\n")
    with start_cluster(tmp_path) as process:
        message = rf"has pillow 1\.2 and this machine {PIL.__version__}; all machines should have"
        assert_refused(process, message)


def test_the_code_of_the_project_is_sent_to_a_cluster(address):
    error = (InputError, [("as it is said",)])
    with dask_workers(address) as workers:
        (returned,) = workers.in_order(*error)
        with pytest.raises(InputError, match="level-set: no such folder"):
            list(workers.in_order(find_photos, [(Path("level-set"),)]))
    assert isinstance(returned, InputError)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere://127.0.0.1:8786"])
def test_a_scheduler_that_does_not_answer_is_named(address, monkeypatch):
    monkeypatch.setattr("colorizer.data.workers.CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=f"{address} .* does not answer"), dask_workers(address):
        pass
