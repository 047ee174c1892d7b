"""Write the report of a results folder: its networks, the answers to questions.csv, and charts.

What has no rows is left out.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.errors import InputError, one_line_errors
from colorizer.figures import write_png
from colorizer.files import atomic_write, enter_project, write_text
from experiments.charts import REPORT_SEED, Charts, curves_figure, differences_figure, grid_figure
from experiments.rows import CURVES, HISTORIES, read_table
from experiments.runs import Run, read_runs
from experiments.statistics import (
    failures,
    interval,
    mean_and_std,
    paired_differences,
    read_results,
    trained,
)

QUESTIONS_FILE = Path("experiments/questions.csv")
PUBLISHED_FILE, PUBLISHED_DATA = Path("experiments/published.csv"), "faces"
TOLERANCE = 0.005  # of a margin error, around the published one
REPORT_FILE, CHARTS, DPI = Path("report.md"), Path("charts"), 100
EPOCH_TIMES_FILE, OTHER_SPLITS_FILE = Path("epoch_times.csv"), Path("other_splits.csv")
STEPS = "ablation"  # the sweep of the models of models.yaml
REFERENCE_EPOCHS = 40  # of the report's best run, the last 5 without a lower error
# Columns beside the report's: title, its column in published.csv, ours, digits.
BESIDE_OURS = {
    "epochs": ("epochs", "best_epoch", 0),
    "train MSE": ("train_mse", "train_mse", 5),
    "val MSE": ("val_mse", "val_mse", 5),
    "margin error": ("margin_error", "margin_error", 4),
}
GRID = ["params", "seed", "learning_rate", "conv_layers", "kernels"]
MARGINS = [4, 6, 8, 12, 16, 24, 32]
# Columns of a network: titles and digits.
SHOWN = {
    "margin_error": ("12-margin error", 4),
    "gain_over_table": ("better than a lookup table by", 4),
    "mse": ("MSE", 5),
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 4),
    "best_epoch": ("chosen epoch", 0),
}
HOW_TO_READ = (
    "Mean differences of the margin error, paired by seed: below 0 the change is better. The 95% "
    "interval is Student's t. The verdict is lower or higher when the interval excludes 0, else "
    "unclear; a single seed has none. Of 20 changes without an effect, one gets a verdict by "
    "chance. Student's t assumes normal differences: the charts have a dot for each seed, which "
    "shows where outcomes are of two kinds instead. Failed runs are counted and left out. The "
    "report ran each network once, with seed 0."
)


def write_report(data: str, results: Path) -> Path:
    """Write report.md and the folder of its charts; return the path of the report.

    Raises InputError when the folder has no rows.
    """
    runs = read_runs(data)
    rows = read_results(results, runs)
    if rows.empty:
        raise InputError(f"{results}: has no rows; python -m experiments.sweep writes them")
    params_of = {f"{run.sweep}/{run.point}": run.params for run in runs}
    published = pd.read_csv(PUBLISHED_FILE)
    published["params"] = published["network"].map(params_of)
    published_errors = published.set_index("params")["margin_error"]
    if data != PUBLISHED_DATA:
        published_errors = published_errors[:0]
    charts: Charts = {}
    parts = [
        *_header(data, rows),
        *_networks(rows, results),
        *_grid(rows, runs, charts),
        *_published(rows, results, data, published, charts),
        *_answers(rows, params_of, published_errors, charts),
        *_other_errors(rows, results),
    ]
    with atomic_write(results / CHARTS) as (partial,):
        partial.mkdir()
        for name, figure in charts.items():
            write_png(partial / f"{name}.png", figure, DPI)
    write_text(results / REPORT_FILE, "\n\n".join(parts) + "\n")
    return results / REPORT_FILE


def _markdown(rows: Sequence[Mapping[str, object]]) -> str:
    text: str = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return text


def _header(data: str, rows: pd.DataFrame) -> Iterator[str]:
    yield f"# Results on {data}"
    facts = {"Commits": rows["commit"].str[:7], "Processors": rows["machine"]}
    yield "\n".join(f"{name}: {', '.join(sorted({*facts[name]}))}." for name in facts)


def _networks(rows: pd.DataFrame, results: Path) -> Iterator[str]:
    """All networks, those with the lowest error first; then training times, if they are there."""
    networks = trained(rows).groupby("network")["margin_error"].mean().sort_values(kind="stable")
    failed = [network for network in rows["network"].unique() if network not in networks]
    table = []
    for network in [*networks.index, *failed]:
        of_network = rows[rows["network"] == network]
        good = trained(of_network)
        table.append(
            {"network": network, "seeds": len(of_network)}
            | {title: mean_and_std(good[name], digits) for name, (title, digits) in SHOWN.items()}
            | {"failed": failures(of_network)}
        )
    yield "## Networks"
    yield (
        "Means over seeds ± standard deviations, sorted by error. A network has its name, "
        "SWEEP/POINT, in experiments/sweeps.yaml."
    )
    yield _markdown(table)
    if (results / EPOCH_TIMES_FILE).exists():
        times = pd.read_csv(results / EPOCH_TIMES_FILE).set_index("model")
        times["epochs"] = rows[rows["sweep"] == STEPS].groupby("point")["epochs"].mean()
        times["training time"] = times["epochs"] * times["ratio"] / REFERENCE_EPOCHS
        yield (
            f"Training time: 1 = {REFERENCE_EPOCHS} epochs of a plain PyTorch loop, as in the "
            "report, on the same machine. The ratio is that of an epoch to one of that loop, by "
            "`python -m benchmarks.epochs`, or by experiments/ablation.py of the commit that is "
            "named."
        )
        columns = ["machine", "epochs", "ratio", "training time"]
        yield times[columns].dropna().to_markdown(floatfmt=".2f")


def _grid(rows: pd.DataFrame, runs: Sequence[Run], charts: Charts) -> Iterator[str]:
    settings = [
        {"params": run.params, "seed": run.seed}
        | {key: float(value) for key, value in re.findall(r"(\w+)_([\d.]+)", run.point)}
        for run in runs
        if run.sweep == "grid"
    ]
    grid = pd.DataFrame(settings, columns=GRID).merge(rows, on=["params", "seed"])
    if not trained(grid).empty:
        charts["grid"] = grid_figure(grid)
        yield f"![Margin errors of the grid, lower is better]({CHARTS}/grid.png)"


def _published(
    rows: pd.DataFrame, results: Path, data: str, published: pd.DataFrame, charts: Charts
) -> Iterator[str]:
    """The networks that the report discusses: their curves and, on its data, both figures."""
    files = sorted((results / HISTORIES).glob("*.csv"))
    histories = pd.concat([pd.DataFrame({"name": []}), *map(pd.read_csv, files)])
    table, links = [], []
    for network in published.to_dict("records"):
        of_network = rows[rows["params"] == network["params"]]
        good = trained(of_network)
        if data == PUBLISHED_DATA and len(of_network):
            cells = {"network": f"{network['title']}, `{network['network']}`"}
            for title, (theirs, ours, digits) in BESIDE_OURS.items():
                seed_0 = of_network[of_network["seed"] == REPORT_SEED]
                numbers = [network[theirs], *seed_0[ours].mask(seed_0["failure"] != "")]
                texts = ["diverged" if np.isnan(n) else f"{n:.{digits}f}" for n in numbers]
                cells[f"{title}: the report, here"] = ", ".join(texts)
            errors = good["margin_error"]
            near = (abs(errors - network["margin_error"]) <= TOLERANCE).sum()
            cells["all seeds"] = f"{errors.min():.4f} to {errors.max():.4f}" if len(errors) else ""
            cells[f"within {TOLERANCE}"] = f"{near} of {len(of_network)}"
            table.append(cells)
        if len(good):
            name = f"curves_{network['network'].partition('/')[2]}"
            dashed = network | {"val_margin_error": network["margin_error"]} if table else {}
            charts[name] = curves_figure(network["title"], good, histories, dashed)
            links.append(f"![{network['title']}]({CHARTS}/{name}.png)")
    if links:
        yield "## The report's networks"
    if table:
        yield (
            "The report's figures, then ours with its seed, 0; the errors of all our seeds, and "
            f"how many of them are within {TOLERANCE} of the published error."
        )
        yield _markdown(table)
    yield from links


def _answers(
    rows: pd.DataFrame,
    params_of: Mapping[str, str],
    published: pd.Series,
    charts: Charts,
) -> Iterator[str]:
    """A table and a chart for each question; `published` are the report's errors, by params."""
    yield "## How settings change the margin error"
    yield HOW_TO_READ
    for question, changes in pd.read_csv(QUESTIONS_FILE).groupby("question", sort=False):
        answers, differences = [], {}
        for change in changes.itertuples():
            params, reference = params_of.get(change.network), params_of.get(change.reference)
            found = paired_differences(rows, params, reference)
            failed = failures(rows[rows["params"] == params])
            if found.empty and not failed:
                continue
            label = f"{change.change} ({failed})" if failed else change.change
            low, high = interval(found)
            verdicts = {"lower": high < 0, "higher": low > 0, "unclear": low <= 0 <= high, "": True}
            differences[label] = found
            answers.append(
                {
                    "change": label,
                    "difference": found.mean(),
                    "95% from": low,
                    "to": high,
                    "seeds lower": f"{(found < 0).sum()} of {len(found)}",
                    "the report": published.get(params, np.nan) - published.get(reference, np.nan),
                    "verdict": next(verdict for verdict, holds in verdicts.items() if holds),
                }
            )
        if answers:
            table = pd.DataFrame(answers)
            yield f"### {question}"
            yield (
                table.astype(object)
                .where(table.notna(), None)
                .to_markdown(index=False, floatfmt="+.4f")
            )
        if any(map(len, differences.values())):
            name = re.sub(r"\W+", "_", str(question)).lower()
            charts[name] = differences_figure(table, differences)
            yield f"![{question}: differences, seed by seed]({CHARTS}/{name}.png)"


def _other_errors(rows: pd.DataFrame, results: Path) -> Iterator[str]:
    """The models at other margins, and on other photographs than the validation split."""
    curves = read_table(results / CURVES / f"{STEPS}.csv").merge(rows[["name", "point"]], on="name")
    if len(curves):
        curves = curves.astype({"margin": int, "network": float})
        errors = curves[curves["margin"].isin(MARGINS)].groupby(["point", "margin"])["network"]
        yield "## The error at other margins"
        yield (
            errors.agg(mean_and_std, 4).unstack().sort_values(12).to_markdown(disable_numparse=True)
        )
    if (results / OTHER_SPLITS_FILE).exists():
        measured = pd.read_csv(results / OTHER_SPLITS_FILE)
        errors = measured.groupby(["model", "measured_on"])["margin_error"].agg(mean_and_std, 4)
        yield "## Other photographs"
        yield (
            "The error on the training photographs; and, trained without a fifth of them, on the "
            "validation split and on that fifth (`python -m experiments.analysis.hold_out`)."
        )
        yield errors.unstack(fill_value="").to_markdown(disable_numparse=True)


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder of the results")
    args = parser.parse_args()
    enter_project(args)
    print(write_report(args.data, args.results))


if __name__ == "__main__":
    with one_line_errors():
        main()
