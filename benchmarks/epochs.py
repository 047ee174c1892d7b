"""Time epochs of our training and of the reference loop, in turn.

Without RESULTS: networks of the report; prints a table. With it: named models beside the reference
loop of the report's best network; writes a row for each model, and keeps the rows of others.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams
from colorizer.training.trainer import Epoch, Trainer

# Networks of the report: conv_layers, kernels, and 1 with batch norm.
NETWORKS = ((1, 8, 0), (2, 2, 0), (2, 8, 0), (2, 16, 0), (4, 4, 0), (4, 8, 0), (2, 8, 1))
REPORT_BEST = (2, 16, 0)

Sections = Mapping[str, Mapping[str, Any]]
_loop: Iterator[object]  # of this process


def ours(prepared: Path, sections: Sections) -> Iterator[Epoch]:
    """Train on prepared splits without end, as the stage train does."""
    params, margin = TrainParams(**sections["train"]), sections["metric"]["margin"]
    configure_torch(params.threads)
    torch.manual_seed(params.seed)
    network = Colorizer(ModelParams(**sections["model"]), margin).to(available_device())
    splits = [open_split(prepared / split) for split in ("train", "val")]
    trainer = Trainer(network, params, margin, *splits)
    while True:
        yield trainer.run_epoch()


def time_pairs(
    raw: Path, prepared: Path, network: Iterable[int], sections: Sections
) -> pd.DataFrame:
    """Seconds of epochs of the reference loop and of ours, in turn; a row for each pair.

    Each loop has a process, since PyTorch's settings are those of a process. The first pair, which
    fills caches, is not counted.
    """
    plain = (reference.epochs, raw, sections["train"]["seed"], *network)
    own = (ours, prepared, sections)
    processes = get_context("spawn").Pool
    with processes(1, _start, plain) as first, processes(1, _start, own) as second:
        pairs = [[loop.apply(_time_epoch) for loop in (first, second)] for _ in range(1 + TIMES)]
    return pd.DataFrame(pairs[1:], columns=["reference", "ours"])


def _start(loop: Callable[..., Iterator[object]], *arguments: Any) -> None:
    global _loop
    _loop = loop(*arguments)


def _time_epoch() -> float:
    return timeit(lambda: next(_loop), "gc.enable()", number=1)


def compare_networks(raw: Path, prepared: Path) -> pd.DataFrame:
    """Seconds per epoch of both loops, a row for each network of the report."""
    table = pd.DataFrame(columns=["reference loop", "ours", "ratio"]).rename_axis("network")
    for network in tqdm(NETWORKS):
        sections, (conv_layers, kernels, batch_norm) = changed_params({}), network
        norm = "all" if batch_norm else "none"
        sections["model"] |= {"conv_layers": conv_layers, "kernels": kernels, "batch_norm": norm}
        pairs = time_pairs(raw, prepared, network, sections)
        name = f"{conv_layers} conv, {kernels} kernels" + ", batch norm" * batch_norm
        seconds = (with_range(pairs[loop], 2) for loop in pairs)
        table.loc[name] = [*seconds, with_range(pairs["reference"] / pairs["ours"], 1)]
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
