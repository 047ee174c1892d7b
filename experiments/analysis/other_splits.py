"""Measure networks on any prepared split, or hold photographs out that no decision was based on."""

import argparse
from pathlib import Path

import torch

from colorizer.data.photos import find_photos
from colorizer.data.splits import open_split
from colorizer.errors import one_line_errors
from colorizer.inference.prediction import predict
from colorizer.metrics.error_totals import ErrorTotals
from colorizer.models.model_file import load_network


def measure(split: Path, models: list[Path], flip_tta: bool) -> None:
    """Print the margin error of each network."""
    torch.set_num_threads(1)  # sums depend on it
    photos = open_split(split)
    for path in models:
        network = load_network(path)
        totals, size = ErrorTotals([network.margin]), network.params.eval_batch_size
        gray, rgb = (torch.from_numpy(array).split(size) for array in (photos.gray, photos.rgb))
        for prediction, target in zip(predict(network, gray, flip_tta), rgb, strict=True):
            totals.add(prediction, target)
        print(f"{path.stem}: {network.margin}-margin error {totals.margin_errors[0]:.6f}")


def hold_out(source: Path, target: Path) -> None:
    """Link a data set whose test split is every fifth training photograph of another."""
    train, val = (find_photos(source / split)[0] for split in ("train", "val"))
    links = {"train": sorted({*train} - {*train[::5]}), "val": val, "test": train[::5]}
    for split, photos in links.items():
        folder = (source / split.replace("test", "train")).resolve()
        for photo in photos:
            link = target / split / photo
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder / photo)


def main() -> None:
    """Measure networks, or hold photographs out."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("measure", help="print the errors of networks on a split")
    command.add_argument("split", type=Path, help="prepared split")
    command.add_argument("models", type=Path, nargs="+", help="model files; their stems are labels")
    command.add_argument("--flip-tta", action="store_true", help="as evaluate.flip_tta")
    command.set_defaults(run=measure)
    command = commands.add_parser("hold_out", help=hold_out.__doc__)
    command.add_argument("source", type=Path, help="data set, such as data/raw/faces")
    command.add_argument("target", type=Path, help="new data set, such as data/raw/held_out")
    command.set_defaults(run=hold_out)
    arguments = vars(parser.parse_args())
    arguments.pop("run")(**arguments)


if __name__ == "__main__":
    with one_line_errors():
        main()
