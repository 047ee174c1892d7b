"""CSV files of the results: a row for each run, for each of its epochs and for each margin."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from colorizer.files import atomic_write

Tables = dict[str, pd.DataFrame]  # by the name of their file

RUNS_FILE, HISTORIES_FILE, CURVES_FILE = (
    "runs_of_sweeps.csv",
    "histories.csv",
    "margin_curves.csv",
)
TRAIN_METRICS = ("epochs", "best_epoch", "diverged", "train_mse", "val_mse")
EVALUATE_METRICS = ("margin_error", "mse", "psnr", "ssim", "gain_over_table")
BASELINE_METRICS = ("table_margin_error", "gray_margin_error", "first_margin_error")
# What a run measured: all that a rerun on the same kind of processor repeats to the last digit.
MEASURED = {
    RUNS_FILE: (*TRAIN_METRICS, *EVALUATE_METRICS, *BASELINE_METRICS),
    HISTORIES_FILE: ("epoch", "train_mse", "val_mse", "val_margin_error"),
    CURVES_FILE: ("margin", "network"),
}
COLUMNS = {
    RUNS_FILE: (
        *("name", "sweep", "point", "seed", "commit", "code", "params", "data"),
        *("machine", "started", "finished"),
        *MEASURED[RUNS_FILE],
    ),
    HISTORIES_FILE: ("name", *MEASURED[HISTORIES_FILE]),
    CURVES_FILE: ("name", *MEASURED[CURVES_FILE]),
}


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of a CSV as text, so that they are written back unchanged; none without a file."""
    if not path.exists():
        return pd.DataFrame(columns=[*columns], dtype=str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV."""
    with atomic_write(path) as (partial,):
        table.to_csv(partial, index=False, lineterminator="\n")


def read_tables(results: Path) -> Tables:
    """The rows of all files of a results folder."""
    return {file: read_table(results / file, columns) for file, columns in COLUMNS.items()}


def write_tables(results: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the rows of all files of a results folder."""
    results.mkdir(parents=True, exist_ok=True)
    # The runs last: when their rows are there, those of the other files are too.
    for file in reversed(COLUMNS):
        write_table(results / file, tables[file])


def measured_values(name: str, tables: Mapping[str, pd.DataFrame]) -> Tables:
    """What a run measured, for each file."""
    return {
        file: tables[file].loc[tables[file]["name"] == name, [*columns]].reset_index(drop=True)
        for file, columns in MEASURED.items()
    }
