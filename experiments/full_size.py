"""Compare ways to colorize photographs of full size, on those that scikit-image ships.

Each model predicts chroma at the size that it learnt, which is brought up bilinearly, or along the
edges of luma, as `python -m colorizer` does; a plain network, which takes any size, also at full
size, as tiles that overlap would. Prints the margin errors of each and, for the choice of its two
numbers, of the guided filter with others; draws the middle of the photographs.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.run import table
from colorizer.color import luma
from colorizer.colorize import (
    NO_EDGE,
    RADIUS,
    composed,
    guided,
    predicted_chroma,
    reduced,
)
from colorizer.device import set_up_processor
from colorizer.errors import one_line_errors
from colorizer.figures import picture_figure, write_png
from colorizer.files import replacing
from colorizer.metrics import MetricParams
from colorizer.network import Colorizer, load_network, read_learnt_size, scaled
from colorizer.params import PARAMS_FILE, read_section
from experiments.pictures import margin_errors
from stages.sample import PHOTOS

RADII, NO_EDGES = (1, 2, 4, 8), (0.001, 0.003, 0.01, 0.03, 0.1)
DPI = 70

Way = tuple[str, np.ndarray]


def ways(network: Colorizer, gray: np.ndarray, learnt_size: tuple[int, int]) -> Iterator[Way]:
    """Each way to colorize gray, uint8 (H, W): its name and rgb, uint8 (H, W, 3)."""
    seen = reduced(gray, learnt_size)
    chroma = predicted_chroma(network, seen)
    yield "bilinear", composed(gray, without_slope(chroma))
    if network.params.network == "plain":
        at_full_size = predicted_chroma(network, torch.from_numpy(gray).unsqueeze(0))
        yield "full size", composed(gray, without_slope(at_full_size))
    for radius in RADII:
        for no_edge in NO_EDGES:
            lines = guided(scaled(seen.unsqueeze(-1)), chroma, radius, no_edge)
            yield guided_by(radius, no_edge), composed(gray, lines)


def guided_by(radius: int, no_edge: float) -> str:
    """The name of guided filtering with these numbers."""
    return f"guided, radius {radius}, no edge {no_edge}"


def middle(picture: np.ndarray) -> np.ndarray:
    """The square in the middle, of (H, W) or (H, W, 3), with a quarter of the shorter side."""
    side = min(picture.shape[:2]) // 4
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def without_slope(chroma: Tensor) -> Tensor:
    """Chroma (1, 2, h, w) as lines (1, 4, h, w) that do not follow gray."""
    return torch.cat([torch.zeros_like(chroma), chroma], dim=1)


def main() -> None:
    """Measure, and draw the ways between which the choice is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("figure", type=Path, help="PNG file to write")
    given = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    set_up_processor(os.cpu_count() or 1)
    network, learnt_size = load_network(given.model), read_learnt_size(given.model)
    targets = {name: load() for name, load in PHOTOS.items()}
    grays = {name: luma(target) for name, target in targets.items()}
    errors: dict[str, list[float]] = {}
    drawn: dict[str, list[np.ndarray]] = {}
    chosen = guided_by(RADIUS, NO_EDGE)
    for name, target in tqdm(targets.items(), desc="full size", unit="photo"):
        for way, rgb in ways(network, grays[name], learnt_size):
            errors.setdefault(way, []).append(margin_errors(rgb[None], target[None], margin)[0])
            kind = way.partition(",")[0]
            if way == chosen or kind != "guided":
                drawn.setdefault(kind, []).append(rgb)
    header = ["way", *targets, "mean"]
    cells = [
        [way, *(f"{error:.4f}" for error in (*some, mean(some)))] for way, some in errors.items()
    ]
    print(table(f"The {margin}-margin error of {given.model}:", header, cells))
    rows = {"gray": [*grays.values()]} | drawn | {"target": [*targets.values()]}
    rows = {name: [*map(middle, pictures)] for name, pictures in rows.items()}
    with replacing(given.figure) as (partial,):
        write_png(partial, picture_figure(chosen, rows, [*targets]), DPI)


if __name__ == "__main__":
    with one_line_errors():
        main()
