"""Draw a portrait that scikit-image ships in the colors of networks, beside the truth.

The photograph is NASA's, of the astronaut Eileen Collins: of nobody in a data set here. Below each
is its margin error.
"""

import argparse
import os
from pathlib import Path

from skimage import data

from colorizer.color import luma
from colorizer.colorize import colorize
from colorizer.device import set_up_processor
from colorizer.errors import one_line_errors
from colorizer.figures import picture_figure, write_png
from colorizer.files import replacing
from colorizer.metrics import MetricParams
from colorizer.network import load_network, read_learnt_size
from colorizer.params import PARAMS_FILE, read_section
from experiments.pictures import margin_errors

FACE = slice(20, 200), slice(130, 310)  # rows and columns, near enough as faces are cut elsewhere
DPI = 200


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="model files; named by the file")
    parser.add_argument("figure", type=Path, help="PNG file to write")
    given = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    set_up_processor(os.cpu_count() or 1)
    target = data.astronaut()[FACE]
    gray = luma(target)
    shown, captions = [gray], ["gray"]
    for path in given.models:
        rgb = colorize(load_network(path), gray, read_learnt_size(path))
        (error,) = margin_errors(rgb[None], target[None], margin)
        shown.append(rgb)
        captions.append(f"{path.stem}: {error:.2f}")
    figure = picture_figure(
        f"{margin}-margin errors", {"": [*shown, target]}, [*captions, "as it was"]
    )
    with replacing(given.figure) as (partial,):
        write_png(partial, figure, DPI)


if __name__ == "__main__":
    with one_line_errors():
        main()
