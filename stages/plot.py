"""Draw the report's figures from metrics, histories and predictions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.data.splits import PREPARED, open_array, open_split
from colorizer.errors import one_line_errors
from colorizer.figures import curve_figures, image_figure, validation_figures, write_png
from colorizer.files import atomic_write
from colorizer.params import load_params

FIGURES = Path("plots/images")
PREDICTIONS = Path("data/predictions")


def main() -> None:
    """Draw the figures as PNG files into one folder."""
    params = load_params()
    margin, pictures = params.metric.margin, params.plot.pictures
    validation, test = open_split(PREPARED / "val"), open_split(PREPARED / "test")
    names = (PREDICTIONS / "test_images.txt").read_text(encoding="utf-8").splitlines()
    predicted = open_array(PREDICTIONS / "estimations_val.npy", np.uint8, validation.rgb.shape)
    predicted_test = open_array(
        PREDICTIONS / "estimations_test.npy", np.uint8, (len(names), *test.rgb.shape[1:])
    )
    best_epoch = json.loads(Path("metrics/train.json").read_text(encoding="utf-8"))["best_epoch"]
    history, margin_curve = map(pd.read_csv, ("plots/history.csv", "plots/margin_curve.csv"))

    random = np.random.default_rng(params.plot.seed)
    shown = random.permutation(len(validation))[: 2 * pictures]
    shown_test = random.permutation(len(names))[:pictures]
    figures = curve_figures(history, margin_curve, best_epoch, margin)
    for number, rows in enumerate(np.array_split(shown, 2), start=1):
        if len(rows):
            figures |= validation_figures(validation, predicted, rows, number, margin)
    gray_test = [test.gray[test.names.index(names[row])] for row in shown_test]
    captions = [Path(names[row]).stem for row in shown_test]
    images = {"gray": gray_test, "prediction": [*predicted_test[shown_test]]}
    figures["test"] = image_figure("Test", images, captions)
    with atomic_write(FIGURES) as (partial,):
        partial.mkdir()
        for name, figure in figures.items():
            write_png(partial / f"{name}.png", figure, params.plot.dpi)
    print(f"{FIGURES}: {len(figures)} figures")


if __name__ == "__main__":
    with one_line_errors():
        main()
