"""Draw the report's figures from metrics, series and predictions."""

import argparse
import os
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from colorizer.data.arrays import open_predictions
from colorizer.data.splits import Split, open_split
from colorizer.errors import InputError, one_line_errors
from colorizer.figures import (
    error_figure,
    history_figure,
    image_figure,
    margin_figure,
    write_png,
)
from colorizer.files import atomic_write, read_metrics
from colorizer.later_stages import PlotParams
from colorizer.metrics.margin import MetricParams, is_outside_margin
from colorizer.metrics.series import read_series
from colorizer.params import PARAMS_FILE, read_section

MSE_LABEL = "mean squared error, on [-1, 1]"


def curve_figures(
    history: pd.DataFrame, margin_curve: pd.DataFrame, best_epoch: int, margin: int
) -> dict[str, Figure]:
    """Draw the errors over epochs, as the report does, and over margins."""
    epochs = history["epoch"].astype(int).tolist()
    train = {"training": history["train_mse"].tolist()}
    val = {"validation": history["val_mse"].tolist()}
    margin_error = {"validation": history["val_margin_error"].tolist()}
    margin_label = f"share of values off by {margin} levels or more"
    curves = margin_curve.set_index("margin")
    margins = curves.index.astype(int).tolist()
    methods = {str(name): errors.tolist() for name, errors in curves.items()}
    return {
        "training_mse": history_figure(epochs, train, MSE_LABEL, best_epoch),
        "validation_mse": history_figure(epochs, val, MSE_LABEL, best_epoch),
        "both_mse": history_figure(epochs, train | val, MSE_LABEL, best_epoch),
        "margin_error": history_figure(epochs, margin_error, margin_label, best_epoch),
        "margin_curve": margin_figure(margins, methods, margin),
    }


def validation_figures(
    validation: Split, predictions: np.ndarray, sets: list[np.ndarray], margin: int
) -> dict[str, Figure]:
    """Draw sets of validation photographs: gray, prediction, target, and maps of the errors."""
    figures = {}
    for number, chosen in enumerate(sets, start=1):
        predicted, targets = predictions[chosen], validation.rgb[chosen]
        rows = {"gray": validation.gray[chosen], "prediction": predicted, "target": targets}
        names = [Path(validation.names[index]).stem for index in chosen]
        outside = is_outside_margin(predicted, targets, margin)
        of_values, of_pixels = outside.mean(axis=(1, 2, 3)), outside.any(axis=3).mean(axis=(1, 2))
        captions = [
            f"{name}\n{values:.0%} of values\n{pixels:.0%} of pixels"
            for name, values, pixels in zip(names, of_values, of_pixels, strict=True)
        ]
        figures[f"examples_{number}"] = image_figure(f"Validation, set {number}", rows, names)
        title = f"Validation, set {number}: {margin} levels off or more"
        figures[f"errors_{number}"] = error_figure(title, predicted, targets, margin, captions)
    return figures


def test_figure(
    test: Split, predictions: np.ndarray, names: list[str], chosen: np.ndarray
) -> Figure:
    """Draw test photographs above their predictions; `chosen` are rows of `predictions`."""
    gray = [test.gray[test.names.index(names[index])] for index in chosen]
    rows = {"gray": gray, "prediction": predictions[chosen]}
    return image_figure("Test", rows, [Path(names[index]).stem for index in chosen])


def read_names(path: Path, test: Split) -> list[str]:
    """Read names of test photographs. Raises InputError when they are not in this split."""
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        names = []
    if not names or not set(names) <= set(test.names):
        raise InputError(f"{path}: should list names of the prepared test split, one per line")
    return names


def main() -> None:
    """Draw the figures as PNG files into one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("val", type=Path, help="prepared validation split")
    parser.add_argument("val_predictions", type=Path, help=".npy file, of the validation split")
    parser.add_argument("test", type=Path, help="prepared test split")
    parser.add_argument(
        "test_predictions", type=Path, help=".npy file, of the chosen test photographs"
    )
    parser.add_argument("test_names", type=Path, help="text file, the names of these photographs")
    parser.add_argument("train_metrics", type=Path, help="JSON file, for the chosen epoch")
    parser.add_argument("history", type=Path, help="CSV file, a row per epoch")
    parser.add_argument("margin_curve", type=Path, help="CSV file, a row per margin")
    parser.add_argument("figures", type=Path, help="folder to write")
    paths = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    params = read_section(PARAMS_FILE, "plot", PlotParams)
    validation, test = open_split(paths.val), open_split(paths.test)
    names = read_names(paths.test_names, test)
    val_predictions = open_predictions(paths.val_predictions, validation.rgb.shape)
    test_predictions = open_predictions(paths.test_predictions, (len(names), *test.rgb.shape[1:]))
    best_epoch = int(read_metrics(paths.train_metrics, ["best_epoch"])["best_epoch"])
    history = read_series(paths.history, ["epoch", "train_mse", "val_mse", "val_margin_error"])
    if best_epoch not in {0, *history["epoch"].tolist()}:
        raise InputError(f"{paths.train_metrics}: best_epoch should be an epoch of {paths.history}")
    margin_curve = read_series(paths.margin_curve, ["margin", "network"])
    matplotlib.rcdefaults()  # figures should not depend on the user's settings

    random = np.random.default_rng(params.seed)
    shown = random.permutation(len(validation))[: 2 * params.pictures]
    sets = [chosen for chosen in np.array_split(shown, 2) if len(chosen)]
    shown_of_test = random.permutation(len(names))[: params.pictures]
    figures = {
        **curve_figures(history, margin_curve, best_epoch, margin),
        **validation_figures(validation, val_predictions, sets, margin),
        "test": test_figure(test, test_predictions, names, shown_of_test),
    }
    with atomic_write(paths.figures) as (partial,):
        partial.mkdir()
        for name, figure in figures.items():
            write_png(partial / f"{name}.png", figure, params.dpi)
    print(f"{paths.figures}: {len(figures)} figures")


if __name__ == "__main__":
    with one_line_errors():
        main()
