"""Charts of results: the grid, differences seed by seed, and curves over epochs."""

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from colorizer.figures import MSE_LABEL

REPORT_SEED = 0  # of the report's runs
NEAR = 0.02  # a margin error above the best one by this share of it has clearly another color
LARGE = 0.1  # a difference; on its scale those of some thousandths cannot be seen
LINEAR = 0.005  # differences below are on a linear scale, where the others are logarithmic
TICKS = [-0.2, -0.1, -0.05, -0.02, -0.005, 0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5]
LABEL_WIDTH = 52  # characters of a change, in a figure of 8.4 inches

Charts = dict[str, Figure]  # by the name of their file
Panel = tuple[str, dict[str, str]]  # the label of the y axis; columns of histories and their labels
MSE_PANEL: Panel = (MSE_LABEL, {"train_mse": "training", "val_mse": "validation"})
ERROR_PANEL: Panel = (
    "validation margin error, lower is better",
    {"val_margin_error": "validation"},
)


def grid_figure(rows: pd.DataFrame) -> Figure:
    """Draw margin errors of conv layers and kernels (down) by learning rate (across).

    `rows`, of one seed, have the columns learning_rate, conv_layers, kernels, seed, margin_error
    and failure. Colors show the logarithm of the distance to the best error: on a linear scale 0.23
    would look like 0.26.
    """
    cells = rows.set_index(["conv_layers", "kernels", "learning_rate"])
    errors = cells["margin_error"].where(cells["failure"] == "").unstack()
    failed = cells["failure"].unstack()
    best, worst = errors.min(axis=None), errors.max(axis=None)
    near = NEAR * best
    norm = LogNorm(near, near + max(near, worst - best))
    colors = colormaps["viridis_r"].with_extremes(bad="lightgray")
    figure = Figure((8.4, 0.35 * len(errors) + 1.2), layout="constrained")
    axes = figure.add_subplot(
        title=f"margin error with seed {rows['seed'].iloc[0]}, lower is better",
        xlabel="learning rate",
        ylabel="conv layers, kernels",
    )
    axes.imshow(errors - best + near, cmap=colors, norm=norm, aspect="auto")
    axes.set_xticks(range(errors.shape[1]), [f"{rate:g}" for rate in errors.columns])
    axes.set_yticks(range(len(errors)), [f"{layers:g}, {n:g}" for layers, n in errors.index])
    for (y, x), error in np.ndenumerate(errors):
        text = failed.iat[y, x] if np.isnan(error) else f"{error:.4f}"
        color = "white" if norm(error - best + near) > 0.5 else "black"
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    return figure


def differences_figure(answers: pd.DataFrame) -> Figure:
    """Draw differences of the margin error: a dot for each seed, below them mean and interval.

    `answers` have the columns change, differences (Series by seed), difference (their mean), low,
    high, the report and verdict. An interval of two seeds is not drawn: it can be 100 times as long
    as what they span.
    """
    answers = answers[answers["difference"].notna()].reset_index(drop=True)
    figure = Figure((8.4, 0.3 * len(answers) + 1.3), layout="constrained")
    axes = figure.add_subplot(xlabel="difference of the margin error, lower is better")
    axes.axvline(0, color="gray", linewidth=0.8)
    notes = []
    for y, answer in answers.iterrows():
        of_seeds = answer["differences"]
        notes.append(f"n = {len(of_seeds)}, {answer['verdict']}".strip(", "))
        of_report = of_seeds.index == REPORT_SEED
        for label, style, values in (
            ("seeds", "C0o", of_seeds[~of_report]),
            ("the report's seed, 0", "C1D", of_seeds[of_report]),
            ("the report", "rx", pd.Series([answer["the report"]]).dropna()),
        ):
            if len(values):
                axes.plot(values, [y - 0.12] * len(values), style, ms=5, label=label)
        if len(of_seeds) > 2:
            axes.plot([answer["low"], answer["high"]], [y + 0.2, y + 0.2], "k-", linewidth=1)
            axes.plot(answer["difference"], y + 0.2, "k|", ms=9, label="mean, 95% interval")
    axes.locator_params("x", nbins=6)
    low, high = axes.get_xlim()
    if max(-low, high) > LARGE and answers["difference"].abs().min() < max(-low, high) / 20:
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.7)
        axes.set_xlabel(f"{axes.get_xlabel()}; logarithmic beyond {LINEAR}")
        ticks = [tick for tick in TICKS if low < tick < high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    labels = [textwrap.fill(change, LABEL_WIDTH) for change in answers["change"]]
    axes.set_yticks(range(len(answers)), labels, fontsize=8, parse_math=False)
    axes.set_ylim(len(answers) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="x", labelsize=8)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(answers)), notes, fontsize=8)
    right.tick_params(length=0)
    shown = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown, fontsize=8, loc="outside upper center", ncols=4)
    return figure


def curves_figure(
    title: str,
    rows: pd.DataFrame,
    histories: pd.DataFrame,
    published: Mapping[str, float],
    panels: Sequence[Panel],
) -> Figure:
    """Draw errors over epochs: thin for each seed, bold for the report's seed or the first one.

    `rows` are those of a network, `histories` have the columns name, epoch and those of `panels`;
    `published` has the report's values by such a column, drawn as dashed lines.
    """
    figure = Figure((5.6 * len(panels), 4.2), layout="constrained")
    figure.suptitle(title, fontsize=10)
    for panel, (ylabel, columns) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        shown = []
        for (column, label), color in zip(columns.items(), ("C0", "C1"), strict=False):
            for number, run in enumerate(rows.itertuples()):  # the report's seed is the first
                history = histories[histories["name"] == run.name].set_index("epoch")[column]
                bold = number == 0
                panel.plot(
                    history,
                    color=color,
                    linewidth=1.6 if bold else 0.7,
                    alpha=1 if bold else 0.4,
                    label=f"{label}, seed {run.seed}" if bold else None,
                )
                panel.plot(
                    run.best_epoch, history[run.best_epoch], "o", color=color, ms=6 if bold else 3
                )
                shown.append(history)
            if not np.isnan(published.get(column, np.nan)):
                panel.axhline(
                    published[column], color=color, linestyle="--", label=f"{label}, the report"
                )
        errors = pd.concat(shown)
        # The first epochs and jumps are far above the rest.
        low, high = errors.min(), errors.quantile(0.9)
        panel.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        panel.set(xlabel="epoch; dots: the chosen one", ylabel=ylabel)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    return figure


def kernels_figure(rows: pd.DataFrame) -> Figure:
    """Draw the margin error over the number of active kernels: a panel a network, a dot a seed."""
    networks = [*rows.groupby("network")]
    down, across = math.ceil(len(networks) / 4), min(len(networks), 4)
    figure = Figure((2.8 * across, 2.6 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    for panel, (network, runs) in zip(panels.flat, networks, strict=False):
        panel.plot(runs["active"], runs["margin_error"], "o", ms=4)
        panel.set_title(str(network).partition("/")[2], fontsize=9)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
    for panel in panels.flat[len(networks) :]:
        panel.remove()
    figure.supxlabel("active hidden kernels", fontsize=9)
    figure.supylabel("margin error, lower is better", fontsize=9)
    return figure
