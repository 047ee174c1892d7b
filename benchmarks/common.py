"""What the benchmarks share: params, prepared data, tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from colorizer.data.prepare import SPLITS
from colorizer.data.prepare import prepare as decode
from colorizer.files import read_yaml
from colorizer.params import PARAMS_FILE, load_params

ROOT = Path(__file__).parents[1]
TIMES = 3  # repetitions of what is compared


def changed_params(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The sections of params.yaml with changes, such as {"model.kernels": 16}."""
    sections: dict[str, dict[str, Any]] = read_yaml(ROOT / "params.yaml")
    for key, value in changes.items():
        section, name = key.split(".")
        sections[section][name] = value
    return sections


def prepare(raw: Path, folder: Path) -> None:
    """Prepare a data set in a folder: train, val and test."""
    decode(raw, [folder / split for split in SPLITS], load_params(ROOT / PARAMS_FILE).prepare)


def with_range(values: "pd.Series[float]", digits: int) -> str:
    """Median, with minimum and maximum in parentheses."""
    median, lowest, highest = values.quantile([0.5, 0, 1])
    return f"{median:.{digits}f} ({lowest:.{digits}f}..{highest:.{digits}f})"


def print_table(title: str, table: pd.DataFrame) -> None:
    """Print a title and a table in Markdown."""
    print(f"\n{title}\n\n{table.to_markdown(disable_numparse=True)}", flush=True)
