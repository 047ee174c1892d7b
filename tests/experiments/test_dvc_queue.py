import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import dvc_queue
from experiments.dvc_queue import RUNS, WORKERS, Task, drop_abandoned, have_workers


@pytest.fixture
def asked(tmp_path, monkeypatch) -> Iterator[list[tuple[str, ...]]]:
    """What DVC is asked, of a queue where one runs and another, of somebody else, does."""
    monkeypatch.chdir(tmp_path)
    queue = {"ours": Task("abcdef1", "Running"), "theirs": Task("1abcdef", "Running")}
    monkeypatch.setattr(dvc_queue, "tasks", lambda: queue | {"next": Task("2abcdef", "Queued")})
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(dvc_queue, "command", lambda *said: words.append(said))
    return words


@pytest.fixture
def process() -> Iterator[object]:
    """Start processes whose command has a word in it."""
    started = []

    def start(word: str) -> subprocess.Popen[bytes]:
        sleep = "import time; time.sleep(300)"
        started.append(subprocess.Popen([sys.executable, "-c", sleep, word]))
        return started[-1]

    yield start
    for some in started:
        some.kill()
        some.wait()


def note(file: Path, pid: int) -> Path:
    """Note a process as DVC does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"pid": pid, "stdout": "out", "returncode": None}))
    return file


DROPPED = [("dvc", "queue", "kill", "--force", "ours"), ("dvc", "queue", "remove", "ours")]


@pytest.mark.usefixtures("asked")
def test_workers_are_processes_that_live_and_are_dvc_s(process):
    assert not have_workers()
    file = note(WORKERS / "dvc-exp-worker-1.json", process("something else").pid)
    assert not have_workers()
    worker = process("queue-worker")
    note(file, worker.pid)
    assert have_workers()
    worker.kill()
    worker.wait()
    assert not have_workers()


def test_nothing_is_dropped_while_there_are_workers(asked, process):
    note(WORKERS / "dvc-exp-worker-1.json", process("queue-worker").pid)
    assert drop_abandoned({"ours", "next"}) == set()
    assert not asked


def test_a_run_without_a_worker_is_ended_and_dropped(asked, process):
    run = process("exec-run")
    note(RUNS / "abcdef1234" / "abcdef1234.json", run.pid)
    assert drop_abandoned({"ours", "next"}) == {"ours"}
    assert run.wait(timeout=60) < 0
    assert asked == DROPPED


def test_no_process_is_killed_that_has_the_number_of_a_run(asked, process):
    stranger = process("something else")
    file = note(RUNS / "abcdef1234" / "abcdef1234.json", stranger.pid)
    assert drop_abandoned({"ours", "next"}) == {"ours"}
    assert stranger.poll() is None
    assert json.loads(file.read_text()) == {"pid": stranger.pid, "stdout": "out", "returncode": -1}
    assert asked == DROPPED
