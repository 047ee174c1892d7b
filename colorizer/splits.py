"""Prepared splits on disk: a folder of memory-mappable arrays and the names of their rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colorizer.errors import InputError
from colorizer.files import write_text

# Type and shape of one photograph's row. Half precision keeps lab within 1/32, a tenth of
# what one step of 8-bit rgb moves it.
ARRAYS: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
    "gray": (np.dtype(np.uint8), ()),
    "rgb": (np.dtype(np.uint8), (3,)),
    "lab": (np.dtype(np.float16), (3,)),
}
NAMES = "names.txt"


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


def write_split(
    folder: Path,
    names: Sequence[str],
    size: int,
    batches: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """Write a split from batches of (gray, rgb, lab) rows, as many in all as there are names.

    Memory holds one batch at a time, however many photographs there are.
    """
    folder.mkdir(parents=True)
    write_text(folder / NAMES, "".join(f"{name}\n" for name in names))
    maps = [
        np.lib.format.open_memmap(
            _array_path(folder, name), "w+", dtype, (len(names), size, size, *channels)
        )
        for name, (dtype, channels) in ARRAYS.items()
    ]
    start = 0
    for batch in batches:
        stop = start + len(batch[0])
        for array, rows in zip(maps, batch, strict=True):
            array[start:stop] = rows
        start = stop
    for array in maps:
        array.flush()


def open_split(folder: Path) -> Split:
    """Open what `write_split` wrote.

    Raises InputError for a missing or unreadable file, an unexpected type, or arrays and
    names of different lengths.
    """
    try:
        names = (folder / NAMES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / NAMES}: cannot be read ({error}); run prepare again") from None
    arrays = {name: open_array(_array_path(folder, name)) for name in ARRAYS}
    side = arrays["gray"].shape[1:3]
    for name, (dtype, channels) in ARRAYS.items():
        expected = (len(names), *side, *channels)
        if arrays[name].dtype != dtype or arrays[name].shape != expected:
            raise InputError(
                f"{_array_path(folder, name)}: holds {arrays[name].dtype} {arrays[name].shape}, "
                f"should hold {dtype} {expected}; run prepare again"
            )
    return Split(names, **arrays)


def open_array(path: Path) -> np.ndarray:
    """Open a .npy file as a read-only memory map. Raises InputError where that fails."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as an array ({error})") from None
    return array


def _array_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"
