"""Measure training on a CUDA device; print a table in Markdown.

Seconds per epoch of networks of models.yaml in both precisions: as the pipeline trains them, with
the photographs in the host's memory, and with torch.compile or CUDA graphs, which it does not use.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from tqdm import tqdm

from colorizer import device as device_module
from colorizer.data.splits import Split, open_split
from colorizer.device import available_device, configure_torch, processor_name
from colorizer.errors import InputError, one_line_errors
from colorizer.markdown import table
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams
from colorizer.training.trainer import Trainer
from experiments.runs.sweeps import MODELS_FILE, changed_params, named_models

NETWORKS = ("report_best", "ours_small", "ours_best")
PRECISIONS = ("float32", "bfloat16")
EPOCHS = 4  # the first is not counted: it compiles

# Changes a network in training mode; the tensor is a batch that it gets.
Change = Callable[[Colorizer, torch.Tensor], object]


def as_it_is(_: Colorizer, __: torch.Tensor) -> None:
    """As the pipeline trains it."""


def compiled(network: Colorizer, _: torch.Tensor, mode: str | None) -> None:
    """With torch.compile; mode reduce-overhead adds CUDA graphs."""
    torch.compiler.reset()
    network.compile(mode=mode)


def with_cuda_graphs(network: Colorizer, batch: torch.Tensor) -> None:
    """With CUDA graphs of forward and backward."""
    torch.cuda.make_graphed_callables(network, (batch,))


WAYS: dict[str, Change] = {
    "as it is": as_it_is,
    "photographs on the host": as_it_is,
    "torch.compile": partial(compiled, mode=None),
    "reduce-overhead": partial(compiled, mode="reduce-overhead"),
    "CUDA graphs": with_cuda_graphs,
}


def params_of(model: str, precision: str) -> tuple[ModelParams, TrainParams, int]:
    """The params of a named model, in a precision, and the margin."""
    sections = changed_params(named_models(MODELS_FILE)[model] | {"train.precision": precision})
    margin = sections["metric"]["margin"]
    return ModelParams(**sections["model"]), TrainParams(**sections["train"]), margin


def whole_batches(split: Split, batch_size: int) -> Split:
    """The photographs that fill batches: a CUDA graph is of one size."""
    count = len(split) // batch_size * batch_size
    arrays = {name: getattr(split, name)[:count] for name in ("names", "gray", "rgb", "lab")}
    return dataclasses.replace(split, **arrays)


def epoch_seconds(model: str, precision: str, way: str, splits: tuple[Split, Split]) -> float:
    """Median seconds of an epoch, training and validation."""
    model_params, params, margin = params_of(model, precision)
    device = available_device()
    torch.manual_seed(params.seed)
    network = Colorizer(model_params, margin).to(device)
    training = whole_batches(splits[0], params.batch_size)
    share = 0 if way == "photographs on the host" else device_module.DATA_SHARE
    with patch.object(device_module, "DATA_SHARE", share):
        trainer = Trainer(network, params, margin, training, splits[1])
    batch = torch.zeros(params.batch_size, 1, *training.gray.shape[1:], device=device)
    enabled = precision == "bfloat16"
    # A CUDA graph is of one precision, and without the cache of autocast.
    with torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False):
        WAYS[way](network.train(), batch)
    seconds = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        trainer.run_epoch()  # waits for the device: it returns numbers
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


def measurements(prepared: Path) -> Iterator[list[object]]:
    """Seconds of every way, a row for each network and precision."""
    splits = open_split(prepared / "train"), open_split(prepared / "val")
    for model, precision in tqdm([*product(NETWORKS, PRECISIONS)]):
        seconds = {way: epoch_seconds(model, precision, way, splits) for way in WAYS}
        yield [model, precision, *(f"{each:.2f}" for each in seconds.values())]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prepared", type=Path, help="folder of prepared splits: data/prepared")
    args = parser.parse_args()
    configure_torch(1)
    device = available_device()
    if device.type != "cuda":
        raise InputError("there is no CUDA device; should be run where there is one")
    rows = [*measurements(args.prepared)]
    title = f"Seconds per epoch on {processor_name(device)}:"
    print(table(title, ["network", "precision", *WAYS], rows))


if __name__ == "__main__":
    with one_line_errors():
        main()
