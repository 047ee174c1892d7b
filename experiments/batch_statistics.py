"""Measure networks whose batch norm uses the pictures at hand, with more or fewer at hand.

So the report validated, 16 at once. What such a network answers for a photograph, and so its error,
depends on what else is in the batch. Of several networks, such as those of several seeds, mean and
standard deviation are told.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.run import table
from colorizer.device import set_up_processor
from colorizer.error_totals import ErrorTotals
from colorizer.errors import InputError, one_line_errors
from colorizer.metrics import MetricParams
from colorizer.network import load_network
from colorizer.params import PARAMS_FILE, read_section
from colorizer.prediction import predict
from colorizer.splits import open_split
from experiments.rows import spread

AT_HAND = (8, 16, 32, 64)  # the pipeline validates with 32


def margin_errors(
    network: nn.Module, gray: Tensor, rgb: Tensor, margin: int
) -> Iterator[tuple[int, float]]:
    """The margin error of a network for each number of pictures at hand.

    Gray is uint8 (N, H, W), rgb uint8 (N, H, W, 3).
    """
    for count in AT_HAND:
        totals = ErrorTotals([margin])
        predictions = predict(network, gray.split(count), flips=False)
        for prediction, target in zip(predictions, rgb.split(count), strict=True):
            totals.add(prediction.cpu(), target)
        yield count, totals.margin_errors[0]


def _load(model: Path) -> nn.Module:
    network = load_network(model)
    if not network.params.batch_norm or network.params.running_averages:
        raise InputError(
            f"{model}: does not normalise by the pictures at hand; should have been trained "
            "with model.batch_norm true and model.running_averages false"
        )
    return network


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="+", type=Path, help="of model.batch_norm without running_averages"
    )
    parser.add_argument("split", type=Path, help="prepared split, such as data/prepared/val")
    given = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    set_up_processor(os.cpu_count() or 1)
    networks = [_load(model) for model in given.models]
    split = open_split(given.split)
    gray, rgb = (torch.from_numpy(some[:]) for some in (split.gray, split.rgb))
    errors: dict[int, list[float]] = {count: [] for count in AT_HAND}
    for network in tqdm(networks, desc="networks", unit="network"):
        for count, error in margin_errors(network, gray, rgb, margin):
            errors[count].append(error)
    said = "1 network" if len(networks) == 1 else f"{len(networks)} networks"
    rows = [[count, spread(some, 4)] for count, some in errors.items()]
    print(table(f"{said} on {given.split}:", ["at hand", f"{margin}-margin error"], rows))


if __name__ == "__main__":
    with one_line_errors():
        main()
