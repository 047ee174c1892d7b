"""CSV files of numbers over epochs or margins, which DVC draws as plots."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.errors import InputError
from colorizer.files import atomic_write


def write_series(path: Path, series: pd.DataFrame) -> None:
    """Write a CSV with a header line and a line of numbers for each row.

    Floats have 6 significant digits, so that a learning rate of 1e-8 is not written as 0.
    """
    with atomic_write(path) as (partial,):
        series.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")


def read_series(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV of finite numbers.

    Raises InputError when one of `columns` is missing, there is no row, or a value is not a finite
    number.
    """
    try:
        # As text first: pandas would read True as 1.0, and take an extra first value as an index.
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
        series = text.astype(float) if isinstance(text.index, pd.RangeIndex) else pd.DataFrame()
    except (OSError, ValueError):  # pandas raises subclasses of ValueError
        series = pd.DataFrame()
    finite = np.isfinite(series.to_numpy(float)).all()
    if series.empty or not {*columns} <= {*series.columns} or not finite:
        raise InputError(f"{path}: should be a CSV with columns of numbers {', '.join(columns)}")
    return series
