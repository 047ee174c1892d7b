"""Run some rows of the results again on the current commit, and say which agree.

Rows are drawn with a seed, run as DVC experiments recheck-NAME, and compared digit by digit: the
row, its epochs and its margin curve. Numbers are the same on one kind of processor only. Nothing is
written to the results; the exit status is 1 when a row differs.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project
from experiments.cluster import add_options, committed_head, reason, run_all
from experiments.rows import MEASURED, RUNS_FILE, experiments_of, measured_by, read_table
from experiments.runs import read_runs


def differences(name: str, results: Path, measured: Mapping[Path, pd.DataFrame]) -> Iterator[str]:
    """What differs between the values that a run has in the results and those measured now."""
    for file, now in measured.items():
        key = "name" if file == RUNS_FILE else now.columns[1]  # epoch or margin
        columns = MEASURED if file == RUNS_FILE else now.columns[2:]
        before = read_table(results / file)
        before = before[before["name"] == name]
        if before.empty:  # the sweep ablation keeps no epochs or margins
            continue
        both = before.merge(now.assign(name=name), how="left", on=key, suffixes=("", " now"))
        for column in columns:
            # Rows of the sweep ablation lack some values.
            differ = both[(both[column] != both[f"{column} now"]) & (both[column] != "")]
            for _, row in differ.head(1).iterrows():
                yield f"{column} is {row[f'{column} now']} instead of {row[column]} ({file})"


def main() -> None:
    """Draw, run again, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder of the results")
    parser.add_argument("--rows", type=int, required=True, help="how many rows to run again")
    parser.add_argument("--seed", type=int, required=True, help="seed of the draw")
    add_options(parser)
    args = parser.parse_args()
    enter_project(args)
    commit = committed_head()
    run_of = {(run.params, str(run.seed)): run for run in read_runs(args.data)}
    rows = read_table(args.results / RUNS_FILE)
    candidates = [row for row in rows.itertuples() if (row.params, row.seed) in run_of]
    if not candidates:
        raise InputError(f"{args.results / RUNS_FILE}: has no row of a run of sweeps.yaml")
    drawn = random.Random(args.seed).sample(candidates, min(args.rows, len(candidates)))
    row_of = {f"recheck-{row.name}": row for row in drawn}
    reruns = [
        run_of[row.params, row.seed]._replace(name=name, sweep=row.sweep)
        for name, row in row_of.items()
    ]
    equal = 0
    for run, output in run_all(reruns, commit, args, ["--force"]):
        row = row_of[run.name]
        if output:
            found = [f"failed twice: {reason(output)}"]
        else:
            measured = measured_by(run, experiments_of(commit, args.share)[run.name], commit)
            found = [*differences(row.name, args.results, measured)]
            here = measured[RUNS_FILE]["machine"][0]
            if found and here != row.machine:
                found.append(f"the row is of {row.machine}, this is {here}")
        equal += not found
        tqdm.write(f"{row.name}: {'; '.join(found) or 'equal'}")
    print(f"{equal} of {len(drawn)} rows are equal to the last digit")
    sys.exit(equal < len(drawn))


if __name__ == "__main__":
    with one_line_errors():
        main()
