"""Measure reading and training on made photographs; print tables in Markdown.

docs/scale.md makes a control group that limits memory, with the pages of files, to a third of them.
"""

import argparse
import os
import resource
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import repeat

import numpy as np
import pandas as pd

from benchmarks.common import TIMES, changed_params, prepare, print_table, with_range
from benchmarks.epochs import ours
from benchmarks.scale import write_photos
from colorizer.data.arrays import expect_random_reads, prefetch_rows
from colorizer.data.splits import open_split

ORDERS = ("in order", "shuffled", "shuffled, prefetched")
BATCH_SIZE, SECONDS = 16, 10.0


def read(folder: Path, order: str) -> tuple[float, float]:
    """Photographs per second, read in batches for some seconds; bytes read for each byte used."""
    for path in folder.rglob("*.npy"):  # forget the pages that are in memory
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    split = open_split(folder / "train")
    arrays = (split.gray, split.rgb)
    prefetched = arrays if order == "shuffled, prefetched" else ()
    for array in prefetched:
        expect_random_reads(array)
    rows = np.arange(len(split))
    if order != "in order":
        np.random.default_rng(0).shuffle(rows)
    batches = np.split(rows, range(BATCH_SIZE, len(rows), BATCH_SIZE))
    start, photos = time.perf_counter(), 0
    blocks = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    for batch, following in pairwise([*batches, rows[:0]]):
        for array in prefetched:
            prefetch_rows(array, following.tolist())
        for array in arrays:
            array[batch]
        photos += len(batch)
        if time.perf_counter() - start > SECONDS:
            break
    seconds = time.perf_counter() - start
    blocks = resource.getrusage(resource.RUSAGE_SELF).ru_inblock - blocks
    return photos / seconds, blocks * 512 / (photos * sum(array[0].nbytes for array in arrays))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder on the disk to measure")
    parser.add_argument("photos", type=int, help="number of photographs")
    parser.add_argument("group", type=Path, nargs="?", help="control group to read and train in")
    args = parser.parse_args()
    with TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        write_photos(folder / "raw", args.photos)
        prepare(folder / "raw", folder)
        os.sync()  # only pages that are written can be forgotten
        if args.group:
            (args.group / "cgroup.procs").write_text(str(os.getpid()))
        reads = pd.DataFrame(
            [(order, *read(folder, order)) for _ in range(TIMES) for order in ORDERS],
            columns=["order", "photographs/s", "bytes read for each byte used"],
        )
        print_table("Reads:", reads.groupby("order", sort=False).agg(with_range, 1))
        epochs = ours(folder, changed_params({"train.threads": 1}))
        seconds = repeat(lambda: next(epochs), "gc.enable()", number=1, repeat=1 + TIMES)
        rates = with_range(len(open_split(folder / "train")) / pd.Series(seconds[1:]), 0)
    print(f"\nPhotographs/s in an epoch of 2 conv, 8 kernels, 1 thread: {rates}")


if __name__ == "__main__":
    main()
