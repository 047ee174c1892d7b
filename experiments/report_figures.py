"""Draw the figures that the assignment asks for, for each network that the report discusses.

NAME_curves.png: mean squared errors of training and validation over epochs, and the validation
margin error, of all seeds in the results. With --images also NAME_images.png: gray, prediction and
target of some photographs, from the predictions of sweep report, whose DVC experiments should
be there (python -m experiments.sweep DATA RESULTS report --jobs 2).
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from colorizer.data.arrays import open_predictions
from colorizer.data.splits import Split, open_split
from colorizer.errors import InputError, one_line_errors
from colorizer.figures import CURVE_INCHES, image_figure, write_png
from colorizer.git_variables import drop_git_variables
from experiments.reporting.figures import draw_runs, set_error_limits
from experiments.reporting.published import read_published
from experiments.reporting.statistics import Results, failures, trained, with_numbers
from experiments.runs.experiments import commits_of_runs, get_output
from experiments.runs.results import HISTORIES_FOLDER, RUNS_FILE, read_tables
from experiments.runs.sweeps import SWEEPS_FILE, read_sweep, read_sweeps

SWEEP, BEST = "report", "conv2_kernels16"
PREDICTIONS_FILE = "data/predictions/estimations_val.npy"  # where the pipeline writes it
# Which photographs, and how many; twice as many of the best network, as in the report.
PHOTOS_SEED, PHOTOS, DPI = 483, 5, 70


def curves_figure(title: str, rows: pd.DataFrame, histories: pd.DataFrame) -> Figure:
    """Draw MSE and margin error over epochs of the runs of one network.

    `rows` are those of its seeds, `histories` those of all runs.
    """
    width, height = CURVE_INCHES
    figure = Figure((1.6 * width, height), layout="constrained")
    seeds = ", ".join(map(str, rows["seed"]))
    figure.suptitle(f"{title}; seeds {seeds}{failures(rows)}; the mean is bold", fontsize=9)
    mse, margin_error = figure.subplots(1, 2)
    of_trained = histories[histories["name"].isin(trained(rows)["name"])]
    if of_trained.empty:
        mse.text(0, 1, "no curves: every run failed", va="top")
        mse.set_axis_off()
        margin_error.set_axis_off()
        return figure
    draw_runs(mse, of_trained, "train_mse", "C0", "training")
    draw_runs(mse, of_trained, "val_mse", "C1", "validation")
    draw_runs(margin_error, of_trained, "val_margin_error", "C1", "validation")
    set_error_limits(mse, pd.concat([of_trained["train_mse"], of_trained["val_mse"]]))
    set_error_limits(margin_error, of_trained["val_margin_error"])
    mse.set(xlabel="epoch", ylabel="mean squared error, on [-1, 1]")
    margin_error.set(xlabel="epoch", ylabel="validation margin error, lower is better")
    mse.legend(fontsize=8)
    return figure


def images_figure(title: str, predictions: np.ndarray, split: Split, count: int) -> Figure:
    """Draw some photographs of a split: gray, prediction, target."""
    chosen = np.random.default_rng(PHOTOS_SEED).permutation(len(split))[:count]
    rows = {
        "gray": [*split.gray[chosen]],
        "prediction": [*predictions[chosen]],
        "target": [*split.rgb[chosen]],
    }
    return image_figure(title, rows, [Path(split.names[index]).stem for index in chosen])


def main() -> None:
    """Draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder of the results")
    parser.add_argument("figures", type=Path, help="folder to write to")
    parser.add_argument("--images", type=Path, metavar="SPLIT", help="prepared validation split")
    args = parser.parse_args()
    drop_git_variables()
    matplotlib.rcdefaults()  # figures should not depend on the user's settings
    tables = read_tables(args.results)
    results = Results.of(tables[RUNS_FILE], read_sweeps(SWEEPS_FILE, args.data))
    histories = with_numbers(tables, HISTORIES_FOLDER)
    published = read_published()
    figures = {}
    for network, title in zip(published["network"], published["title"], strict=True):
        rows = results.of_network(network)
        if rows.empty:
            raise InputError(f"{args.results / RUNS_FILE}: has no run of {network}")
        figures[f"{network.partition('/')[2]}_curves"] = curves_figure(title, rows, histories)
    if args.images:
        figures |= images_figures(args.data, open_split(args.images), published)
    for name, figure in figures.items():
        write_png(args.figures / f"{name}.png", figure, DPI)
    print(f"{args.figures}: {len(figures)} figures")


def images_figures(data: str, split: Split, published: pd.DataFrame) -> dict[str, Figure]:
    """Draw the images of each published network, from its experiment."""
    runs = {run.point: run for run in read_sweep(SWEEPS_FILE, SWEEP, data)}
    commits = commits_of_runs([*runs.values()])
    figures = {}
    with TemporaryDirectory() as folder:
        for network, title in zip(published["network"], published["title"], strict=True):
            point = network.partition("/")[2]
            name = runs[point].name
            if name not in commits:
                raise InputError(f"no experiment {name} here; run experiments.sweep first")
            predictions = get_output(commits[name], PREDICTIONS_FILE, Path(folder))
            array = open_predictions(predictions, split.rgb.shape)
            count = PHOTOS * (1 + (point == BEST))
            figures[f"{point}_images"] = images_figure(title, array, split, count)
    return figures


if __name__ == "__main__":
    with one_line_errors():
        main()
