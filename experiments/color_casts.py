"""Count how often predictions color what has no color, by how dark it is.

The report sees odd blue and green in whites and blacks. A pixel has no color when the channels of
its target differ by less than the margin; its prediction has a cast when its channels differ by the
margin or more. The cast is named by the channel that stands out most from the other two.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.data.arrays import open_array
from colorizer.data.splits import open_split
from colorizer.errors import one_line_errors
from colorizer.markdown import table
from colorizer.metrics.margin import MetricParams
from colorizer.params import PARAMS_FILE, read_section

BANDS = {"black": (0, 32), "dark": (32, 96), "middle": (96, 160), "light": (160, 224)}
BANDS |= {"white": (224, 256)}  # gray levels from, up to but without
# A channel stands out above the other two, or below them.
CASTS = ("red", "green", "blue", "cyan", "magenta", "yellow")


def name_casts(rgb: np.ndarray) -> np.ndarray:
    """Which cast each color has: indices of CASTS, (N,), of uint8 (N, 3)."""
    low, middle, high = np.sort(rgb.astype(int), axis=1).T
    stands_above = high - middle >= middle - low
    casts: np.ndarray = np.where(stands_above, rgb.argmax(axis=1), 3 + rgb.argmin(axis=1))
    return casts


def count_casts(
    gray: np.ndarray, predictions: np.ndarray, targets: np.ndarray, margin: int
) -> pd.DataFrame:
    """Shares for each band of gray: gray uint8 (N, H, W), the others uint8 (N, H, W, 3).

    Columns: pixels, of all; colorless, of the band's pixels; cast, of the colorless ones; then each
    of CASTS, of those with a cast. NaN where there is nothing to count.
    """
    rows = []
    for low, high in BANDS.values():
        inside = (gray >= low) & (gray < high)
        colorless = inside & (np.ptp(targets, axis=-1) < margin)
        found = predictions[colorless]
        casts = found[np.ptp(found, axis=-1) >= margin]
        kinds = np.bincount(name_casts(casts), minlength=len(CASTS))
        counts = [(inside.sum(), gray.size), (colorless.sum(), inside.sum())]
        counts += [(len(casts), len(found)), *((kind, len(casts)) for kind in kinds)]
        rows.append([count / total if total else np.nan for count, total in counts])
    return pd.DataFrame(rows, index=[*BANDS], columns=["pixels", "colorless", "cast", *CASTS])


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path, help="prepared split")
    parser.add_argument(
        "predictions", type=Path, nargs="+", help="predictions for it, .npy; named by the file"
    )
    args = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    split = open_split(args.split)
    for path in args.predictions:
        shares = count_casts(split.gray, open_array(path), split.rgb, margin).fillna(0)
        cells = [
            [f"{name}, {low} to {high - 1}", *(f"{share:.1%}" for share in shares.loc[name])]
            for name, (low, high) in BANDS.items()
        ]
        header = ["gray levels", *shares.columns]
        print(table(f"{path.stem}, a cast is {margin} levels or more:", header, cells))


if __name__ == "__main__":
    with one_line_errors():
        main()
