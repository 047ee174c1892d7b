"""Time epochs of our training and of the reference loop, in turn.

Without RESULTS: networks of the report; prints a table, one of training with PyTorch's layers in
place of those of colorizer/models/layers.py, and one of busy machines. With it: named models beside
the reference loop of the report's best network; writes a row for each model, and keeps the rows of
others.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import accumulate
from multiprocessing import get_context
from operator import or_
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import timeit
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from benchmarks import reference
from benchmarks.common import ROOT, TIMES, changed_params, prepare, print_table, with_range
from colorizer.data.splits import open_split
from colorizer.device import available_device, bfloat16_unit, configure_torch, processor_name
from colorizer.errors import one_line_errors
from colorizer.files import read_yaml, write_text
from colorizer.models import layers
from colorizer.models.colorizer import Colorizer
from colorizer.params import ModelParams, TrainParams
from colorizer.training.trainer import Epoch, Trainer

# Networks of the report: conv_layers, kernels, and 1 with batch norm.
NETWORKS = ((1, 8, 0), (2, 2, 0), (2, 8, 0), (2, 16, 0), (4, 4, 0), (4, 8, 0), (2, 8, 1))
REPORT_BEST = (2, 16, 0)
LAYERS = ("SameConv2d", "BatchNorm2d")
SPIN_COUNTS = ("0", "1000", "10000", "300000")  # from OMP_WAIT_POLICY=PASSIVE to OpenMP's default

Sections = Mapping[str, Mapping[str, Any]]
_loop: Iterator[object]  # of this process


def ours(prepared: Path, sections: Sections, plain: str | None = None) -> Iterator[Epoch]:
    """Train on prepared splits without end, as the stage train does.

    `plain` is the name of a class of layers that computes as PyTorch's does.
    """
    if plain:
        layer = getattr(layers, plain)
        layer.forward = layer.__base__.forward
    params, margin = TrainParams(**sections["train"]), sections["metric"]["margin"]
    configure_torch(params.threads)
    torch.manual_seed(params.seed)
    network = Colorizer(ModelParams(**sections["model"]), margin).to(available_device())
    splits = [open_split(prepared / split) for split in ("train", "val")]
    trainer = Trainer(network, params, margin, *splits)
    while True:
        yield trainer.run_epoch()


def time_in_turn(loops: Mapping[str, tuple[Any, ...]]) -> pd.DataFrame:
    """Seconds of epochs of loops, functions with arguments, in turn: a column for each loop.

    Each loop has a process, since PyTorch's settings are those of a process; one that is called a
    number waits by spinning so often. The first epochs, which fill caches, are not counted.
    """
    with ExitStack() as stack:
        pools = {}
        for name, loop in loops.items():
            if name.isdigit():
                os.environ["GOMP_SPINCOUNT"] = name
            pools[name] = stack.enter_context(get_context("spawn").Pool(1, _start, loop))
        os.environ.pop("GOMP_SPINCOUNT", None)
        rows = [
            {name: pool.apply(_time_epoch) for name, pool in pools.items()}
            for _ in range(1 + TIMES)
        ]
    return pd.DataFrame(rows[1:])


def time_pairs(
    raw: Path, prepared: Path, network: Iterable[int], sections: Sections
) -> pd.DataFrame:
    """Seconds of epochs of the reference loop and of ours, in turn; a row for each pair."""
    plain = (reference.epochs, raw, sections["train"]["seed"], *network)
    return time_in_turn({"reference": plain, "ours": (ours, prepared, sections)})


def _start(loop: Callable[..., Iterator[object]], *arguments: Any) -> None:
    global _loop
    _loop = loop(*arguments)


def _time_epoch() -> float:
    return timeit(lambda: next(_loop), "gc.enable()", number=1)


def _sections(network: tuple[int, int, int]) -> tuple[str, Sections]:
    """The name and the params of a network of NETWORKS."""
    sections, (conv_layers, kernels, batch_norm) = changed_params({}), network
    norm = "all" if batch_norm else "none"
    sections["model"] |= {"conv_layers": conv_layers, "kernels": kernels, "batch_norm": norm}
    return f"{conv_layers} conv, {kernels} kernels" + ", batch norm" * batch_norm, sections


def compare_networks(raw: Path, prepared: Path) -> pd.DataFrame:
    """Seconds per epoch of both loops, a row for each network of the report."""
    table = pd.DataFrame(columns=["reference loop", "ours", "ratio"]).rename_axis("network")
    for network in tqdm(NETWORKS):
        name, sections = _sections(network)
        pairs = time_pairs(raw, prepared, network, sections)
        seconds = (with_range(pairs[loop], 2) for loop in pairs)
        table.loc[name] = [*seconds, with_range(pairs["reference"] / pairs["ours"], 1)]
    return table


def compare_layers(prepared: Path) -> pd.DataFrame:
    """Seconds per epoch with our layers, and times as long with PyTorch's in place of a class."""
    table = pd.DataFrame(columns=["ours", *LAYERS]).rename_axis("network")
    for network in tqdm(NETWORKS):
        name, sections = _sections(network)
        loops: dict[str, tuple[Any, ...]] = {"ours": (ours, prepared, sections)}
        loops |= {layer: (ours, prepared, sections, layer) for layer in LAYERS[: 1 + network[2]]}
        times = time_in_turn(loops)
        ratios = {layer: with_range(times[layer] / times["ours"], 2) for layer in times.columns[1:]}
        table.loc[name] = {"ours": with_range(times["ours"], 2)} | ratios
    return table.fillna("")


def compare_waits(prepared: Path) -> pd.DataFrame:
    """Seconds per epoch by how often threads spin, beside processes that do nothing but compute."""
    table = pd.DataFrame(columns=SPIN_COUNTS).rename_axis("busy processes")
    _, sections = _sections(REPORT_BEST)
    for busy in (0, 1, 2):
        busy_loops = [
            subprocess.Popen([sys.executable, "-c", "while True: 1"]) for _ in range(busy)
        ]
        try:
            times = time_in_turn(dict.fromkeys(SPIN_COUNTS, (ours, prepared, sections)))
        finally:
            for process in busy_loops:
                process.kill()
        table.loc[busy] = [with_range(times[count], 2) for count in SPIN_COUNTS]
    return table


def named_models(file: Path) -> dict[str, dict[str, Any]]:
    """Changes of params.yaml of each named model: its own and those of all models above it."""
    own = read_yaml(file)
    return dict(zip(own, accumulate(own.values(), or_), strict=True))


def write_row(results: Path, model: str, pairs: pd.DataFrame, machine: str) -> None:
    """Write the medians of a model to a CSV file; `ratio` is ours to the reference loop."""
    rows = pd.DataFrame(columns=["epoch", "reference_epoch", "ratio", "machine"])
    if results.exists():
        rows = pd.read_csv(results, index_col="model")
    medians = pairs.assign(ratio=pairs["ours"] / pairs["reference"]).median().round(4)
    rows.loc[model] = [*medians[["ours", "reference", "ratio"]], machine]
    write_text(results, rows.to_csv(index_label="model"))


def main() -> None:
    """Print a table, or write rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set to train on")
    parser.add_argument("results", type=Path, nargs="?", help="CSV file, a row for each model")
    parser.add_argument("models", nargs="*", help="names of experiments/models.yaml")
    args = parser.parse_args()
    models, device = named_models(ROOT / "experiments/models.yaml"), available_device()
    if unknown := {*args.models} - {*models}:
        parser.error(f"experiments/models.yaml has no {', '.join(unknown)}")
    with TemporaryDirectory() as temporary:
        prepared = Path(temporary)
        prepare(args.raw, prepared)
        if not args.results:
            print_table("Seconds per epoch:", compare_networks(args.raw, prepared))
            print_table("Times as long without a class of layers:", compare_layers(prepared))
            print_table("Seconds per epoch, by how often threads spin:", compare_waits(prepared))
        for model in tqdm(args.models):
            # Schedules of the learning rate end with the last epoch.
            sections = changed_params(models[model] | {"train.epochs": 1 + TIMES})
            pairs = time_pairs(args.raw, prepared, REPORT_BEST, sections)
            bfloat16 = sections["train"]["precision"] == "bfloat16"
            unit = f" ({bfloat16_unit(device)})" if bfloat16 else ""
            write_row(args.results, model, pairs, processor_name(device) + unit)


if __name__ == "__main__":
    with one_line_errors():
        main()
