"""Turn folders of photographs into gray, rgb and lab arrays."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from colorizer.color import luma, rgb_to_lab
from colorizer.errors import InputError, one_line_errors
from colorizer.files import replacing
from colorizer.params import PARAMS_FILE, read_section
from colorizer.photos import DataParams, PrepareParams, decode_photo, find_photos, is_gray
from colorizer.splits import write_split

NEEDS_COLOR = {"train", "val"}
PHOTOS_AT_ONCE = 64  # 64 photographs of 80x80 are 6 MB of arrays


@dataclass
class Summary:
    """What a prepared split holds."""

    split: str
    photos: int
    size: int
    gray: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        """Counts, shape, share of gray photographs and size of the arrays, in one line."""
        return (
            f"{self.split}: {self.photos} photographs of {self.size}x{self.size} pixels, "
            f"{self.gray / self.photos:.1%} gray, {self.bytes / 1e6:.1f} MB"
        )


def prepare_split(raw: Path, split: str, folder: Path, size: int) -> Summary:
    """Write the arrays of the photographs in raw/SPLIT; say what was found.

    Raises InputError for a split without photographs, for a photograph that cannot be
    decoded, and where color is needed but no photograph has any.
    """
    found = find_photos(raw / split)
    summary = Summary(split, len(found), size)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        with tqdm(total=len(found), desc=split, unit="photo") as progress:
            for start in range(0, len(found), PHOTOS_AT_ONCE):
                paths = found[start : start + PHOTOS_AT_ONCE]
                rgb = np.stack([decode_photo(raw / split / path, size) for path in paths])
                summary.gray += sum(map(is_gray, rgb))
                progress.update(len(paths))
                yield luma(rgb), rgb, rgb_to_lab(rgb)

    write_split(folder, [f"{split}/{path.as_posix()}" for path in found], size, batches())
    if split in NEEDS_COLOR and summary.gray == summary.photos:
        raise InputError(
            f"{raw / split}: all {summary.photos} photographs are gray; some should have color"
        )
    summary.bytes = sum(file.stat().st_size for file in folder.iterdir())
    return summary


def main() -> None:
    """Prepare the three splits of a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set, a folder with train, val and test")
    parser.add_argument("train", type=Path, help="folder to write the training arrays to")
    parser.add_argument("val", type=Path, help="folder to write the validation arrays to")
    parser.add_argument("test", type=Path, help="folder to write the test arrays to")
    paths = parser.parse_args()
    read_section(PARAMS_FILE, "data", DataParams)
    params = read_section(PARAMS_FILE, "prepare", PrepareParams)

    splits = ["train", "val", "test"]
    with replacing(paths.train, paths.val, paths.test) as partials:
        summaries = [
            prepare_split(paths.raw, split, folder, params.image_size)
            for split, folder in zip(splits, partials, strict=True)
        ]
    print(*summaries, sep="\n")


if __name__ == "__main__":
    with one_line_errors():
        main()
