"""CSV files of the results: a row for each run, for each of its epochs and for each margin."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from colorizer.files import atomic_write

Row = dict[str, str]
Tables = dict[str, list[Row]]  # by the name of their file

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
        *("machine", "queued", "finished"),
        *MEASURED[RUNS_FILE],
    ),
    HISTORIES_FILE: ("name", *MEASURED[HISTORIES_FILE]),
    CURVES_FILE: ("name", *MEASURED[CURVES_FILE]),
}


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV; none when there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows as CSV."""
    with atomic_write(path) as (partial,), partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_tables(results: Path) -> Tables:
    """The rows of all files of a results folder."""
    return {file: read_rows(results / file) for file in COLUMNS}


def write_tables(results: Path, tables: Mapping[str, Sequence[Row]]) -> None:
    """Write the rows of all files of a results folder."""
    results.mkdir(parents=True, exist_ok=True)
    # The runs last: when their rows are there, those of the other files are too.
    for file in reversed(COLUMNS):
        write_rows(results / file, COLUMNS[file], tables[file])


def measured_values(name: str, tables: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """What a run measured, for each file."""
    return {
        file: [
            {column: row[column] for column in columns}
            for row in tables[file]
            if row["name"] == name
        ]
        for file, columns in MEASURED.items()
    }
