"""Compare the time of the grid with that of as many epochs of the reference loop.

Times an epoch of the reference loop (the report's way of training) for each network of the grid,
and counts the epochs of the grid's runs: with the same recipe the reference loop would take as
many.
"""

import argparse
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from colorizer.data.photos import find_photos
from colorizer.errors import InputError, one_line_errors
from colorizer.markdown import median_and_range, table
from experiments.reporting.figures import grid_settings
from experiments.reporting.statistics import wall_time
from experiments.runs.results import COLUMNS, RUNS_FILE, read_table
from experiments.runs.sweeps import SWEEPS_FILE, network_title, read_sweep
from experiments.runs.timing import reference_epochs

TIMED_EPOCHS = 4  # the first one is not counted
REPORT_BEST = (2, 16)  # the network whose epochs the report's time was measured with

Network = tuple[int, int]  # conv layers, and kernels; 0 kernels for 1 layer, which has none


def count_epochs(rows: pd.DataFrame, settings: pd.DataFrame) -> "pd.Series[int]":
    """Epochs of each network in the rows of runs, over all learning rates."""
    rows = rows.astype({"epochs": int}).merge(settings, on="name")
    kernels = rows["kernels"].where(rows["conv_layers"] > 1, 0)
    return rows.groupby(["conv_layers", kernels])["epochs"].sum()


def comparison(
    rows: pd.DataFrame, epochs: "pd.Series[int]", seconds: Mapping[Network, Sequence[float]]
) -> str:
    """Seconds and numbers of epochs, then total times and their ratios, as Markdown."""
    medians = pd.Series(
        {network: pd.Series(timings).median() for network, timings in seconds.items()}
    )
    counts = epochs.reindex(medians.index, fill_value=0)
    grid_time = wall_time(rows)
    lines = [
        table(
            "An epoch of the reference loop, and the grid's epochs:",
            ["network", "seconds", "epochs"],
            [
                [network_title(*network), median_and_range(seconds[network], 2), counts[network]]
                for network in sorted(seconds)
            ],
        ),
        f"\nThe grid: {len(rows)} runs, {counts.sum()} epochs, {grid_time} of wall time.",
    ]
    for what, total in (
        ("each network", (medians * counts).sum()),
        (network_title(*REPORT_BEST), medians[REPORT_BEST] * counts.sum()),
    ):
        time, ratio = timedelta(seconds=round(total)), total / grid_time.total_seconds()
        lines.append(
            f"As many epochs of the reference loop with {what}: {time}, {ratio:.1f} times that."
        )
    return "\n".join(lines)


def main() -> None:
    """Time, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set that the grid was trained on")
    parser.add_argument("results", type=Path, help="folder of the results")
    args = parser.parse_args()
    file = args.results / RUNS_FILE
    settings = grid_settings(read_sweep(SWEEPS_FILE, "grid", args.raw.name))
    rows = read_table(file, COLUMNS[RUNS_FILE])
    rows = rows[rows["name"].isin(settings["name"]) & (rows["started"] != "")]
    if rows.empty:
        raise InputError(f"{file}: has no run of the grid on {args.raw.name}")
    find_photos(args.raw / "train")
    epochs = count_epochs(rows, settings)
    networks = tqdm(sorted({*epochs.index, REPORT_BEST}), desc="epochs", unit="network")
    seconds = {
        (layers, kernels): reference_epochs(args.raw, layers, kernels, TIMED_EPOCHS)
        for layers, kernels in networks
    }
    print(comparison(rows, epochs, seconds))


if __name__ == "__main__":
    with one_line_errors():
        main()
