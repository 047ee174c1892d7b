"""CSV files of the results: a row for each run, for each of its epochs and for each margin.

Epochs and margins are in folders with a file for each sweep, so that no file becomes large.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from colorizer.files import atomic_write

Tables = dict[str, pd.DataFrame]  # by the name of their file or folder

RUNS_FILE, HISTORIES_FOLDER, CURVES_FOLDER = "runs_of_sweeps.csv", "histories", "margin_curves"
FOLDERS = (HISTORIES_FOLDER, CURVES_FOLDER)
TRAIN_METRICS = ("epochs", "best_epoch", "diverged", "train_mse", "val_mse")
EVALUATE_METRICS = ("margin_error", "mse", "psnr", "ssim", "gain_over_table")
BASELINE_METRICS = ("table_margin_error", "gray_margin_error", "first_margin_error")
# What a run measured: all that a rerun on the same kind of processor repeats to the last digit.
MEASURED = {
    RUNS_FILE: (*TRAIN_METRICS, *EVALUATE_METRICS, *BASELINE_METRICS),
    HISTORIES_FOLDER: ("epoch", "train_mse", "val_mse", "val_margin_error"),
    CURVES_FOLDER: ("margin", "network"),
}
COLUMNS = {
    RUNS_FILE: (
        *("name", "sweep", "point", "seed", "commit", "code", "params", "data"),
        *("machine", "started", "finished"),
        *MEASURED[RUNS_FILE],
    ),
    HISTORIES_FOLDER: ("name", *MEASURED[HISTORIES_FOLDER]),
    CURVES_FOLDER: ("name", *MEASURED[CURVES_FOLDER]),
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
    tables = {RUNS_FILE: read_table(results / RUNS_FILE, COLUMNS[RUNS_FILE])}
    for folder in FOLDERS:
        none = pd.DataFrame(columns=[*COLUMNS[folder]], dtype=str)
        files = sorted((results / folder).glob("*.csv"))
        parts = [read_table(file, COLUMNS[folder]) for file in files]
        tables[folder] = pd.concat([none, *parts], ignore_index=True)
    return tables


def write_tables(results: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the rows of all files of a results folder; remove the files of other sweeps."""
    runs = tables[RUNS_FILE]
    sweeps = runs.set_index("name")["sweep"]
    for folder in FOLDERS:
        (results / folder).mkdir(parents=True, exist_ok=True)
        rows = tables[folder]
        for sweep, part in rows.groupby(rows["name"].map(sweeps)):
            write_table(results / folder / f"{sweep}.csv", part)
    # The runs after their epochs and margins: when their rows are there, the others are too.
    write_table(results / RUNS_FILE, runs)
    written = {*sweeps}
    for folder in FOLDERS:
        for file in (results / folder).glob("*.csv"):
            if file.stem not in written:
                file.unlink()


def measured_values(name: str, tables: Mapping[str, pd.DataFrame]) -> Tables:
    """What a run measured, for each file."""
    return {
        file: tables[file].loc[tables[file]["name"] == name, [*columns]].reset_index(drop=True)
        for file, columns in MEASURED.items()
    }
