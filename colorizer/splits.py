"""Prepared splits on disk: a folder of memory-mappable arrays and the names of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer.arrays import array_writer, open_array, start_array, write_rows
from colorizer.errors import InputError
from colorizer.files import write_text

NAMES = "names.txt"

# Type and channels of one photograph's pixels. Half precision keeps lab within 1/32, about a
# tenth of what a typical step of 8-bit rgb moves it.
ARRAYS = {"gray": ("uint8", ()), "rgb": ("uint8", (3,)), "lab": ("float16", (3,))}


class Rows(NamedTuple):
    """Some photographs: gray (n, H, W), rgb (n, H, W, 3) and lab (n, H, W, 3)."""

    gray: np.ndarray
    rgb: np.ndarray
    lab: np.ndarray


@dataclass(frozen=True)
class Split:
    """The photographs of one split, in the order of `names`.

    gray uint8 (N, H, W), 0..255; rgb uint8 (N, H, W, 3), 0..255; lab float16 (N, H, W, 3),
    CIE L*a*b*. All are memory maps: rows are read when they are used.
    """

    names: list[str]
    gray: np.ndarray
    rgb: np.ndarray
    lab: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def start_split(folder: Path, photos: int, size: int) -> None:
    """Make room for so many photographs of size x size pixels."""
    folder.mkdir(parents=True)
    for name, (kind, channels) in ARRAYS.items():
        start_array(array_path(folder, name), np.dtype(kind), (photos, size, size, *channels))


def write_photos(folder: Path, first: int, rows: Rows) -> None:
    """Write photographs to a split from `start_split`, from row `first` on."""
    for name in ARRAYS:
        write_rows(array_path(folder, name), first, getattr(rows, name))


def finish_split(folder: Path, names: Sequence[str | None]) -> None:
    """Name the rows of a split, and take those out that have no name."""
    kept = np.array([row for row, name in enumerate(names) if name is not None], np.intp)
    if len(kept) < len(names):
        for kind in ARRAYS:
            _keep_rows(array_path(folder, kind), kept)
    write_text(folder / NAMES, "".join(f"{name}\n" for name in names if name is not None))


def open_split(folder: Path) -> Split:
    """Open what `write_split` wrote.

    Raises InputError for a missing or unreadable file, an unexpected type, or arrays and
    names of different lengths.
    """
    try:
        names = (folder / NAMES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / NAMES}: cannot be read ({error}); run prepare again") from None
    arrays = {name: open_array(array_path(folder, name)) for name in ARRAYS}
    sides = arrays["gray"].shape[1:3]
    for name, (kind, channels) in ARRAYS.items():
        array, expected = arrays[name], (len(names), *sides, *channels)
        if array.dtype != kind or array.shape != expected or 0 in expected or len(sides) < 2:
            raise InputError(
                f"{array_path(folder, name)}: holds {array.dtype} {array.shape}, "
                f"should hold {kind} {expected}; run prepare again"
            )
    return Split(names, **arrays)


def array_path(folder: Path, name: str) -> Path:
    """Where a split has its array `name`: gray, rgb or lab."""
    return folder / f"{name}.npy"


def _keep_rows(path: Path, rows: np.ndarray) -> None:
    array = open_array(path)
    shorter = path.with_suffix(".kept")
    with array_writer(shorter, array.dtype, array.shape[1:]) as kept:
        for row in rows:
            kept.append(array[row : row + 1])
    shorter.replace(path)
