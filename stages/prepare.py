"""Turn folders of photographs into gray, rgb and lab arrays."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from colorizer.color import luma, rgb_to_lab
from colorizer.errors import InputError, one_line_errors
from colorizer.files import replacing, write_metrics, write_text
from colorizer.params import PARAMS_FILE, read_section
from colorizer.photos import DataParams, PrepareParams, decode_photo, find_photos, is_gray
from colorizer.splits import Rows, finish_split, start_split, write_photos
from colorizer.workers import Workers, available_processors

SPLITS = ("train", "val", "test")
NEED_COLOR = ("train", "val")
PHOTOS_AT_ONCE = 16  # 16 photographs of 80x80 are 15 MB on the way to lab
MOST_PROCESSES = 16  # each of some 100 MB
LISTED = 20


@dataclass
class Summary:
    """What a prepared split holds, and what is wrong with the photographs that it does not."""

    split: str
    size: int
    photos: int = 0
    gray: int = 0
    bytes: int = 0
    others: int = 0
    bad: dict[str, str] = field(default_factory=dict)  # name: what is wrong

    def __str__(self) -> str:
        return (
            f"{self.split}: {self.photos} photographs of {self.size}x{self.size} pixels, "
            f"{self.gray / self.photos:.1%} gray, {self.bytes / 1e6:.1f} MB"
            + (f", {len(self.bad)} bad ones skipped" if self.bad else "")
            + (f", {self.others} other files ignored" if self.others else "")
        )


class Outcome(NamedTuple):
    """How many photographs of some are gray, and what is wrong with those that are bad."""

    gray: int
    bad: dict[str, str]  # name: what is wrong


def decode(raw: Path, names: list[str], size: int, folder: Path, first: int) -> Outcome:
    """Decode photographs, by their names in the data set, to a split's rows from `first` on.

    Those that cannot be decoded become black.
    """
    gray, bad = 0, {}
    rgb = np.zeros((len(names), size, size, 3), np.uint8)
    for row, name in enumerate(names):
        try:
            rgb[row] = decode_photo(raw / name, size)
            gray += is_gray(rgb[row])
        except InputError as error:
            bad[name] = str(error)
    write_photos(folder, first, Rows(luma(rgb), rgb, rgb_to_lab(rgb)))
    return Outcome(gray, bad)


def prepare_split(
    workers: Workers, raw: Path, summary: Summary, names: list[str], folder: Path
) -> None:
    """Write the arrays of photographs, by their names in the data set; complete the summary.

    Those that cannot be decoded are left out.
    """
    size = summary.size
    starts = range(0, len(names), PHOTOS_AT_ONCE)
    calls = ((raw, names[row : row + PHOTOS_AT_ONCE], size, folder, row) for row in starts)
    start_split(folder, len(names), size)
    with tqdm(total=len(names), desc=summary.split, unit="photo") as progress:
        for start, outcome in zip(starts, workers.in_order(decode, calls), strict=True):
            summary.gray += outcome.gray
            summary.bad |= outcome.bad
            progress.update(min(PHOTOS_AT_ONCE, len(names) - start))
    finish_split(folder, [None if name in summary.bad else name for name in names])
    summary.photos = len(names) - len(summary.bad)
    summary.bytes = sum(file.stat().st_size for file in folder.iterdir())


def prepare(
    workers: Workers, paths: argparse.Namespace, params: PrepareParams
) -> tuple[list[Summary], dict[str, str]]:
    """Prepare the splits; what they hold, and of each bad photograph what is wrong with it."""
    # All are looked for before one is decoded, which takes long.
    summaries, names = [], []
    for split in SPLITS:
        photos, others = find_photos(paths.raw / split)
        summaries.append(Summary(split, params.image_size, others=len(others)))
        names.append([f"{split}/{photo}" for photo in photos])
    with replacing(paths.train, paths.val, paths.test) as folders:
        for summary, some, folder in zip(summaries, names, folders, strict=True):
            prepare_split(workers, paths.raw, summary, some, folder)
        bad = {name: complaint for summary in summaries for name, complaint in summary.bad.items()}
        check(summaries, bad, paths.raw, params)
    return summaries, bad


def check(summaries: list[Summary], bad: dict[str, str], raw: Path, params: PrepareParams) -> None:
    """Raise InputError where what was found cannot be learnt from.

    Photographs that cannot be decoded, unless they are to be skipped, all in one message; a
    split of which nothing is left; a split that needs color and has none.
    """
    if bad and params.bad_photos == "fail":
        raise InputError(listed([*bad.values()]))
    for summary in summaries:
        if not summary.photos:
            raise InputError(f"{raw / summary.split}: all {len(summary.bad)} photographs are bad")
        if summary.split in NEED_COLOR and summary.gray == summary.photos:
            raise InputError(
                f"{raw / summary.split}: all {summary.photos} photographs are gray; "
                "some should have color"
            )


def listed(bad: list[str]) -> str:
    """One complaint, or the first of many and how many more there are."""
    if len(bad) == 1:
        return bad[0]
    more = [f"and {len(bad) - LISTED} more"] if len(bad) > LISTED else []
    head = f"{len(bad)} photographs are bad; mend or remove them, or set prepare.bad_photos to skip"
    return "\n  ".join([head, *bad[:LISTED], *more])


def main() -> None:
    """Prepare the three splits of a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set, a folder with train, val and test")
    parser.add_argument("train", type=Path, help="folder to write the training arrays to")
    parser.add_argument("val", type=Path, help="folder to write the validation arrays to")
    parser.add_argument("test", type=Path, help="folder to write the test arrays to")
    parser.add_argument("skipped", type=Path, help="text file to write, a line per bad photograph")
    parser.add_argument("metrics", type=Path, help="JSON file to write")
    paths = parser.parse_args()
    read_section(PARAMS_FILE, "data", DataParams)  # checked only: DVC puts it into `raw`
    params = read_section(PARAMS_FILE, "prepare", PrepareParams)

    with Workers(min(available_processors(), MOST_PROCESSES)) as workers:
        summaries, bad = prepare(workers, paths, params)
    # Escaped, since these names may be why; the complaints are Pillow's and change with it.
    write_text(paths.skipped, "".join(f"{ascii(name)[1:-1]}\n" for name in bad))
    counts = {
        "photos": {summary.split: summary.photos for summary in summaries},
        "skipped": {summary.split: len(summary.bad) for summary in summaries},
    }
    write_metrics(paths.metrics, counts)
    print(*(f"skipped {complaint}" for complaint in bad.values()), *summaries, sep="\n")


if __name__ == "__main__":
    with one_line_errors():
        main()
