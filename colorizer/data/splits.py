"""Prepared splits on disk: a folder of memory-mappable arrays and the names of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer.data.arrays import allocate_array, array_writer, open_array, write_rows
from colorizer.errors import InputError
from colorizer.files import write_text

NAMES_FILE = "names.txt"

# Dtype and channels of each array. Half precision keeps lab within 1/32, about a tenth of what one
# level of rgb typically changes.
ARRAYS = {"gray": ("uint8", ()), "rgb": ("uint8", (3,)), "lab": ("float16", (3,))}


class Rows(NamedTuple):
    """Some photographs: gray (n, H, W), rgb (n, H, W, 3) and lab (n, H, W, 3)."""

    gray: np.ndarray
    rgb: np.ndarray
    lab: np.ndarray


@dataclass(frozen=True)
class Split:
    """The photographs of a split, in the order of `names`.

    gray uint8 (N, H, W), 0..255; rgb uint8 (N, H, W, 3), 0..255; lab float16 (N, H, W, 3), CIE
    L*a*b*. All are memory maps: rows are read from disk when they are used.
    """

    names: list[str]
    gray: np.ndarray
    rgb: np.ndarray
    lab: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def allocate_split(folder: Path, photos: int, size: int) -> None:
    """Allocate the arrays of a split for `photos` photographs of size x size pixels."""
    folder.mkdir(parents=True)
    for name, (dtype, channels) in ARRAYS.items():
        allocate_array(array_path(folder, name), np.dtype(dtype), (photos, size, size, *channels))


def write_photos(folder: Path, first: int, rows: Rows) -> None:
    """Write photographs to a split from `allocate_split`, from row `first` on."""
    for name in ARRAYS:
        write_rows(array_path(folder, name), first, getattr(rows, name))


def finish_split(folder: Path, names: Sequence[str | None]) -> None:
    """Write the names of the rows, and remove the rows whose name is None."""
    rows = np.array([row for row, name in enumerate(names) if name is not None], np.intp)
    if len(rows) < len(names):
        for array in ARRAYS:
            _keep_rows(array_path(folder, array), rows)
    write_text(folder / NAMES_FILE, "".join(f"{name}\n" for name in names if name is not None))


def open_split(folder: Path) -> Split:
    """Open a prepared split.

    Raises InputError for a missing or unreadable file, an unexpected dtype, or arrays and names of
    different lengths.
    """
    file = folder / NAMES_FILE
    try:
        names = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); run prepare again") from None
    arrays = {name: open_array(array_path(folder, name)) for name in ARRAYS}
    size = arrays["gray"].shape[1:3]
    for name, (dtype, channels) in ARRAYS.items():
        array, shape = arrays[name], (len(names), *size, *channels)
        if array.dtype != dtype or array.shape != shape or 0 in shape or len(size) < 2:
            raise InputError(
                f"{array_path(folder, name)}: holds {array.dtype} {array.shape}, "
                f"should hold {dtype} {shape}; run prepare again"
            )
    return Split(names, **arrays)


def array_path(folder: Path, name: str) -> Path:
    """Path of a split's array: gray, rgb or lab."""
    return folder / f"{name}.npy"


def _keep_rows(path: Path, rows: np.ndarray) -> None:
    array = open_array(path)
    shorter = path.with_suffix(".shorter")
    with array_writer(shorter, array.dtype, array.shape[1:]) as writer:
        for row in rows:
            writer.append(array[row : row + 1])
    shorter.replace(path)
