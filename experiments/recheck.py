"""Rerun some rows of the results on the current code; when all agree, all are valid.

Rows are valid as long as code, params and data are those that they were measured with. After an
edit that should change no result, such as a rename, this command draws rows with a seed, runs them
as DVC experiments named recheck-NAME, and compares all values of the CSV files, digit by digit.
When all agree, the rows with the current params and data get the digest of the current code, and
rechecks.csv a line that the report shows. Otherwise nothing is written, and the exit status is 1.

Results are reproducible to the last digit on one kind of processor only. On another kind, give
--baseline a folder with the same rows, measured there with the code that they belong to: with the
same CSV files, collected in a clone of that commit.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.errors import InputError, one_line_errors
from colorizer.git_variables import drop_git_variables
from experiments.collect import collect
from experiments.runs.experiments import finished_experiments, rows_of_run
from experiments.runs.identity import (
    code_digest,
    has_same_inputs,
    require_committed,
    source_files,
)
from experiments.runs.rechecks import BASELINE, ROWS, draw, record
from experiments.runs.results import (
    RUNS_FILE,
    Tables,
    measured_values,
    read_tables,
    write_tables,
)
from experiments.runs.runner import Cluster, committed_project, run_missing
from experiments.runs.sweeps import MODELS_FILE, SWEEPS_FILE, Run, read_sweeps


def find_candidates(rows: pd.DataFrame, runs: Sequence[Run]) -> list[Run]:
    """Runs with a row of the current params and data; only those of other code, if any."""
    row_of = {str(row["name"]): row for _, row in rows.iterrows()}
    same_inputs = [
        run for run in runs if run.name in row_of and has_same_inputs(row_of[run.name], run)
    ]
    other_code = [run for run in same_inputs if row_of[run.name]["code"] != code_digest()]
    return other_code or same_inputs


def find_differences(name: str, expected: Tables, measured: Tables) -> Iterator[str]:
    """Every value of a run that differs, as a line of text."""
    before, after = measured_values(name, expected), measured_values(name, measured)
    for file, rows in after.items():
        expected_rows = before[file]
        if len(rows) != len(expected_rows):
            yield f"{name}: has {len(rows)} rows of {file}, expected {len(expected_rows)}"
        common = min(len(rows), len(expected_rows))
        rows, expected_rows = rows.head(common), expected_rows.head(common)
        for row, column in np.argwhere((rows != expected_rows).to_numpy()):
            value, other = (str(each.iat[row, column]) for each in (rows, expected_rows))
            yield f"{name}: {rows.columns[column]} is {value}, expected {other} ({file})"


def rerun(runs: Sequence[Run], cluster: Cluster) -> Tables:
    """Run again as recheck-NAME; return the rows under the original names."""
    renamed = {f"recheck-{run.name}": run for run in runs}
    reruns = [run._replace(name=name) for name, run in renamed.items()]
    project = committed_project(reruns, cluster.share)
    # What ran before with the same code is in DVC's run cache.
    failed = run_missing(project, reruns, set(), cluster, ("--force",))
    if failed:
        raise InputError(f"failed twice: {', '.join(sorted(failed))}")
    revisions = finished_experiments(project.commit)
    tables = [rows_of_run(run, revisions[name], project.commit) for name, run in renamed.items()]
    return {file: pd.concat([table[file] for table in tables]) for file in tables[0]}


def stamp(rows: pd.DataFrame, candidates: Sequence[Run]) -> pd.DataFrame:
    """The rows, those of `candidates` with the digest of the current code."""
    is_candidate = rows["name"].isin([run.name for run in candidates])
    return rows.assign(code=rows["code"].mask(is_candidate, code_digest()))


def main() -> None:
    """Draw, rerun, compare, stamp."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder of the results")
    parser.add_argument("--rows", type=int, required=True, help="how many rows to rerun")
    parser.add_argument("--seed", type=int, required=True, help="seed of the random draw")
    parser.add_argument("--baseline", type=Path, help="folder of the rows to compare with")
    Cluster.add_options(parser)
    args = parser.parse_args()
    drop_git_variables()
    cluster = Cluster.of(parser, args)
    if args.rows < 1:
        parser.error("--rows should be 1 or more")
    require_committed([*source_files(), str(SWEEPS_FILE), str(MODELS_FILE)])
    tables = read_tables(args.results)
    candidates = find_candidates(tables[RUNS_FILE], read_sweeps(SWEEPS_FILE, args.data))
    if not candidates:
        raise InputError(f"{args.results / RUNS_FILE}: has no row of the current params and data")
    drawn = draw(candidates, args.rows, args.seed)
    expected = read_tables(args.baseline or args.results)
    measured = rerun(drawn, cluster)
    differences = [line for run in drawn for line in find_differences(run.name, expected, measured)]
    if differences:
        raise InputError("\n  ".join(["reruns differ, and no row was changed:", *differences]))
    write_tables(args.results, tables | {RUNS_FILE: stamp(tables[RUNS_FILE], candidates)})
    compared_with = BASELINE if args.baseline else ROWS
    record(args.results, RUNS_FILE, args.seed, len(drawn), len(candidates), compared_with)
    collect(args.data, args.results, set(), discard=False)
    print(f"{len(drawn)} of {len(candidates)} rows rerun, identical: all hold for this code")


if __name__ == "__main__":
    with one_line_errors():
        main()
