"""Photographs in folders: found in a fixed order, decoded to squares of 8-bit rgb."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pydantic import Field

from colorizer.errors import InputError
from colorizer.params import Section

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Pillow's modes of 8 bits or fewer a channel. The others ("I;16", "I", "F") have a scale that
# the file does not tell.
EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"}


class DataParams(Section):
    """Section `data` of params.yaml."""

    name: str = Field(pattern=r"^\w[\w.-]*$")


class PrepareParams(Section):
    """Section `prepare` of params.yaml."""

    image_size: int = Field(ge=16, le=1024)


def find_photos(folder: Path) -> list[Path]:
    """List the photographs below a folder, at any depth, relative to it.

    A photograph is a file with one of SUFFIXES, in any case, that is not hidden. The order
    is that of their POSIX paths as text, the same on every system. Raises InputError when
    there are none, or when a name cannot stand on a line of UTF-8 text.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a dataset has the folders train, val and test")
    found = []
    for parent, _, names in os.walk(folder):
        found += [
            (Path(parent) / name).relative_to(folder)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    if not found:
        raise InputError(f"{folder}: no photographs ({', '.join(SUFFIXES)})")
    for path in found:
        if not str(path).isprintable():
            raise InputError(
                f"{folder}: the name {str(path)!r} has characters that cannot be printed; rename it"
            )
    return sorted(found, key=Path.as_posix)


def decode_photo(path: Path, size: int) -> np.ndarray:
    """Decode a photograph to rgb, uint8 (size, size, 3).

    Turned as its EXIF orientation says, transparent parts over white, cut to the largest
    centred square, then resized with antialiasing (Lanczos). One that is size x size already
    keeps its pixels. A gray photograph has three equal channels. Raises InputError for a file
    that cannot be decoded or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in EIGHT_BIT_MODES:
                raise InputError(
                    f"{path}: has pixels of mode {image.mode}; should have 8 bits a channel"
                )
            square = _central_square(_opaque(ImageOps.exif_transpose(image)))
            resized = square.resize((size, size), Image.Resampling.LANCZOS)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path}: permission denied; should be readable") from None
    except Exception as error:  # a broken file can make Pillow's decoders raise anything
        raise InputError(f"{path}: cannot be decoded as a picture ({_one_line(error)})") from None
    return np.asarray(resized)


def is_gray(rgb: np.ndarray) -> bool:
    """Tell whether all pixels of rgb (..., 3) have three equal channels."""
    return bool((rgb[..., :2] == rgb[..., 1:]).all())


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
