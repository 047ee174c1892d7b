"""Networks and their seeds: rows with numbers, failed runs, differences paired by seed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from experiments.rows import MEASURED, RUNS_FILE, read_table
from experiments.runs import Run

CONFIDENCE = 0.95
PERMUTATION_SEED = 0


def read_results(results: Path, runs: Sequence[Run]) -> pd.DataFrame:
    """The rows of a results folder with numbers, and the columns network and failure.

    A network is named after the first of `runs` with its params, as SWEEP/POINT. `failure` is why a
    run's error says nothing about its params, or "". A run learned nothing when its margin error is
    above that of input unchanged and less than 1% below that of its first epoch; dead kernels,
    whose ReLU is 0 for almost all inputs, are a known cause.
    """
    rows = read_table(results / RUNS_FILE)
    for name in MEASURED:
        rows[name] = pd.to_numeric(rows[name])
    rows["seed"] = rows["seed"].astype(int)
    names = {run.params: f"{run.sweep}/{run.point}" for run in reversed(runs)}
    rows["network"] = rows["params"].map(names).fillna(rows["sweep"] + "/" + rows["point"])
    error = rows["margin_error"]
    learned_nothing = (error > rows["gray_margin_error"]) & (
        error > 0.99 * rows["first_margin_error"]
    )
    kinds = [rows["diverged"] == 1, learned_nothing]
    rows["failure"] = np.select(kinds, ["diverged", "learned nothing"], default="")
    return rows.sort_values("seed", kind="stable").drop_duplicates(["params", "seed"])


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that did not fail."""
    return rows[rows["failure"] == ""]


def failures(rows: pd.DataFrame) -> str:
    """How many runs failed and how, such as "1 of 11 learned nothing"; "" when none did."""
    counts = rows.loc[rows["failure"] != "", "failure"].value_counts(sort=False)
    return ", ".join(f"{count} of {len(rows)} {kind}" for kind, count in counts.items())


def mean_and_std(values: pd.Series, digits: int) -> str:
    """Mean and, for two or more values, standard deviation; "" for none."""
    values = values.dropna()
    if values.empty:
        return ""
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {values.std():.{digits}f}"


def paired_differences(rows: pd.DataFrame, params: str | None, reference: str | None) -> pd.Series:
    """The margin error of a network minus that of another, for the seeds that both have, by seed.

    Networks are given by their params. Runs that failed are left out.
    """
    errors = trained(rows).set_index("seed")["margin_error"]
    of = trained(rows).set_index("seed")["params"]
    return (errors[of == params] - errors[of == reference]).dropna()


def paired_test(differences: pd.Series) -> tuple[float, float, float]:
    """The 95% interval of the mean by Student's t, and the p-value of the paired t-test.

    NaN for fewer than two values. The interval excludes 0 exactly when p is below 5%.
    """
    if len(differences) < 2:
        return np.nan, np.nan, np.nan
    test = stats.ttest_1samp(differences, 0)
    low, high = test.confidence_interval(CONFIDENCE)
    return float(low), float(high), float(test.pvalue)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values corrected by Holm's method for their number; NaN stays NaN and does not count."""
    corrected = np.array(p_values)
    known = ~np.isnan(corrected)
    if known.any():
        corrected[known] = multipletests(corrected[known], method="holm")[1]
    return corrected


def rank_correlation(first: pd.Series, second: pd.Series) -> tuple[float, float, float, float]:
    """Spearman's rho of four or more pairs, its 95% interval by Fisher, and a p-value.

    The p-value is that of a permutation test (10,000 random pairings, all if there are fewer). The
    interval is NaN when rho is 1 or -1, for which Fisher's transformation has none.
    """
    ranks, others = first.rank().to_numpy(), second.rank().to_numpy()
    test = stats.pearsonr(ranks, others)
    rho, (low, high) = float(test.statistic), test.confidence_interval(CONFIDENCE)
    if np.isclose(abs(rho), 1):
        low = high = np.nan
    pairings = stats.permutation_test(
        (ranks,),
        lambda paired, axis: (paired * others).sum(axis),  # rho, but for offset and scale
        permutation_type="pairings",
        n_resamples=10_000,
        vectorized=True,
        rng=PERMUTATION_SEED,
    )
    return rho, float(low), float(high), float(pairings.pvalue)
