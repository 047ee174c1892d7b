"""DVC's queue of experiments, and the processes that work at it."""

import json
import re
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

import psutil

from experiments.commands import command

# Where DVC notes the processes of its workers, and of what they run.
WORKERS, RUNS = Path(".dvc/tmp/exps/celery"), Path(".dvc/tmp/exps/run")
TASK = re.compile(r"^([0-9a-f]{7})\s+(\S+)\s.*\b(Queued|Running|Success|Failed)\s*$", re.MULTILINE)


class Task(NamedTuple):
    """An experiment in the queue."""

    revision: str  # the first seven digits of the commit that DVC stashed it as
    state: str  # Queued, Running, Success or Failed


def tasks() -> dict[str, Task]:
    """What is in the queue, by name."""
    lines = TASK.findall(command("dvc", "queue", "status"))
    return {name: Task(revision, state) for revision, name, state in lines}


def have_workers() -> bool:
    """Whether a process works at the queue, or waits for more in it."""
    return any(_process(file, "queue-worker") for file in WORKERS.glob("*.json"))


def drop_abandoned(names: Set[str]) -> set[str]:
    """Take out of the queue those of these that DVC has as running, though no worker does.

    It was killed, or left as it took one. Gives their names.
    """
    if have_workers():
        return set()
    # None works at it: so the queue no longer changes by itself.
    abandoned = {
        name: task for name, task in tasks().items() if name in names and task.state == "Running"
    }
    for name, task in abandoned.items():
        for file in RUNS.glob(f"{task.revision}*/*.json"):
            if process := _process(file, "exec-run"):
                for alive in (*process.children(recursive=True), process):
                    alive.kill()
            # DVC would kill the process that was noted, whatever has its number by now.
            noted = json.loads(file.read_text(encoding="utf-8"))
            file.write_text(json.dumps(noted | {"returncode": -1}), encoding="utf-8")
        command("dvc", "queue", "kill", "--force", name)
        command("dvc", "queue", "remove", name)
    return {*abandoned}


def tidy(names: Set[str]) -> dict[str, Task]:
    """Take out of the queue what ended, and of these names what no worker has; those left in it.

    What waits for no worker does so since another time, and maybe for another commit.
    """
    command("dvc", "queue", "remove", "--success", "--failed")
    if not have_workers():
        drop_abandoned(names)
        if waiting := names & tasks().keys():
            command("dvc", "queue", "remove", *sorted(waiting))
    return {name: task for name, task in tasks().items() if name in names}


def _process(file: Path, does: str) -> psutil.Process | None:
    """The process that DVC noted in a file, where it lives and does this."""
    try:
        process = psutil.Process(json.loads(file.read_text(encoding="utf-8"))["pid"])
        return process if does in process.cmdline() else None
    except (psutil.Error, FileNotFoundError):  # DVC tidies, too
        return None
