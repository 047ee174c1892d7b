"""Make a data set of the photographs in one folder: data/raw/NAME with train, val and test.

In the order of their names, the first 80% are for training, the next 10% for validation and the
rest for test, so that near duplicates, which have names in a row, come into one split. The data
set has links to the photographs; `dvc add` copies them into DVC's cache.
"""

import argparse
from pathlib import Path

from colorizer.data.photos import find_photos
from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project

LEAST = 10  # photographs, so that no split is empty


def main() -> None:
    """Link the photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of photographs, at any depth")
    parser.add_argument("name", help="name of the data set, a new folder of data/raw")
    args = parser.parse_args()
    enter_project(args)
    target = Path("data/raw", args.name)
    if target.exists():
        raise InputError(f"{target}: exists; remove it or choose another name")
    photos, _ = find_photos(args.folder)
    if len(photos) < LEAST:
        raise InputError(f"{args.folder}: has {len(photos)} photographs; should be {LEAST} or more")
    first, second = len(photos) * 8 // 10, len(photos) * 9 // 10
    splits = {"train": photos[:first], "val": photos[first:second], "test": photos[second:]}
    for split, names in splits.items():
        for name in names:
            link = target / split / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((args.folder / name).resolve())
    print(", ".join(f"{target / split}: {len(names)}" for split, names in splits.items()))


if __name__ == "__main__":
    with one_line_errors():
        main()
