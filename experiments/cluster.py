"""Runs runs as tasks of a Dask cluster: on this machine, or on the workers of a scheduler."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import psutil
from dask.system import CPU_COUNT
from distributed import Client, as_completed
from dvc.repo import Repo
from tqdm import tqdm

from colorizer.errors import InputError
from experiments import worker
from experiments.rows import git
from experiments.runs import MODELS_FILE, SWEEPS_FILE, Run, exp_run_options
from experiments.worker import Task, run_experiment

READ_BY_RUNS = ["dvc.yaml", "params.yaml", "colorizer", "stages", "data/raw/*.dvc"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where runs are run."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--jobs",
        type=int,
        default=CPU_COUNT,
        help="runs side by side on this machine (%(default)s)",
    )
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


def committed_head() -> str:
    """The commit that runs are of. Raises InputError when what they read is not as committed."""
    files = [*READ_BY_RUNS, str(SWEEPS_FILE), str(MODELS_FILE)]
    changed = git("diff", "--name-only", "HEAD", "--", *files).splitlines()
    if changed:
        raise InputError(f"{', '.join(changed)}: not as committed, and runs are of the commit")
    return git("rev-parse", "HEAD")


def run_all(
    runs: Sequence[Run], commit: str, args: argparse.Namespace, options: Sequence[str]
) -> Iterator[tuple[Run, str]]:
    """Run runs; yield each one as it ends, with the output of what failed, or "".

    A run that fails is tried once more. `args` are those of `add_options`, `options` are for
    `dvc exp run`. Raises InputError when Dask does not start or the scheduler does not answer.
    """
    if not runs:
        return
    top, folder = git("rev-parse", "--show-toplevel"), git("rev-parse", "--show-prefix")
    url = git("remote", "get-url", args.share) if args.share else top
    if Path(top, url).exists():  # Git takes a relative path from there
        url = str(Path(top, url).resolve())
    cache = "" if args.share else Repo().cache.local_cache_dir
    with _client(args) as client:
        tqdm.write(f"Dask's dashboard: {client.dashboard_link}", file=sys.stderr)

        # Dask sends a local function as code, and with it what the registered module has.
        def run_task(task: Task) -> None:
            run_experiment(task)

        run_of = {}
        for run in runs:
            changes = [*options, *exp_run_options(run.changes | {"train.seed": run.seed})]
            task = Task(url, commit, folder, cache, run.name, changes)
            key = f"{run.name}-{commit}"
            run_of[client.submit(run_task, task, key=key, retries=1)] = run
        try:
            with tqdm(total=len(runs), desc="runs", unit="run") as progress:
                for future in as_completed(run_of):
                    error = future.exception()
                    progress.update()
                    yield run_of[future], "" if error is None else str(error) or repr(error)
        finally:
            client.cancel([*run_of])  # or Dask would retry what ends here
            for process in psutil.Process().children(recursive=True):  # runs on this machine
                process.kill()


def reason(output: str) -> str:
    """The line of the output of a failed run that says why: a stage's error, or the last line."""
    lines = output.splitlines()
    return next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1])


@contextmanager
def _client(args: argparse.Namespace) -> Iterator[Client]:
    """A client of the scheduler, or of workers in threads of this process."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are raised, too
    cloudpickle.register_pickle_by_value(worker)  # workers elsewhere do not have that module
    try:
        if args.scheduler is None:
            client = Client(
                n_workers=args.jobs,
                threads_per_worker=1,
                processes=False,
                memory_limit=None,  # runs have processes of their own
                dashboard_address=":0",
            )
        elif Path(args.scheduler).is_file():
            client = Client(scheduler_file=args.scheduler)
        else:
            client = Client(args.scheduler)
    except Exception as error:  # Dask has errors of its own for each of its settings
        raise InputError(f"Dask: {error}") from None
    with client:
        yield client
