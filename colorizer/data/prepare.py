"""The photographs of a data set, decoded by several processes to the arrays of its splits."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import joblib
from PIL import Image
from tqdm import tqdm

from colorizer.data.color import luma, rgb_to_lab
from colorizer.data.photos import count_kinds, decode_photo, find_photos, tone
from colorizer.data.splits import Row, write_split
from colorizer.errors import InputError
from colorizer.params import PrepareParams

SPLITS = ("train", "val", "test")
NEED_COLOR = ("train", "val")
MAX_PROCESSES = 16  # each takes about 200 MB
MAX_LISTED = 20


@dataclass
class Summary:
    """What a prepared split has, and why it lacks some photographs."""

    split: str
    others: str  # files that are no photographs, counted by kind
    tones: Counter[str] = field(default_factory=Counter)
    bad: dict[str, str] = field(default_factory=dict)  # name: error
    digests: list[int] = field(default_factory=list)  # of pixels

    @property
    def photos(self) -> int:
        """Number of prepared photographs."""
        return self.tones.total()

    def __str__(self) -> str:
        return (
            f"{self.split}: {self.photos} photographs"
            + "".join(f", {count / self.photos:.1%} {tone}" for tone, count in self.tones.items())
            + (f", {len(self.bad)} skipped" if self.bad else "")
            + (f"; other files: {self.others}" if self.others else "")
        )


def prepare(raw: Path, folders: Sequence[Path], params: PrepareParams) -> list[Summary]:
    """Write the splits of the data set `raw` to folders; return their summaries.

    Decodes with the processors of this machine, or with the workers of the Dask scheduler that the
    environment variable DASK_SCHEDULER_ADDRESS names: they should have this package, and the files
    of the working directory at the same path. Raises InputError when the splits cannot be trained
    on: for bad photographs, unless they are to be skipped, and for a split without color.
    """
    listings = [find_photos(raw / split) for split in SPLITS]  # all, before decoding, which is long
    summaries = []
    address, root = os.environ.get("DASK_SCHEDULER_ADDRESS"), Path()
    config = {"n_jobs": min(joblib.cpu_count(), MAX_PROCESSES)}
    if address:
        config, root = {"backend": "dask", "scheduler_host": address}, Path.cwd()
    with joblib.parallel_config(**config):
        for split, (photos, others), folder in zip(SPLITS, listings, folders, strict=True):
            if split == "train":
                photos = evenly_spaced(photos, params.train_fraction)
            names = [(raw / split / photo).as_posix() for photo in photos]
            summary = Summary(split, count_kinds(others))
            rows = decode_rows(root, names, params.image_size, summary)
            write_split(folder, rows, len(names), params.image_size)
            summaries.append(summary)
    errors = [error for summary in summaries for error in summary.bad.values()]
    if errors and params.bad_photos == "fail":
        listed = [*errors[:MAX_LISTED], *["..."] * (len(errors) > MAX_LISTED)]
        head = f"{len(errors)} photographs are bad; prepare.bad_photos skip leaves them out"
        raise InputError("\n  ".join([head, *listed]))
    for summary in summaries:
        if not summary.photos:
            raise InputError(f"{raw / summary.split}: all photographs are bad")
        if summary.split in NEED_COLOR and not summary.tones["color"]:
            raise InputError(f"{raw / summary.split}: no photograph has color; some should")
    return summaries


def evenly_spaced(photos: list[str], fraction: float) -> list[str]:
    """A fraction of the photographs, at least one, evenly spaced in their order."""
    count = max(1, round(fraction * len(photos)))
    return [photos[index * len(photos) // count] for index in range(count)]


def decode_rows(root: Path, names: list[str], size: int, summary: Summary) -> Iterator[Row]:
    """Yield the photographs that can be decoded, in order; complete the summary."""
    jobs = (joblib.delayed(decode_row)(root, name, size) for name in names)
    rows = joblib.Parallel(return_as="generator")(jobs)
    progress = tqdm(rows, desc=summary.split, total=len(names), unit="photo")
    for name, (row, outcome) in zip(names, progress, strict=True):
        if row is None:
            summary.bad[name] = outcome
        else:
            summary.tones[outcome] += 1
            summary.digests.append(hash(row.rgb.tobytes()))
            yield row


def decode_row(root: Path, name: str, size: int) -> tuple[Row | None, str]:
    """A photograph and its tone; or None and what is wrong with it."""
    try:
        rgb = decode_photo(root / name, size)
    except InputError as error:
        return None, str(error)
    return Row(name, luma(rgb), rgb, rgb_to_lab(rgb)), tone(Image.fromarray(rgb))
