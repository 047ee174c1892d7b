"""Measure the trained network and the baselines on the validation split."""

import colorizer.openmp  # noqa: F401 before PyTorch

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from colorizer.data.arrays import ArrayWriter, array_writer
from colorizer.data.splits import Split, open_split
from colorizer.device import available_device, configure_torch
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_metrics
from colorizer.inference.prediction import predict, to_uint8
from colorizer.later_stages import EvaluateParams
from colorizer.metrics.baselines import (
    gray_table,
    histogram_by_gray,
    median_table,
    mode_table,
    table_margin_errors,
)
from colorizer.metrics.error_totals import ErrorTotals
from colorizer.metrics.margin import MetricParams
from colorizer.metrics.picture_metrics import PictureTotals
from colorizer.metrics.series import write_series
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_network
from colorizer.params import PARAMS_FILE, read_section


@dataclass(frozen=True)
class Evaluation:
    """The content of metrics/evaluate.json, and the margin curve."""

    metrics: dict[str, Any]
    margin_curve: pd.DataFrame  # margin 0, 1, 2, ... and the error of each method


def evaluate(
    network: Colorizer,
    training: Split,
    validation: Split,
    margin: int,
    params: EvaluateParams,
    predictions: ArrayWriter,
) -> Evaluation:
    """Measure the network and the baselines on the validation split.

    Appends the network's predictions, as images, to `predictions`.
    """
    histogram = histogram_by_gray(training)
    tables = {
        "gray": gray_table(),
        "table_median": median_table(histogram),
        "table_mode": mode_table(histogram, margin),
    }
    margins = [*range(params.largest_margin + 1), margin]
    totals = ErrorTotals(margins)
    picture_totals = PictureTotals(margin)
    gray, rgb = (
        torch.from_numpy(array).split(network.params.eval_batch_size)
        for array in (validation.gray, validation.rgb)
    )
    with tqdm(total=len(validation), desc="evaluate", unit="photo") as progress:
        batches = zip(predict(network, gray, params.flip_tta), rgb, strict=True)
        for prediction, target in batches:
            images = to_uint8(prediction)
            predictions.append(images)
            picture_totals.add(images, target.numpy())
            totals.add(prediction.cpu(), target)
            progress.update(len(target))

    validated = histogram_by_gray(validation)
    curves = {
        "network": totals.margin_errors,
        **{
            method: table_margin_errors(table, validated, margins)
            for method, table in tables.items()
        },
    }
    margin_errors = {method: curve.pop() for method, curve in curves.items()}
    best_table = min(margin_errors["table_median"], margin_errors["table_mode"])
    metrics = {
        "margin_error": margin_errors["network"],
        "accuracy": picture_totals.accuracy,
        "mse": totals.mse,
        "mae": totals.mae,
        "psnr": picture_totals.psnr,
        "ssim": picture_totals.ssim,
        "gain_over_table": best_table - margin_errors["network"],
        **{method: {"margin_error": margin_errors[method]} for method in tables},
    }
    return Evaluation(metrics, pd.DataFrame(curves).rename_axis("margin").reset_index())


def summarize(evaluation: Evaluation, margin: int) -> str:
    """The result in one line: does the network beat the tables?"""
    metrics = evaluation.metrics
    error, gain = metrics["margin_error"], metrics["gain_over_table"]
    verdict = "beats the better table by" if gain > 0 else "does NOT beat the better table:"
    return f"validation {margin}-margin error {error:.4f}, {verdict} {gain:.4f}"


def main() -> None:
    """Measure the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path, help="prepared training split, for the table baselines")
    parser.add_argument("val", type=Path, help="prepared validation split")
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("predictions", type=Path, help=".npy file to write, uint8 (N, H, W, 3)")
    parser.add_argument("metrics", type=Path, help="JSON file to write")
    parser.add_argument("margin_curve", type=Path, help="CSV file to write, a row per margin")
    paths = parser.parse_args()
    metric = read_section(PARAMS_FILE, "metric", MetricParams)
    params = read_section(PARAMS_FILE, "evaluate", EvaluateParams)
    training, validation = open_split(paths.train), open_split(paths.val)
    configure_torch(params.threads)
    network = load_network(paths.model).to(available_device())

    with (
        atomic_write(paths.predictions) as (partial,),
        array_writer(partial, np.uint8, validation.rgb.shape[1:]) as predictions,
    ):
        evaluation = evaluate(network, training, validation, metric.margin, params, predictions)
    write_metrics(paths.metrics, evaluation.metrics)
    write_series(paths.margin_curve, evaluation.margin_curve)
    print(summarize(evaluation, metric.margin))


if __name__ == "__main__":
    with one_line_errors():
        main()
