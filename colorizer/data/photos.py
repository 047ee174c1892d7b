"""Photographs in folders: listed in a fixed order, decoded to 8-bit sRGB."""

import errno
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageChops

from colorizer.data.decoding import (
    CAMERA_RAW_SUFFIXES,
    FORMAT_OF_SUFFIX,
    HAS_HEIF,
    HEIF_SUFFIXES,
    Photo,
    decode,
    is_image,
)
from colorizer.errors import InputError

# Largest photograph that is read: what python -m colorizer needs for it is 2 GiB.
MAX_MEGAPIXELS = 250

# Root mean square of the chroma, in levels, that is noise. JPEG of quality 40 puts up to 2.5 on
# sepia; of 6971 color faces, 2 have less.
CHROMA_NOISE = 2.5
TONE_SIDE = 40  # pixels, up to twice as many: the reduced photograph to measure chroma in
LUMA_STEP = 8  # levels of luma that share a chroma in a toned photograph
# Errors that a file causes (None: its content) when it is read or written. Others, such as a full
# or failing disk, are faults of the machine, for which no photograph may be skipped.
FILE_ERRORS = {
    *(None, errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EFBIG),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}
NEEDS_MEMORY = "takes more memory than there is; reduce it"


def find_photos(folder: Path) -> tuple[list[str], list[str]]:
    """List the photographs below a folder, at any depth, and the other files.

    Both are POSIX paths relative to the folder, sorted as text: the same order on every system. A
    photograph is a file with the suffix of a format that Pillow decodes, in upper or lower case;
    for another suffix, or without one, its content decides. Hidden files and folders are ignored;
    links to folders are followed, and each folder is visited once. Raises InputError when there is
    no photograph, OSError for a folder that cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a dataset has the folders train, val and test")
    photos: list[str] = []
    others: list[str] = []
    visited = set()
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        if os.path.realpath(parent) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(parent))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(folder)
        for name in names:
            if not name.startswith("."):
                path = Path(parent, name)
                is_photo = path.suffix.lower() in FORMAT_OF_SUFFIX or is_image(path)
                (photos if is_photo else others).append((below / name).as_posix())
    if not photos:
        found_instead = f", only {count_kinds(others)}" if others else ""
        raise InputError(f"{folder}: no photographs (.jpg, .png, .tif ...){found_instead}")
    return sorted(photos), sorted(others)


def count_kinds(names: Iterable[str]) -> str:
    """The number of files of each suffix, most first: "3 .cr2 (camera raw), 1 .txt"."""
    counts = Counter(Path(name).suffix.lower() for name in names)
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {_kind(suffix)}" for suffix, count in by_count)


def read_photo(path: Path, mode: Literal["RGB", "L"], max_megapixels: float) -> Photo:
    """Decode a photograph to 8-bit sRGB in a mode; to RGBA or LA when it has transparency.

    Takes the first image of a file with several, applies the EXIF orientation and converts colors
    from the ICC profile. In RGB, a gray photograph has three equal channels; L is the luma of ITU-R
    BT.601 and takes a quarter of the memory.

    Raises InputError for a file that cannot be decoded, that has no known white level (floats and
    32-bit integers), or whose name is not one line of UTF-8; TooLargeError, an InputError, for one
    of more than `max_megapixels`; MemoryError, which names the file, when the memory is too small.
    """
    return _read(path, mode, max_megapixels, None)


def decode_photo(path: Path, size: int) -> np.ndarray:
    """Decode a photograph to rgb, uint8 (size, size, 3), sRGB.

    Reads it as `read_photo` does, which says what is raised; puts transparent parts over white,
    crops to the largest centered square and resizes with antialiasing (Lanczos). A JPEG of many
    times the size is reduced while it is decoded, which is faster and takes less memory. A
    photograph of size x size pixels keeps its pixels.
    """
    image = over_white(_read(path, "RGB", MAX_MEGAPIXELS, size).image)
    if image.width != image.height:
        image = _central_square(image)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def over_white(image: Image.Image) -> Image.Image:
    """Put an image in mode RGBA or LA over white, as it is seen: to RGB or L. Others stay."""
    if not image.mode.endswith("A"):
        return image
    opaque = image.convert(image.mode.removesuffix("A"))
    opaque.paste("white", mask=ImageChops.invert(image.getchannel("A")))
    return opaque


def tone(image: Image.Image) -> Literal["gray", "toned", "color"]:
    """What the colors of a photograph in mode RGB are.

    It is gray when its chroma (Cb, Cr of ITU-R BT.601) is that of noise, as JPEG adds to scans;
    toned, such as sepia, when its chroma follows from its luma but for noise: one hue, or one for
    shadows and another for lights. A photograph of a single color counts as toned.
    """
    reduced = image.reduce(max(1, max(image.size) // TONE_SIDE))  # noise averages out
    luma, *chroma = np.asarray(reduced.convert("YCbCr")).reshape(-1, 3).T
    levels = luma // LUMA_STEP
    counts = np.bincount(levels)
    power, explained = 0.0, 0.0  # sums of squares: of chroma, of its means at each level of luma
    for plane in chroma:
        offset = plane.astype(np.float64) - 128
        power += float(offset @ offset)
        sums = np.bincount(levels, offset)
        explained += float((sums * sums / np.maximum(counts, 1)).sum())
    noise_power = luma.size * CHROMA_NOISE**2
    if power <= noise_power:
        return "gray"
    freedom = max(luma.size - int(np.count_nonzero(counts)), 1) / luma.size
    return "toned" if power - explained <= noise_power * freedom else "color"


def _read(
    path: Path, mode: Literal["RGB", "L"], max_megapixels: float, min_side: int | None
) -> Photo:
    if not _fits_a_line(str(path)):
        raise InputError(f"{str(path)!a}: should have a name that is one line of UTF-8; rename it")
    if path.exists() and not path.is_file():  # reading from a pipe could block forever
        raise InputError(f"{path}: is not a file; fix or remove it")
    try:
        return decode(path, mode, max_megapixels, min_side)
    except InputError:
        raise
    except MemoryError:
        raise MemoryError(f"{path}: {NEEDS_MEMORY}") from None
    except OSError as error:
        if error.errno not in FILE_ERRORS:
            raise
        raise InputError(
            f"{path}: {error.strerror or _one_line(error)}; fix or remove it"
        ) from None
    except Exception as error:  # Pillow's decoders can raise anything for a broken file
        raise InputError(f"{path}: {_one_line(error)}; fix or remove it") from None


def _kind(suffix: str) -> str:
    if suffix in CAMERA_RAW_SUFFIXES:
        return f"{suffix} (camera raw)"
    if suffix in HEIF_SUFFIXES and not HAS_HEIF:
        return f"{suffix} (pip install -r requirements-heic.txt to read them)"
    return suffix or "without suffix"


def _fits_a_line(name: str) -> bool:
    try:
        return name.encode("utf-8").decode("utf-8").splitlines() == [name]
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _raise(error: OSError) -> None:
    raise error


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
