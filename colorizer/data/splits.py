"""Prepared splits on disk: a folder of memory-mappable arrays and the names of their rows."""

import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.format import open_memmap

from colorizer.errors import InputError
from colorizer.files import write_text

PREPARED = Path("data/prepared")  # train, val and test: see dvc.yaml
NAMES_FILE = "names.txt"
# Dtype and channels of each array. Half precision keeps lab within 1/32, about a tenth of what one
# level of rgb typically changes.
ARRAYS = {"gray": (np.uint8, ()), "rgb": (np.uint8, (3,)), "lab": (np.float16, (3,))}


class Row(NamedTuple):
    """A prepared photograph: gray uint8 (H, W), rgb uint8 and lab float32 (H, W, 3)."""

    name: str
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


def write_split(folder: Path, rows: Iterable[Row], most: int, size: int) -> None:
    """Write the arrays of a split, row by row: at most `most` of size x size pixels."""
    folder.mkdir(parents=True)
    arrays = {
        name: create_array(array_path(folder, name), dtype, (most, size, size, *channels))
        for name, (dtype, channels) in ARRAYS.items()
    }
    names: list[str] = []
    for row in rows:
        for name, array in arrays.items():
            array[len(names)] = getattr(row, name)
        names.append(f"{row.name}\n")
    if len(names) < most:
        for name, array in arrays.items():
            array_path(folder, name).unlink()
            np.save(array_path(folder, name), array[: len(names)])
    write_text(folder / NAMES_FILE, "".join(names))


def open_split(folder: Path) -> Split:
    """Open a prepared split.

    Raises InputError for a missing or unreadable file, or arrays that do not fit the names.
    """
    try:
        names = (folder / NAMES_FILE).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; run prepare again") from None
    gray = open_array(array_path(folder, "gray"))
    arrays = {
        name: open_array(array_path(folder, name), dtype, (len(names), *gray.shape[1:], *channels))
        for name, (dtype, channels) in ARRAYS.items()
    }
    return Split(names, **arrays)


def array_path(folder: Path, name: str) -> Path:
    """Path of a split's array: gray, rgb or lab."""
    return folder / f"{name}.npy"


def create_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """Create a .npy file of zeros as a memory map. Raises OSError when the disk has no room."""
    array = open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # else a store to the map of a full disk kills the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)
    return array


def open_array(
    path: Path, dtype: type | None = None, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """Open a .npy file as a memory map.

    The map is copy-on-write, as PyTorch requires: changes never reach the file. Raises InputError
    when it cannot be read or has another dtype or shape.
    """
    try:
        array = open_memmap(path, "c")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an array ({error})") from None
    if dtype and (array.dtype != dtype or array.shape != shape):
        raise InputError(
            f"{path}: has {array.dtype} {array.shape}, should have {np.dtype(dtype)} {shape}"
        )
    return array


def expect_random_reads(array: np.ndarray) -> None:
    """Let the kernel read only the pages of a memory map that are used, and none around them.

    By default it reads some 100 KB to 8 MB around each page, which pays off only for rows that are
    read in order. Call `prefetch_rows` before rows are used, or each page is waited for.
    """
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):  # not on Windows
        array.base.madvise(mmap.MADV_RANDOM)


def prefetch_rows(array: np.ndarray, rows: Iterable[int]) -> None:
    """Start to read rows of a memory map, all at once, without waiting for them."""
    if not isinstance(array.base, mmap.mmap) or not hasattr(mmap, "MADV_WILLNEED"):
        return
    length = array.strides[0]
    for row in rows:
        start = array.offset + row * length
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        array.base.madvise(mmap.MADV_WILLNEED, page, start + length - page)
