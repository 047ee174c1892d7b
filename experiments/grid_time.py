"""Compare the time of the grid with what its epochs take in the report's way of working.

Times an epoch of that way for each network of the grid, and counts the epochs that the grid's runs
took: one recipe, so that the report's loop would take as many.
"""

import argparse
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from tqdm import tqdm

from benchmarks.run import spread, table, timed_epochs, title
from colorizer.errors import InputError, one_line_errors
from colorizer.photos import find_photos
from experiments.identity import RUNS_FILE
from experiments.rows import Row, read_rows, wall_time
from experiments.sweeps import GRID, SWEEPS_FILE, Run, read_sweep

TIMED = 4  # epochs in turn, of which the first is not counted
REPORT_BEST = (2, 16)  # whose epoch the report's time was measured with

Network = tuple[int, int]  # conv layers; kernels, 0 where there is one layer: it has none


def epochs_of(rows: Sequence[Row], runs: Sequence[Run]) -> Counter[Network]:
    """How many epochs each network took in the rows of runs, whatever its learning rate."""
    changes = {run.name: run.changes for run in runs}
    epochs: Counter[Network] = Counter()
    for row in rows:
        layers, kernels = (int(changes[row["name"]][key]) for key in GRID[1:])
        epochs[layers, kernels if layers > 1 else 0] += int(row["epochs"])
    return epochs


def seconds_of(raw: Path, network: Network) -> list[float]:
    """Seconds of epochs of the report's way of working."""
    # No batch norm; one thread, of which the report's loop does not take notice.
    words = ["reference", str(raw.resolve()), *map(str, (*network, 0, 1, TIMED))]
    seconds, _ = timed_epochs(words)
    return seconds


def comparison(
    rows: Sequence[Row], epochs: Counter[Network], seconds: Mapping[Network, Sequence[float]]
) -> str:
    """Medians of an epoch and numbers of epochs, then total times and their ratios, in Markdown."""
    medians = {network: statistics.median(some) for network, some in seconds.items()}
    own = sum(medians[network] * count for network, count in epochs.items())
    best = medians[REPORT_BEST] * epochs.total()
    took = wall_time(rows)
    lines = [
        table(
            "An epoch in the report's way of working, and the grid's epochs:",
            ["network", "seconds", "epochs"],
            [
                [title(*network, 0), spread(seconds[network], 2), epochs[network]]
                for network in sorted(seconds)
            ],
        ),
        f"\nThe grid: {len(rows)} runs, {epochs.total()} epochs, {took} of wall time.",
    ]
    for what, total in (
        ("of each network's own epochs", own),
        (f"of epochs of {title(*REPORT_BEST, 0)}", best),
    ):
        ratio = total / took.total_seconds()
        lines.append(f"As many {what}: {timedelta(seconds=round(total))}, {ratio:.1f} times that.")
    return "\n".join(lines)


def main() -> None:
    """Time, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set that the grid learnt from")
    parser.add_argument("results", type=Path, help="folder of what was collected")
    given = parser.parse_args()
    file = given.results / RUNS_FILE
    runs = read_sweep(SWEEPS_FILE, "grid", given.raw.name)
    names = {run.name for run in runs}
    rows = [row for row in read_rows(file) if row["name"] in names and row["queued"]]
    if not rows:
        raise InputError(f"{file}: has no run of the grid on {given.raw.name}")
    find_photos(given.raw / "train")
    epochs = epochs_of(rows, runs)
    networks = tqdm(sorted({*epochs, REPORT_BEST}), desc="epochs", unit="network")
    seconds = {network: seconds_of(given.raw, network) for network in networks}
    print(comparison(rows, epochs, seconds))


if __name__ == "__main__":
    with one_line_errors():
        main()
