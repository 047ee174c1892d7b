"""Arguments of the commands that measure trained networks on a prepared split."""

import argparse
from pathlib import Path

from colorizer.data.splits import Split, open_split
from colorizer.device import configure_torch
from colorizer.metrics.margin import MetricParams
from colorizer.params import PARAMS_FILE, read_section

THREADS = 1


def split_and_models(description: str | None) -> tuple[Split, list[Path], int]:
    """Parse the command line; the split, the model files, and the margin of params.yaml.

    PyTorch then uses one thread.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("split", type=Path, help="prepared split")
    parser.add_argument(
        "models", type=Path, nargs="+", help="model files; a file's stem is its label"
    )
    args = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    configure_torch(THREADS)
    return open_split(args.split), args.models, margin
