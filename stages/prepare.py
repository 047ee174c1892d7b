"""Decode folders of photographs to gray, rgb and lab arrays."""

import argparse
import os
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from colorizer.data.color import luma, rgb_to_lab
from colorizer.data.config import DataParams, PrepareParams
from colorizer.data.photos import (
    count_kinds,
    decode_photo,
    find_photos,
    tone,
)
from colorizer.data.splits import Rows, allocate_split, finish_split, write_photos
from colorizer.data.workers import (
    Workers,
    available_processors,
    dask_workers,
    local_workers,
)
from colorizer.errors import InputError, one_line_errors
from colorizer.files import atomic_write, write_metrics, write_text
from colorizer.params import PARAMS_FILE, read_section

SPLITS = ("train", "val", "test")
NEED_COLOR = ("train", "val")
CHUNK_SIZE = 16  # photographs per call: 16 of 80x80 take 15 MB on the way to lab
MAX_PROCESSES = 16  # each takes about 100 MB
MAX_LISTED = 20


@dataclass
class Summary:
    """What a prepared split holds, and why it lacks some photographs."""

    split: str
    size: int
    photos: int = 0
    gray: int = 0
    toned: int = 0
    file_size: int = 0  # bytes
    others: str = ""  # files that are no photographs, counted by kind
    bad: dict[str, str] = field(default_factory=dict)  # name: error
    digests: list[bytes] = field(default_factory=list)  # of pixels; of the splits that need color

    def __str__(self) -> str:
        return (
            f"{self.split}: {self.photos} photographs of {self.size}x{self.size} pixels, "
            f"{self.gray / self.photos:.1%} gray, "
            + (f"{self.toned / self.photos:.1%} toned, " if self.toned else "")
            + f"{self.file_size / 1e6:.1f} MB"
            + (f", {len(self.bad)} bad ones skipped" if self.bad else "")
            + (f"; other files: {self.others}" if self.others else "")
        )


class Decoded(NamedTuple):
    """How many photographs of a chunk are gray or toned; errors by name of bad ones; digests."""

    gray: int
    toned: int
    bad: dict[str, str]
    digests: list[bytes]  # of the pixels of each photograph that is not bad


def decode_chunk(root: Path, names: list[str], size: int, folder: Path, first: int) -> Decoded:
    """Decode photographs, by their paths, to a split's rows from `first` on; all below `root`.

    Those that cannot be decoded become black.
    """
    tones: Counter[str] = Counter()
    bad, digests = {}, []
    rgb = np.zeros((len(names), size, size, 3), np.uint8)
    for row, name in enumerate(names):
        try:
            rgb[row] = decode_photo(root / name, size)
            tones[tone(Image.fromarray(rgb[row]))] += 1
            digests.append(blake2b(rgb[row], digest_size=16).digest())
        except InputError as error:
            bad[name] = str(error)
    write_photos(root / folder, first, Rows(luma(rgb), rgb, rgb_to_lab(rgb)))
    return Decoded(tones["gray"], tones["toned"], bad, digests)


def evenly_spaced(photos: list[str], fraction: float) -> list[str]:
    """A fraction of the photographs, at least one, evenly spaced in their order."""
    count = max(1, round(fraction * len(photos)))
    return [photos[index * len(photos) // count] for index in range(count)]


def prepare_split(workers: Workers, summary: Summary, names: list[str], folder: Path) -> None:
    """Write the arrays of photographs, by their paths; complete the summary.

    Photographs that cannot be decoded are left out.
    """
    size = summary.size
    starts = range(0, len(names), CHUNK_SIZE)
    calls = ((workers.root, names[row : row + CHUNK_SIZE], size, folder, row) for row in starts)
    allocate_split(folder, len(names), size)
    with tqdm(total=len(names), desc=summary.split, unit="photo") as progress:
        for start, decoded in zip(starts, workers.in_order(decode_chunk, calls), strict=True):
            summary.gray += decoded.gray
            summary.toned += decoded.toned
            summary.bad |= decoded.bad
            if summary.split in NEED_COLOR:
                summary.digests += decoded.digests
            progress.update(min(CHUNK_SIZE, len(names) - start))
    finish_split(folder, [None if name in summary.bad else name for name in names])
    summary.photos = len(names) - len(summary.bad)
    summary.file_size = sum(file.stat().st_size for file in folder.iterdir())


def prepare(
    workers: Workers, paths: argparse.Namespace, params: PrepareParams
) -> tuple[list[Summary], dict[str, str]]:
    """Prepare the splits; return their summaries and the error of each bad photograph."""
    # List all splits before the first photograph is decoded, which takes long.
    summaries, names_of_splits = [], []
    for split in SPLITS:
        photos, others = find_photos(paths.raw / split)
        summaries.append(Summary(split, params.image_size, others=count_kinds(others)))
        if split == "train":
            photos = evenly_spaced(photos, params.train_fraction)
        names_of_splits.append([(paths.raw / split / photo).as_posix() for photo in photos])
    with atomic_write(paths.train, paths.val, paths.test) as folders:
        for summary, names, folder in zip(summaries, names_of_splits, folders, strict=True):
            prepare_split(workers, summary, names, folder)
        bad = {name: error for summary in summaries for name, error in summary.bad.items()}
        check(summaries, bad, paths.raw, params)
    return summaries, bad


def check(summaries: list[Summary], bad: dict[str, str], raw: Path, params: PrepareParams) -> None:
    """Raise InputError when the splits cannot be trained on.

    For photographs that cannot be decoded, unless they are to be skipped (all in one message); for
    a split of which nothing is left; for a split that needs color and has none.
    """
    if bad and params.bad_photos == "fail":
        raise InputError(list_errors([*bad.values()]))
    for summary in summaries:
        if not summary.photos:
            raise InputError(f"{raw / summary.split}: all {len(summary.bad)} photographs are bad")
        if summary.split in NEED_COLOR and summary.gray + summary.toned == summary.photos:
            raise InputError(
                f"{raw / summary.split}: all {summary.photos} photographs are gray"
                + (f" or toned ({summary.toned})" if summary.toned else "")
                + "; some should have color"
            )


def count_copies(train: Summary, val: Summary) -> int:
    """How many validation photographs have exactly the pixels of a training photograph."""
    of_train = {*train.digests}
    return sum(digest in of_train for digest in val.digests)


def list_errors(errors: list[str]) -> str:
    """One error, or the first ones and the number of the others."""
    if len(errors) == 1:
        return errors[0]
    more = [f"and {len(errors) - MAX_LISTED} more"] if len(errors) > MAX_LISTED else []
    head = (
        f"{len(errors)} photographs are bad; fix or remove them, or set prepare.bad_photos to skip"
    )
    return "\n  ".join([head, *errors[:MAX_LISTED], *more])


def start_workers() -> AbstractContextManager[Workers]:
    """The workers of the Dask cluster that the environment names, else processes here."""
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")  # Dask's own name for it
    if address:
        return dask_workers(address)
    return local_workers(min(available_processors(), MAX_PROCESSES))


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
    read_section(PARAMS_FILE, "data", DataParams)  # only validated: DVC puts the name into `raw`
    params = read_section(PARAMS_FILE, "prepare", PrepareParams)

    with start_workers() as workers:
        print(f"decoding with {workers.place}")
        summaries, bad = prepare(workers, paths, params)
    # Names escaped, since they may be what is wrong; errors left out, since Pillow's wording
    # changes.
    write_text(paths.skipped, "".join(f"{ascii(name)[1:-1]}\n" for name in bad))
    counts = {
        "photos": {summary.split: summary.photos for summary in summaries},
        "skipped": {summary.split: len(summary.bad) for summary in summaries},
    }
    write_metrics(paths.metrics, counts)
    print(*(f"skipped {error}" for error in bad.values()), *summaries, sep="\n")
    train, val, _ = summaries
    if count := count_copies(train, val):
        print(
            f"exact copies of training photographs in val: {count} of {val.photos}; "
            "they make its errors too low"
        )


if __name__ == "__main__":
    with one_line_errors():
        main()
