"""Rows of the results: what each run measured, in CSV files.

A results folder has runs.csv with a row for each run, and histories/SWEEP.csv and
margin_curves/SWEEP.csv with a row for each epoch and each margin of its runs.
"""

import json
import subprocess
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pandas as pd

from colorizer.errors import InputError
from colorizer.files import atomic_write
from experiments.runs import Run

RUNS_FILE = Path("runs.csv")
HISTORIES, CURVES = Path("histories"), Path("margin_curves")
# What a rerun on the same kind of processor repeats to the last digit.
MEASURED = [
    *("epochs", "best_epoch", "diverged", "train_mse", "val_mse"),
    *("margin_error", "mse", "psnr", "ssim", "gain_over_table"),
    *("table_margin_error", "gray_margin_error", "first_margin_error", "accuracy"),
]
COLUMNS = ["name", "sweep", "point", "seed", "commit", "machine", "params", *MEASURED]


def git(*words: str) -> str:
    """What a command of Git prints. Raises InputError with Git's reason when it fails."""
    done = subprocess.run(["git", *words], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise InputError(" ".join(done.stderr.split()))
    return done.stdout.strip()


def read_table(file: Path) -> pd.DataFrame:
    """A CSV file as text, so that numbers keep their digits; no rows when there is no file."""
    if not file.exists():
        return pd.DataFrame(columns=COLUMNS, dtype=str)
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def experiments_of(commit: str, share: str | None) -> dict[str, str]:
    """The experiments of a commit: the commit of each, by name; first fetch those of a remote."""
    refs = f"refs/exps/{commit[:2]}/{commit[2:]}"  # DVC's convention
    if share:
        git("fetch", "--quiet", share, f"+{refs}/*:{refs}/*")
    lines = git("for-each-ref", "--format=%(refname:lstrip=4) %(objectname)", refs).splitlines()
    return dict(line.split() for line in lines)


def measured_by(run: Run, revision: str, commit: str) -> dict[Path, pd.DataFrame]:
    """The rows of a run for each file, from its experiment's commit; `commit` is what it ran on."""
    train = json.loads(git("show", f"{revision}:./metrics/train.json"))
    evaluation = json.loads(git("show", f"{revision}:./metrics/evaluate.json"))
    history = _series(run, revision, "plots/history.csv")
    curve = _series(run, revision, "plots/margin_curve.csv")
    row = evaluation | train
    row |= {
        "name": run.name,
        "sweep": run.sweep,
        "point": run.point,
        "seed": run.seed,
        "commit": commit,
        "machine": git("log", "-1", "--no-show-signature", "--format=%B", revision),
        "params": run.params,
        "table_margin_error": evaluation["table_mode"]["margin_error"],
        "gray_margin_error": evaluation["gray"]["margin_error"],
        "first_margin_error": history["val_margin_error"][0],
    }
    return {
        RUNS_FILE: pd.DataFrame([{name: str(row[name]) for name in COLUMNS}]),
        HISTORIES / f"{run.sweep}.csv": history.drop(columns="learning_rate"),
        CURVES / f"{run.sweep}.csv": curve[["name", "margin", "network"]],
    }


def add_rows(results: Path, tables: Mapping[Path, pd.DataFrame]) -> None:
    """Add rows to the files of a results folder, in place of earlier rows of the same names."""
    # runs.csv last: a run that has its row has all rows.
    for file in sorted(tables, key=lambda file: file == RUNS_FILE):
        rows = tables[file]
        before = read_table(results / file)
        before = before[~before["name"].isin(rows["name"])]
        # Not with an empty table, which has the columns of runs.csv.
        table = pd.concat([before, rows]) if len(before) else rows
        with atomic_write(results / file) as (partial,):
            table.to_csv(partial, index=False, lineterminator="\n")


def _series(run: Run, revision: str, path: str) -> pd.DataFrame:
    text = StringIO(git("show", f"{revision}:./{path}"))
    table = pd.read_csv(text, dtype=str, keep_default_na=False)
    table.insert(0, "name", run.name)
    return table
