"""Evaluate networks whose batch norm uses the batch's statistics, for several batch sizes.

The report validated in this way, with batches of 16. The prediction of such a network for a
photograph, and so its error, depends on the other images in the batch. For several networks, such
as those of several seeds, mean and standard deviation are printed.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.data.splits import open_split
from colorizer.device import configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.inference.prediction import predict
from colorizer.markdown import table
from colorizer.metrics.error_totals import ErrorTotals
from colorizer.metrics.margin import MetricParams
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_network
from colorizer.params import PARAMS_FILE, read_section
from experiments.reporting.statistics import mean_and_std

BATCH_SIZES = (8, 16, 32, 64)  # the report validated with 16


def errors_by_batch_size(
    network: Colorizer, gray: Tensor, rgb: Tensor, margin: int
) -> Iterator[tuple[int, float]]:
    """The margin error of a network for each batch size.

    gray is uint8 (N, H, W), rgb uint8 (N, H, W, 3).
    """
    for size in BATCH_SIZES:
        totals = ErrorTotals([margin])
        predictions = predict(network, gray.split(size), flip_tta=False)
        for prediction, target in zip(predictions, rgb.split(size), strict=True):
            totals.add(prediction.cpu(), target)
        yield size, totals.margin_errors[0]


def _load(model: Path) -> Colorizer:
    network = load_network(model)
    if network.params.batch_norm == "none" or network.params.track_running_stats:
        raise InputError(
            f"{model}: does not normalize by the batch; should have been trained with "
            "model.batch_norm all and model.track_running_stats false"
        )
    return network


def main() -> None:
    """Evaluate, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="+", type=Path, help="model files, with track_running_stats false"
    )
    parser.add_argument("split", type=Path, help="prepared split, such as data/prepared/val")
    args = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    configure_torch(os.cpu_count() or 1)
    networks = [_load(model) for model in args.models]
    split = open_split(args.split)
    gray, rgb = (torch.from_numpy(array[:]) for array in (split.gray, split.rgb))
    errors: dict[int, list[float]] = {size: [] for size in BATCH_SIZES}
    for network in tqdm(networks, desc="networks", unit="network"):
        for size, error in errors_by_batch_size(network, gray, rgb, margin):
            errors[size].append(error)
    count = "1 network" if len(networks) == 1 else f"{len(networks)} networks"
    rows = [[size, mean_and_std(pd.Series(values), 4)] for size, values in errors.items()]
    print(table(f"{count} on {args.split}:", ["batch size", f"{margin}-margin error"], rows))


if __name__ == "__main__":
    with one_line_errors():
        main()
