"""The report of sweeps in Markdown: answers, tables beside the published figures, charts."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import matplotlib
import pandas as pd

from colorizer.figures import write_png
from colorizer.files import atomic_write, write_text
from colorizer.markdown import table
from experiments.reporting import comparisons, published
from experiments.reporting.ablation_tables import ABLATION_FILE
from experiments.reporting.comparisons import QUESTIONS, Answer, answers
from experiments.reporting.figures import CHARTS, figures
from experiments.reporting.hidden_kernels import hidden_kernel_tables
from experiments.reporting.published import published_rows, read_published
from experiments.reporting.statistics import (
    Results,
    failures,
    mean_and_std,
    sign_flip_p,
    trained,
    wall_time,
)
from experiments.runs.rechecks import last_recheck
from experiments.runs.results import RUNS_FILE, Tables
from experiments.runs.sweeps import Run

REPORT_FILE = "report.md"
PUBLISHED_DATA = "faces"  # what the report trained on
DPI = 100
# Columns of a sweep's table, and their digits.
MEASURED = {
    "best_epoch": ("chosen epoch", 0),
    "train_mse": ("train MSE", 6),
    "val_mse": ("val MSE", 6),
    "margin_error": ("margin error", 4),
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 4),
    "gain_over_table": ("gain over table", 4),
}
HOW_TO_READ = (
    "Differences of the margin error, paired by seed; failed runs are counted in parentheses and "
    "left out. The verdict is what was seen: lower or higher when every seed says so, of at least "
    f"{comparisons.FEWEST_SEEDS}. p is that of a mean difference of 0 by the sign-flip permutation "
    "test, which does not assume normally distributed differences; n seeds give at least 2 / 2^n. "
    "The report ran each network once, with seed 0."
)


def report(
    data: str,
    runs: Sequence[Run],
    results: Results,
    failed: set[str],
    figures_of_report: pd.DataFrame | None,
    answers_of: Mapping[str, Sequence[Answer]],
    charts: Sequence[str],
    recheck: str | None,
) -> str:
    """The report in Markdown.

    `figures_of_report` are those that it published, if they are of this data. `charts` are the
    names of those that lie beside it, `recheck` is a sentence on the last recheck.
    """
    parts = [
        f"# Sweeps on {data}\n",
        _header(results.rows, recheck),
        *_presence(runs, results.rows, failed),
        *(_against_published(results, figures_of_report) if figures_of_report is not None else ()),
        *_answers(answers_of),
        *_against_table(results),
        *_sweep_tables(results),
        *(f"\n![{CHARTS[name]}]({name}.png)" for name in charts),
    ]
    return "\n".join(parts) + "\n"


def write_report(
    folder: Path, data: str, runs: Sequence[Run], tables: Tables, failed: set[str]
) -> None:
    """Write report.md and its charts; remove charts that have no rows any more."""
    matplotlib.rcdefaults()  # charts should not depend on the user's settings
    results = Results.of(tables[RUNS_FILE], runs)
    figures_of_report = read_published() if data == PUBLISHED_DATA else None
    published_errors = {}
    if figures_of_report is not None:
        recipes = figures_of_report["network"].map(results.recipes)
        published_errors = dict(zip(recipes, figures_of_report["margin_error"], strict=True))
    answers_of = {
        question: answers(some, results, published_errors) for question, some in QUESTIONS.items()
    }
    drawn = figures(runs, results, tables, answers_of)
    for name in CHARTS:
        path = folder / f"{name}.png"
        if name in drawn:
            with atomic_write(path) as (partial,):
                write_png(partial, drawn[name], DPI)
        else:
            path.unlink(missing_ok=True)
    recheck = last_recheck(folder, RUNS_FILE)
    text = report(data, runs, results, failed, figures_of_report, answers_of, [*drawn], recheck)
    text += "".join(hidden_kernel_tables(folder, results))
    if (folder / ABLATION_FILE).exists():
        text += f"\n[From the report's best network to ours, step by step]({ABLATION_FILE}).\n"
    write_text(folder / REPORT_FILE, text)


def _header(rows: pd.DataFrame, recheck: str | None) -> str:
    if rows.empty:
        return "No run was collected."
    facts = {
        "Commits": rows["commit"].str[:7],
        "Processors": rows["machine"].replace("", "unknown"),
        "Margin error of the better table with one color per gray level": rows[
            "table_margin_error"
        ].astype(str),
    }
    lines = [f"{name}: {', '.join(sorted(values.unique()))}." for name, values in facts.items()]
    if recheck:
        lines.append(recheck)
    if duration := wall_time(rows):
        untimed = (rows["queued"] == "").sum()
        without = f", without {untimed} runs of unknown start" if untimed else ""
        lines.append(f"Wall time, h:mm:ss, without gaps{without}: {duration}.")
    return "\n".join(lines)


def _presence(runs: Sequence[Run], rows: pd.DataFrame, failed: set[str]) -> Iterator[str]:
    planned = pd.DataFrame({"sweep": run.sweep, "name": run.name} for run in runs)
    planned["state"] = "missing"
    planned.loc[planned["name"].isin(failed), "state"] = "failed"
    planned.loc[planned["name"].isin(rows["name"]), "state"] = "present"
    states = pd.CategoricalDtype(["present", "missing", "failed"])
    counts = pd.crosstab(
        pd.Categorical(planned["sweep"], planned["sweep"].unique()),
        planned["state"].astype(states),
        dropna=False,
    )
    yield table(
        "Runs:",
        ["sweep", *counts.columns],
        [[sweep, *some] for sweep, some in zip(counts.index, counts.to_numpy(), strict=True)],
    )
    # All runs of a sweep that was not started are missing: the table shows that.
    started = planned["sweep"].isin(planned.loc[planned["state"] != "missing", "sweep"])
    for state, text in (("failed", "Failed"), ("missing", "Missing in sweeps that were started")):
        names = planned.loc[started & (planned["state"] == state), "name"]
        if not names.empty:
            yield f"\n{text}: {', '.join(names)}."


def _against_published(results: Results, figures_of_report: pd.DataFrame) -> Iterator[str]:
    rows = [*published_rows(results, figures_of_report)]
    if rows:
        yield "\n## The report's networks"
        yield table("Margin errors beside the published ones:", published.COLUMNS, rows)


def _answers(answers_of: Mapping[str, Sequence[Answer]]) -> Iterator[str]:
    if not any(answers_of.values()):
        return
    yield f"\n## How settings change the margin error\n\n{HOW_TO_READ}"
    for question, some in answers_of.items():
        if some:
            yield table(f"**{question}**", comparisons.COLUMNS, [each.cells() for each in some])


def _against_table(results: Results) -> Iterator[str]:
    rows = []
    for _, some in results.rows.groupby("recipe", sort=False):
        seeds = some.drop_duplicates("seed")
        gains = trained(seeds)["gain_over_table"]
        if len(gains) < 2:
            continue
        names = [name for name in some["network"].unique() if not name.startswith("grid/")]
        rows.append(
            [
                f"{names[0]}{failures(seeds)}",
                len(gains),
                f"{gains.mean():+.4f}",
                f"{gains.min():+.4f}",
                f"{gains.max():+.4f}",
                f"{(gains > 0).sum()} of {len(gains)}",
                f"{sign_flip_p(gains):.3f}",
            ]
        )
    if rows:
        yield "\n## Against a table with one color per gray level"
        yield table(
            "Gain over the better of two such tables, of networks with several seeds:",
            ["network", "seeds", "mean gain", "lowest", "highest", "better with", "p"],
            rows,
        )


def _sweep_tables(results: Results) -> Iterator[str]:
    for sweep, rows in results.rows.groupby("sweep", sort=False):
        yield f"\n## Sweep {sweep}"
        yield table(
            "Means over seeds ± standard deviations; failed runs are counted in parentheses and "
            "excluded from the means:",
            ["point", "seeds", *(title for title, _ in MEASURED.values())],
            [[point, *_measured_cells(some)] for point, some in rows.groupby("point", sort=False)],
        )


def _measured_cells(rows: pd.DataFrame) -> list[str]:
    seeds = ", ".join(map(str, rows["seed"]))
    counted = trained(rows)
    if counted.empty:  # runs that learned nothing have errors, diverged ones have none
        counted = rows[rows["diverged"] == 0]
    if counted.empty:
        return [seeds, "", "", "", "diverged", "", "", ""]
    cells = {name: mean_and_std(counted[name], digits) for name, (_, digits) in MEASURED.items()}
    cells["margin_error"] += failures(rows)
    return [seeds, *cells.values()]
