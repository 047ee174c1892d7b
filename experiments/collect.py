"""Collect the runs of sweeps from DVC's experiments of the current commit into CSV files.

runs_of_sweeps.csv has a row for each run, histories.csv for each of its epochs, margin_curves.csv
for each margin; report.md and charts are made from them. Rows that were there stay while the code,
params and data that they follow from are those of now, so that they outlive DVC's experiments.
"""

import argparse
import csv
import json
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from tqdm import tqdm

from colorizer.errors import one_line_errors
from experiments.commands import command
from experiments.identity import (
    RUNS_FILE,
    Identity,
    holding,
    holds,
    of_lock,
    require_committed,
    source_files,
)
from experiments.rows import Row, read_rows, write_rows
from experiments.sweep_report import REPORT_FILE, write_report
from experiments.sweeps import SWEEPS_FILE, Run, read_sweeps

HISTORIES_FILE, CURVES_FILE = "histories.csv", "margin_curves.csv"
OF_TRAIN = ("epochs", "best_epoch", "diverged", "train_mse", "val_mse")
OF_EVALUATE = ("margin_error", "mse", "psnr", "ssim", "gain_over_table")
COLUMNS = {
    RUNS_FILE: (
        *("name", "sweep", "point", "seed", "commit", *Identity._fields),
        *("machine", "queued", "finished", *OF_TRAIN, *OF_EVALUATE, "table_margin_error"),
        *("gray_margin_error", "first_margin_error"),
    ),
    HISTORIES_FILE: ("name", "epoch", "train_mse", "val_mse", "val_margin_error"),
    CURVES_FILE: ("name", "margin", "network"),
}
# What experiments/sweep.py has DVC say in the commit of a run.
MESSAGE = re.compile(r"queued ([-\dT:.]+(?:[+-]\d\d:\d\d|Z)) on (.+)")

Tables = dict[str, list[Row]]  # by the name of their file


class Experiments(NamedTuple):
    """DVC's experiments of a commit."""

    commit: str
    finished: dict[str, str]  # the commit of each, by name
    failed: set[str]


def show_experiments() -> Any:
    """What `dvc exp show --json` says."""
    return json.loads(command("dvc", "exp", "show", "--json", "--hide-queued"))


def experiments_of(shown: Any) -> Experiments:
    """The experiments in what DVC shows: the workspace, then the current commit with its own."""
    (baseline,) = (entry for entry in shown if entry["rev"] != "workspace")
    states: dict[str, dict[str, str]] = {}
    for experiment in baseline["experiments"] or []:
        state = (experiment["executor"] or {"state": "success"})["state"]
        states.setdefault(state, {})[experiment["name"]] = experiment["revs"][0]["rev"]
    finished = states.get("success", {})
    return Experiments(baseline["rev"], finished, states.get("failed", {}).keys() - finished.keys())


def collect_run(run: Run, revision: str, commit: str) -> Tables:
    """The rows of a run, from the commit of its experiment."""
    train = json.loads(_of_commit(revision, "metrics/train.json"))
    evaluation = json.loads(_of_commit(revision, "metrics/evaluate.json"))
    identity = of_lock(YAML(typ="safe", pure=True).load(_of_commit(revision, "dvc.lock")))
    history = _series(run, revision, "plots/history.csv", HISTORIES_FILE)
    finished, _, message = (
        command("git", "log", "-1", "--format=%cI %B", revision).strip().partition(" ")
    )
    told = MESSAGE.fullmatch(message.strip())
    queued, machine = told.groups() if told else ("", "")  # started by hand, under this name
    row = {
        "name": run.name,
        "sweep": run.sweep,
        "point": run.point,
        "seed": run.seed,
        "commit": commit,
        **identity._asdict(),
        "machine": machine,
        "queued": queued,
        "finished": finished,
        **{name: train[name] for name in OF_TRAIN},
        **{name: evaluation[name] for name in OF_EVALUATE},
        "table_margin_error": evaluation["table_mode"]["margin_error"],
        "gray_margin_error": evaluation["gray"]["margin_error"],
        "first_margin_error": history[0]["val_margin_error"],
    }
    return {
        RUNS_FILE: [{name: str(value) for name, value in row.items()}],
        HISTORIES_FILE: history,
        CURVES_FILE: _series(run, revision, "plots/margin_curve.csv", CURVES_FILE),
    }


def merge(before: Tables, held: set[str], collected: Tables, runs: Sequence[Run]) -> Tables:
    """What was collected, with the rows from before that hold, in the order of the runs."""
    new = {row["name"] for row in collected[RUNS_FILE]}
    data = {row["data"] for row in collected[RUNS_FILE]}
    kept = {
        row["name"]
        for row in before[RUNS_FILE]
        if row["name"] in held - new and (not data or row["data"] in data)
    }
    order = {run.name: number for number, run in enumerate(runs)}
    return {
        file: sorted(
            [*(row for row in before[file] if row["name"] in kept), *collected[file]],
            key=lambda row: order[row["name"]],
        )
        for file in COLUMNS
    }


def _of_commit(revision: str, path: str) -> str:
    return command("git", "show", f"{revision}:{path}")


def _series(run: Run, revision: str, path: str, file: str) -> list[Row]:
    rows = csv.DictReader(StringIO(_of_commit(revision, path)))
    return [{name: ({"name": run.name} | row)[name] for name in COLUMNS[file]} for row in rows]


def collect(data: str, results: Path) -> None:
    """Collect the runs on a data set into a folder, and write the report there."""
    require_committed(source_files())  # or rows would seem to be of other code or params
    runs = read_sweeps(SWEEPS_FILE, data)
    experiments = experiments_of(show_experiments())
    collected: Tables = {file: [] for file in COLUMNS}
    # The commit that made the code what it is: others may have data alone, or be of this clone.
    last = ("git", "log", "-1", "--format=%H", experiments.commit, "--", *source_files())
    commit = command(*last).strip()
    finished = [run for run in runs if run.name in experiments.finished]
    others = []
    for run in tqdm(finished, desc="collect", unit="run"):
        new = collect_run(run, experiments.finished[run.name], commit)
        if not holds(new[RUNS_FILE][0], run):
            others.append(run.name)
            continue
        for file, rows_of_run in new.items():
            collected[file] += rows_of_run
    before = {file: read_rows(results / file) for file in COLUMNS}
    tables = merge(before, holding(results, runs), collected, runs)
    results.mkdir(parents=True, exist_ok=True)
    # The runs come last: where their rows are, those of the others are too.
    for file in (HISTORIES_FILE, CURVES_FILE, RUNS_FILE):
        write_rows(results / file, COLUMNS[file], tables[file])
    rows, histories, curves = tables.values()
    write_report(results, data, runs, rows, histories, curves, experiments.failed)
    new_rows = len(collected[RUNS_FILE])
    print(f"{results / REPORT_FILE}: {len(rows)} of {len(runs)} runs, {new_rows} collected now")
    if others:
        print(
            f"left out, since they are of other code, params or data: {', '.join(others)} "
            "(dvc exp remove NAME, to have them run again)"
        )


def main() -> None:
    """Collect, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="data set, as data.name")
    parser.add_argument("results", type=Path, help="folder for the CSV files, report and charts")
    given = parser.parse_args()
    collect(given.data, given.results)


if __name__ == "__main__":
    with one_line_errors():
        main()
