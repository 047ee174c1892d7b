"""Measure what grows with the number of photographs; print tables in Markdown.

Makes data sets of small photographs, distinct files, in a folder that is removed at the end: 8 GB
for 500,000. Needs Linux; limiting memory needs root and control groups.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.reads import ARRAYS as READ_ARRAYS
from benchmarks.reads import ORDERS, drop_from_memory
from colorizer.data.photos import find_photos
from colorizer.data.sample import PHOTOS, SampleParams, cut_tiles
from colorizer.data.splits import ARRAYS, array_path, open_split
from colorizer.files import read_yaml, write_yaml
from colorizer.markdown import median_and_range, table

ROOT = Path(__file__).parents[1]
SHARES = {"train": 0.9, "val": 0.05, "test": 0.05}
SIZE = 80  # pixels
FOLDER_SIZE = 1000  # photographs in a folder of a split
SHARD_SIZE = 10_000  # photographs in a tar
# Above this many photographs, prepare makes arrays of 16x16 pixels instead of SIZE.
MOST_AT_FULL_SIZE = 50_000
READ_SECONDS = 10.0
# MB of the processes themselves: of NumPy, of PyTorch.
READER, TRAINER = 50, 300
CGROUPS = (  # version 1, version 2: folder and the file that limits memory
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


class Run(NamedTuple):
    """What a command took, with the processes that it waited for."""

    seconds: float
    cpu: float  # seconds
    memory: float  # MB, resident peak of its largest process
    output: str

    def __str__(self) -> str:
        return f"{self.seconds:.1f} ({self.cpu:.1f})"


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a command to its end. Raises CalledProcessError when it fails."""
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(time.perf_counter() - started, cpu, usage.ru_maxrss / 1000, output)


def numbered(jpeg: bytes, number: int) -> bytes:
    """A JPEG file with a comment: the same picture, another file."""
    comment = str(number).encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:]


def write_photos(folder: Path, count: int) -> None:
    """A data set of `count` distinct JPEG files, of tiles of the sample."""
    params = SampleParams(tile_size=SIZE, scales=1, largest_scale=1.0, step=0.4)
    jpegs = []
    for photo in PHOTOS.values():
        for tile in cut_tiles(photo(), "train", params):
            file = BytesIO()
            Image.fromarray(tile.rgb).save(file, "jpeg", quality=90)
            jpegs.append(file.getvalue())
    tiles, number = cycle(jpegs), 0
    for split, share in SHARES.items():
        for jpeg in islice(tiles, round(share * count)):
            path = folder / split / f"{number // FOLDER_SIZE:04}" / f"{number}.jpg"
            if number % FOLDER_SIZE == 0 or not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(numbered(jpeg, number))
            number += 1


def write_shards(raw: Path, folder: Path) -> None:
    """The photographs of a data set in tar files of SHARD_SIZE."""
    for split in SHARES:
        photos, _ = find_photos(raw / split)
        (folder / split).mkdir(parents=True)
        for first in range(0, len(photos), SHARD_SIZE):
            with tarfile.open(folder / split / f"{first // SHARD_SIZE:05}.tar", "w") as shard:
                for photo in photos[first : first + SHARD_SIZE]:
                    shard.add(raw / split / photo, photo)


@contextmanager
def repository(folder: Path) -> Iterator[Path]:
    """A clone of this project with a DVC remote beside it, and DVC's own files in the folder."""
    with TemporaryDirectory(dir=folder) as temporary:
        clone = Path(temporary) / "clone"
        run(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
        for command in (
            ["config", "cache.type", "reflink,hardlink,symlink,copy"],
            ["config", "core.site_cache_dir", str(clone.parent / "site")],
            ["remote", "add", "--default", "beside", str(clone.parent / "remote")],
        ):
            run(["dvc", *command], clone)
        yield clone


def dvc_costs(clone: Path, name: str) -> list[Run]:
    """`dvc add` of a data set of a clone, again, `dvc status`, `dvc push`, again."""
    file, folder = f"data/raw/{name}.dvc", f"data/raw/{name}"
    commands = [["add", folder]] * 2 + [["status", file]] + [["push", file]] * 2
    return [run(["dvc", *command], clone) for command in commands]


def file_counts(folder: Path, counts: Sequence[int]) -> Iterator[tuple[str, list[object]]]:
    """Rows of two tables, each with its table's name: dvc, prepare."""
    for count in tqdm(counts, desc="DVC"):
        with repository(folder) as clone:
            raw = clone / "data/raw/files"
            write_photos(raw, count)
            costs = dvc_costs(clone, "files")
            peak = f"{max(cost.memory for cost in costs):.0f}"
            yield "dvc", [f"{count:,}", *costs, peak]
            params = read_yaml(clone / "params.yaml")
            params["data"]["name"] = "files"
            if count > MOST_AT_FULL_SIZE:
                params["prepare"]["image_size"] = 16
            write_yaml(clone / "params.yaml", params)
            first = run(["dvc", "repro", "--single-item", "prepare"], clone)
            forced = run(["dvc", "repro", "--single-item", "--force", "prepare"], clone)
            nothing = run(["dvc", "repro", "--single-item", "prepare"], clone)
            command = read_yaml(clone / "dvc.lock")["stages"]["prepare"]["cmd"].split()
            stage = run([sys.executable, *command[1:]], clone)
            size = f"{params['prepare']['image_size']}x{params['prepare']['image_size']}"
            rates = [f"{count / seconds:.0f}" for seconds in (stage.seconds, stage.cpu)]
            yield "prepare", [f"{count:,}", size, *rates, stage, first, forced, nothing]
            write_shards(raw, clone / "data/raw/shards")
            costs = dvc_costs(clone, "shards")
            peak = f"{max(cost.memory for cost in costs):.0f}"
            yield "dvc", [f"{count:,} in tars of {SHARD_SIZE:,}", *costs, peak]


def bytes_per_photo() -> Iterator[list[object]]:
    """Bytes of a photograph in each array, a row for each size."""
    for size in (SIZE, 256, 512):
        each = {
            name: size**2 * int(np.prod(channels, dtype=int)) * np.dtype(dtype).itemsize
            for name, (dtype, channels) in ARRAYS.items()
        }
        yield [
            f"{size}x{size}",
            *(f"{number:,}" for number in [*each.values(), sum(each.values())]),
        ]


@contextmanager
def memory_limit(megabytes: float) -> Iterator[list[str]]:
    """A command prefix that limits memory, with the page cache, by a control group."""
    for parent, file in CGROUPS:
        if (parent / file).exists() or (parent / "cgroup.controllers").exists():
            group = parent / f"colorizer-{os.getpid()}"
            group.mkdir()
            try:
                (group / file).write_text(str(round(megabytes * 1e6)))
                yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
            finally:
                group.rmdir()
            return
    raise OSError("there are no control groups to limit memory with")


def reads(split: Path, times: int) -> Iterator[list[object]]:
    """Photographs per second that are read with a third of the data's size as memory, by order."""
    size = sum(array_path(split, name).stat().st_size for name in READ_ARRAYS) / 1e6
    results: dict[str, list[dict[str, float]]] = {order: [] for order in ORDERS}
    for _ in tqdm(range(times), desc="reads"):
        for order in ORDERS:
            with memory_limit(size / 3 + READER) as prefix:
                arguments = ["-m", "benchmarks.reads", str(split), order, str(READ_SECONDS)]
                done = run([*prefix, sys.executable, *arguments], ROOT)
                results[order].append(json.loads(done.output))
    for order, measured in results.items():
        yield [
            order,
            median_and_range([each["rate"] for each in measured], 0),
            median_and_range([each["amplification"] for each in measured], 1),
        ]


def epochs(prepared: Path, times: int) -> Iterator[list[object]]:
    """Photographs per second in an epoch, by memory, a row each."""
    photos = len(open_split(prepared / "train"))
    splits = ("train", "val")
    files = [array_path(prepared / split, name) for split in splits for name in READ_ARRAYS]
    size = sum(file.stat().st_size for file in files) / 1e6
    command = [sys.executable, "-m", "benchmarks.epoch", "ours", str(prepared)]
    command += ["2", "8", "0", "1", "2"]
    limits = {"all in memory": 1e6, "a third in memory": size / 3 + TRAINER}
    seconds: dict[str, list[float]] = {name: [] for name in limits}
    for _ in tqdm(range(times), desc="epochs"):
        for name, limit in limits.items():
            for file in files:  # else it would be in memory that is not counted
                drop_from_memory(file)
            with memory_limit(limit) as prefix:
                # The first epoch, which fills the memory, is not counted.
                seconds[name] += json.loads(run([*prefix, *command], ROOT).output)["seconds"][1:]
    ratios = [few / many for many, few in zip(*seconds.values(), strict=True)]
    for name, limit in limits.items():
        memory = "all" if limit > size + TRAINER else f"{limit:.0f} MB"
        rates = median_and_range([photos / each for each in seconds[name]], 0)
        yield [name, memory, rates, median_and_range(ratios, 2) if memory != "all" else "1"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder on the disk to measure")
    parser.add_argument("times", type=int, help="repetitions of reads and epochs")
    parser.add_argument("counts", type=int, nargs="+", help="numbers of photographs, for DVC")
    args = parser.parse_args()
    print(
        table(
            "Bytes of a prepared photograph:",
            ["size", *ARRAYS, "all"],
            [*bytes_per_photo()],
        ),
        flush=True,
    )
    with TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        write_photos(folder / "raw", MOST_AT_FULL_SIZE)
        write_yaml(folder / "params.yaml", read_yaml(ROOT / "params.yaml"))
        outputs = ["train", "val", "test", "skipped.txt", "prepare.json"]
        run([sys.executable, "-m", "stages.prepare", "raw", *outputs], folder)
        print(
            table(
                "Photographs per second that are read in batches of 16, with memory for a third:",
                ["order", "photographs/s", "bytes read for each byte used"],
                [*reads(folder / "train", args.times)],
            ),
            table(
                "An epoch of 2 conv, 8 kernels, with one thread:",
                ["data", "memory", "photographs/s", "times as long"],
                [*epochs(folder, args.times)],
            ),
            sep="\n",
            flush=True,
        )
    rows = [*file_counts(args.folder, args.counts)]
    print(
        table(
            "Seconds of wall time (and of processors) that DVC takes for a data set:",
            ["files", "`add`", "again", "`status`", "`push`", "again", "MB"],
            [row for name, row in rows if name == "dvc"],
        ),
        table(
            "prepare, and `dvc repro` with it; seconds of wall time (and of processors):",
            [
                *("photographs", "pixels", "photographs/s", "per processor", "the stage alone"),
                *("first `repro`", "`repro --force`", "nothing to do"),
            ],
            [row for name, row in rows if name == "prepare"],
        ),
        sep="\n",
    )


if __name__ == "__main__":
    main()
