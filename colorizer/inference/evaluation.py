"""The errors of a trained network and of the baselines on a split."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from colorizer.data.splits import Split
from colorizer.metrics import (
    ErrorTotals,
    ImageTotals,
    gray_table,
    histogram_by_gray,
    median_table,
    mode_table,
    table_margin_errors,
)
from colorizer.models.colorizer import Colorizer, predict_rows, to_uint8
from colorizer.params import EvaluateParams


def evaluate(
    network: Colorizer,
    training: Split,
    validation: Split,
    margin: int,
    params: EvaluateParams,
    predictions: np.ndarray,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Metrics of a network and margin errors of baselines; and their margin errors over margins.

    Fills `predictions`, uint8 of the shape of validation.rgb. The tables are those of `training`.
    """
    histogram = histogram_by_gray(training)
    tables = {
        "gray": gray_table(),
        "table_median": median_table(histogram),
        "table_mode": mode_table(histogram, margin),
    }
    margins = [*range(params.largest_margin + 1), margin]
    totals, image_totals = ErrorTotals(margins), ImageTotals(margin)
    gray, rows = torch.from_numpy(validation.gray), torch.arange(len(validation))
    with tqdm(total=len(validation), desc="evaluate", unit="photo") as progress:
        for batch, prediction in predict_rows(network, gray, rows, params.flip_tta):
            # Not the tensor: NumPy takes one with a single element for a scalar.
            numbers, images = batch.numpy(), to_uint8(prediction)
            target = validation.rgb[numbers]
            predictions[numbers] = images
            image_totals.add(images, target)
            totals.add(prediction.cpu(), torch.from_numpy(target))
            progress.update(len(batch))

    validated = histogram_by_gray(validation)
    curves = {
        "network": totals.margin_errors,
        **{name: table_margin_errors(table, validated, margins) for name, table in tables.items()},
    }
    margin_errors = {method: curve.pop() for method, curve in curves.items()}
    best_table = min(margin_errors["table_median"], margin_errors["table_mode"])
    metrics = {
        "margin_error": margin_errors["network"],
        "accuracy": image_totals.accuracy,
        "mse": totals.mse,
        "mae": totals.mae,
        "psnr": image_totals.psnr,
        "ssim": image_totals.ssim,
        "gain_over_table": best_table - margin_errors["network"],
        **{method: {"margin_error": margin_errors[method]} for method in tables},
    }
    return metrics, pd.DataFrame(curves).rename_axis("margin").reset_index()
