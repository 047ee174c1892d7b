"""Runs a list of runs as tasks of a Dask cluster, each in a clone of a worker."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
from distributed import Client, KilledWorker, LocalCluster, as_completed
from tqdm import tqdm

from colorizer.errors import InputError
from experiments.runs import worker
from experiments.runs.commands import command
from experiments.runs.experiments import finished_experiments
from experiments.runs.identity import (
    LOCK_FILE,
    of_data,
    raw_path,
    require_committed,
    source_files,
)
from experiments.runs.sweeps import MODELS_FILE, SWEEPS_FILE, Run, exp_run_options
from experiments.runs.worker import EVENTS, Project, Task, run_experiment

TARGET = "evaluate"  # with the stages that it needs, but neither test photographs nor figures
RETRIES = 1
CONNECT_SECONDS = 30


class Cluster(NamedTuple):
    """Where runs are run."""

    jobs: int | None  # runs side by side on this machine; None with a scheduler
    scheduler: str | None  # address of a Dask scheduler, or a file that has it
    share: str | None  # Git remote, where the workers share no file system with this repository
    resources: dict[str, float]  # Dask resources that a run takes of a worker

    @classmethod
    def of(cls, parser: argparse.ArgumentParser, args: argparse.Namespace) -> "Cluster":
        """From the options of add_options."""
        if args.jobs is not None and args.jobs < 1:
            parser.error("--jobs should be 1 or more")
        resources = {}
        for text in args.resources:
            name, _, amount = text.partition("=")
            try:
                resources[name] = float(amount)
            except ValueError:
                parser.error(f"--resources {text}: should be NAME=NUMBER")
        return cls(args.jobs, args.scheduler, args.share, resources)

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add the options that say where runs are run."""
        place = parser.add_mutually_exclusive_group(required=True)
        place.add_argument("--jobs", type=int, help="number of concurrent runs on this machine")
        place.add_argument(
            "--scheduler",
            metavar="ADDRESS",
            help="use the Dask cluster of this scheduler (tcp://HOST:8786, or a scheduler file)",
        )
        parser.add_argument(
            "--share",
            metavar="REMOTE",
            help="Git remote for workers on other file systems; outputs go to the DVC remote",
        )
        parser.add_argument(
            "--resources",
            metavar="NAME=NUMBER",
            nargs="+",
            default=[],
            help="Dask resources that a run takes, such as GPU=1",
        )

    @contextmanager
    def connect(self) -> Iterator[Client]:
        """A client of the cluster; starts a cluster of this machine when there is no scheduler."""
        for part in ("client", "batched", "core", "comm"):  # errors are raised, too
            logging.getLogger(f"distributed.{part}").setLevel(logging.CRITICAL)
        # A worker elsewhere does not have that module.
        cloudpickle.register_pickle_by_value(worker)
        if self.scheduler is None:
            # What a run needs of memory is used by its own processes, which Dask does not see.
            with (
                LocalCluster(
                    n_workers=self.jobs,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                    resources=self.resources,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        address = (
            {"scheduler_file": self.scheduler}
            if Path(self.scheduler).is_file()
            else {"address": self.scheduler}
        )
        try:
            client = Client(timeout=CONNECT_SECONDS, **address)
        except (OSError, ValueError) as error:
            raise InputError(f"--scheduler {self.scheduler}: {error}") from None
        with client:
            yield client


def committed_project(runs: Sequence[Run], share: str | None) -> Project:
    """The project as its last commit has it. Raises InputError when runs would differ from that."""
    if command("git", "rev-parse", "--is-shallow-repository").strip() == "true":
        raise InputError("this clone is shallow; run git fetch --unshallow first")
    names = sorted({str(run.changes["data.name"]) for run in runs})
    read = [*source_files(), str(SWEEPS_FILE), str(MODELS_FILE), *map(_committed_file, names)]
    require_committed(read)
    commit = command("git", "rev-parse", "HEAD").strip()
    author = (
        command("git", "config", "--default", "sweep", "user.name").strip(),
        command("git", "config", "--default", "sweep@localhost", "user.email").strip(),
    )
    url, cache = command("git", "rev-parse", "--show-toplevel").strip(), None
    if share is None:
        cache = command("dvc", "cache", "dir").strip()
    else:
        remote = command("git", "remote", "get-url", share).strip()
        local = Path(url) / remote  # Git takes a relative path from there
        url = str(local.resolve()) if local.exists() else remote
        if not command("dvc", "remote", "list").strip():
            raise InputError(".dvc/config: has no remote; should have one that the machines share")
        command("git", "fetch", "--quiet", share)
        if not command("git", "branch", "--remotes", "--contains", commit, "--list", f"{share}/*"):
            raise InputError(f"{share} lacks commit {commit[:7]}; git push it first")
    folder = command("git", "rev-parse", "--show-prefix").strip()
    return Project(url, commit, folder, cache, author)


def run_missing(
    project: Project,
    runs: Sequence[Run],
    held: Set[str],
    cluster: Cluster,
    options: tuple[str, ...],
) -> dict[str, tuple[str, str]]:
    """Run what is neither in `held` nor finished, with a progress bar.

    `options` are for `dvc exp run`, beside the params of a run. Returns, for each run that failed
    twice, why, and the output of what failed.
    """
    names = {run.name for run in runs}
    if cluster.share:
        pattern = f"{project.refs}/*"
        listed = command("git", "ls-remote", cluster.share, pattern).splitlines()
        refs = {f"{project.refs}/{name}" for name in names - held}
        _fetch(cluster.share, refs & {line.split()[1] for line in listed})
    done = names & (held | finished_experiments(project.commit).keys())
    missing = [run for run in runs if run.name not in done]
    if not missing:
        return {}
    tasks = [
        Task(project, run.name, (*options, *exp_run_options(run.changes)), TARGET)
        for run in missing
    ]
    with (
        cluster.connect() as client,
        tqdm(total=len(runs), initial=len(done), desc="runs", unit="run") as progress,
    ):
        threads = sum(client.nthreads().values())
        side_by_side = f"{threads} runs side by side" if threads else "waiting for a first worker"
        _print(f"{side_by_side}; dashboard: {client.dashboard_link}")
        failed = {}
        for name, error in _results(client, tasks, cluster.resources):
            if error:
                failed[name] = _reason_and_output(error)
                _print(f"{name}: {failed[name][0]}")
                continue
            if cluster.share:
                _fetch(cluster.share, {f"{project.refs}/{name}"})
            progress.update()
    return failed


def _results(
    client: Client, tasks: Sequence[Task], resources: dict[str, float]
) -> Iterator[tuple[str, BaseException | None]]:
    """The name of each task as it ends, and its error if it failed."""
    # Two clients that submit the same key to a scheduler get the same run.
    names = {f"{task.name}@{task.project.commit}:{task.project.url}": task.name for task in tasks}

    def print_event(event: tuple[float, Any]) -> None:
        _print(str(event[1]))

    def print_lost_workers(event: tuple[float, Any]) -> None:
        message = event[1]
        if message["action"] == "remove-worker":
            for key in message["processing-tasks"]:
                if key in names:
                    _print(f"{names[key]}: its worker ended; another one will run it")

    # Dask sends a local function as code, with what it calls in the registered module. It would
    # send the name of a function of a module.
    def run(task: Task) -> None:
        run_experiment(task)

    client.subscribe_topic(EVENTS, print_event)
    client.subscribe_topic("all", print_lost_workers)
    try:
        futures = [
            client.submit(run, task, key=key, retries=RETRIES, resources=resources)
            for key, task in zip(names, tasks, strict=True)
        ]
        for future in as_completed(futures):
            if future.status in {"cancelled", "lost"}:
                raise InputError(
                    "the scheduler ended or cannot be reached; start the sweep again when there is "
                    "one: runs that are finished are not run again"
                )
            yield names[future.key], future.exception()
    finally:
        for topic in (EVENTS, "all"):
            client.unsubscribe_topic(topic)


def _reason_and_output(error: BaseException) -> tuple[str, str]:
    """Why a run failed, as one line, and the output of the program that failed, if one did."""
    if isinstance(error, KilledWorker):
        return f"{error.allowed_failures + 1} workers ended as they ran it", ""
    if isinstance(error, RuntimeError):  # of worker.py
        reason, *output = map(str, error.args)
        return reason, "".join(output)
    return str(error) or type(error).__name__, ""


def _print(line: str) -> None:
    """Print a line above the progress bar."""
    tqdm.write(line, file=sys.stderr)


def _committed_file(data: str) -> str:
    """What Git tracks of a data set: itself, its .dvc file, or the lock of the stage that made it.

    Raises InputError when it is none of these.
    """
    raw = raw_path(data)
    if Path(f"{raw}.dvc").exists():
        return f"{raw}.dvc"
    if of_data(data):
        return str(LOCK_FILE)
    if not command("git", "ls-files", "--", raw):
        raise InputError(f"{raw}: workers get what DVC tracks; dvc add it, and commit {raw}.dvc")
    return raw


def _fetch(remote: str, refs: Set[str]) -> None:
    """Fetch refs that a Git remote has."""
    if refs:
        command("git", "fetch", "--quiet", remote, *(f"{ref}:{ref}" for ref in sorted(refs)))
