"""Time epochs of the reference loop (on photographs) or of ours (on prepared splits).

Prints a line of JSON: seconds and training errors, an entry for each epoch.
"""

import colorizer.openmp  # noqa: F401 before PyTorch

import argparse
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch

from benchmarks import reference
from colorizer.data.photos import find_photos
from colorizer.data.splits import open_split
from colorizer.device import configure_torch
from colorizer.files import read_yaml
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams
from colorizer.training.trainer import Trainer

ROOT = Path(__file__).parents[1]


def ours(
    data: Path, conv_layers: int, kernels: int, batch_norm: bool, threads: int
) -> Iterator[float]:
    """Training errors of the pipeline's trainer, epoch by epoch."""
    sections = read_yaml(ROOT / "params.yaml")
    norm = "all" if batch_norm else "none"
    changes = {"conv_layers": conv_layers, "kernels": kernels, "batch_norm": norm}
    model = ModelParams(**sections["model"] | changes)
    recipe = {"learning_rate": reference.LEARNING_RATE, "batch_size": reference.BATCH_SIZE}
    params = TrainParams(**sections["train"] | recipe | {"seed": reference.SEED, "patience": 100})
    configure_torch(threads)
    torch.manual_seed(reference.SEED)
    splits = [open_split(data / split) for split in ("train", "val")]
    network = Colorizer(model, reference.MARGIN)
    trainer = Trainer(network, params, reference.MARGIN, *splits)
    while True:
        yield trainer.run_epoch().train_mse


def of_reference(data: Path, conv_layers: int, kernels: int, batch_norm: bool) -> Iterator[float]:
    """Training errors of the reference loop, epoch by epoch."""
    torch.manual_seed(reference.SEED)
    network = reference.build(conv_layers, kernels, batch_norm)
    training, validation = (
        [data / split / path for path in find_photos(data / split)[0]] for split in ("train", "val")
    )
    for train_mse, _, _ in reference.epochs(network, training, validation, reference.SEED):
        yield train_mse


def main() -> None:
    """Time epochs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=["reference", "ours"])
    parser.add_argument("data", type=Path, help="raw data set, or the folder of prepared splits")
    parser.add_argument("conv_layers", type=int)
    parser.add_argument("kernels", type=int)
    parser.add_argument("batch_norm", type=int)
    parser.add_argument(
        "threads", type=int, help="threads of ours; the reference loop uses PyTorch's default"
    )
    parser.add_argument("epochs", type=int)
    args = parser.parse_args()
    network = (args.data, args.conv_layers, args.kernels, bool(args.batch_norm))
    loop = ours(*network, args.threads) if args.loop == "ours" else of_reference(*network)
    seconds, train_mses, start = [], [], time.perf_counter()
    for train_mse in islice(loop, args.epochs):
        seconds.append(time.perf_counter() - start)
        train_mses.append(train_mse)
        start = time.perf_counter()
    print(json.dumps({"seconds": seconds, "train_mses": train_mses}))


if __name__ == "__main__":
    main()
