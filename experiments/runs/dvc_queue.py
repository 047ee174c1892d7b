"""DVC's queue of experiments and its worker processes."""

import json
import re
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

import psutil

from experiments.runs.commands import command

# Where DVC records the processes of its workers and of the experiments that they run.
WORKERS, RUNS = Path(".dvc/tmp/exps/celery"), Path(".dvc/tmp/exps/run")
TASK = re.compile(r"^([0-9a-f]{7})\s+(\S+)\s.*\b(Queued|Running|Success|Failed)\s*$", re.MULTILINE)


class Task(NamedTuple):
    """An experiment in the queue."""

    revision: str  # first seven digits of the commit that DVC stashed the run as
    state: str  # Queued, Running, Success or Failed


def tasks() -> dict[str, Task]:
    """The tasks in the queue, by name."""
    lines = TASK.findall(command("dvc", "queue", "status"))
    return {name: Task(revision, state) for revision, name, state in lines}


def have_workers() -> bool:
    """Whether a worker process is running."""
    return any(_process(file, "queue-worker") for file in WORKERS.glob("*.json"))


def drop_abandoned(names: Set[str]) -> set[str]:
    """Remove from the queue those of these runs that DVC lists as running without a worker.

    Their worker was killed, or exited as it took them. Returns their names.
    """
    if have_workers():
        return set()
    # Without workers the queue does not change by itself.
    abandoned = {
        name: task for name, task in tasks().items() if name in names and task.state == "Running"
    }
    for name, task in abandoned.items():
        for file in RUNS.glob(f"{task.revision}*/*.json"):
            if process := _process(file, "exec-run"):
                for alive in (*process.children(recursive=True), process):
                    alive.kill()
            # DVC would kill the recorded process, even when another one has its number by now.
            record = json.loads(file.read_text(encoding="utf-8"))
            file.write_text(json.dumps(record | {"returncode": -1}), encoding="utf-8")
        command("dvc", "queue", "kill", "--force", name)
        command("dvc", "queue", "remove", name)
    return {*abandoned}


def tidy(names: Set[str]) -> dict[str, Task]:
    """Remove ended runs from the queue, and those of `names` that no worker will run; the rest.

    Runs that wait without a worker are from an earlier time, and perhaps of another commit.
    """
    command("dvc", "queue", "remove", "--success", "--failed")
    if not have_workers():
        drop_abandoned(names)
        if waiting := names & tasks().keys():
            command("dvc", "queue", "remove", *sorted(waiting))
    return {name: task for name, task in tasks().items() if name in names}


def _process(file: Path, does: str) -> psutil.Process | None:
    """The process that DVC recorded in a file, if it runs and its command has the word `does`."""
    try:
        process = psutil.Process(json.loads(file.read_text(encoding="utf-8"))["pid"])
        return process if does in process.cmdline() else None
    except (psutil.Error, FileNotFoundError):  # DVC removes such files, too
        return None
