"""Run sweeps of sweeps.yaml on a data set, and write a row of the results for each run.

Each run is a DVC experiment of the current commit, and a task of Dask: on this machine, or on the
workers of a scheduler (docs/clusters.md). A run that has a row is skipped, so that a sweep that was
killed goes on when it is started again. A run that fails is tried once more, then listed.
"""

import argparse
import time
from pathlib import Path

from tqdm import tqdm

from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project, write_text
from experiments.cluster import add_options, committed_head, reason, run_all
from experiments.report import write_report
from experiments.rows import RUNS_FILE, add_rows, experiments_of, measured_by, read_table
from experiments.runs import read_runs

FAILED_FILE = "failed.log"  # in the results folder: what failed runs printed


def main() -> None:
    """Run what has no row; then write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder for the rows and the report")
    parser.add_argument("sweeps", nargs="+", metavar="sweep", help="name in sweeps.yaml")
    parser.add_argument("--rerun", action="store_true", help="also run what has a row")
    add_options(parser)
    args = parser.parse_args()
    enter_project(args)
    start, commit = time.monotonic(), committed_head()
    # Networks can be points of several sweeps: one row is enough.
    runs = {(run.params, str(run.seed)): run for run in read_runs(args.data, args.sweeps)}
    rows = {
        (row.params, row.seed): row for row in read_table(args.results / RUNS_FILE).itertuples()
    }
    finished = experiments_of(commit, args.share)
    missing = []
    for key, run in runs.items():
        if args.rerun:
            row = rows.get(key, run)
            missing.append(run._replace(name=row.name, sweep=row.sweep, point=row.point))
        elif key not in rows and run.name in finished:  # the sweep was killed before it had a row
            add_rows(args.results, measured_by(run, finished[run.name], commit))
        elif key not in rows:
            missing.append(run)
    print(f"{len(runs) - len(missing)} of {len(runs)} runs have a row; --rerun runs them again")
    failed = {}
    for run, output in run_all(missing, commit, args, ["--force"] if args.rerun else []):
        if output:
            failed[run.name] = output
            tqdm.write(f"{run.name}: {reason(output)}")
        else:
            experiment = experiments_of(commit, args.share)[run.name]
            add_rows(args.results, measured_by(run, experiment, commit))
    minutes = (time.monotonic() - start) / 60
    print(f"{len(runs) - len(failed)} of {len(runs)} runs finished, after {minutes:.0f} min")
    if len(failed) < len(runs):
        report, _ = write_report(args.data, args.results)
        print(report)
    if failed:
        log = args.results / FAILED_FILE
        write_text(log, "\n\n".join(f"{name}\n{output}" for name, output in failed.items()))
        lines = [f"{name}: {reason(output)}" for name, output in failed.items()]
        raise InputError("\n  ".join([f"failed twice ({log} has their output):", *lines]))


if __name__ == "__main__":
    with one_line_errors():
        main()
