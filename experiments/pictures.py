"""Draw two sets of predictions side by side, where the second is worst, middling and best.

Prints the margin error of each and those of its channels: of pictures, so that a value 11.5 levels
off may be rounded to 12, and all a little higher than the metric.
"""

import argparse
from pathlib import Path

import numpy as np

from colorizer.arrays import open_array
from colorizer.errors import one_line_errors
from colorizer.figures import picture_figure, write_png
from colorizer.files import replacing
from colorizer.metrics import MetricParams, beyond
from colorizer.params import PARAMS_FILE, read_section
from colorizer.splits import open_split

EACH, DPI = 4, 100


def margin_errors(pictures: np.ndarray, targets: np.ndarray, margin: int) -> np.ndarray:
    """Share of values of each picture that are `margin` levels off or more; float (N,)."""
    return np.array(
        [
            beyond(picture, target, margin).mean()
            for picture, target in zip(pictures, targets, strict=True)
        ]
    )


def channel_errors(pictures: np.ndarray, targets: np.ndarray, margin: int) -> list[float]:
    """Share of values of red, of green and of blue that are `margin` levels off or more."""
    return [
        float(margin_errors(pictures[..., channel], targets[..., channel], margin).mean())
        for channel in range(3)
    ]


def extremes(errors: np.ndarray, each: int) -> np.ndarray:
    """Indices of the largest errors, those around the median and the smallest: 3 * each."""
    order = np.argsort(-errors, kind="stable")
    middle = (len(order) - each) // 2
    return np.concatenate([order[:each], order[middle : middle + each], order[-each:]])


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path, help="prepared split")
    parser.add_argument("first", type=Path, help="predictions for it, .npy; named by the file")
    parser.add_argument("second", type=Path, help="others")
    parser.add_argument("figure", type=Path, help="PNG file to write")
    given = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    split = open_split(given.split)
    predictions = {path.stem: open_array(path) for path in (given.first, given.second)}
    errors = {
        name: margin_errors(pictures, split.rgb, margin) for name, pictures in predictions.items()
    }
    for name, pictures in predictions.items():
        red, green, blue = channel_errors(pictures, split.rgb, margin)
        print(
            f"{name}, as pictures: {margin}-margin error {errors[name].mean():.4f}, "
            f"of red {red:.4f}, green {green:.4f}, blue {blue:.4f}"
        )
    chosen = extremes(errors[given.second.stem], EACH)
    rows = {"gray": split.gray[chosen]}
    rows |= {name.replace("_", " "): pictures[chosen] for name, pictures in predictions.items()}
    captions = [" / ".join(f"{errors[name][i]:.2f}" for name in predictions) for i in chosen]
    title = f"Worst, middling and best; the {margin}-margin errors of both"
    with replacing(given.figure) as (partial,):
        write_png(
            partial, picture_figure(title, rows | {"target": split.rgb[chosen]}, captions), DPI
        )


if __name__ == "__main__":
    with one_line_errors():
        main()
