"""Compare methods to colorize photographs at full size, on those that scikit-image ships.

A model predicts chroma at the size that it was trained on, which is upsampled bilinearly or by a
guided filter along the edges of luma, as `python -m colorizer` does it. A plain network also
predicts at full size, which is equivalent to overlapping tiles. Prints the margin error of each
method, and of the guided filter with other radii and epsilons; draws the center of the photographs.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.data.color import luma
from colorizer.data.sample import PHOTOS
from colorizer.device import configure_torch
from colorizer.errors import one_line_errors
from colorizer.figures import image_figure, write_png
from colorizer.inference.colorize import (
    EPSILON,
    RADIUS,
    apply_chroma,
    guided_filter,
    predict_chroma,
    reduce_photo,
)
from colorizer.markdown import table
from colorizer.metrics.margin import MetricParams, margin_error_per_image
from colorizer.models.colorizer import Colorizer, normalize
from colorizer.models.model_file import load_model
from colorizer.params import PARAMS_FILE, read_section

RADII, EPSILONS = (1, 2, 4, 8), (0.001, 0.003, 0.01, 0.03, 0.1)
DPI = 70


def methods(
    network: Colorizer, gray: np.ndarray, image_size: tuple[int, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Each method applied to gray, uint8 (H, W): its name and rgb, uint8 (H, W, 3)."""
    reduced = reduce_photo(gray, image_size)
    chroma = predict_chroma(network, reduced)
    yield "bilinear", apply_chroma(gray, without_slope(chroma))
    if network.params.network == "plain":
        full_size = predict_chroma(network, torch.from_numpy(gray).unsqueeze(0))
        yield "full size", apply_chroma(gray, without_slope(full_size))
    for radius in RADII:
        for epsilon in EPSILONS:
            coefficients = guided_filter(normalize(reduced.unsqueeze(-1)), chroma, radius, epsilon)
            yield guided_name(radius, epsilon), apply_chroma(gray, coefficients)


def guided_name(radius: int, epsilon: float) -> str:
    """Name of the guided filter with these numbers."""
    return f"guided, radius {radius}, epsilon {epsilon}"


def center(image: np.ndarray) -> np.ndarray:
    """The square in the center of (H, W) or (H, W, 3), with a quarter of the shorter side."""
    side = min(image.shape[:2]) // 4
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def without_slope(chroma: Tensor) -> Tensor:
    """Chroma (1, 2, h, w) as coefficients (1, 4, h, w) with a slope of 0."""
    return torch.cat([torch.zeros_like(chroma), chroma], dim=1)


def main() -> None:
    """Measure all methods, and draw one of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("figure", type=Path, help="PNG file to write")
    args = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    configure_torch(os.cpu_count() or 1)
    network, image_size, *_ = load_model(args.model)
    targets = {name: load() for name, load in PHOTOS.items()}
    grays = {name: luma(target) for name, target in targets.items()}
    errors = pd.DataFrame()
    drawn: dict[str, list[np.ndarray]] = {}
    chosen = guided_name(RADIUS, EPSILON)
    for name, target in tqdm(targets.items(), desc="full size", unit="photo"):
        for method, rgb in methods(network, grays[name], image_size):
            errors.loc[method, name] = margin_error_per_image(rgb[None], target[None], margin)[0]
            kind = method.partition(",")[0]
            if method == chosen or kind != "guided":
                drawn.setdefault(kind, []).append(rgb)
    errors["mean"] = errors.mean(axis="columns")
    cells = errors.map("{:.4f}".format).itertuples(name=None)
    print(table(f"The {margin}-margin error of {args.model}:", ["method", *errors], [*cells]))
    rows = {"gray": [*grays.values()]} | drawn | {"target": [*targets.values()]}
    rows = {name: [*map(center, images)] for name, images in rows.items()}
    write_png(args.figure, image_figure(chosen, rows, [*targets]), DPI)


if __name__ == "__main__":
    with one_line_errors():
        main()
