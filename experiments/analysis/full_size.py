"""Compare methods to colorize photographs at full size, on those that scikit-image ships.

A model predicts chroma at the size that it was trained on, which is upsampled bilinearly or by a
guided filter along the edges of luma, as `python -m colorizer` does it. A plain network also
predicts at full size, which is equivalent to overlapping tiles. Prints the margin error of each
method, and draws a part of the photographs.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from colorizer.data.color import luma
from colorizer.data.sample import PHOTOS
from colorizer.errors import one_line_errors
from colorizer.figures import image_figure, write_png
from colorizer.inference import colorize
from colorizer.metrics import is_outside_margin
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_model

CROP = slice(150, 250), slice(250, 350)  # rows and columns that are drawn


def methods(
    network: Colorizer, gray: np.ndarray, image_size: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Rgb, uint8 (H, W, 3), of gray, uint8 (H, W), by each method."""
    chroma = colorize.predict_chroma(network, colorize.reduce_photo(gray, image_size))
    without_slope = 0, 0, 0, 0, 2, 0  # two channels of 0 before chroma
    images = {
        "guided filter": colorize.colorize(network, gray, image_size),
        "bilinear": colorize.apply_chroma(gray, functional.pad(chroma, without_slope)),
    }
    if network.params.network == "plain":
        chroma = colorize.predict_chroma(network, torch.from_numpy(gray).unsqueeze(0))
        images["full size"] = colorize.apply_chroma(gray, functional.pad(chroma, without_slope))
    return images


def main() -> None:
    """Measure all methods, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file; its stem is in the figure's title")
    parser.add_argument("figure", type=Path, help="PNG file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on it
    network, image_size, *_ = load_model(args.model)
    errors, crops = pd.DataFrame(), defaultdict(list)
    for photo, load in PHOTOS.items():
        target = load()
        gray = luma(target)
        crops["gray"].append(gray[CROP])
        for method, rgb in methods(network, gray, image_size).items():
            errors.loc[method, photo] = is_outside_margin(rgb, target, network.margin).mean()
            crops[method].append(rgb[CROP])
        crops["target"].append(target[CROP])
    errors["mean"] = errors.mean(axis="columns")
    print(f"The {network.margin}-margin error of {args.model.stem}:\n")
    print(errors.to_markdown(floatfmt=".4f"))
    figure = image_figure(args.model.stem, crops, [*PHOTOS])
    write_png(args.figure, figure, dpi=70)


if __name__ == "__main__":
    with one_line_errors():
        main()
