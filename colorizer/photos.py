"""Photographs in folders: found in a fixed order, decoded to squares of 8-bit rgb."""

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

# Pillow's modes of pictures whose white is known: 8 bits a channel or fewer, and 16-bit gray.
# (It reads 16-bit color as 8 bits by itself.) "I" and "F" have any scale.
EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"}
SIXTEEN_BIT_MODES = {"I;16", "I;16L", "I;16B"}
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # tags of TIFF; 1 is black as 0

# Errors that tell of the file (None: of its content). The others are of the machine, such as a
# disk that fails, and a photograph must not be skipped for them.
FAULTS_OF_A_FILE = {None, errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EINVAL, errno.ENAMETOOLONG}


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
    bad_photos: Literal["fail", "skip"]


def find_photos(folder: Path) -> tuple[list[str], list[str]]:
    """List the photographs below a folder, at any depth, and the other files.

    As POSIX paths relative to it, sorted as text: the same order on every system. A photograph
    is a file with one of SUFFIXES, in any case. Hidden files and folders do not count; links to
    folders are followed, each folder is visited once. Raises InputError when there is no
    photograph, OSError for a folder that cannot be read.
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
    """Decode a whole photograph to 8-bit sRGB: mode RGB, or RGBA where it is transparent.

    The first picture of a file of several; turned as its EXIF orientation says, colors converted
    from its ICC profile. A gray photograph has three equal channels.

    Raises InputError for a file that cannot be decoded, whose white is not known (floats and
    32-bit integers), that has more pixels than Pillow takes for an attack, or whose name cannot
    stand on a line of text.
    """
    if not _fits_a_line(str(path)):
        raise InputError(f"{str(path)!a}: should have a name of UTF-8 on one line; rename it")
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise InputError(f"{path}: is no file; mend or remove it")
    try:
        with warnings.catch_warnings():
            # Half the number of pixels that is an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if not _has_known_white(image):
                    raise InputError(
                        f"{path}: has pixels of mode {image.mode} on an unknown scale; should have "
                        "8 bits a channel, or in PNG and TIFF 16 with 65535 as white"
                    )
                return _srgb(_eight_bit(_upright(image)))
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(f"{path}: is no picture of a known format; mend or remove it") from None
    except OSError as error:
        if error.errno not in FAULTS_OF_A_FILE:
            raise
        raise InputError(
            f"{path}: {error.strerror or _one_line(error)}; mend or remove it"
        ) from None
    except Exception as error:  # a broken file can make Pillow's decoders raise anything
        raise InputError(f"{path}: {_one_line(error)}; mend or remove it") from None


def decode_photo(path: Path, size: int) -> np.ndarray:
    """Decode a photograph to rgb, uint8 (size, size, 3), sRGB.

    As `read_photo`, which says what is raised, with transparent parts over white; cut to the
    largest centred square, then resized with antialiasing (Lanczos). One that is size x size
    already keeps its pixels.
    """
    image = read_photo(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    square = _central_square(image.convert("RGB"))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def is_gray(rgb: np.ndarray) -> bool:
    """Tell whether all pixels of rgb (..., 3) have three equal channels."""
    return bool((rgb[..., :2] == rgb[..., 1:]).all())


def _fits_a_line(name: str) -> bool:
    try:
        return name.encode("utf-8").decode("utf-8").splitlines() == [name]
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _has_known_white(image: Image.Image) -> bool:
    if image.mode in EIGHT_BIT_MODES:
        return True
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    as_in_png = tags.get(BITS_PER_SAMPLE, (16,)) == (16,) and tags.get(PHOTOMETRIC, 1) == 1
    return image.mode in SIXTEEN_BIT_MODES and as_in_png


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF that cannot be read says nothing of the orientation
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
    """Mode RGB or RGBA, in sRGB; a gray picture's profile is left out of account."""
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
            pass  # a profile that is no use: the values are taken for sRGB, as without one
    image = image.convert("RGB")
    if opacity is not None:
        image.putalpha(opacity)
    return image


def _keeps_colors(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a profile is sRGB but for rounding, under whatever name."""
    values = np.linspace(0, 255, 9).astype(np.uint8)
    colors = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(9, 81, 3)
    converted = ImageCms.applyTransform(Image.fromarray(colors), transform)
    return bool(np.abs(np.asarray(converted).astype(int) - colors).max() <= 2)


def _raise(error: OSError) -> None:
    raise error


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
