"""Charts of sweeps: the grid, differences seed by seed, learning curves and margin curves."""

import os
from collections.abc import Callable, Mapping, Sequence

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from colorizer.figures import CURVE_INCHES
from experiments.reporting.comparisons import REPORT_SEED, Answer
from experiments.reporting.statistics import Results, trained, with_numbers
from experiments.runs.results import CURVES_FILE, HISTORIES_FILE, Tables
from experiments.runs.sweeps import GRID, Run, network_title

TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of logarithmic axes of shares
SETTLED = 0.25  # the share of its epochs after which the best curve should be visible
# Titles of the charts, by the name of their file.
CHARTS = {
    "grid": "Margin errors of the grid, lower is better; each learning rate has its own colors",
    "differences": "Differences of the margin error, a dot for each seed; lower is better",
    "learning_seeds": "Learning curves of sweep seeds: means over seeds in bands of all seeds",
    "margins_seeds": "Margin curves of sweep seeds, means over seeds, minus the best network's",
    "learning_grid": "Learning curves of the grid at learning rate 0.1",
    "margins_grid": "Margin curves of the grid at learning rate 0.1, minus the best network's",
}


def grid_errors(runs: Sequence[Run], results: Results) -> pd.DataFrame:
    """Margin errors of the grid, means over seeds: infinite when all runs diverged.

    Columns learning_rate, conv_layers, kernels, margin_error and trained (whether a run did not
    fail), a row for each network with runs.
    """
    settings = pd.DataFrame(
        {key.partition(".")[2]: run.changes[key] for key in GRID}
        | {"network": f"{run.sweep}/{run.point}"}
        for run in runs
        if run.sweep == "grid"
    ).drop_duplicates()
    converged = results.rows[results.rows["diverged"] == 0]
    errors = converged.groupby("network")["margin_error"].mean()
    present = settings[settings["network"].isin(results.rows["network"])]
    errors_of = present["network"].map(errors).fillna(np.inf)
    is_trained = present["network"].isin(trained(results.rows)["network"])
    return present.assign(margin_error=errors_of, trained=is_trained).drop(columns="network")


def grid_figure(errors: pd.DataFrame) -> Figure:
    """Draw the margin errors of `grid_errors` as a heat map for each learning rate."""
    by_rate = dict(iter(errors.groupby("learning_rate")))
    figure = Figure((2.4 * len(by_rate) + 0.4, 2.9), layout="constrained")
    figure.suptitle("margin error, lower is better", fontsize=10)
    cells = figure.subplots(1, len(by_rate), squeeze=False, sharey=True)[0]
    for cell, (rate, some) in zip(cells, by_rate.items(), strict=True):
        grid = some.pivot(index="conv_layers", columns="kernels", values="margin_error")
        shown = np.ma.masked_invalid(grid.to_numpy())
        # Each learning rate on its own scale, without failed runs (gray): on a common one 0.23
        # would look like 0.26.
        scale = some.loc[some["trained"], "margin_error"]
        limits = {} if scale.empty else {"vmin": scale.min(), "vmax": scale.max()}
        colors = colormaps["viridis_r"].with_extremes(over="lightgray")
        image = cell.imshow(shown, cmap=colors, aspect="auto", **limits)
        cell.set_title(f"learning rate {float(str(rate)):g}", fontsize=9)
        cell.set_xticks(range(grid.shape[1]), [f"{value:g}" for value in grid.columns])
        cell.set_yticks(range(grid.shape[0]), [f"{value:g}" for value in grid.index])
        cell.set_xlabel("kernels")
        for (y, x), error in np.ndenumerate(grid.to_numpy()):
            text = "" if np.isnan(error) else f"{error:.4f}" if error < np.inf else "diverged"
            color = "white" if 0.5 < image.norm(error) <= 1 else "black"
            cell.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    cells[0].set_ylabel("conv layers")
    return figure


def differences_figure(answers: Mapping[str, Sequence[Answer]]) -> Figure:
    """Draw the differences of all questions: seeds as dots, their mean, the report's difference."""
    lines: list[tuple[str, Answer | None]] = []
    for question, some in answers.items():
        seen = [answer for answer in some if len(answer.differences)]
        lines += [(question, None), *((each.comparison.change, each) for each in seen)] * bool(seen)
    figure = Figure((CURVE_INCHES[0] * 1.3, 0.2 * len(lines) + 1.2), layout="constrained")
    axes = figure.add_subplot(xlabel="difference of the margin error, lower is better")
    points: dict[str, list[tuple[float, int]]] = {}
    for y, (_, answer) in enumerate(lines):
        if answer is None:
            continue
        for seed, value in answer.differences.items():
            label = "the report's seed, 0" if seed == REPORT_SEED else "other seeds"
            points.setdefault(label, []).append((value, y))
        points.setdefault("mean", []).append((answer.differences.mean(), y))
        if not np.isnan(answer.published):
            points.setdefault("the report", []).append((answer.published, y))
    for label, marker, color, size in (
        ("other seeds", "o", "steelblue", 16),
        ("the report's seed, 0", "D", "darkorange", 20),
        ("mean", "|", "black", 90),
        ("the report", "x", "firebrick", 28),
    ):
        if label in points:
            x, y_of_x = zip(*points[label], strict=True)
            axes.scatter(x, y_of_x, s=size, color=color, marker=marker, label=label)
    axes.axvline(0, color="gray", linewidth=0.8)
    _set_symlog(axes.xaxis, axes.set_xscale)
    axes.set_yticks(range(len(lines)), [text for text, _ in lines], fontsize=8)
    for tick, (_, answer) in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("normal" if answer else "bold")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.tick_params(axis="x", labelsize=8)
    figure.legend(fontsize=8, loc="outside upper center", ncols=4)
    return figure


def draw_learning(
    axes: Axes, histories: Mapping[str, pd.DataFrame], column: str, every_run: bool
) -> None:
    """Draw a column over epochs: for each label the mean over runs, in a band of all runs.

    `histories` have columns name, epoch and `column`. The mean ends where fewer than half of the
    runs are left. The axis shows where curves end, and how the best one gets there. `every_run`
    draws the runs, too.
    """
    ends, lows, best = [], [], pd.Series([np.inf])
    for label, history in histories.items():
        runs = history["name"].nunique()
        of_epoch = history.groupby("epoch")[column].agg(["mean", "min", "max", "count"])
        mean = of_epoch[of_epoch["count"] * 2 >= runs]
        (line,) = axes.plot(mean.index, mean["mean"], label=label)
        axes.fill_between(mean.index, mean["min"], mean["max"], color=line.get_color(), alpha=0.15)
        if every_run:
            for _, run in history.groupby("name"):
                axes.plot(
                    run["epoch"], run[column], color=line.get_color(), alpha=0.3, linewidth=0.8
                )
        ends.append(mean["mean"].min())
        lows.append(history[column].min() if every_run else ends[-1])
        best = mean["mean"] if ends[-1] == min(ends) else best
    highest = max(*ends, best.iloc[int(SETTLED * len(best)) :].max())
    margin = 0.1 * (highest - min(lows)) or 0.01
    axes.set_ylim(min(lows) - margin, highest + 4 * margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)


def learning_figure(
    histories: Mapping[str, pd.DataFrame], failed: Mapping[str, pd.DataFrame]
) -> Figure:
    """Draw validation margin errors over epochs, those of failed runs in a panel of their own."""
    width, height = CURVE_INCHES
    figure = Figure((width * (1.6 if failed else 1), height), layout="constrained")
    panels = figure.subplots(1, 2, squeeze=False, width_ratios=[2, 1])[0] if failed else []
    axes = panels[0] if failed else figure.add_subplot()
    draw_learning(axes, histories, "val_margin_error", every_run=False)
    axes.set_ylabel("validation margin error, lower is better")
    axes.legend(fontsize=8)
    if failed:
        for label, history in failed.items():
            for number, (_, run) in enumerate(history.groupby("name")):
                panels[1].plot(
                    *(run["epoch"], run["val_margin_error"]), label="" if number else label
                )
        panels[1].set_ylim(0, 1)
        panels[1].set_title("failed runs", fontsize=9)
        panels[1].set_xlabel("epoch")
        panels[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[1].grid(alpha=0.3)
        panels[1].legend(fontsize=8)
    return figure


def margins_figure(curves: pd.DataFrame, best: str) -> Figure:
    """Draw margin curves minus that of `best`: the curves themselves look alike.

    `curves` has a column of shares for each label, and margins as its index.
    """
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(
        xlabel="margin, levels of 0..255",
        ylabel=f"share of values off by the margin or more,\nminus that of {best}",
    )
    for label in curves:
        axes.plot(curves.index, curves[label] - curves[best], label=label)
    _set_symlog(axes.yaxis, axes.set_yscale)
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def figures(
    runs: Sequence[Run],
    results: Results,
    tables: Tables,
    answers: Mapping[str, Sequence[Answer]],
) -> dict[str, Figure]:
    """The charts that the rows suffice for, by name."""
    labels = {
        "seeds": {run.name: run.point.replace("_", " ") for run in runs if run.sweep == "seeds"},
        "grid": {
            run.name: network_title(int(run.changes[GRID[1]]), int(run.changes[GRID[2]]))
            for run in runs
            if run.sweep == "grid" and run.changes[GRID[0]] == 0.1
        },
    }
    drawn = {}
    if (results.rows["sweep"] == "grid").any():
        drawn["grid"] = grid_figure(grid_errors(runs, results))
    if any(len(each.differences) for some in answers.values() for each in some):
        drawn["differences"] = differences_figure(answers)
    series = [with_numbers(tables, file) for file in (HISTORIES_FILE, CURVES_FILE)]
    for name, label_of in labels.items():
        rows = results.rows[results.rows["name"].isin(label_of)]
        rows = rows.assign(label=rows["name"].map(label_of))
        drawn |= _curves(name, rows, *series)
    return drawn


def _curves(
    name: str, rows: pd.DataFrame, histories: pd.DataFrame, curves: pd.DataFrame
) -> dict[str, Figure]:
    """Learning curves and margin curves of rows that have a label each."""
    counted = trained(rows)
    drawn = {}
    learning = _by_label(histories, counted)
    if learning:
        failed = rows[rows["failure"] == "learned nothing"]
        drawn[f"learning_{name}"] = learning_figure(learning, _by_label(histories, failed))
    margins = curves.merge(counted[["name", "label"]], on="name")
    if not margins.empty:
        means = margins.pivot_table(index="margin", columns="label", values="network", sort=False)
        best = counted.groupby("label")["margin_error"].mean().idxmin()
        drawn[f"margins_{name}"] = margins_figure(means, str(best))
    return drawn


def _by_label(histories: pd.DataFrame, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    labeled = histories.merge(rows[["name", "label"]], on="name")
    return {str(label): some for label, some in labeled.groupby("label", sort=False)}


def _set_symlog(axis: Axis, set_scale: Callable[..., None]) -> None:
    """Make an axis logarithmic, but linear near 0: differences can be negative."""
    set_scale("symlog", linthresh=0.01)
    axis.set_major_locator(FixedLocator(sorted([*TICKS, 0, *(-tick for tick in TICKS)])))
    axis.set_major_formatter("{x:g}")
