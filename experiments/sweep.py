"""Run sweeps of sweeps.yaml on a data set until every run has finished.

Each run is a DVC experiment of the current commit, and a task of a Dask cluster: of this machine
with --jobs, of many with --scheduler (docs/clusters.md). A run is skipped when it is finished or
has a valid row in the results. A run that fails is tried once more and, if it fails again, listed
at the end. A sweep that was killed continues when it is started again. At the end the results are
collected, unless the commit, code or params have changed since.
"""

import argparse
import time
from pathlib import Path

from colorizer.errors import InputError, one_line_errors
from colorizer.files import write_text
from colorizer.git_variables import drop_git_variables
from experiments.runs.commands import command
from experiments.runs.identity import holding
from experiments.runs.runner import Cluster, committed_project, run_missing
from experiments.runs.sweeps import SWEEPS_FILE, read_sweep

FAILED_FILE = "failed.log"  # in the results, when there are failed runs


def main() -> None:
    """Run the sweeps."""
    from experiments.collect import collect  # here: each Dask worker imports this module

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder to collect the results in")
    parser.add_argument("sweeps", nargs="+", metavar="sweep", help="name in sweeps.yaml")
    Cluster.add_options(parser)
    args = parser.parse_args()
    drop_git_variables()
    cluster = Cluster.of(parser, args)
    runs = [run for name in args.sweeps for run in read_sweep(SWEEPS_FILE, name, args.data)]
    start = time.monotonic()
    project = committed_project(runs, cluster.share)
    failed = run_missing(project, runs, holding(args.results, runs), cluster, ())
    minutes = (time.monotonic() - start) / 60
    print(f"{len(runs) - len(failed)} of {len(runs)} runs are here, after {minutes:.0f} min")
    log = args.results / FAILED_FILE
    log.unlink(missing_ok=True)
    if failed:
        args.results.mkdir(parents=True, exist_ok=True)
        write_text(log, "\n".join(f"{name}\n{output}" for name, (_, output) in failed.items()))
    try:
        require_head(project.commit)
        collect(args.data, args.results, failed.keys(), discard=False)
    except InputError as error:
        print(
            f"not collected: {error}; to collect later: git switch --detach {project.commit[:7]}, "
            f"then python -m experiments.collect {args.data} {args.results}"
        )
    if failed:
        lines = [f"{name}: {reason}" for name, (reason, _) in sorted(failed.items())]
        raise InputError("\n  ".join([f"failed twice ({log} has their output):", *lines]))


def require_head(commit: str) -> None:
    """Raise InputError when HEAD is another commit: runs belong to one."""
    if command("git", "rev-parse", "HEAD").strip() != commit:
        raise InputError(f"the runs belong to commit {commit[:7]}, which is not the current one")


if __name__ == "__main__":
    with one_line_errors():
        main()
