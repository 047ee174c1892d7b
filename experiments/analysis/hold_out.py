"""Hold photographs out that no decision was based on.

Links a data set whose test split is every fifth training photograph of another. After training on
it, put data/prepared/test in the place of data/prepared/val: `python -m stages.evaluate` then
measures the network on these photographs.
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
    args = parser.parse_args()
    train, val = (find_photos(args.source / split)[0] for split in ("train", "val"))
    links = {"train": sorted({*train} - {*train[::5]}), "val": val, "test": train[::5]}
    for split, photos in links.items():
        folder = (args.source / split.replace("test", "train")).resolve()
        for photo in photos:
            link = args.target / split / photo
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder / photo)


if __name__ == "__main__":
    with one_line_errors():
        main()
