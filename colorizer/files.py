"""Outputs on disk: whole or not there."""

import csv
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from colorizer.errors import InputError


@contextmanager
def replacing(*paths: Path) -> Iterator[list[Path]]:
    """Give paths to write to; what was written there becomes `paths` when the block succeeds.

    Each may become a file or a folder. When the block fails, `paths` stay as they were and
    what was half written is removed. A killed process leaves `.NAME.partial` behind, which
    nothing reads and the next run removes.
    """
    partials = [path.with_name(f".{path.name}.partial") for path in paths]
    for partial in partials:
        _remove(partial)
        partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partials
        for partial, path in zip(partials, paths, strict=True):
            if path.is_dir():  # which no folder can take the place of
                replaced = path.with_name(f".{path.name}.replaced.partial")
                _remove(replaced)
                path.replace(replaced)
                partial.replace(path)
                shutil.rmtree(replaced)
            else:
                partial.replace(path)
    except OSError as error:
        if error.filename is None:  # a full disk is an error of writing, which names no file
            error.filename = ", ".join(map(str, paths))
        raise
    finally:
        for partial in partials:
            _remove(partial)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, lines ended by a newline character on every system."""
    with replacing(path) as (partial,):
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_metrics(path: Path, metrics: Mapping[str, object]) -> None:
    """Write metrics as JSON: keys in the given order, floats with 6 decimals.

    Raises ValueError for NaN and infinity, which tools that read metrics cannot show.
    """
    write_text(path, json.dumps(_rounded(metrics), indent=2, allow_nan=False) + "\n")


def write_series(path: Path, names: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    """Write a CSV: a header line of `names`, then a line of numbers for each row.

    Numbers have 6 significant digits, so that a learning rate of 1e-8 is not written as 0.
    """
    with replacing(path) as (partial,), partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([f"{value:.6g}" for value in row] for row in rows)


def read_metrics(path: Path, keys: Sequence[str]) -> dict[str, float]:
    """Read numbers from a JSON file. Raises InputError where one of `keys` is not there."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        return {key: _finite(metrics[key]) for key in keys}
    except (OSError, TypeError, ValueError, KeyError):
        raise InputError(f"{path}: should be JSON with numbers for {', '.join(keys)}") from None


def read_series(path: Path, names: Sequence[str]) -> dict[str, list[float]]:
    """Read the columns of a CSV of numbers.

    Raises InputError where one of `names` is not there, or a value is no number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        columns = {name: [_finite(row[name]) for row in rows] for name in rows[0]}
    except (OSError, TypeError, ValueError, IndexError, csv.Error):
        columns = {}
    if not set(names) <= set(columns):
        raise InputError(f"{path}: should be a CSV with columns of numbers {', '.join(names)}")
    return columns


def _finite(value: str | float) -> float:
    if not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
