"""Measure the trained network on the validation split, beside the trivial answers."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn
from tqdm import tqdm

from colorizer.arrays import ArrayWriter, array_writer
from colorizer.baselines import gray_table, median_table, mode_table, tally_values
from colorizer.device import available_device, set_up_processor
from colorizer.error_totals import ErrorTotals
from colorizer.errors import one_line_errors
from colorizer.files import replacing, write_metrics, write_series
from colorizer.metrics import LEVELS, MetricParams
from colorizer.network import load_network
from colorizer.params import PARAMS_FILE, Section, read_section
from colorizer.picture_metrics import PictureTotals
from colorizer.prediction import PICTURES_AT_ONCE, predict, to_pictures
from colorizer.splits import Split, open_split


class EvaluateParams(Section):
    """Section `evaluate` of params.yaml."""

    threads: int = Field(ge=1, le=1024)
    flips: bool
    largest_margin: int = Field(ge=0, le=LEVELS)


@dataclass(frozen=True)
class Evaluation:
    """Metrics as metrics/evaluate.json holds them, and the errors behind the margin curve."""

    metrics: dict[str, Any]
    margin_curve: dict[str, list[float]]  # for each answer its error at margins 0, 1, 2, ...


def evaluate(
    network: nn.Module,
    training: Split,
    validation: Split,
    margin: int,
    params: EvaluateParams,
    predictions: ArrayWriter,
) -> Evaluation:
    """Measure the network and the trivial answers on the validation split.

    The network's predictions, as pictures, are appended to `predictions`.
    """
    tally = tally_values(training)
    tables = {
        "gray": gray_table(),
        "table_median": median_table(tally),
        "table_mode": mode_table(tally, margin),
    }
    margins = [*range(params.largest_margin + 1), margin]
    totals = {answer: ErrorTotals(margins) for answer in ("network", *tables)}
    seen = PictureTotals(margin)
    gray, rgb = (
        torch.from_numpy(array).split(PICTURES_AT_ONCE)
        for array in (validation.gray, validation.rgb)
    )
    with tqdm(total=len(validation), desc="evaluate", unit="photo") as progress:
        predicted = predict(network, gray, params.flips)
        for prediction, levels, target in zip(predicted, gray, rgb, strict=True):
            pictures = to_pictures(prediction)
            predictions.append(pictures)
            seen.add(pictures, target.numpy())
            totals["network"].add(prediction.cpu(), target)
            for answer, table in tables.items():
                totals[answer].add(torch.from_numpy(table[levels.numpy()]), target)
            progress.update(len(target))

    errors = {answer: total.margin_errors for answer, total in totals.items()}
    margin_errors = {answer: curve.pop() for answer, curve in errors.items()}
    best_table = min(margin_errors["table_median"], margin_errors["table_mode"])
    metrics = {
        "margin_error": margin_errors["network"],
        "accuracy": seen.accuracy,
        "mse": totals["network"].mse,
        "mae": totals["network"].mae,
        "psnr": seen.psnr,
        "ssim": seen.ssim,
        "gain_over_table": best_table - margin_errors["network"],
        **{answer: {"margin_error": margin_errors[answer]} for answer in tables},
    }
    return Evaluation(metrics, errors)


def report(evaluation: Evaluation, margin: int) -> str:
    """Tell in words whether the network beats the tables."""
    metrics = evaluation.metrics
    error, gain = metrics["margin_error"], metrics["gain_over_table"]
    verdict = "beats the better table by" if gain > 0 else "does NOT beat the better table:"
    return f"validation {margin}-margin error {error:.4f}, {verdict} {gain:.4f}"


def main() -> None:
    """Measure the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path, help="prepared training split, for the tables")
    parser.add_argument("val", type=Path, help="prepared validation split")
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("predictions", type=Path, help=".npy file to write, uint8 (N, H, W, 3)")
    parser.add_argument("metrics", type=Path, help="JSON file to write")
    parser.add_argument("margin_curve", type=Path, help="CSV file to write, a row per margin")
    paths = parser.parse_args()
    metric = read_section(PARAMS_FILE, "metric", MetricParams)
    params = read_section(PARAMS_FILE, "evaluate", EvaluateParams)
    training, validation = open_split(paths.train), open_split(paths.val)
    set_up_processor(params.threads)
    network = load_network(paths.model).to(available_device())

    with (
        replacing(paths.predictions) as (partial,),
        array_writer(partial, np.uint8, validation.rgb.shape[1:]) as predictions,
    ):
        evaluation = evaluate(network, training, validation, metric.margin, params, predictions)
    write_metrics(paths.metrics, evaluation.metrics)
    columns = evaluation.margin_curve
    rows = zip(*columns.values(), strict=True)
    write_series(
        paths.margin_curve,
        ["margin", *columns],
        [(margin, *row) for margin, row in enumerate(rows)],
    )
    print(report(evaluation, metric.margin))


if __name__ == "__main__":
    with one_line_errors():
        main()
