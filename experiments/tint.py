"""Measure how much of the error of networks is the tint of whole photographs.

The tint of a photograph is its mean Cb and Cr. The error without it is that of predictions whose
tint was replaced with that of the target: what a network of the same quality would reach if it knew
the light. R2 is the share of the variance of the targets' tints that the predicted tints explain.
Predictions are those without flip_tta.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from colorizer.errors import one_line_errors
from colorizer.inference.prediction import predict
from colorizer.markdown import table
from colorizer.metrics.error_totals import ErrorTotals
from colorizer.models.color_spaces import rgb_to_chroma, to_rgb
from colorizer.models.model_file import load_network
from experiments.arguments import split_and_models


def with_tint_of(images: Tensor, targets: Tensor) -> Tensor:
    """Images with the mean chroma of their targets: float32 (n, 3, H, W) on [-1, 1]."""
    shift = (tints(targets) - tints(images))[:, :, None, None]
    return images + to_rgb("ycbcr", shift, torch.zeros_like(shift[:, :1]))  # linear in both


def tints(images: Tensor) -> Tensor:
    """Mean Cb and Cr of images (n, 3, H, W) on [-1, 1]: (n, 2)."""
    return rgb_to_chroma(images).mean(dim=(2, 3))


def shares_of_tint(
    predictions: Iterable[Tensor], targets: Iterable[Tensor], margin: int
) -> tuple[float, float, list[float]]:
    """Margin error, margin error without tint, and R2 of Cb and of Cr.

    Predictions are float32 (n, H, W, 3) in levels, targets uint8 of that shape.
    """
    whole, without = ErrorTotals([margin]), ErrorTotals([margin])
    predicted, true = [], []
    for prediction, target in zip(predictions, targets, strict=True):
        image, truth = (
            values.float().div(127.5).sub(1).permute(0, 3, 1, 2) for values in (prediction, target)
        )
        whole.add(prediction, target)
        corrected = with_tint_of(image, truth).permute(0, 2, 3, 1).add(1).mul(127.5)
        without.add(corrected, target)
        predicted.append(tints(image))
        true.append(tints(truth))
    errors = torch.cat(predicted) - torch.cat(true)
    variance = torch.cat(true).var(dim=0, correction=0)
    r2 = 1 - errors.square().mean(dim=0) / variance
    return whole.margin_errors[0], without.margin_errors[0], r2.tolist()


def main() -> None:
    """Print a row for each network."""
    split, models, margin = split_and_models(__doc__)
    rows = []
    for path in models:
        network = load_network(path)
        gray, rgb = (
            torch.from_numpy(array).split(network.params.eval_batch_size)
            for array in (split.gray, split.rgb)
        )
        error, without, r2 = shares_of_tint(predict(network, gray, flip_tta=False), rgb, margin)
        rows.append(
            [path.stem, f"{error:.4f}", f"{without:.4f}", *(f"{value:.3f}" for value in r2)]
        )
    header = ["network", f"{margin}-margin error", "without tint", "R2 of Cb", "R2 of Cr"]
    print(table(f"{len(split)} photographs:", header, rows))


if __name__ == "__main__":
    with one_line_errors():
        main()
