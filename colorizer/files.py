"""Files that are written atomically: complete or not at all."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from colorizer.errors import InputError


@contextmanager
def atomic_write(*paths: Path) -> Iterator[list[Path]]:
    """Yield temporary paths to write to; when the block succeeds, rename them to `paths`.

    Each may become a file or a folder. When the block fails, `paths` stay as they were and the
    temporary files are removed. A killed process leaves `.NAME.partial` behind, which nothing reads
    and the next run removes.
    """
    partials = [path.with_name(f".{path.name}.partial") for path in paths]
    for partial in partials:
        _remove(partial)
        partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partials
        for partial, path in zip(partials, paths, strict=True):
            if path.is_dir():  # a folder cannot be renamed to one with content
                replaced = path.with_name(f".{path.name}.replaced.partial")
                _remove(replaced)
                path.replace(replaced)
                partial.replace(path)
                shutil.rmtree(replaced)
            else:
                partial.replace(path)
    except OSError as error:
        if error.filename is None:  # a write to a full disk raises an error without a file name
            error.filename = ", ".join(map(str, paths))
        raise
    finally:
        for partial in partials:
            _remove(partial)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with a line feed at the end of each line on every system."""
    with atomic_write(path) as (partial,):
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_metrics(path: Path, metrics: Mapping[str, object]) -> None:
    """Write metrics as JSON: keys in the given order, floats with 6 decimals.

    Raises ValueError for NaN and infinity, which tools that read metrics cannot show.
    """
    write_text(path, json.dumps(_rounded(metrics), indent=2, allow_nan=False) + "\n")


def read_metrics(path: Path, keys: Sequence[str]) -> dict[str, float]:
    """Read numbers from a JSON file. Raises InputError when one of `keys` is missing."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        values = {key: float(metrics[key]) for key in keys}
    except (OSError, TypeError, ValueError, KeyError):
        values = {}
    if len(values) < len(keys) or not all(map(math.isfinite, values.values())):
        raise InputError(f"{path}: should be JSON with numbers for {', '.join(keys)}")
    return values


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
