"""Margin errors beside those that the report published."""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from experiments.reporting.statistics import Results, failures, trained
from experiments.runs.results import read_table

PUBLISHED_FILE = Path("experiments/published.csv")
REPORT_SEED = 0
TOLERANCE = 0.005  # of a margin error, around the published one
COLUMNS = [
    *("network", "the report", "seed 0 here", "difference", "epochs: the report's, here"),
    *("all seeds", "range", "verdict"),
]


def read_published() -> pd.DataFrame:
    """The report's figures: network (in sweeps.yaml), title, then numbers, or NaN."""
    text = read_table(PUBLISHED_FILE, ("network", "title", "epochs", "margin_error"))
    numbers = text.columns.drop(["network", "title"])
    return text.assign(**{name: pd.to_numeric(text[name]) for name in numbers})


def published_rows(results: Results, published: pd.DataFrame) -> Iterator[list[str]]:
    """A row of a table with COLUMNS for each published network: its values and ours."""
    for _, figures in published.iterrows():
        rows, error = results.of_network(figures["network"]), float(figures["margin_error"])
        if rows.empty:
            continue
        errors = trained(rows)["margin_error"]
        here, difference, epochs = "", "", ""
        for _, run in rows[rows["seed"] == REPORT_SEED].iterrows():
            epochs = f"{figures['epochs']:.0f}, {run['best_epoch']:.0f}"
            here = run["failure"] or f"{run['margin_error']:.4f}"
            if not run["failure"] and not math.isnan(error):
                difference = f"{run['margin_error'] - error:+.4f}"
        yield [
            f"{figures['title']}, `{figures['network']}`",
            "diverged" if math.isnan(error) else f"{error:.4f}",
            here,
            difference,
            epochs,
            f"{len(rows)}{failures(rows) if len(rows) > 1 else ''}",
            f"{errors.min():.4f} to {errors.max():.4f}" if len(errors) > 1 else "",
            _verdict(difference, errors, error),
        ]


def _verdict(difference: str, errors: pd.Series, published: float) -> str:
    """Whether the report's error was seen here, with its seed or with another one."""
    if math.isnan(published):
        return "diverged, too" if errors.empty else "trained here"
    if difference and abs(float(difference)) <= TOLERANCE:
        return f"within {TOLERANCE}"
    near = (abs(errors - published) <= TOLERANCE).sum()
    if near:
        return f"within {TOLERANCE} with {near} of {len(errors)} seeds"
    if not errors.empty and errors.min() <= published <= errors.max():
        return "between the seeds' errors"
    return "not seen"
