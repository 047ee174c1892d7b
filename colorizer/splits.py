"""Prepared splits on disk: a folder of memory-mappable arrays and the names of their rows."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer.arrays import array_writer, open_array
from colorizer.errors import InputError
from colorizer.files import write_text

NAMES = "names.txt"

# Type and channels of one photograph's pixels. Half precision keeps lab within 1/32, about a
# tenth of what a typical step of 8-bit rgb moves it.
ARRAYS = {"gray": ("uint8", ()), "rgb": ("uint8", (3,)), "lab": ("float16", (3,))}


class Rows(NamedTuple):
    """Some photographs: names, gray (n, H, W), rgb (n, H, W, 3) and lab (n, H, W, 3)."""

    names: list[str]
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


def write_split(folder: Path, size: int, batches: Iterable[Rows]) -> None:
    """Write a split of photographs of size x size pixels, holding one batch in memory."""
    folder.mkdir(parents=True)
    names: list[str] = []
    with ExitStack() as files:
        writers = {
            name: files.enter_context(
                array_writer(_array_path(folder, name), np.dtype(kind), (size, size, *channels))
            )
            for name, (kind, channels) in ARRAYS.items()
        }
        for rows in batches:
            names += rows.names
            for name, writer in writers.items():
                writer.append(getattr(rows, name))
    write_text(folder / NAMES, "".join(f"{name}\n" for name in names))


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
    sides = arrays["gray"].shape[1:3]
    for name, (kind, channels) in ARRAYS.items():
        array, expected = arrays[name], (len(names), *sides, *channels)
        if array.dtype != kind or array.shape != expected or 0 in expected or len(sides) < 2:
            raise InputError(
                f"{_array_path(folder, name)}: holds {array.dtype} {array.shape}, "
                f"should hold {kind} {expected}; run prepare again"
            )
    return Split(names, **arrays)


def _array_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"
