"""The report of sweeps in Markdown: answers, tables beside the published figures, charts."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from colorizer.figures import write_png
from colorizer.files import atomic_write, write_text
from colorizer.markdown import table
from experiments.reporting import comparisons, published
from experiments.reporting.ablation_tables import ABLATION_FILE
from experiments.reporting.comparisons import (
    answer_rows,
    answers,
    paired_differences,
    read_questions,
)
from experiments.reporting.figures import CHARTS, DPI, differences_figure, figures
from experiments.reporting.hidden_kernels import hidden_kernel_tables
from experiments.reporting.published import published_rows, read_published
from experiments.reporting.statistics import Results, failures, mean_and_std, trained, wall_time
from experiments.runs.rechecks import last_recheck
from experiments.runs.results import RUNS_FILE, Tables
from experiments.runs.sweeps import Run

REPORT_FILE, CHARTS_FOLDER = "report.md", "charts"
PUBLISHED_DATA = "faces"  # what the report trained on
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
    "Mean differences of the margin error, paired by seed: below 0 the change is better. The 95% "
    "interval is Student's t, from two seeds on. It is exact for any number of seeds as long as "
    "differences are normally distributed; the charts have a dot for each seed, which shows where "
    "outcomes are of two kinds instead. The verdict is lower or higher when the interval excludes "
    "0 (the paired t-test at 5%), else unclear; untested with one seed. Of 20 changes without an "
    "effect, one gets another verdict by chance. Failed runs are counted in parentheses and left "
    "out. The report ran each network once, with seed 0."
)


def write_report(
    folder: Path, data: str, runs: Sequence[Run], tables: Tables, failed: set[str]
) -> None:
    """Write report.md and the folder of its charts."""
    matplotlib.rcdefaults()  # charts should not depend on the user's settings
    results = Results.of(tables[RUNS_FILE], runs)
    parts = [
        f"# Sweeps on {data}\n",
        _header(results.rows, last_recheck(folder, RUNS_FILE)),
        *_presence(runs, results.rows, failed),
    ]
    published_errors = pd.Series(dtype=float)
    if data == PUBLISHED_DATA:
        figures_of_report = read_published()
        recipes = figures_of_report["network"].map(results.recipes)
        published_errors = figures_of_report.set_index(recipes)["margin_error"]
        if rows := [*published_rows(results, figures_of_report)]:
            parts.append("\n## The report's networks")
            parts.append(table("Margin errors beside the published ones:", published.COLUMNS, rows))
    drawn: dict[str, Figure] = {}
    parts += _answers(results, published_errors, drawn)
    charts = figures(runs, results, tables)
    parts += [f"\n![{CHARTS[name]}]({CHARTS_FOLDER}/{name}.png)" for name in charts]
    parts += _sweep_tables(results)
    parts += hidden_kernel_tables(folder, results)
    if (folder / ABLATION_FILE).exists():
        parts.append(f"\n[From the report's best network to ours, step by step]({ABLATION_FILE}).")
    _write_charts(folder / CHARTS_FOLDER, drawn | charts)
    write_text(folder / REPORT_FILE, "\n".join(parts) + "\n")


def _write_charts(folder: Path, charts: Mapping[str, Figure]) -> None:
    with atomic_write(folder) as (partial,):
        partial.mkdir()
        for name, figure in charts.items():
            write_png(partial / f"{name}.png", figure, DPI)


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
        untimed = (rows["started"] == "").sum()
        without = f", without {untimed} runs of unknown start" if untimed else ""
        lines.append(f"Wall time, h:mm:ss, without gaps{without}: {duration}.")
    return "\n".join(lines)


def _presence(runs: Sequence[Run], rows: pd.DataFrame, failed: set[str]) -> Iterator[str]:
    planned = pd.DataFrame({"sweep": run.sweep, "name": run.name} for run in runs)
    planned["state"] = "missing"
    planned.loc[planned["name"].isin(failed), "state"] = "failed"
    planned.loc[planned["name"].isin(rows["name"]), "state"] = "present"
    counts = pd.crosstab(planned["sweep"], planned["state"]).reindex(
        index=planned["sweep"].unique(), columns=["present", "missing", "failed"], fill_value=0
    )
    yield table("Runs:", ["sweep", *counts.columns], [*counts.itertuples(name=None)])
    # All runs of a sweep that was not started are missing: the table shows that.
    started = planned["sweep"].isin(planned.loc[planned["state"] != "missing", "sweep"])
    for state, text in (("failed", "Failed"), ("missing", "Missing in sweeps that were started")):
        names = planned.loc[started & (planned["state"] == state), "name"]
        if not names.empty:
            yield f"\n{text}: {', '.join(names)}."


def _answers(
    results: Results, published_errors: pd.Series, drawn: dict[str, Figure]
) -> Iterator[str]:
    """A table and a chart for each question; charts are added to `drawn` by name."""
    differences = paired_differences(read_questions(), results)
    if differences.empty:
        return
    yield f"\n## How settings change the margin error\n\n{HOW_TO_READ}"
    all_answers = answers(differences, results, published_errors)
    for question, group in all_answers.groupby("question", sort=False):
        yield table(f"**{question}**", comparisons.COLUMNS, [*answer_rows(group)])
        if group["count"].any():
            name = re.sub(r"\W+", "_", str(question)).lower()
            of_question = differences[differences["question"] == question]
            drawn[name] = differences_figure(group, of_question)
            yield f"\n![{question}: differences, seed by seed]({CHARTS_FOLDER}/{name}.png)"


def _sweep_tables(results: Results) -> Iterator[str]:
    for sweep, rows in results.rows.groupby("sweep", sort=False):
        yield f"\n## Sweep {sweep}"
        yield table(
            "Means over seeds ± standard deviations; failed runs are counted in parentheses and "
            "excluded from the means:",
            ["point", "seeds", *(title for title, _ in MEASURED.values())],
            [
                [point, *_measured_cells(group)]
                for point, group in rows.groupby("point", sort=False)
            ],
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
