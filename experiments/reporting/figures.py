"""Charts of sweeps: the grid, differences seed by seed, learning curves and margin curves."""

import math
import os
from collections.abc import Callable, Sequence

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from colorizer.figures import CURVE_INCHES
from experiments.reporting.published import REPORT_SEED
from experiments.reporting.statistics import Results, failures, trained, with_numbers
from experiments.runs.results import FOLDERS, Tables
from experiments.runs.sweeps import GRID, Run, network_title

NEAR = 0.02  # a margin error above the best one by this share of it has clearly another color
MARGIN = 12
LARGE = 0.1  # a difference; on its scale those of some thousandths cannot be seen
TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of logarithmic axes of differences
PANELS = 5  # in a row
DPI = 100
# Titles of the charts, by the name of their file.
CHARTS = {
    "grid": "Margin errors of the grid, lower is better",
    "learning_seeds": "Learning curves of sweep seeds",
    "margins_seeds": "Margin curves of sweep seeds, means over seeds, minus the best network's",
    "learning_grid": "Learning curves of the grid at learning rate 0.1",
    "margins_grid": "Margin curves of the grid at learning rate 0.1, minus the best network's",
}


def figures(runs: Sequence[Run], results: Results, tables: Tables) -> dict[str, Figure]:
    """The charts that the results have data for, by the names of CHARTS."""
    labels: dict[str, dict[str, str]] = {
        "seeds": {run.name: run.point.replace("_", " ") for run in runs if run.sweep == "seeds"},
        "grid": {
            run.name: network_title(int(run.changes[GRID[1]]), int(run.changes[GRID[2]]))
            for run in runs
            if run.sweep == "grid" and run.changes[GRID[0]] == 0.1
        },
    }
    drawn = {}
    if (results.rows["sweep"] == "grid").any():
        drawn["grid"] = grid_figure(grid_settings(runs).merge(results.rows, on="name"))
    histories, curves = (with_numbers(tables, folder) for folder in FOLDERS)
    for name, label_of in labels.items():
        rows = results.rows[results.rows["name"].isin(label_of)]
        rows = rows.assign(label=rows["name"].map(label_of))
        labeled = trained(rows)[["name", "label"]]
        if not (history := histories.merge(labeled, on="name")).empty:
            drawn[f"learning_{name}"] = learning_figure(history, rows)
        if not (margins := curves.merge(labeled, on="name")).empty:
            means = margins.pivot_table(index="margin", columns="label", values="network")
            drawn[f"margins_{name}"] = margins_figure(means)
    return drawn


def grid_settings(runs: Sequence[Run]) -> pd.DataFrame:
    """The runs of the grid: columns name, learning_rate, conv_layers and kernels."""
    return pd.DataFrame(
        {"name": run.name, **{key.partition(".")[2]: run.changes[key] for key in GRID}}
        for run in runs
        if run.sweep == "grid"
    )


def grid_figure(errors: pd.DataFrame) -> Figure:
    """Draw margin errors as a heat map for each learning rate, means over seeds.

    `errors` has a row for each run: the columns of `grid_settings`, margin_error and failure.
    Colors show the logarithm of the distance to the best error, since on a linear scale up to the
    worst one 0.23 would look like 0.26.
    """
    by_rate = dict(iter(errors.groupby("learning_rate")))
    figure = Figure((2.2 * len(by_rate) + 1.2, 2.9), layout="constrained")
    all_cells = figure.subplots(1, len(by_rate), squeeze=False, sharey=True)[0]
    of_trained = errors.loc[errors["failure"] == "", "margin_error"]
    best, worst = of_trained.agg(["min", "max"]).fillna(1)
    near = NEAR * best
    norm = LogNorm(near, near + max(near, worst - best))
    colors = colormaps["viridis_r"].with_extremes(bad="lightgray")
    for cells, (rate, group) in zip(all_cells, by_rate.items(), strict=True):
        group = group.assign(margin_error=group["margin_error"].where(group["failure"] == ""))
        by_network = group.groupby(["conv_layers", "kernels"])
        failed = by_network["failure"].first().unstack(fill_value="missing")
        grid = by_network["margin_error"].mean().unstack()
        distance = grid.to_numpy(float) - best + near
        image = cells.imshow(distance, cmap=colors, norm=norm, aspect="auto")
        cells.set_title(f"learning rate {float(str(rate)):g}", fontsize=9)
        cells.set_xticks(range(grid.shape[1]), [f"{value:g}" for value in grid.columns])
        cells.set_yticks(range(grid.shape[0]), [f"{value:g}" for value in grid.index])
        cells.set_xlabel("kernels")
        for (y, x), error in np.ndenumerate(grid.to_numpy(float)):
            text = str(failed.iat[y, x]).replace(" ", "\n") if np.isnan(error) else f"{error:.4f}"
            color = "white" if norm(distance[y, x]) > 0.5 else "black"
            cells.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    all_cells[0].set_ylabel("conv layers")
    bar = figure.colorbar(image, ax=all_cells, label="margin error, lower is better")
    ticks = [float(norm.inverse(share)) for share in np.linspace(0, 1, 6)]
    bar.set_ticks(ticks, labels=[f"{best - near + tick:.3f}" for tick in ticks])
    bar.minorticks_off()
    return figure


def differences_figure(answers: pd.DataFrame, differences: pd.DataFrame) -> Figure:
    """Draw the differences of a question: a dot for each seed, below it the mean with its interval.

    `answers` and `differences` are as in `comparisons`; changes without a difference are left out.
    """
    answers = answers[answers["count"] > 0].reset_index("question", drop=True)
    differences = differences[differences["difference"].notna()]
    y = pd.Series(range(len(answers)), answers.index)
    figure = Figure((8.4, 0.3 * len(answers) + 1.3), layout="constrained")
    axes = figure.add_subplot(xlabel="difference of the margin error, lower is better")
    axes.axvline(0, color="gray", linewidth=0.8)
    is_report_seed = differences["seed"] == REPORT_SEED
    for label, marker, color, group in (
        ("other seeds", "o", "steelblue", differences[~is_report_seed]),
        ("the report's seed, 0", "D", "darkorange", differences[is_report_seed]),
    ):
        if not group.empty:
            heights = y[group["change"]] - 0.12
            axes.scatter(
                *(group["difference"], heights, 16, color), marker=marker, alpha=0.8, label=label
            )
    axes.errorbar(
        answers["mean"],
        y + 0.2,
        xerr=(answers["high"] - answers["mean"]).fillna(0),
        fmt="k|",
        linewidth=1,
        capsize=3,
        markersize=9,
        label="mean, 95% interval",
    )
    if answers["published"].notna().any():
        axes.scatter(answers["published"], y, 28, "firebrick", marker="x", label="the report")
    # Not by intervals of two seeds, which can be 100 times as long as what the seeds span.
    several = answers[answers["count"] > 2]
    shown = pd.concat(
        [differences["difference"], answers["published"], several["low"], several["high"]]
    )
    low, high = min(0, shown.min()), max(0, shown.max())
    pad = 0.04 * (high - low)
    axes.set_xlim(low - pad, high + pad)
    largest = max(-low, high)
    if largest > LARGE and answers["mean"].abs().min() < largest / 20:
        _set_symlog(axes.xaxis, axes.set_xscale)
        axes.set_xlabel(f"{axes.get_xlabel()}; logarithmic beyond {TICKS[0]}")
        axes.set_xlim(1.3 * low - TICKS[0] / 5, 1.3 * high)
    axes.set_yticks(y, answers.index, fontsize=8, parse_math=False)
    axes.set_ylim(len(answers) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="x", labelsize=8)
    right = axes.secondary_yaxis("right")
    texts = [f"n = {each.count}, {each.verdict}" for each in answers.itertuples()]
    right.set_yticks(y, texts, fontsize=8)
    right.tick_params(length=0)
    figure.legend(fontsize=8, loc="outside upper center", ncols=4)
    return figure


def draw_runs(axes: Axes, history: pd.DataFrame, column: str, color: str, label: str) -> None:
    """Draw a column over epochs: thin for each run, bold for their mean.

    `history` has columns name, epoch and `column`.
    """
    for _, run in history.groupby("name"):
        axes.plot(run["epoch"], run[column], color=color, alpha=0.4, linewidth=0.7)
    mean = mean_over_runs(history, column)
    axes.plot(mean.index, mean, color=color, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def mean_over_runs(history: pd.DataFrame, column: str) -> pd.Series:
    """Mean of a column by epoch; a run that has ended counts with its last value.

    Without it the mean would jump where a run ends.
    """
    return history.pivot(index="epoch", columns="name", values=column).ffill().mean(axis=1)


def set_error_limits(axes: Axes, errors: pd.Series) -> None:
    """Limit the y axis to the lowest 90% of errors: the first epochs and jumps are far above."""
    low, high = float(errors.min()), float(errors.quantile(0.9))
    margin = 0.05 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)


def learning_figure(history: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Draw validation margin errors over epochs, a panel for each label of `rows`.

    `history` has those of the runs that did not fail.
    """
    column = "val_margin_error"
    by_label = dict(iter(rows.groupby("label", sort=False)))
    height = math.ceil(len(by_label) / PANELS)
    width = math.ceil(len(by_label) / height)
    figure = Figure((2.4 * width, 2.2 * height + 0.5), layout="constrained")
    figure.suptitle(
        "Bold: mean over seeds, where a run that has ended counts with its last value. "
        "Thin: each seed. Gray: the other means.",
        fontsize=9,
    )
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("validation margin error, lower is better", fontsize=9)
    panels = figure.subplots(height, width, sharex=True, sharey=True, squeeze=False).ravel()
    set_error_limits(panels[0], history[column])
    means = {label: mean_over_runs(group, column) for label, group in history.groupby("label")}
    for panel, (label, group) in zip(panels, by_label.items(), strict=False):
        for mean in means.values():
            panel.plot(mean.index, mean, color="gray", alpha=0.4, linewidth=0.8)
        draw_runs(panel, history[history["label"] == label], column, "C0", str(label))
        panel.set_title(str(label) + failures(group), fontsize=8)
        panel.tick_params(labelsize=8)
    for panel in panels[len(by_label) :]:
        panel.set_axis_off()
    return figure


def margins_figure(curves: pd.DataFrame) -> Figure:
    """Draw margin curves relative to the best one at MARGIN, so that differences are visible.

    `curves` has a column of shares for each label, and margins as its index.
    """
    ranked = curves.T[MARGIN].sort_values(ascending=False).index.astype(str)
    best = ranked[-1]
    figure = Figure((CURVE_INCHES[0] * 1.3, CURVE_INCHES[1]), layout="constrained")
    axes = figure.add_subplot(
        xlabel="margin, levels of 0..255",
        ylabel=f"share of values off by the margin or more,\nminus that of {best}; lower is better",
    )
    axes.axvline(MARGIN, color="gray", linestyle="--", linewidth=0.8)
    for number, label in enumerate(ranked):
        color = "black" if label == best else f"C{number % 10}"
        axes.plot(curves.index, curves[label] - curves[best], color=color, label=label)
    _set_symlog(axes.yaxis, axes.set_yscale)
    axes.margins(x=0)
    axes.grid(alpha=0.3)
    figure.legend(
        fontsize=8,
        loc="outside right center",
        title=f"from high to low at {MARGIN}",
        title_fontsize=8,
    )
    return figure


def steps_figure(steps: pd.DataFrame) -> Figure:
    """Draw the error of each model of the ablation against its training time.

    `steps` has a row for each model, in the order of the models: the means `time`, a share of the
    reference loop's, and `margin_error`, and `deviation`, the error's standard deviation.
    """
    figure = Figure((8.4, 5.2), layout="constrained")
    axes = figure.add_subplot(
        xlabel="training time, as a share of the reference loop's",
        ylabel="12-margin error, lower is better",
        xscale="log",
    )
    axes.axvline(1, color="gray", linestyle="--", linewidth=0.8)
    axes.plot(steps["time"], steps["margin_error"], color="gray", linewidth=0.6, alpha=0.6)
    axes.errorbar(
        *(steps["time"], steps["margin_error"], steps["deviation"].fillna(0)), fmt="o", capsize=2
    )
    # A column of names beside the axes, in the order of errors: some points are side by side.
    ranked = steps.sort_values("margin_error")
    heights = np.linspace(0, 1, len(ranked))
    for height, (model, step) in zip(heights, ranked.iterrows(), strict=True):
        axes.annotate(
            f"{model} {step['margin_error']:.4f}",
            (step["time"], step["margin_error"]),
            (1.06, height),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": "steelblue", "linewidth": 0.4},
        )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    return figure


def _set_symlog(axis: Axis, set_scale: Callable[..., None]) -> None:
    """Make an axis logarithmic, but linear near 0: differences can be negative."""
    set_scale("symlog", linthresh=TICKS[0], linscale=0.7)
    axis.set_major_locator(FixedLocator([*(-tick for tick in TICKS), 0, *TICKS]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
