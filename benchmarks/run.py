"""Measure the speed and memory of the pipeline; print tables in Markdown.

What is compared runs alternately, several times, on one data set.
"""

import argparse
import itertools
import json
import operator
import os
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from tqdm import tqdm

from benchmarks.measure import Cost, measure
from benchmarks.reference import SEED
from colorizer.data.photos import find_photos
from colorizer.device import configure_torch
from colorizer.files import read_yaml, write_yaml
from colorizer.git_variables import drop_git_variables
from colorizer.markdown import median_and_range, table

ROOT = Path(__file__).parents[1]
SPLITS = ("train", "val", "test")
# Arguments of the stages in a folder in which a data set is prepared.
ARGUMENTS = {
    "train": ("train", "val", "model.safetensors", "train.json", "history.csv"),
    "evaluate": ("train", "val", "model.safetensors", "val.npy", "evaluate.json", "curve.csv"),
    "predict_test": ("test", "model.safetensors", "test.npy", "names.txt"),
}
STAGES = ("sample", "prepare", "train", "evaluate", "predict_test", "plot")
# conv layers, kernels, batch norm: configurations of the report.
NETWORKS = ((1, 8, 0), (2, 2, 0), (2, 8, 0), (2, 16, 0), (4, 4, 0), (4, 8, 0), (2, 8, 1))
EPOCHS = {"reference": 2, "ours": 4}  # the first of each is not counted
MATRIX_SIZE, COPIED_FLOATS = 2048, 2**26
BUSY_PROCESSES = (0, 1, 2, 4)
BUSY_NETWORK = ("2", "16", "0")  # conv layers, kernels, batch norm: the report's best
# The default of GNU's OpenMP library, which colorizer.openmp then leaves as it is.
SPINNING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300000"}
MEMORY_SIZES = (5_000, 50_000)  # photographs in all splits together

# Of each network, for each repetition, the figures of `epoch_cost` of both loops.
EpochCosts = dict[tuple[int, int, int], list[dict[str, tuple[float, float, float]]]]


def time_epochs(raw: Path, prepared: Path, threads: int, times: int) -> EpochCosts:
    """Time both loops."""
    costs: EpochCosts = {network: [] for network in NETWORKS}
    for network, pairs in tqdm(costs.items(), desc="epochs"):
        for _ in range(times):
            pair = {}
            for loop, data in (("reference", raw), ("ours", prepared)):
                arguments = [data, *network, threads, EPOCHS[loop]]
                pair[loop] = epoch_cost([loop, *map(str, arguments)])
            pairs.append(pair)
    return costs


def epochs(costs: EpochCosts) -> Iterator[list[object]]:
    """Seconds per epoch of both loops, a row for each network."""
    for network, pairs in costs.items():
        seconds = {loop: [pair[loop][0] for pair in pairs] for loop in EPOCHS}
        ratios = [reference / ours for reference, ours in zip(*seconds.values(), strict=True)]
        yield [
            network_title(*network),
            *(median_and_range(seconds[loop], 2) for loop in EPOCHS),
            f"**{median_and_range(ratios, 1)}**",
            medians(pairs, 1),
            medians(pairs, 2),
        ]


def medians(pairs: Sequence[Mapping[str, tuple[float, ...]]], which: int) -> str:
    """Medians of a figure: the reference loop's and ours."""
    return " / ".join(
        f"{statistics.median(pair[loop][which] for pair in pairs):.0f}" for loop in EPOCHS
    )


def timed_epochs(arguments: list[str]) -> tuple[list[float], Cost]:
    """Seconds of the counted epochs of a loop, and the cost of the whole process."""
    cost = measure(["-m", "benchmarks.epoch", *arguments], ROOT)
    return json.loads(cost.output)["seconds"][1:], cost


def epoch_cost(arguments: list[str]) -> tuple[float, float, float]:
    """Median seconds of the counted epochs, peak memory in MB, thousands of page faults."""
    seconds, cost = timed_epochs(arguments)
    return statistics.median(seconds), cost.anonymous / 1e6, cost.faults / 1e3


def operators(prepared: Path, threads: int) -> Iterator[list[object]]:
    """The operators that take most of our epochs, a row for each network."""
    for network in NETWORKS:
        arguments = map(str, [prepared, *network, threads])
        shares = json.loads(measure(["-m", "benchmarks.operators", *arguments], ROOT).output)
        texts = (f"{name.removeprefix('aten::')} {share:.0%}" for name, share in shares.items())
        yield [network_title(*network), ", ".join(texts)]


def roofline(raw: Path, costs: EpochCosts, threads: int) -> str:
    """A table of how near our epochs are to the limits of arithmetic and of memory.

    The limits are those of a large matrix product and of a copy, measured here with these threads.
    """
    configure_torch(threads)
    training, validation = (len(find_photos(raw / split)[0]) for split in ("train", "val"))
    size = read_yaml(ROOT / "params.yaml")["prepare"]["image_size"]
    square = torch.ones(MATRIX_SIZE, MATRIX_SIZE)
    source, copied = torch.ones(2, COPIED_FLOATS)
    product = min(timeit.repeat(lambda: square @ square, number=1, repeat=20))
    # Into memory that the process has: the page faults of new memory would be measured, too.
    copy = min(timeit.repeat(lambda: copied.copy_(source), number=1, repeat=20))
    flops, bandwidth = 2 * MATRIX_SIZE**3 / product, 2 * 4 * COPIED_FLOATS / copy
    rows = []
    for network, pairs in costs.items():
        operations, values = work_per_pixel(*network)
        pixels = [size**2 * (training + validation), size**2 * training]
        arithmetic = sum(map(operator.mul, pixels, operations)) / flops
        memory = 4 * sum(map(operator.mul, pixels, values)) / bandwidth
        seconds = statistics.median(pair["ours"][0] for pair in pairs)
        limits = f"{arithmetic:.2f}", f"{memory:.2f}"
        ratio = f"{seconds / max(arithmetic, memory):.1f}"
        rows.append([network_title(*network), *limits, f"{seconds:.2f}", ratio])
    return table(
        f"Seconds per epoch, and the limits with {flops / 1e9:.0f} GFLOP/s and "
        f"{bandwidth / 1e9:.1f} GB/s:",
        ["network", "arithmetic", "memory", "ours", "ours / larger limit"],
        rows,
    )


def work_per_pixel(conv_layers: int, kernels: int, batch_norm: int) -> tuple[list[int], list[int]]:
    """Floating point operations, and values read or written: forward, then what training adds."""
    channels = [1, *[kernels] * (conv_layers - 1), 3]
    products = [9 * a * b for a, b in itertools.pairwise(channels)]
    hidden = sum(channels[1:-1])
    # A convolution reads its input and writes its output, a ReLU reads and writes.
    forward = sum(channels[:-1]) + sum(channels[1:]) + 2 * hidden
    # The loss reads two arrays and writes the gradient; the gradient of the kernel reads the input
    # and the gradient, that of the input reads the gradient and writes another; that of a ReLU
    # reads two arrays and writes one.
    backward = 3 * 3 + sum(channels[:-1]) + sum(channels[1:]) + sum(channels[2:]) + 4 * hidden
    if batch_norm:  # 3 passes each for mean and variance, and for each result
        forward, backward = forward + 6 * sum(channels[1:]), backward + 6 * sum(channels[1:])
    return [2 * sum(products), 2 * (sum(products) + sum(products[1:]))], [forward, backward]


def network_title(conv_layers: int, kernels: int, batch_norm: int) -> str:
    """A network in words."""
    return (
        f"{conv_layers} conv"
        + (f", {kernels} kernels" if conv_layers > 1 else "")
        + (", batch norm" if batch_norm else "")
    )


@contextmanager
def workplace(**changes: object) -> Iterator[Path]:
    """A temporary folder with params.yaml and changes of its sections."""
    with TemporaryDirectory() as folder:
        params = read_yaml(ROOT / "params.yaml")
        for section, values in changes.items():
            params[section].update(values)
        write_yaml(Path(folder) / "params.yaml", params)
        yield Path(folder)


def prepare(folder: Path, raw: Path) -> Cost:
    """Prepare a data set into a folder."""
    outputs = (*SPLITS, "skipped.txt", "prepare.json")
    return measure(["-m", "stages.prepare", str(raw), *outputs], folder)


def stage_cost(stage: str, folder: Path) -> Cost:
    """Run another stage in a folder in which a data set is prepared."""
    return measure(["-m", f"stages.{stage}", *ARGUMENTS[stage]], folder)


@contextmanager
def one_processor() -> Iterator[None]:
    """Let processes that are started in the block run on one processor only."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def stages(raw: Path, folder: Path, times: int) -> Iterator[list[object]]:
    """Photographs per second of the slow stages, a row each."""
    photos = {split: len(find_photos(raw / split)[0]) for split in SPLITS}
    single, all_processes = [], []
    for _ in tqdm(range(times), desc="prepare"):
        with one_processor():
            single.append(prepare(folder, raw).seconds)
        all_processes.append(prepare(folder, raw).seconds)
    total = sum(photos.values())
    yield ["prepare, 1 process", median_and_range([total / seconds for seconds in single], 0), ""]
    ratios = [one / many for one, many in zip(single, all_processes, strict=True)]
    processors = len(os.sched_getaffinity(0))
    yield [
        f"prepare, {processors} processes",
        median_and_range([total / seconds for seconds in all_processes], 0),
        f"{median_and_range(ratios, 2)} times one",
    ]
    stage_cost("train", folder)
    for stage, split in (("evaluate", "val"), ("predict_test", "test")):
        rates = [photos[split] / stage_cost(stage, folder).seconds for _ in range(times)]
        yield [stage, median_and_range(rates, 0), "with start-up"]


def startup(times: int) -> Iterator[list[object]]:
    """Seconds to import each stage, a row each."""
    for stage in STAGES:
        costs = [measure(["-c", f"import stages.{stage}"], ROOT) for _ in range(times)]
        yield [stage, median_and_range([cost.seconds for cost in costs], 2)]


def memory(raw: Path) -> Iterator[list[object]]:
    """Peak memory of stages for two sizes of a data set, a row each."""
    sources = {
        split: [raw / split / path for path in find_photos(raw / split)[0]] for split in SPLITS
    }
    peaks: dict[str, list[float]] = {}
    for count in tqdm(MEMORY_SIZES, desc="memory"):
        changes = {"train": {"epochs": 1}, "predict_test": {"count": "all"}}
        with workplace(**changes) as folder:
            for split, paths in sources.items():
                (folder / "raw" / split).mkdir(parents=True)
                for number in range(count * len(paths) // sum(map(len, sources.values()))):
                    path = paths[number % len(paths)]
                    (folder / "raw" / split / f"{number}{path.suffix}").symlink_to(path.resolve())
            costs = {"prepare": prepare(folder, folder / "raw")}
            costs |= {stage: stage_cost(stage, folder) for stage in ARGUMENTS}
            for stage, cost in costs.items():
                peaks.setdefault(stage, []).append(cost.anonymous / 1e6)
    for stage, (few, many) in peaks.items():
        yield [stage, f"{few:.0f}", f"{many:.0f}", f"{many / few:.2f}"]


def sweep(prepared: Path, times: int) -> Iterator[list[object]]:
    """Epochs per second of several runs at once that share the processors, a row each."""
    processors = len(os.sched_getaffinity(0))
    shares = [workers for workers in range(1, processors + 1) if processors % workers == 0]
    network, count = ["2", "16", "0"], 6
    rates: dict[int, list[float]] = {workers: [] for workers in shares}
    for _ in tqdm(range(times), desc="sweep"):
        for workers in shares:
            arguments = ["ours", str(prepared), *network, str(processors // workers), str(count)]
            runs = [
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.epoch", *arguments],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(workers)
            ]
            outputs = [json.loads(run.communicate()[0])["seconds"][1:] for run in runs]
            rates[workers].append(sum(1 / statistics.median(seconds) for seconds in outputs))
    for workers in shares:
        ratios = [a / b for a, b in zip(rates[workers], rates[1], strict=True)]
        yield [
            workers,
            processors // workers,
            median_and_range(rates[workers], 2),
            median_and_range(ratios, 2),
        ]


def busy(prepared: Path, threads: int, times: int) -> Iterator[list[object]]:
    """Seconds per epoch beside processes that do nothing but compute, a row for each number."""
    processors = len(os.sched_getaffinity(0))
    ways = {"spinning": (SPINNING, threads), "as chosen": ({}, threads), "one thread": ({}, 1)}
    alone = 0.0
    for count in tqdm(BUSY_PROCESSES, desc="busy"):
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        with busy_processes(count):
            for _ in range(times):
                for way, (variables, number) in ways.items():
                    arguments = ["ours", str(prepared), *BUSY_NETWORK, str(number), "3"]
                    with patch.dict(os.environ, variables):
                        seconds[way].append(statistics.median(timed_epochs(arguments)[0]))
        alone = alone or statistics.median(seconds["spinning"])
        fair = alone * max(1, (threads + count) / processors)
        ratios = [chosen / fair for chosen in seconds["as chosen"]]
        yield [
            count,
            f"{fair:.2f}",
            *(median_and_range(values, 2) for values in seconds.values()),
            median_and_range(ratios, 1),
        ]


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Let processes compute without end during the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def dvc(times: int) -> Iterator[list[object]]:
    """Time that DVC adds to the stages of the committed pipeline, in a clone, a row each."""
    rows: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        call(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
        for number in tqdm(range(times), desc="dvc"):
            whole = call(["dvc", "repro", "--force"], clone)
            commands = commands_of(clone)
            alone = [call([sys.executable, *command[1:]], clone) for command in commands]
            nothing = call(["dvc", "repro"], clone)
            first = 60 + 4 * number
            one, three = queue(clone, [first]), queue(clone, [first + 1, first + 2, first + 3])
            for what, seconds in {
                "`dvc repro --force`, beyond its stages": whole - sum(alone),
                "`dvc repro` with nothing to do": nothing,
                "a queue of one experiment, beyond its stage": one - alone[-1],
                "each further experiment, beyond its stage": (three - one) / 2 - alone[-1],
            }.items():
                rows.setdefault(what, []).append(seconds)
    for what, measured in rows.items():
        yield [what, median_and_range(measured, 1)]


def queue(clone: Path, resolutions: list[int]) -> float:
    """Seconds for a queue of experiments that only run the plot stage."""
    for dpi in resolutions:
        call(["dvc", "exp", "run", "--queue", "--set-param", f"plot.dpi={dpi}"], clone)
    return call(["dvc", "exp", "run", "--run-all"], clone)


def commands_of(clone: Path) -> list[list[str]]:
    """The commands of the stages of a pipeline that has run."""
    lock = read_yaml(clone / "dvc.lock")["stages"]
    return [lock[stage]["cmd"].split() for stage in STAGES]


def call(command: list[str], folder: Path) -> float:
    """Run a command without showing its output; the seconds that it took."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def measurements(raw: Path, threads: int, times: int) -> Iterator[str]:
    """All tables, each as soon as it is measured."""
    with workplace(train={"epochs": 1}) as folder:
        prepare(folder, raw)
        costs = time_epochs(raw, folder, threads, times)
        yield table(
            f"Seconds per epoch on {raw.name}, {threads} threads, seed {SEED}:",
            ["network", "reference loop", "ours", "ratio", "MB", "1000 page faults"],
            [*epochs(costs)],
        )
        yield table(
            "The operators that take most of our time:",
            ["network", "share"],
            [*operators(folder, threads)],
        )
        yield roofline(raw, costs, threads)
        yield table(
            f"Photographs per second on {raw.name}:",
            ["stage", "photographs/s", ""],
            [*stages(raw, folder, times)],
        )
        yield table(
            f"Simultaneous runs (2 conv, 16 kernels) on {raw.name}:",
            ["runs", "threads each", "epochs/s in total", "relative to one run"],
            [*sweep(folder, times)],
        )
        yield table(
            f"Seconds per epoch (2 conv, 16 kernels) on {raw.name} beside busy processes:",
            ["busy", "fair share", "spinning", "as chosen", "1 thread", "chosen / fair"],
            [*busy(folder, threads, times)],
        )
    yield table(
        "Peak memory, anonymous pages, MB:",
        ["stage", *(f"{count} photographs" for count in MEMORY_SIZES), "ratio"],
        [*memory(raw)],
    )
    yield table("Seconds to import a stage:", ["stage", "seconds"], [*startup(times)])
    yield table("Seconds that DVC adds, on the sample:", ["command", "seconds"], [*dvc(times)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set to measure on")
    parser.add_argument(
        "threads", type=int, help="of our training; the reference loop uses PyTorch's default"
    )
    parser.add_argument("times", type=int, help="repetitions of each measurement")
    args = parser.parse_args()
    drop_git_variables()
    for measured in measurements(args.raw.resolve(), args.threads, args.times):
        print(measured, flush=True)


if __name__ == "__main__":
    main()
