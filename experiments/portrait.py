"""Draw a portrait that scikit-image ships as several networks colorize it, beside the original.

The photograph is NASA's, of the astronaut Eileen Collins, who is not in the faces data set. The
margin error is printed below each image.
"""

import argparse
import os
from pathlib import Path

from skimage import data

from colorizer.data.color import luma
from colorizer.device import configure_torch
from colorizer.errors import one_line_errors
from colorizer.figures import image_figure, write_png
from colorizer.inference.colorize import colorize
from colorizer.metrics.margin import MetricParams, margin_error_per_image
from colorizer.models.model_file import load_model
from colorizer.params import PARAMS_FILE, read_section

FACE = slice(20, 200), slice(130, 310)  # rows and columns, cropped about as the course's faces are
DPI = 200


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", type=Path, nargs="+", help="model files; a file's stem is its label"
    )
    parser.add_argument("figure", type=Path, help="PNG file to write")
    args = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    configure_torch(os.cpu_count() or 1)
    target = data.astronaut()[FACE]
    gray = luma(target)
    images, captions = [gray], ["gray"]
    for path in args.models:
        model = load_model(path)
        rgb = colorize(model.network, gray, model.image_size)
        (error,) = margin_error_per_image(rgb[None], target[None], margin)
        images.append(rgb)
        captions.append(f"{path.stem}: {error:.2f}")
    figure = image_figure(
        f"{margin}-margin errors", {"": [*images, target]}, [*captions, "original"]
    )
    write_png(args.figure, figure, DPI)


if __name__ == "__main__":
    with one_line_errors():
        main()
