"""Statistics over the rows of runs: networks with their seeds, failed runs, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from experiments.runs.identity import recipe_digest
from experiments.runs.results import MEASURED, RUNS_FILE, Tables
from experiments.runs.sweeps import Run


@dataclass(frozen=True)
class Results:
    """Rows of sweeps, with numbers; `recipes` are the params, apart from seeds, of each network.

    A network is SWEEP/POINT. Several networks can have one recipe: their rows are of one another.
    """

    rows: pd.DataFrame
    recipes: Mapping[str, str]

    @classmethod
    def of(cls, rows: pd.DataFrame, runs: Sequence[Run]) -> "Results":
        """The rows of runs, from rows as read from the CSV, which are text."""
        rows = rows[rows["name"].isin([run.name for run in runs])]
        recipes = {f"{run.sweep}/{run.point}": recipe_digest(run.changes) for run in runs}
        numbers = dict.fromkeys(MEASURED[RUNS_FILE], float) | {"seed": int}
        typed = rows.astype({name: kind for name, kind in numbers.items() if name in rows})
        network = typed["sweep"] + "/" + typed["point"]
        return cls(
            typed.assign(
                network=network, recipe=network.map(recipes), failure=failure_of_rows(typed)
            ),
            recipes,
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


def mean_error(rows: pd.DataFrame) -> str:
    """Margin error of the trained runs, mean and standard deviation, with what failed."""
    counted = trained(rows)
    if counted.empty:
        return ", ".join(rows["failure"].unique())
    return mean_and_std(counted["margin_error"], 4) + failures(rows)


def paired_differences(rows: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """How the margin errors of trained runs differ, for each seed that both have."""
    errors, others = (trained(each).set_index("seed")["margin_error"] for each in (rows, reference))
    return (errors - others).dropna()


def sign_flip_p(differences: pd.Series) -> float:
    """P-value of a mean difference of 0: the exact two-sided sign-flip permutation test.

    It assumes that each difference is as likely to have the other sign, not that differences are
    normally distributed. The smallest value that n differences can give is 2 / 2**n.
    """
    if len(differences) < 2:
        return 1.0
    tested = permutation_test(
        (differences.to_numpy(float),),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        n_resamples=2 ** len(differences),  # all of them: the test is exact
        vectorized=True,
        axis=0,
    )
    return float(tested.pvalue)


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
