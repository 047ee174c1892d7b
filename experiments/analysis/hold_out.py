"""Hold photographs out that no decision was based on.

Links a data set whose test split is every fifth training photograph of another. After training on
it, put data/prepared/test in the place of data/prepared/val: `python -m stages.evaluate` then
measures the network on these photographs. With `--split val` they are the validation split, for a
search of hyperparameters, and the test split has the photographs of the other's.
"""

import argparse
from pathlib import Path

from colorizer.data.photos import find_photos
from colorizer.errors import one_line_errors


def main() -> None:
    """Link the photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="data set, such as data/raw/faces")
    parser.add_argument("target", type=Path, help="new data set, such as data/raw/held_out")
    parser.add_argument(
        "--split", choices=["val", "test"], default="test", help="what they become (%(default)s)"
    )
    args = parser.parse_args()
    other = {"val": "test", "test": "val"}[args.split]
    train, others = (find_photos(args.source / split)[0] for split in ("train", other))
    links = {
        "train": ("train", sorted({*train} - {*train[::5]})),
        args.split: ("train", train[::5]),
        other: (other, others),
    }
    for split, (source, photos) in links.items():
        folder = (args.source / source).resolve()
        for photo in photos:
            link = args.target / split / photo
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder / photo)


if __name__ == "__main__":
    with one_line_errors():
        main()
