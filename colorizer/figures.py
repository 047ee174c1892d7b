"""The report's figures: curves over epochs and margins, and rows of images. Needs no torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from colorizer.data.splits import Split
from colorizer.files import atomic_write

mpl.rcdefaults()  # figures should not depend on the user's settings

CURVE_INCHES = (7.0, 4.2)
IMAGE_INCHES = 1.5
LONGEST_CAPTION = 22
# The methods of the margin curve in words, and lines that differ without color, too.
METHODS = {
    "gray": "input unchanged",
    "table_median": "lookup table, median color of each gray level",
    "table_mode": "lookup table, most values within the margin",
}
LINE_STYLES = {"gray": ":", "table_median": "--", "table_mode": "-."}

MSE_LABEL = "mean squared error, on [-1, 1]"


def curve_figures(
    history: pd.DataFrame, margin_curve: pd.DataFrame, best_epoch: int, margin: int
) -> dict[str, Figure]:
    """Draw the errors over epochs, as the report does, and over margins.

    `history` and `margin_curve` are the tables in plots/history.csv and plots/margin_curve.csv.
    """
    epochs = history["epoch"].tolist()
    train = {"training": history["train_mse"].tolist()}
    val = {"validation": history["val_mse"].tolist()}
    margin_error = {"validation": history["val_margin_error"].tolist()}
    margin_label = f"share of values off by {margin} levels or more"
    return {
        "training_mse": history_figure(epochs, train, MSE_LABEL, best_epoch),
        "validation_mse": history_figure(epochs, val, MSE_LABEL, best_epoch),
        "both_mse": history_figure(epochs, train | val, MSE_LABEL, best_epoch),
        "margin_error": history_figure(epochs, margin_error, margin_label, best_epoch),
        "margin_curve": margin_figure(margin_curve.set_index("margin"), margin),
    }


def validation_figures(
    validation: Split, predictions: np.ndarray, rows: np.ndarray, number: int, margin: int
) -> dict[str, Figure]:
    """Draw some rows of a split: gray, prediction, target; and maps of the errors."""
    predicted, targets = predictions[rows], validation.rgb[rows]
    images = {"gray": validation.gray[rows], "prediction": predicted, "target": targets}
    names = [Path(validation.names[row]).stem for row in rows]
    outside = np.abs(predicted.astype(int) - targets) >= margin
    of_values, of_pixels = outside.mean(axis=(1, 2, 3)), outside.any(axis=3).mean(axis=(1, 2))
    captions = [
        f"{name}\n{values:.0%} of values\n{pixels:.0%} of pixels"
        for name, values, pixels in zip(names, of_values, of_pixels, strict=True)
    ]
    title = f"Validation, set {number}"
    return {
        f"examples_{number}": image_figure(title, images, names),
        f"errors_{number}": error_figure(
            f"{title}: {margin} levels off or more", predicted, targets, margin, captions
        ),
    }


def history_figure(
    epochs: Sequence[int], errors: Mapping[str, Sequence[float]], label: str, best_epoch: int
) -> Figure:
    """Draw errors over epochs and mark the chosen epoch; `best_epoch` is 0 when there is none."""
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel=label)
    if best_epoch:
        axes.axvline(best_epoch, color="gray", linestyle="--", label=f"chosen epoch {best_epoch}")
    else:
        axes.set_title("training diverged: no epoch was chosen")
    for name, values in errors.items():
        if best_epoch:
            chosen = values[epochs.index(best_epoch)]
            (line,) = axes.plot(epochs, values, marker=".", label=f"{name}, {chosen:.4f} there")
            axes.plot(best_epoch, chosen, "o", color=line.get_color(), markersize=9)
        else:
            axes.plot(epochs, values, marker=".", label=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def margin_figure(errors: pd.DataFrame, margin: int) -> Figure:
    """Draw the margin error of each method, a column, over margins, with `margin` marked."""
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(
        xlabel="margin, levels of 0..255", ylabel="share of values off by the margin or more"
    )
    axes.axvline(margin, color="gray", linewidth=1, label=f"margin {margin}")
    for name, values in errors.items():
        style = LINE_STYLES.get(name, "-")
        axes.plot(values, linestyle=style, label=METHODS.get(name, name))
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def image_figure(
    title: str, rows: Mapping[str, Sequence[np.ndarray]], captions: Sequence[str]
) -> Figure:
    """Draw labeled rows of images, uint8 (H, W) or (H, W, 3), with captions below the columns."""
    figure, cells = _cells(title, list(rows), captions, caption_size=8)
    for cells_of_row, images in zip(cells, rows.values(), strict=True):
        for cell, image in zip(cells_of_row, images, strict=True):
            cell.imshow(image, cmap="gray", vmin=0, vmax=255)
    return figure


def error_figure(
    title: str,
    predictions: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    margin: int,
    captions: Sequence[str],
) -> Figure:
    """Draw images, their targets, and maps of the distance of each pixel's worst channel."""
    figure, cells = _cells(title, ["prediction", "target", "distance"], captions, caption_size=7)
    # White where every channel is within the margin, so that the errors stand out.
    colors = colormaps["inferno_r"].with_extremes(under="white")
    largest = 6 * margin
    for column, prediction, target in zip(cells.T, predictions, targets, strict=True):
        distance = np.abs(prediction.astype(int) - target.astype(int)).max(axis=-1)
        column[0].imshow(prediction)
        column[1].imshow(target)
        image = column[2].imshow(distance, cmap=colors, vmin=margin, vmax=largest)
    figure.set_figwidth(figure.get_figwidth() + 0.3)  # for the color bar's label
    figure.colorbar(
        image,
        ax=cells,
        label="levels off, worst channel",
        extend="both",
        ticks=np.linspace(margin, largest, 6),
    )
    return figure


def write_png(path: Path, figure: Figure, dpi: int) -> None:
    """Write a figure as PNG atomically, without the version of Matplotlib in its metadata."""
    with atomic_write(path) as (partial,):
        figure.savefig(partial, format="png", dpi=dpi, metadata={"Software": None})


def _shortened(caption: str) -> str:
    return "\n".join(
        line if len(line) <= LONGEST_CAPTION else f"{line[:10]}...{line[-9:]}"
        for line in caption.split("\n")
    )


def _cells(
    title: str, row_labels: Sequence[str], captions: Sequence[str], caption_size: int
) -> tuple[Figure, np.ndarray]:
    inches = (IMAGE_INCHES * (len(captions) + 0.4), IMAGE_INCHES * (len(row_labels) + 0.4))
    figure = Figure(inches, layout="constrained")
    figure.suptitle(title, fontsize=10)
    cells = figure.subplots(len(row_labels), len(captions), squeeze=False)
    for cell in cells.flat:
        cell.set(xticks=[], yticks=[])
    for cell, label in zip(cells[:, 0], row_labels, strict=True):
        cell.set_ylabel(label)
    for cell, caption in zip(cells[-1], captions, strict=True):
        # Captions can be file names: of any length, and "$" does not begin a formula.
        cell.set_xlabel(_shortened(caption), fontsize=caption_size, parse_math=False)
    return figure, cells
