"""Photographs in folders: listed in a fixed order, decoded to 8-bit sRGB."""

import errno
import os
import re
import warnings
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from pydantic import AfterValidator, Field

from colorizer.errors import InputError
from colorizer.params import Section

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".avif", ".gif"),
    *(".bmp", ".jp2", ".tga", ".pbm", ".pgm", ".pnm", ".ppm"),
)

# Pillow's modes whose white level is known: up to 8 bits per channel, and 16-bit gray. (Pillow
# itself reads 16-bit color as 8 bits.) Modes "I" and "F" have no fixed scale.
EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"}
SIXTEEN_BIT_MODES = {"I;16", "I;16L", "I;16B"}
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # TIFF tags; a PHOTOMETRIC of 1 means that 0 is black

# Errors that a file causes (None: its content). Others, such as a failing disk, are faults of the
# machine, for which no photograph may be skipped.
FILE_ERRORS = {None, errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EINVAL, errno.ENAMETOOLONG}


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError("should be the name of a folder: letters, digits, '_', '-' and '.'")
    return name


class DataParams(Section):
    """Section `data` of params.yaml."""

    name: Annotated[str, AfterValidator(_folder_name)]


class PrepareParams(Section):
    """Section `prepare` of params.yaml."""

    image_size: int = Field(ge=16, le=1024)
    train_fraction: float = Field(ge=0.001, le=1)
    bad_photos: Literal["fail", "skip"]


def find_photos(folder: Path) -> tuple[list[str], list[str]]:
    """List the photographs below a folder, at any depth, and the other files.

    Both are POSIX paths relative to the folder, sorted as text: the same order on every system. A
    photograph is a file with one of SUFFIXES, in upper or lower case. Hidden files and folders are
    ignored; links to folders are followed, and each folder is visited once. Raises InputError when
    there is no photograph, OSError for a folder that cannot be read.
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
                found = photos if Path(name).suffix.lower() in SUFFIXES else others
                found.append((below / name).as_posix())
    if not photos:
        raise InputError(f"{folder}: no photographs ({', '.join(SUFFIXES)})")
    return sorted(photos), sorted(others)


def read_photo(path: Path) -> Image.Image:
    """Decode a whole photograph to 8-bit sRGB: mode RGB, or RGBA when it has transparency.

    Takes the first image of a file with several, applies the EXIF orientation and converts colors
    from the ICC profile. A gray photograph has three equal channels.

    Raises InputError for a file that cannot be decoded, that has no known white level (floats and
    32-bit integers), that has more pixels than Pillow's limit against decompression bombs, or whose
    name is not one line of UTF-8.
    """
    if not _fits_a_line(str(path)):
        raise InputError(f"{str(path)!a}: should have a name that is one line of UTF-8; rename it")
    if path.exists() and not path.is_file():  # reading from a pipe could block forever
        raise InputError(f"{path}: is not a file; fix or remove it")
    try:
        with warnings.catch_warnings():
            # A warning for half of the number of pixels that is an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if not _has_known_white(image):
                    raise InputError(
                        f"{path}: has pixels of mode {image.mode} on an unknown scale; should have "
                        "8 bits per channel, or in PNG and TIFF 16 bits with 65535 as white"
                    )
                return _srgb(_eight_bit(_upright(image)))
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(f"{path}: is not an image in a known format; fix or remove it") from None
    except OSError as error:
        if error.errno not in FILE_ERRORS:
            raise
        raise InputError(
            f"{path}: {error.strerror or _one_line(error)}; fix or remove it"
        ) from None
    except Exception as error:  # Pillow's decoders can raise anything for a broken file
        raise InputError(f"{path}: {_one_line(error)}; fix or remove it") from None


def decode_photo(path: Path, size: int) -> np.ndarray:
    """Decode a photograph to rgb, uint8 (size, size, 3), sRGB.

    Reads it with `read_photo`, which says what is raised; puts transparent parts over white, crops
    to the largest centered square and resizes with antialiasing (Lanczos). A photograph of size x
    size pixels keeps its pixels.
    """
    image = read_photo(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    square = _central_square(image.convert("RGB"))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def is_gray(rgb: np.ndarray) -> bool:
    """Whether the three channels of all pixels of rgb, (..., 3), are equal."""
    return bool((rgb[..., :2] == rgb[..., 1:]).all())


def _fits_a_line(name: str) -> bool:
    try:
        return name.encode("utf-8").decode("utf-8").splitlines() == [name]
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _has_known_white(image: Image.Image) -> bool:
    if image.mode in EIGHT_BIT_MODES:
        return True
    tags = getattr(image, "tag_v2", {})  # only a TIFF has them
    as_in_png = tags.get(BITS_PER_SAMPLE, (16,)) == (16,) and tags.get(PHOTOMETRIC, 1) == 1
    return image.mode in SIXTEEN_BIT_MODES and as_in_png


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF has no orientation
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode in EIGHT_BIT_MODES:
        return image
    deep = np.asarray(image)
    gray = np.rint(deep / 257).astype(np.uint8)
    if "transparency" not in image.info:
        return Image.fromarray(gray)
    opaque = np.where(deep == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(gray), Image.fromarray(opaque)])


def _srgb(image: Image.Image) -> Image.Image:
    """Convert to sRGB in mode RGB or RGBA; the profile of a gray image is ignored."""
    profile = image.info.get("icc_profile")
    opacity = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        opacity = image.getchannel("A")
    if image.mode not in {"CMYK", "L", "LA", "1"}:
        image = image.convert("RGB")
    if profile and image.mode in {"RGB", "CMYK"}:
        try:
            to_srgb = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                image.mode,
                "RGB",
            )
            if image.mode == "CMYK" or not _keeps_colors(to_srgb):
                image = ImageCms.applyTransform(image, to_srgb) or image
        except (OSError, ImageCms.PyCMSError):
            pass  # an unusable profile: the values count as sRGB, as without a profile
    image = image.convert("RGB")
    if opacity is not None:
        image.putalpha(opacity)
    return image


def _keeps_colors(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a profile is sRGB up to rounding, whatever its name."""
    values = np.linspace(0, 255, 9).astype(np.uint8)
    colors = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(9, 81, 3)
    converted = ImageCms.applyTransform(Image.fromarray(colors), transform)
    return bool(np.abs(np.asarray(converted).astype(int) - colors).max() <= 2)


def _raise(error: OSError) -> None:
    raise error


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
