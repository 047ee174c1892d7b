"""Time reading the photographs of a prepared split in batches, as training does.

Prints a line of JSON: photographs per second, and megabytes read from disk for each megabyte used.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from colorizer.data.arrays import expect_random_reads, open_array, prefetch_rows
from colorizer.data.splits import array_path

ARRAYS = ("gray", "rgb")
BATCH_SIZE = 16
# As the kernel reads around each page, and as training has it read.
ORDERS = ("in order", "shuffled", "shuffled, prefetched")


def drop_from_memory(path: Path) -> None:
    """Let the kernel forget the pages of a file that it has in memory."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def batches(order: str, photos: int) -> Iterator[np.ndarray]:
    """Rows of batches, until all photographs were read."""
    rows = np.arange(photos)
    if order != "in order":
        np.random.default_rng(0).shuffle(rows)
    yield from np.split(rows, range(BATCH_SIZE, photos, BATCH_SIZE))


def main() -> None:
    """Read for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path, help="prepared split")
    parser.add_argument("order", choices=ORDERS)
    parser.add_argument("seconds", type=float, help="to stop after, at the end of a batch")
    args = parser.parse_args()
    files = [array_path(args.split, name) for name in ARRAYS]
    arrays = [open_array(file) for file in files]
    for file in files:
        drop_from_memory(file)
    if args.order == "shuffled, prefetched":
        for array in arrays:
            expect_random_reads(array)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    start, photos = time.perf_counter(), 0
    for batch, following in pairwise(
        chain(batches(args.order, len(arrays[0])), [np.zeros(0, int)])
    ):
        if args.order == "shuffled, prefetched":
            for array in arrays:
                prefetch_rows(array, following.tolist())
        photos += len(batch)
        for array in arrays:
            array[batch]
        if time.perf_counter() - start > args.seconds:
            break
    seconds = time.perf_counter() - start
    read = (resource.getrusage(resource.RUSAGE_SELF).ru_inblock - before) * 512
    used = photos * sum(array.strides[0] for array in arrays)
    print(json.dumps({"rate": photos / seconds, "amplification": read / used}))


if __name__ == "__main__":
    main()
