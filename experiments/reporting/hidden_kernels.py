"""What the hidden kernels of networks do, beside their margin errors."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from colorizer.markdown import table
from experiments.reporting.statistics import Results
from experiments.runs.results import read_table

HIDDEN_KERNELS_FILE = "hidden_kernels.csv"
KINDS = ("bending", "always_on", "dead", "dead_layers")
# The margin error, digit by digit, tells whether a row of the results is of the same network.
KEYS = ["name", "margin_error"]
COLUMNS = (*KEYS, *KINDS, "saturated")
COLUMNS_OF_RUNS = ("seeds", "margin error", "saturated")


def hidden_kernel_tables(folder: Path, results: Results) -> Iterator[str]:
    """Networks grouped by what their hidden kernels do, with the range of their margin errors."""
    measured = read_table(folder / HIDDEN_KERNELS_FILE, COLUMNS)
    counts = measured.astype(
        dict.fromkeys(KINDS, int) | {"saturated": float, "margin_error": float}
    )
    rows = results.rows.drop_duplicates(["recipe", "seed"]).merge(counts, on=KEYS)
    # A network is named by the first of the sweeps that have its recipe.
    rows = rows.assign(network=rows.groupby("recipe")["network"].transform("first"))
    if rows.empty:
        return
    yield (
        "\n## What the hidden kernels do\n\n"
        "After training, on the validation split: a kernel is dead when its ReLU is above 0 for "
        "less than 1% of the pixels, always on for more than 99% (so that it is linear there), "
        "else it bends. A dead layer has dead kernels only. Saturated is the share of outputs "
        "whose tanh is beyond 0.99. Measured by "
        "`python -m experiments.hidden_kernels`.\n"
    )
    yield table(
        "Runs with equal counts are one row:",
        ["network", *(kind.replace("_", " ") for kind in KINDS), "runs", *COLUMNS_OF_RUNS],
        [
            [
                *group,
                len(members),
                ", ".join(map(str, sorted(members["seed"]))),
                _range(members["margin_error"], "{:.4f}"),
                _range(members["saturated"], "{:.1%}") if members["saturated"].any() else "",
            ]
            for group, members in rows.groupby(["network", *KINDS], sort=False)
        ],
    )


def _range(values: pd.Series, form: str) -> str:
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low} to {high}"
