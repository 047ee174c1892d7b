"""Measure the color casts of networks: of colorless pixels and of whole photographs.

A pixel is colorless when the channels of its target differ by less than the margin. Its prediction
has a cast when its channels differ by the margin or more, named by the nearest hue. Unclamped are
the casts of 8-bit images made without clamping, in which a blue of -3 becomes 253.

The color cast of a photograph is its mean Cb and Cr. The error without it is that of predictions
with the color casts of their targets, as if the network knew the illuminant. R2 is the share of the
variance of the targets' color casts that the predicted ones explain. Predictions are not averaged
with those of mirror images (`evaluate.flip_tta`).
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from skimage.color import rgb2hsv
from torch import Tensor

from colorizer.data.splits import open_split
from colorizer.errors import one_line_errors
from colorizer.metrics import ErrorTotals
from colorizer.models.color_spaces import rgb_to_chroma, to_rgb
from colorizer.models.colorizer import predict_rows, to_uint8
from colorizer.models.model_file import load_model

BANDS = {"black": 31, "dark": 95, "middle": 159, "light": 223, "white": 255}  # last gray level
CASTS = ["red", "yellow", "green", "cyan", "blue", "magenta"]  # 60 degrees of hue apart


def name_casts(rgb: np.ndarray, margin: int) -> np.ndarray:
    """The cast of each color, uint8 (N, 3): one of CASTS, or none."""
    hues = np.round(rgb2hsv(rgb)[:, 0] * 6, 9)  # exact halves, which round to even
    casts = np.array(CASTS)[np.round(hues).astype(int) % 6]
    return np.where(np.ptp(rgb, axis=1) >= margin, casts, "none")


def casts_of_colorless_pixels(
    gray: np.ndarray, predictions: Tensor, targets: np.ndarray, margin: int
) -> pd.DataFrame:
    """For each of BANDS the share of all pixels, of its colorless ones, and of these with a cast.

    gray is uint8 (N, H, W), predictions float32 (N, H, W, 3) in levels, targets uint8 of that
    shape. NaN where there is no pixel.
    """
    bands = pd.cut(pd.Series(gray.ravel()), [-1, *BANDS.values()], labels=[*BANDS])
    colorless = pd.Series((np.ptp(targets, axis=-1) < margin).ravel())
    shares = {
        "pixels": bands.value_counts(normalize=True),
        "colorless": colorless.groupby(bands, observed=False).mean(),
    }
    unclamped = predictions.round().int().byte().numpy()
    for ending, images in (("", to_uint8(predictions)), (", unclamped", unclamped)):
        names = name_casts(images.reshape(-1, 3)[colorless], margin)
        casts = pd.Series(names, bands.index[colorless])
        for cast in CASTS:
            shares[cast + ending] = (casts == cast).groupby(bands, observed=False).mean()
    return pd.DataFrame(shares)


def color_casts(images: Tensor) -> Tensor:
    """Mean Cb and Cr of images (N, H, W, 3): (N, 2, 1, 1), on their scale."""
    return rgb_to_chroma(images.float().mean(dim=(1, 2))[:, :, None, None])


def share_of_color_casts(predictions: Tensor, targets: Tensor, margin: int) -> dict[str, float]:
    """The margin error, that without color casts, R2 of Cb, R2 of Cr.

    Predictions are float32 (N, H, W, 3) in levels, targets uint8 of that shape.
    """
    true = color_casts(targets)
    difference = true - color_casts(predictions)
    shift = to_rgb("ycbcr", difference, torch.zeros_like(true[:, :1])).permute(0, 2, 3, 1)
    errors = []
    for images in (predictions, predictions + shift):
        totals = ErrorTotals([margin])
        totals.add(images, targets)
        errors += totals.margin_errors
    r2 = 1 - difference.square().mean(dim=0) / true.var(dim=0, correction=0)
    names = f"{margin}-margin error", "without color cast", "R2 of Cb", "R2 of Cr"
    return dict(zip(names, [*errors, *r2.flatten().tolist()], strict=True))


def main() -> None:
    """Print a table for each network, and one of the color casts of photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path, help="prepared split")
    parser.add_argument("models", type=Path, nargs="+", help="model files; their stems are labels")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on it
    split = open_split(args.split)
    gray, targets = torch.from_numpy(split.gray), torch.from_numpy(split.rgb)
    rows = {}
    for path in args.models:
        network = load_model(path).network
        predicted = predict_rows(network, gray, torch.arange(len(split)), flip_tta=False)
        predictions = torch.cat([prediction for _, prediction in predicted])
        casts = casts_of_colorless_pixels(split.gray, predictions, split.rgb, network.margin)
        print(f"\n{path.stem}, a cast is {network.margin} levels or more, by gray level:\n")
        casts = casts.rename(index=lambda band: f"{band}, up to {BANDS[band]}")
        print(casts.map("{:.1%}".format).to_markdown())
        rows[path.stem] = share_of_color_casts(predictions, targets, network.margin)
    print(f"\n{len(split)} photographs:\n")
    print(pd.DataFrame(rows).T.to_markdown(floatfmt=".4f"))


if __name__ == "__main__":
    with one_line_errors():
        main()
