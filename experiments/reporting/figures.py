"""Charts of sweeps: a heat map of the grid, learning curves and margin curves."""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from colorizer.figures import CURVE_INCHES
from experiments.reporting.statistics import column, converged, points_of
from experiments.runs.results import CURVES_FILE, HISTORIES_FILE, RUNS_FILE, Row, Tables
from experiments.runs.sweeps import GRID, Run, network_title

TICKS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of logarithmic axes of shares
# Titles of the charts, by the name of their file.
CHARTS = {
    "grid": "Margin errors of the grid",
    "learning_seeds": "Learning curves of the first seed of sweep seeds",
    "margins_seeds": "Margin curves of the first seed of sweep seeds, minus the best network's",
    "learning_grid": "Learning curves of the grid at learning rate 0.1",
    "margins_grid": "Margin curves of the grid at learning rate 0.1, minus the best network's",
}


def grid_errors(runs: Sequence[Run], rows: Sequence[Row]) -> tuple[list[list[float]], np.ndarray]:
    """The grid's learning rates, conv layers and kernels, and the margin errors over them.

    Errors are (rates, conv layers, kernels), means over seeds: NaN without a run, infinite when all
    runs diverged.
    """
    changes = {run.point: run.changes for run in runs if run.sweep == "grid"}
    axes = [sorted({float(change[key]) for change in changes.values()}) for key in GRID]
    errors = np.full([len(axis) for axis in axes], math.nan)
    for point, rows_of_point in points_of(rows).items():
        sweep, _, name = point.partition("/")
        if sweep == "grid":
            index = [
                axis.index(float(changes[name][key])) for axis, key in zip(axes, GRID, strict=True)
            ]
            values = column(converged(rows_of_point), "margin_error")
            errors[tuple(index)] = statistics.mean(values) if values else math.inf
    return axes, errors


def grid_figure(axes: Sequence[Sequence[float]], errors: np.ndarray) -> Figure:
    """Draw margin errors, (rates, conv layers, kernels), as a heat map for each learning rate."""
    rates, layers, kernels = axes
    figure = Figure((2.4 * len(rates) + 1.2, 3.0), layout="constrained")
    cells = figure.subplots(1, len(rates), squeeze=False, sharey=True)[0]
    finite = errors[np.isfinite(errors)]
    least, most = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    for cell, rate, errors_at_rate in zip(cells, rates, errors, strict=True):
        shown = np.ma.masked_invalid(errors_at_rate)
        image = cell.imshow(shown, cmap="viridis_r", vmin=least, vmax=most, aspect="auto")
        cell.set_title(f"learning rate {rate:g}", fontsize=9)
        cell.set_xticks(range(len(kernels)), [f"{value:g}" for value in kernels])
        cell.set_yticks(range(len(layers)), [f"{value:g}" for value in layers])
        cell.set_xlabel("kernels")
        for (y, x), error in np.ndenumerate(errors_at_rate):
            text = "" if math.isnan(error) else f"{error:.4f}" if error < math.inf else "diverged"
            dark = error < math.inf and error > (least + most) / 2
            color = "white" if dark else "black"
            cell.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    cells[0].set_ylabel("conv layers")
    figure.colorbar(image, ax=list(cells), label="margin error")
    return figure


def figures(runs: Sequence[Run], tables: Tables) -> dict[str, Figure]:
    """The charts that the rows suffice for, by name."""
    rows, histories, curves = (tables[file] for file in (RUNS_FILE, HISTORIES_FILE, CURVES_FILE))
    seeds = [run for run in runs if run.sweep == "seeds"]
    first = {run.name: run.point for run in seeds if run.seed == seeds[0].seed}
    grid = {
        run.name: network_title(int(run.changes[GRID[1]]), int(run.changes[GRID[2]]))
        for run in runs
        if run.sweep == "grid" and run.changes[GRID[0]] == 0.1
    }
    drawn = {}
    if any(row["sweep"] == "grid" for row in rows):
        drawn["grid"] = grid_figure(*grid_errors(runs, rows))
    for name, labels in (("seeds", first), ("grid", grid)):
        errors = {
            labels[row["name"]].replace("_", " "): (row["name"], float(row["margin_error"]))
            for row in rows
            if row["name"] in labels
        }
        learning = {label: _of(run, histories) for label, (run, _) in errors.items()}
        margins = {label: _of(run, curves) for label, (run, _) in errors.items()}
        if any(learning.values()):
            drawn[f"learning_{name}"] = learning_figure(learning)
        if any(margins.values()):
            best = min(errors, key=lambda label: errors[label][1])
            drawn[f"margins_{name}"] = margins_figure(margins, best)
    return drawn


def _of(run: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["name"] == run]


def learning_figure(histories: Mapping[str, Sequence[Row]]) -> Figure:
    """Overlay validation margin errors over epochs, a line for each label."""
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="validation margin error")
    for label, rows in histories.items():
        axes.plot(column(rows, "epoch"), column(rows, "val_margin_error"), label=label)
    # Logarithmic, so that a network that learned nothing leaves room for the others.
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.2g}")
    axes.yaxis.set_minor_formatter("{x:.2g}")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def margins_figure(curves: Mapping[str, Sequence[Row]], best: str) -> Figure:
    """Overlay margin curves minus that of `best`: the curves themselves look alike."""
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(
        xlabel="margin, levels of 0..255",
        ylabel=f"share of values off by the margin or more,\nminus that of {best}",
    )
    least = np.array(column(curves[best], "network"))
    for label, rows in curves.items():
        axes.plot(column(rows, "margin"), np.array(column(rows, "network")) - least, label=label)
    # Logarithmic, but linear near 0: a curve can also lie below that of the best.
    axes.set_yscale("symlog", linthresh=0.01)
    axes.yaxis.set_major_locator(FixedLocator(sorted([*TICKS, 0, *(-tick for tick in TICKS)])))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    return figure
