"""Colorized photographs as files: their names, formats and metadata."""

import errno
import mmap
import struct
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageCms, PngImagePlugin

from colorizer.errors import InputError
from colorizer.files import atomic_write
from colorizer.inference.exif import (
    EXIF,
    GPS,
    IMAGE,
    Directories,
    adapt,
    add_to_tiff,
    encode_exif,
    read_exif,
)

# Formats that are written, with their suffixes; the first is given to a photograph without one.
SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "tiff": (".tif", ".tiff"),
}
# How files begin whose format is kept.
SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"II*\0": "tiff", b"MM\0*": "tiff"}
SIGNATURES |= {b"II+\0": "tiff", b"MM\0+": "tiff"}  # BigTIFF
LARGEST_JPEG = 65_500  # pixels: libjpeg's limit for both sides

# Formats of Pillow with several images in a file, of which one is the photograph, and their word.
IMAGES_OF = dict.fromkeys(("GIF", "PNG", "WEBP", "AVIF"), "frame") | {"TIFF": "page"}
# Keywords of the PNG standard (ISO/IEC 15948, section 11.3.4.2).
PNG_KEYWORDS = (
    *("Title", "Author", "Description", "Copyright", "Creation Time", "Software", "Disclaimer"),
    *("Warning", "Source", "Comment"),
)

# Errors of the machine, after which the next photograph could not be written either.
MACHINE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}


class Metadata(NamedTuple):
    """What a file says of its photograph: EXIF, dots per inch, comment of JPEG, text of PNG."""

    exif: Directories
    dpi: tuple[float, float] | None
    comment: bytes | None
    text: Mapping[str, str]


NO_METADATA = Metadata({IMAGE: {}, EXIF: {}, GPS: {}}, None, None, {})


def format_of(photo: Path) -> str:
    """The format to write a photograph in, by its content: jpeg and tiff are kept, else png.

    So transparency, which JPEG lacks, is kept whatever the name of the file is.
    """
    try:
        with photo.open("rb") as file:
            start = file.read(4)
    except OSError:
        return "png"  # reading the photograph will say what is wrong
    return SIGNATURES.get(start) or SIGNATURES.get(start[:3], "png")


def with_suffix_of(path: Path, file_format: str) -> Path:
    """A path with a suffix of the format: its own one, or in place of that of another format."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES[file_format]:
        return path
    stem = path.stem if suffix in Image.registered_extensions() else path.name  # "1950.06.12"
    return path.with_name(stem + SUFFIXES[file_format][0])


def read_metadata(photo: Path) -> tuple[Metadata, str]:
    """What a file says of its photograph, and which of its images that is ("page 1 of 3"), or "".

    Of a file that cannot be read: nothing.
    """
    metadata, position = NO_METADATA, ""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # no pixel is read here
    try:
        with warnings.catch_warnings(), Image.open(photo) as image:
            warnings.simplefilter("ignore")
            comment = image.info.get("comment")
            text = getattr(image, "text", {}) if image.format == "PNG" else {}
            metadata = Metadata(
                _exif(photo, image),
                _dpi(image),
                comment if image.format in {"JPEG", "MPO"} else None,
                {key: str(text[key]) for key in PNG_KEYWORDS if key in text},
            )
            images = getattr(image, "n_frames", 1) if image.format in IMAGES_OF else 1
            if images > 1:
                position = f"{IMAGES_OF[str(image.format)]} 1 of {images}"
    except Exception:  # Pillow can raise anything for a broken file
        pass
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    return metadata, position


def write_photo(
    path: Path, image: Image.Image, file_format: str, quality: int, metadata: Metadata
) -> None:
    """Write an sRGB image, RGB or RGBA, with its profile and metadata; JPEG puts it over white.

    `quality` is that of JPEG, 1..100. Raises InputError for an image that cannot be written, and
    OSError for faults of the machine, such as a full disk.
    """
    if file_format == "jpeg" and max(image.size) > LARGEST_JPEG:
        raise InputError(
            f"{path}: would have {image.width} x {image.height} pixels; JPEG has at most "
            f"{LARGEST_JPEG} on a side, --format png or tiff has room"
        )
    exif = adapt(metadata.exif, *image.size)
    has_exif = any(exif.values())
    options: dict[str, Any] = {"icc_profile": SRGB_PROFILE}
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    if has_exif and file_format != "tiff":
        options["exif"] = b"Exif\0\0" + encode_exif(exif)
    match file_format:
        case "jpeg":
            image = _over_white(image)
            options |= {"quality": quality, "comment": metadata.comment or b""}
        case "png":
            options |= {"compress_level": 4, "pnginfo": _png_text(metadata.text)}
        case "tiff":
            options["compression"] = "tiff_adobe_deflate"
    try:
        with atomic_write(path) as (partial,):
            image.save(partial, file_format, **options)
            if has_exif and file_format == "tiff":
                add_to_tiff(partial, exif)
    except OSError as error:
        if error.errno in MACHINE_ERRORS:
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    except (ValueError, struct.error) as error:  # a limit of the format
        raise InputError(f"{path}: cannot be written ({error})") from None


def _exif(photo: Path, image: Image.Image) -> Directories:
    if image.format != "TIFF":
        return read_exif(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))
    with photo.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_exif(data)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    with suppress(KeyError, TypeError, ValueError, ArithmeticError):
        horizontal, vertical = (float(value) for value in image.info["dpi"])
        # Pillow says 1 for a TIFF that has none; JPEG has 16 bits.
        if min(horizontal, vertical) > 1 and max(horizontal, vertical) <= 65_535:
            return horizontal, vertical
    return None


def _png_text(text: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    for keyword, value in text.items():
        chunks.add_text(keyword, value)  # in Latin-1, or in UTF-8 where that does not do
    return chunks


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _srgb_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Bytes 24 to 35 are the time of creation (ICC.1:2022, section 7.2.8): outputs should not
    # depend on it.
    return profile[:24] + bytes.fromhex("07e6 0001 0001 0000 0000 0000") + profile[36:]


SRGB_PROFILE = _srgb_profile()
