"""Runs a list of runs through DVC's queue until none is missing."""

import time
from collections import Counter
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from colorizer.device import available_device, processor_name
from colorizer.errors import InputError
from experiments.runs.commands import command
from experiments.runs.dvc_queue import Task, drop_abandoned, tasks, tidy
from experiments.runs.identity import require_committed, source_files
from experiments.runs.sharing import Sharing
from experiments.runs.sweeps import SWEEPS_FILE, Run, exp_run_options

TARGET = "evaluate"  # with the stages that it needs, but neither test photographs nor figures
MAX_TRIES = 2
# Queued runs for each running one. With fewer, the queue would be empty before DVC is asked again,
# and its workers would exit. One in a shared sweep: what is queued here no other machine takes.
QUEUED_PER_JOB, QUEUED_PER_JOB_SHARED = 3, 1
POLL_SECONDS = 15  # asking DVC takes one second of processor time


class Outcome(NamedTuple):
    """Names of the runs that failed, and of those that other machines have claimed."""

    failed: set[str]
    elsewhere: set[str]


def finished_experiments() -> set[str]:
    """Names of the experiments of the current commit."""
    return set(command("dvc", "exp", "list", "--name-only").split())


def enqueue(run: Run, machine: str) -> None:
    """Add a run to DVC's queue.

    Raises InputError when code, params or sweeps are not as committed: DVC would take uncommitted
    changes into the run.
    """
    require_committed([*source_files(), str(SWEEPS_FILE)])
    message = f"queued {datetime.now(UTC).isoformat(timespec='seconds')} on {machine}"
    command(
        *("dvc", "exp", "run", "--queue", "--name", run.name, "--message", message),
        *exp_run_options(run.changes),
        TARGET,
    )


class Runner:
    """Keeps DVC's queue filled with runs, a few at a time, and retries what fails once."""

    def __init__(
        self, runs: Sequence[Run], done: Set[str], jobs: int, sharing: Sharing | None
    ) -> None:
        """Run those of `runs` whose names are not in `done`, `jobs` side by side."""
        self._runs = {run.name: run for run in runs}
        self._jobs, self._sharing = jobs, sharing
        self._machine = processor_name(available_device())
        self._queue = tidy(self._runs.keys())
        self._pending = self._queue.keys() - done  # in the queue, and not known to have ended
        self._waiting = [run for run in runs if run.name not in done | self._pending]
        self._tries = Counter(self._pending)
        self._outcome = Outcome(set(), set())

    def run(self, progress: "tqdm[NoReturn]") -> Outcome:
        """Run until nothing is left; `progress` counts the finished runs."""
        while self._waiting or self._pending:
            added = self._fill_queue()
            if not self._pending:
                continue  # other machines have claimed what was next
            self._start_workers(added)
            if not self._waiting or len(self._pending) >= self._capacity:
                time.sleep(POLL_SECONDS)
            self._settle(progress)
        return self._outcome

    @property
    def _capacity(self) -> int:
        return self._jobs * (1 + (QUEUED_PER_JOB_SHARED if self._sharing else QUEUED_PER_JOB))

    def _fill_queue(self) -> bool:
        """Queue as many runs as there is room for; whether there were any.

        All at once: a worker that sets up a run while DVC queues another one can fail.
        """
        count = max(0, self._capacity - len(self._pending))
        runs = self._waiting[:count]
        del self._waiting[:count]
        claimed = self._sharing.claim(runs) if self._sharing and runs else runs
        self._outcome.elsewhere.update(run.name for run in runs if run not in claimed)
        for run in claimed:
            enqueue(run, self._machine)
            self._pending.add(run.name)
            self._tries[run.name] += 1
        return bool(claimed)

    def _start_workers(self, added: bool) -> None:
        """Let DVC's workers run what is queued; drop runs whose worker died."""
        known = self._pending & self._queue.keys()
        if added or any(self._queue[name].state == "Queued" for name in known):
            command("dvc", "queue", "start", "--jobs", str(self._jobs))
        else:
            drop_abandoned(self._pending)

    def _settle(self, progress: "tqdm[NoReturn]") -> None:
        """Find out which runs have ended, and how."""
        self._queue = tasks()
        if self._pending - self._queue.keys():  # DVC can miss a run that is just starting
            self._queue |= tasks()
        active = {name for name, task in self._queue.items() if _is_active(task)}
        ended = self._pending - active
        self._pending &= active
        done = finished_experiments() & ended if ended else set()
        if self._sharing and done:
            try:
                self._sharing.push(done)
            except InputError as error:
                progress.write(f"{error}; will be tried again at the end")
        progress.update(len(done))
        for name in sorted(ended - done):
            self._retry(name)

    def _retry(self, name: str) -> None:
        if self._tries[name] >= MAX_TRIES:
            self._outcome.failed.add(name)
            return
        if name in self._queue:
            command("dvc", "queue", "remove", name)
        self._waiting.insert(0, self._runs[name])


def run_missing(runs: Sequence[Run], held: Set[str], jobs: int, sharing: Sharing | None) -> Outcome:
    """Run what is neither in `held` nor finished, with a progress bar."""
    names = {run.name for run in runs}
    finished = names & finished_experiments()
    if sharing:
        sharing.pull(names - finished)
        sharing.push(finished)
        finished = names & finished_experiments()
    done = finished | (held & names)
    with tqdm(total=len(runs), initial=len(done), desc="runs", unit="run") as progress:
        outcome = Runner(runs, done, jobs, sharing).run(progress)
    if sharing:
        sharing.push(names & finished_experiments())
    return outcome


def _is_active(task: Task) -> bool:
    return task.state in ("Queued", "Running")
