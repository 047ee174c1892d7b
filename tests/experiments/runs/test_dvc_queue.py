import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from experiments.runs import dvc_queue
from experiments.runs.dvc_queue import RUNS, WORKERS, Task, drop_abandoned, have_workers


@pytest.fixture
def commands(tmp_path, monkeypatch) -> Iterator[list[tuple[str, ...]]]:
    """The DVC commands that are run, with a queue in which a run of ours and another one run."""
    monkeypatch.chdir(tmp_path)
    queue = {"ours": Task("abcdef1", "Running"), "theirs": Task("1abcdef", "Running")}
    monkeypatch.setattr(dvc_queue, "tasks", lambda: queue | {"next": Task("2abcdef", "Queued")})
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(dvc_queue, "command", lambda *words: ran.append(words))
    return ran


@pytest.fixture
def process() -> Iterator[object]:
    """Start processes with a word in their command."""
    started = []

    def start(word: str) -> subprocess.Popen[bytes]:
        sleep = "import time; time.sleep(300)"
        started.append(subprocess.Popen([sys.executable, "-c", sleep, word]))
        while word not in psutil.Process(started[-1].pid).cmdline():  # it is empty at first
            time.sleep(0.01)
        return started[-1]

    yield start
    for some in started:
        some.kill()
        some.wait()


def record(file: Path, pid: int) -> Path:
    """Record a process as DVC does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"pid": pid, "stdout": "out", "returncode": None}))
    return file


DROPPED = [("dvc", "queue", "kill", "--force", "ours"), ("dvc", "queue", "remove", "ours")]


@pytest.mark.usefixtures("commands")
def test_workers_are_running_processes_of_dvc(process):
    assert not have_workers()
    file = record(WORKERS / "dvc-exp-worker-1.json", process("something else").pid)
    assert not have_workers()
    worker = process("queue-worker")
    record(file, worker.pid)
    assert have_workers()
    worker.kill()
    worker.wait()
    assert not have_workers()


def test_nothing_is_dropped_while_there_are_workers(commands, process):
    record(WORKERS / "dvc-exp-worker-1.json", process("queue-worker").pid)
    assert drop_abandoned({"ours", "next"}) == set()
    assert not commands


def test_a_run_without_a_worker_is_killed_and_dropped(commands, process):
    run = process("exec-run")
    record(RUNS / "abcdef1234" / "abcdef1234.json", run.pid)
    assert drop_abandoned({"ours", "next"}) == {"ours"}
    assert run.wait(timeout=60) < 0
    assert commands == DROPPED


def test_another_process_with_the_pid_of_a_run_is_not_killed(commands, process):
    other = process("something else")
    file = record(RUNS / "abcdef1234" / "abcdef1234.json", other.pid)
    assert drop_abandoned({"ours", "next"}) == {"ours"}
    assert other.poll() is None
    assert json.loads(file.read_text()) == {"pid": other.pid, "stdout": "out", "returncode": -1}
    assert commands == DROPPED
