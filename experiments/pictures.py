"""Draw two sets of predictions for the images where the second is worst, median and best.

Prints the margin error of each, and those of its channels. These are of 8-bit images, in which a
value 11.5 levels off may be rounded to 12, so they differ slightly from the metric.
"""

import argparse
from pathlib import Path

import numpy as np

from colorizer.data.arrays import open_predictions
from colorizer.data.splits import open_split
from colorizer.errors import one_line_errors
from colorizer.figures import image_figure, write_png
from colorizer.metrics.margin import MetricParams, margin_error_per_image
from colorizer.params import PARAMS_FILE, read_section

IMAGES_PER_GROUP, DPI = 4, 60


def channel_errors(images: np.ndarray, targets: np.ndarray, margin: int) -> list[float]:
    """Share of the values of red, of green and of blue that are outside the margin."""
    return [
        float(margin_error_per_image(images[..., channel], targets[..., channel], margin).mean())
        for channel in range(3)
    ]


def extremes(errors: np.ndarray, count: int) -> np.ndarray:
    """Indices of the largest errors, of those around the median and of the smallest: 3 * count."""
    order = np.argsort(-errors, kind="stable")
    middle = (len(order) - count) // 2
    return np.concatenate([order[:count], order[middle : middle + count], order[-count:]])


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path, help="prepared split")
    parser.add_argument("first", type=Path, help="predictions for it, .npy; the stem is a label")
    parser.add_argument("second", type=Path, help="other predictions for it")
    parser.add_argument("figure", type=Path, help="PNG file to write")
    args = parser.parse_args()
    if args.first.stem == args.second.stem:
        parser.error(f"both predictions are named {args.first.stem}; should differ, as labels")
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    split = open_split(args.split)
    shape = split.rgb.shape
    predictions = {path.stem: open_predictions(path, shape) for path in (args.first, args.second)}
    errors = {
        name: margin_error_per_image(images, split.rgb, margin)
        for name, images in predictions.items()
    }
    for name, images in predictions.items():
        red, green, blue = channel_errors(images, split.rgb, margin)
        print(
            f"{name}, as images: {margin}-margin error {errors[name].mean():.4f}, "
            f"of red {red:.4f}, green {green:.4f}, blue {blue:.4f}"
        )
    chosen = extremes(errors[args.second.stem], IMAGES_PER_GROUP)
    rows = {"gray": split.gray[chosen]}
    rows |= {name.replace("_", " "): images[chosen] for name, images in predictions.items()}
    rows |= {"target": split.rgb[chosen]}
    captions = [" / ".join(f"{errors[name][i]:.2f}" for name in predictions) for i in chosen]
    title = f"Worst, median and best; the {margin}-margin errors of both"
    write_png(args.figure, image_figure(title, rows, captions), DPI)


if __name__ == "__main__":
    with one_line_errors():
        main()
