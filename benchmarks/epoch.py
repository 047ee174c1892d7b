"""Seconds of each epoch of a loop: the reference's (on photographs) or ours (on prepared splits).

Prints a line of JSON: seconds and training errors, an entry for each epoch.
"""

import argparse
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from ruamel.yaml import YAML

from benchmarks import reference
from colorizer.device import set_up_processor
from colorizer.network import Colorizer, ModelParams
from colorizer.photos import find_photos
from colorizer.splits import open_split
from colorizer.training import Training, TrainParams

ROOT = Path(__file__).parents[1]
SEED = 483


def ours(
    data: Path, conv_layers: int, kernels: int, batch_norm: bool, threads: int
) -> Iterator[float]:
    """Training errors, epoch by epoch, of the pipeline's training."""
    sections = YAML(typ="safe").load(ROOT / "params.yaml")
    network = {"conv_layers": conv_layers, "kernels": kernels, "batch_norm": batch_norm}
    model = ModelParams(**sections["model"] | network)
    recipe = {"learning_rate": reference.LEARNING_RATE, "batch_size": reference.BATCH_SIZE}
    params = TrainParams(**sections["train"] | recipe | {"seed": SEED, "patience": 100})
    set_up_processor(threads)
    torch.manual_seed(SEED)
    splits = [open_split(data / split) for split in ("train", "val")]
    run = Training(Colorizer(model), params, reference.LEVELS, *splits)
    while True:
        yield run.run_epoch().train_mse


def theirs(data: Path, conv_layers: int, kernels: int, batch_norm: bool) -> Iterator[float]:
    """Training errors, epoch by epoch, of the report's way of working."""
    torch.manual_seed(SEED)
    network = reference.build(conv_layers, kernels, batch_norm)
    training, validation = (
        [data / split / path for path in find_photos(data / split)[0]] for split in ("train", "val")
    )
    for train_mse, _, _ in reference.epochs(network, training, validation, SEED):
        yield train_mse


def main() -> None:
    """Time some epochs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=["reference", "ours"])
    parser.add_argument("data", type=Path, help="raw data set, or the folder of prepared splits")
    parser.add_argument("conv_layers", type=int)
    parser.add_argument("kernels", type=int)
    parser.add_argument("batch_norm", type=int)
    parser.add_argument("threads", type=int, help="ours only: the reference has the default")
    parser.add_argument("epochs", type=int)
    given = parser.parse_args()
    network = (given.data, given.conv_layers, given.kernels, bool(given.batch_norm))
    loop = ours(*network, given.threads) if given.loop == "ours" else theirs(*network)
    seconds, train_mses, started = [], [], time.perf_counter()
    for train_mse in islice(loop, given.epochs):
        seconds.append(time.perf_counter() - started)
        train_mses.append(train_mse)
        started = time.perf_counter()
    print(json.dumps({"seconds": seconds, "train_mses": train_mses}))


if __name__ == "__main__":
    main()
