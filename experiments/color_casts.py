"""Count how often networks color what has no color, by how dark it is.

The report sees odd blue and green in whites and blacks. A pixel has no color when the channels of
its target differ by less than the margin; its prediction has a cast when its channels differ by the
margin or more. The cast is named by the channel that stands out most from the other two.

Also counts what a conversion to 8 bits without clamping would show: a blue of -3 becomes 253.
"""

import numpy as np
import pandas as pd
import torch

from colorizer.errors import one_line_errors
from colorizer.inference.prediction import predict, to_uint8
from colorizer.markdown import table
from colorizer.models.model_file import load_network
from experiments.arguments import split_and_models

BANDS = {"black": (0, 31), "dark": (32, 95), "middle": (96, 159), "light": (160, 223)}
BANDS |= {"white": (224, 255)}  # gray levels, both included
# A channel stands out above the other two, or below them.
CASTS = ("red", "green", "blue", "cyan", "magenta", "yellow")
WRAPPED = ("green", "blue", "cyan")


def cast_shares(rgb: np.ndarray, margin: int) -> np.ndarray:
    """Shares of the colors (N, 3), uint8, that have each of CASTS: (6,); NaN for no colors."""
    low, middle, high = np.sort(rgb.astype(int), axis=1).T
    stands_above = high - middle >= middle - low
    casts = np.where(stands_above, rgb.argmax(axis=1), len(rgb.T) + rgb.argmin(axis=1))
    counts = np.bincount(casts[high - low >= margin], minlength=len(CASTS))
    shares: np.ndarray = counts / len(rgb) if len(rgb) else np.full(len(CASTS), np.nan)
    return shares


def count_casts(
    gray: np.ndarray, predictions: np.ndarray, targets: np.ndarray, margin: int
) -> pd.DataFrame:
    """Shares for each band of gray.

    gray is uint8 (N, H, W), predictions float32 (N, H, W, 3) in levels, targets uint8 of that
    shape. Columns: pixels, of all; colorless, of the band's pixels; then of the colorless ones,
    each of CASTS, and each of WRAPPED without clamping. NaN where there is nothing to count.
    """
    images = to_uint8(torch.from_numpy(predictions))
    wrapped = (predictions.round().astype(int) % 256).astype(np.uint8)
    rows = {}
    for band, (low, high) in BANDS.items():
        inside = (gray >= low) & (gray <= high)
        colorless = inside & (np.ptp(targets, axis=-1) < margin)
        without_clamping = dict(zip(CASTS, cast_shares(wrapped[colorless], margin), strict=True))
        rows[band] = {
            "pixels": inside.mean(),
            "colorless": colorless.sum() / inside.sum() if inside.any() else np.nan,
            **dict(zip(CASTS, cast_shares(images[colorless], margin), strict=True)),
            **{f"{cast}, unclamped": without_clamping[cast] for cast in WRAPPED},
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def main() -> None:
    """Print a table for each network."""
    split, models, margin = split_and_models(__doc__)
    for path in models:
        network = load_network(path)
        batches = torch.from_numpy(split.gray).split(network.params.eval_batch_size)
        predictions = torch.cat([*predict(network, batches, flip_tta=False)]).numpy()
        shares = count_casts(split.gray, predictions, split.rgb, margin)
        cells = [
            [f"{name}, {low} to {high}", *(f"{share:.1%}" for share in shares.loc[name])]
            for name, (low, high) in BANDS.items()
        ]
        header = ["gray levels", *shares.columns]
        print(table(f"{path.stem}, a cast is {margin} levels or more:", header, cells))


if __name__ == "__main__":
    with one_line_errors():
        main()
