"""Run sweeps of sweeps.yaml on a data set through DVC's queue until every run has finished.

Runs are queued a few at a time. A run is skipped when it is finished or has a row in the results
that still holds. A run that fails is tried once more and, if it fails again, listed at the end. A
sweep that was killed continues when it is started again. At the end the results are collected.

With --share several machines work on the same sweeps: each claims a run in a Git remote before it
queues it, and pushes what it finished.
"""

import argparse
import time
from pathlib import Path

from colorizer.errors import InputError, one_line_errors
from experiments.collect import collect
from experiments.runs.commands import command
from experiments.runs.identity import holding
from experiments.runs.runner import run_missing
from experiments.runs.sharing import Sharing
from experiments.runs.sweeps import SWEEPS_FILE, read_sweep


def main() -> None:
    """Run the sweeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="data set, as data.name")
    parser.add_argument("results", type=Path, help="folder to collect the results in")
    parser.add_argument("sweeps", nargs="+", metavar="sweep", help="name in sweeps.yaml")
    parser.add_argument("--jobs", type=int, required=True, help="runs side by side")
    parser.add_argument("--share", metavar="REMOTE", help="Git remote that the machines share")
    parser.add_argument(
        "--reclaim", action="store_true", help="also run what other machines claimed"
    )
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error("--jobs should be 1 or more")
    if args.reclaim and not args.share:
        parser.error("--reclaim needs --share")
    runs = [run for name in args.sweeps for run in read_sweep(SWEEPS_FILE, name, args.data)]
    sharing = Sharing(args.share, args.reclaim) if args.share else None
    start = time.monotonic()
    held = holding(args.results, runs)
    try:
        outcome = run_missing(runs, held, args.jobs, sharing)
    except KeyboardInterrupt:
        command("dvc", "queue", "stop", "--kill")
        raise
    minutes = (time.monotonic() - start) / 60
    present = len(runs) - len(outcome.failed) - len(outcome.elsewhere)
    print(f"{present} of {len(runs)} runs are here, after {minutes:.0f} min")
    collect(args.data, args.results)
    if outcome.elsewhere:
        print(f"other machines have {len(outcome.elsewhere)}: run this again later to pull them")
    if outcome.failed:
        names = ", ".join(sorted(outcome.failed))
        raise InputError(f"failed twice: {names} (dvc queue logs NAME says why)")


if __name__ == "__main__":
    with one_line_errors():
        main()
