"""Collect the runs of sweeps from DVC's experiments of the current commit into CSV files.

runs_of_sweeps.csv has a row for each run, histories/SWEEP.csv for each of its epochs, and
margin_curves/SWEEP.csv for each margin; report.md and its charts are made from them. Earlier rows
with the current code, params and data stay valid, so that they outlive DVC's experiments. Other
rows stay in the files, but not in the report; --discard removes them.
"""

import argparse
from collections.abc import Sequence, Set
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from colorizer.errors import one_line_errors
from colorizer.git_variables import drop_git_variables
from experiments.reporting.report import REPORT_FILE, write_report
from experiments.runs.commands import command
from experiments.runs.experiments import finished_experiments, last_change, rows_of_run
from experiments.runs.identity import holding, holds, require_committed, source_files
from experiments.runs.results import (
    COLUMNS,
    RUNS_FILE,
    Tables,
    read_tables,
    write_tables,
)
from experiments.runs.sweeps import SWEEPS_FILE, Run, read_sweeps


def merge(before: Tables, collected: Tables, runs: Sequence[Run]) -> Tables:
    """The collected rows and those of other runs from before, in the order of the runs."""
    order = {run.name: number for number, run in enumerate(runs)}
    collected_names = collected[RUNS_FILE]["name"]
    return {
        file: pd.concat(
            [before[file][~before[file]["name"].isin(collected_names)], collected[file]]
        ).sort_values("name", key=lambda names: names.map(order), kind="stable", ignore_index=True)
        for file in COLUMNS
    }


def collect(data: str, results: Path, failed: Set[str], discard: bool) -> None:
    """Collect the runs on a data set into a folder, and write the report there.

    The report has the rows that are valid. The other ones stay in the files, for a recheck, unless
    `discard` removes them. The report lists the names in `failed`.
    """
    require_committed(source_files())  # or rows would seem to be of other code or params
    runs = read_sweeps(SWEEPS_FILE, data)
    experiments = finished_experiments(command("git", "rev-parse", "HEAD").strip())
    commit = last_change("HEAD")
    parts: list[Tables] = [{file: pd.DataFrame(columns=COLUMNS[file]) for file in COLUMNS}]
    others = []
    finished = [run for run in runs if run.name in experiments]
    for run in tqdm(finished, desc="collect", unit="run"):
        tables = rows_of_run(run, experiments[run.name], commit)
        if holds(tables[RUNS_FILE].iloc[0], run):
            parts.append(tables)
        else:
            others.append(run.name)
    collected = {file: pd.concat([part[file] for part in parts]) for file in COLUMNS}
    tables = merge(read_tables(results), collected, runs)
    rows, new = tables[RUNS_FILE], collected[RUNS_FILE]
    is_new = rows["name"].isin(new["name"])
    is_valid = is_new | rows["name"].isin(holding(results, runs))
    if not new.empty:  # data that DVC does not track here is known by its new rows only
        is_valid &= rows["data"].isin(new["data"])
    names = rows.loc[is_valid, "name"]
    valid = {file: table[table["name"].isin(names)] for file, table in tables.items()}
    write_tables(results, valid if discard else tables)
    write_report(results, data, runs, valid, {*failed} - experiments.keys())
    print(f"{results / REPORT_FILE}: {len(names)} of {len(runs)} runs, {len(new)} collected now")
    if others:
        print(
            f"left out, since they have other code, params or data: {', '.join(others)} "
            "(dvc exp remove NAME, to have them run again)"
        )
    if len(names) < len(rows) and not discard:
        print(
            f"{len(rows) - len(names)} rows of {results / RUNS_FILE} are of other code, params or "
            "data and not in the report: python -m experiments.recheck can make those of other "
            "code valid, python -m experiments.collect --discard removes all of them"
        )


def main() -> None:
    """Collect, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder for the CSV files, report and charts")
    parser.add_argument("--discard", action="store_true", help="remove rows that are not valid")
    args = parser.parse_args()
    drop_git_variables()
    collect(args.data, args.results, set(), args.discard)


if __name__ == "__main__":
    with one_line_errors():
        main()
