"""Statistics over the rows of runs: networks with their seeds, failed runs, 95% intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # of Student's t; scipy.stats takes a second to import

from experiments.runs.identity import recipe_digest
from experiments.runs.results import MEASURED, RUNS_FILE, Tables
from experiments.runs.sweeps import Run

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Results:
    """Rows of sweeps with numeric columns, and the recipe of each network, SWEEP/POINT.

    A recipe is the digest of a network's params without its seed. Networks with the same recipe
    share their rows.
    """

    rows: pd.DataFrame
    recipes: Mapping[str, str]

    @classmethod
    def of(cls, rows: pd.DataFrame, runs: Sequence[Run]) -> "Results":
        """The rows of runs, from rows as read from the CSV, which are text."""
        recipes = {f"{run.sweep}/{run.point}": recipe_digest(run.changes) for run in runs}
        rows = rows[rows["name"].isin([run.name for run in runs])]
        rows = rows.astype(dict.fromkeys(MEASURED[RUNS_FILE], float) | {"seed": int})
        network = rows["sweep"] + "/" + rows["point"]
        failure = failure_of_rows(rows)
        return cls(
            rows.assign(network=network, recipe=network.map(recipes), failure=failure), recipes
        )

    def of_network(self, network: str) -> pd.DataFrame:
        """The rows of a network's recipe, one for each seed, in the order of seeds."""
        rows = self.rows[self.rows["recipe"] == self.recipes.get(network)]
        return rows.drop_duplicates("seed").sort_values("seed")


def with_numbers(tables: Tables, file: str) -> pd.DataFrame:
    """Histories or margin curves, read as text, with numbers."""
    return tables[file].astype(dict.fromkeys(MEASURED[file], float))


def failure_of_rows(rows: pd.DataFrame) -> np.ndarray:
    """How each run failed, so that its error says nothing about its settings; "" when it did not.

    A run learned nothing when its margin error is above that of copied gray and less than 1% below
    that of its first epoch. Dead kernels, whose ReLU is 0 for almost all inputs, are a known cause.
    """
    error = rows["margin_error"]
    learned_nothing = (error > rows["gray_margin_error"]) & (
        error > 0.99 * rows["first_margin_error"]
    )
    kinds = [(rows["diverged"] != 0).to_numpy(), learned_nothing.to_numpy()]
    return np.select(kinds, ["diverged", "learned nothing"], default="")


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that did not fail."""
    return rows[rows["failure"] == ""]


def failures(rows: pd.DataFrame) -> str:
    """How many runs failed and how, in parentheses; "" when none did."""
    counts = rows.loc[rows["failure"] != "", "failure"].value_counts(sort=False)
    if len(rows) == 1:
        return "".join(f" ({kind})" for kind in counts.index)
    return "".join(f" ({count} of {len(rows)} {kind})" for kind, count in counts.items())


def mean_and_std(values: pd.Series, digits: int) -> str:
    """Mean and, for two or more values, standard deviation."""
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {values.std():.{digits}f}"


def means(rows: pd.DataFrame, by: str, digits: Mapping[str, int]) -> pd.DataFrame:
    """`mean_and_std`, for each group, of each column of `digits`, which has the decimals."""
    groups = rows.groupby(by, sort=False)
    return pd.DataFrame(
        {name: groups[name].agg(mean_and_std, decimals) for name, decimals in digits.items()}
    )


def mean_intervals(values: pd.Series, by: list[pd.Series]) -> pd.DataFrame:
    """Columns mean, low and high (the 95% interval of the mean), count and below (0), per group.

    The interval is Student's t, exact for any number of normally distributed values from 2 on; NaN
    for one. For differences paired by seed it excludes 0 exactly when the paired t-test has a
    two-sided p-value below 5%.
    """
    groups = values.groupby(by, sort=False)
    found = groups.agg(["mean", "count", "sem"]).assign(below=(values < 0).groupby(by).sum())
    half = stdtrit(found["count"] - 1, (1 + CONFIDENCE) / 2) * found.pop("sem")
    return found.assign(low=found["mean"] - half, high=found["mean"] + half)


def interval_text(low: float, high: float) -> str:
    """An interval of differences; "" for NaN."""
    return "" if np.isnan(low) else f"{low:+.4f} to {high:+.4f}"


def wall_time(rows: pd.DataFrame) -> timedelta:
    """The time in which at least one of the runs was running."""
    timed = rows[rows["started"] != ""]
    started, finished = (pd.to_datetime(timed[name], utc=True) for name in ("started", "finished"))
    spans = pd.DataFrame({"start": started, "end": finished}).sort_values("start")
    covered = spans["end"].cummax().shift()  # until when the runs before were running
    starts = spans["start"].where(~(covered > spans["start"]), covered)
    durations = spans["end"] - starts
    total = durations[durations > pd.Timedelta(0)].sum()
    return pd.Timedelta(total).to_pytimedelta()
