"""Draw photographs beside what networks predict for them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from skimage.data import astronaut, cat, coffee

from colorizer.data.color import luma
from colorizer.data.splits import open_array, open_split
from colorizer.errors import one_line_errors
from colorizer.figures import image_figure, write_png
from colorizer.inference.colorize import colorize
from colorizer.metrics import is_outside_margin
from colorizer.models.model_file import load_model
from colorizer.params import load_params

FACE = slice(20, 200), slice(130, 310)  # rows and columns, cropped about as the course's faces are
SEED = 483  # of the photographs that are drawn at random
COUNT = 5  # of the photographs in a figure of rows
CHOICES = "ranks", "random", "tiles"
CHOICES_HELP = (
    "ranks: evenly spaced from the worst to the best (the default); random: the same photographs "
    "for each figure; tiles: of each photograph of the sample, the tile with the median error"
)


def portrait(figure: Path, table: Path, models: list[Path]) -> None:
    """Draw a portrait of scikit-image as a lookup table and networks colorize it, with errors.

    The photograph is NASA's, of the astronaut Eileen Collins, who is not in the faces data set. The
    table is uint8 (256, 3), the color of each gray level. Prints the margin errors.
    """
    target = astronaut()[FACE]
    gray = luma(target)
    colorized = {"gray": np.stack([gray] * 3, axis=-1)}
    colorized["lookup table"] = open_array(table, np.uint8, (256, 3))[gray]
    for path in models:
        network, image_size, *_ = load_model(path)
        colorized[path.stem.replace("_", " ")] = colorize(network, gray, image_size)
    images = {}
    for name, rgb in colorized.items():
        error = is_outside_margin(rgb, target, network.margin).mean()
        print(f"{name}: {error:.4f}")
        images[f"{name}: {error:.3f}"] = rgb
    images["original"] = target
    drawn = image_figure(f"{network.margin}-margin errors", {"": [*images.values()]}, [*images])
    write_png(figure, drawn, dpi=120)


def subjects(figure: Path, model: Path) -> None:
    """Draw a portrait, a cat and a cup of scikit-image as a network colorizes them, with errors."""
    network, image_size, *_ = load_model(model)
    targets = {"portrait": astronaut()[FACE], "cat": cat(), "cup": coffee()}
    drawn: dict[str, list[np.ndarray]] = {"gray": [], "colorized": [], "original": []}
    captions = []
    for name, target in targets.items():
        rgb = colorize(network, luma(target), image_size)
        for images, image in zip(drawn.values(), (luma(target), rgb, target), strict=True):
            images.append(image)
        error = is_outside_margin(rgb, target, network.margin).mean()
        captions.append(f"{name}: {error:.3f}")
    write_png(figure, image_figure(f"{network.margin}-margin errors", drawn, captions), dpi=120)


def rows(figure: Path, split: Path, predictions: list[Path], choice: str) -> None:
    """Draw gray, predictions and target of five photographs, with their margin errors.

    Prints the margin errors of all photographs and of their channels. They are of 8-bit images, in
    which a value 11.5 levels off may be rounded to 12, so they differ slightly from the metric.
    """
    margin = load_params().metric.margin
    photos = open_split(split)
    images = {path.stem: open_array(path, np.uint8, photos.rgb.shape) for path in predictions}
    errors = {}
    for name, predicted in images.items():
        outside = is_outside_margin(predicted, photos.rgb, margin)
        errors[name] = outside.mean(axis=(1, 2, 3))
        red, green, blue = outside.mean(axis=(0, 1, 2))
        print(
            f"{name}, as images: {margin}-margin error {outside.mean():.4f}, "
            f"of red {red:.4f}, green {green:.4f}, blue {blue:.4f}"
        )
    chosen = chosen_rows(choice, errors[name], photos.names)
    shown = {"gray": photos.gray, **images, "target": photos.rgb}
    drawn = {name.replace("_", " "): [*array[chosen]] for name, array in shown.items()}
    captions = [
        "\n".join(f"{name.replace('_', ' ')}: {each[index]:.2f}" for name, each in errors.items())
        for index in chosen
    ]
    write_png(figure, image_figure(f"{margin}-margin errors", drawn, captions), dpi=100)


def chosen_rows(choice: str, errors: np.ndarray, names: Sequence[str]) -> list[int]:
    """Rows of a split, chosen as CHOICES_HELP says by the errors of the last predictions."""
    if choice == "random":
        return [*np.random.default_rng(SEED).permutation(len(errors))[:COUNT]]
    worst_first = np.argsort(-errors, kind="stable")
    if choice == "ranks":
        return [*worst_first[np.linspace(0, len(errors) - 1, COUNT).round().astype(int)]]
    photos = [Path(names[row]).name.partition("_")[0] for row in worst_first]
    tiles = pd.Series(worst_first).groupby(photos)
    return [*tiles.agg(lambda rows: rows.iloc[len(rows) // 2])]


def main() -> None:
    """Draw a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("portrait", help="a portrait, colorized by several networks")
    command.add_argument("figure", type=Path, help="PNG file to write")
    command.add_argument("table", type=Path, help="lookup table, .npy")
    command.add_argument("models", type=Path, nargs="+", help="model files; their stems are labels")
    command.set_defaults(draw=portrait)
    command = commands.add_parser("subjects", help="a portrait, a cat and a cup by one network")
    command.add_argument("figure", type=Path, help="PNG file to write")
    command.add_argument("model", type=Path, help="model file")
    command.set_defaults(draw=subjects)
    command = commands.add_parser("rows", help="photographs of a split, predicted by networks")
    command.add_argument("figure", type=Path, help="PNG file to write")
    command.add_argument("split", type=Path, help="prepared split")
    command.add_argument("predictions", type=Path, nargs="+", help=".npy; their stems are labels")
    command.add_argument("--choice", choices=CHOICES, default="ranks", help=CHOICES_HELP)
    command.set_defaults(draw=rows)
    arguments = vars(parser.parse_args())
    arguments.pop("draw")(**arguments)


if __name__ == "__main__":
    with one_line_errors():
        main()
