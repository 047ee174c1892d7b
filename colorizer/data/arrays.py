"""Arrays on disk: .npy files that are written row by row and read as memory maps."""

import math
import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from colorizer.errors import InputError


class ArrayWriter:
    """Appends rows to a .npy file, so that memory holds only the rows being written.

    It writes ordinarily, not through a memory map: on a full disk a write raises an error that says
    so, while a store to a map would kill the process.
    """

    def __init__(self, file: BinaryIO, dtype: np.dtype, row_shape: tuple[int, ...]) -> None:
        """Start an array of 0 rows."""
        self._file = file
        self._dtype = dtype
        self._row_shape = row_shape
        self._rows = 0
        self._write_header()

    def append(self, rows: np.ndarray) -> None:
        """Append rows (n, *row_shape), converted to the array's dtype."""
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows have shape {rows.shape[1:]}, not {self._row_shape}")
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._rows += len(rows)

    def finish(self) -> None:
        """Write the number of rows into the header, which has room for it."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        _write_header(self._file, self._dtype, (self._rows, *self._row_shape))


@contextmanager
def array_writer(
    path: Path, dtype: np.dtype | type, row_shape: tuple[int, ...]
) -> Iterator[ArrayWriter]:
    """Write a .npy file of rows of one dtype and shape."""
    with path.open("wb") as file:
        writer = ArrayWriter(file, np.dtype(dtype), row_shape)
        yield writer
        writer.finish()


def allocate_array(path: Path, dtype: np.dtype | type, shape: tuple[int, ...]) -> None:
    """Write a .npy file of zeros, to be filled by `write_rows`."""
    with path.open("wb") as file:
        _write_header(file, np.dtype(dtype), shape)
        file.truncate(file.tell() + math.prod(shape) * np.dtype(dtype).itemsize)


def write_rows(path: Path, first: int, rows: np.ndarray) -> None:
    """Overwrite rows of an array from `allocate_array`, from row `first` on.

    Several processes may write to one array at the same time.
    """
    array = open_array(path)
    if rows.shape[1:] != array.shape[1:] or first + len(rows) > len(array):
        raise ValueError(f"rows {first}.. of {rows.shape} do not fit into {array.shape}")
    with path.open("r+b") as file:
        file.seek(array.offset + first * array.strides[0])  # type: ignore[attr-defined]
        file.write(np.ascontiguousarray(rows, array.dtype).data)


def open_array(path: Path) -> np.ndarray:
    """Open a .npy file as a memory map. Raises InputError when it cannot be read.

    The map is copy-on-write, as PyTorch requires: changes never reach the file.
    """
    try:
        return np.lib.format.open_memmap(path, mode="c")
    except (OSError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read as an array ({reason})") from None


def open_predictions(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Open predictions as images. Raises InputError when they are not uint8 of `shape`."""
    predictions = open_array(path)
    if predictions.dtype != np.uint8 or predictions.shape != shape:
        raise InputError(
            f"{path}: holds {predictions.dtype} {predictions.shape}, should hold uint8 {shape}"
        )
    return predictions


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


def _write_header(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(file, header)
