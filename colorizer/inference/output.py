"""Colorized photographs as files: their names, formats and metadata."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, PngImagePlugin

from colorizer.data.decoding import Metadata
from colorizer.data.photos import FILE_ERRORS, over_white
from colorizer.data.tiff import TIFF_SIGNATURES
from colorizer.errors import InputError
from colorizer.files import atomic_write
from colorizer.inference.exif import adapt, add_to_tiff, encode_exif, read_exif

# Formats that are written, with their suffixes; the first is given to a photograph without one.
SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "tiff": (".tif", ".tiff"),
}
JPEG_SIGNATURE = b"\xff\xd8\xff"
LARGEST_JPEG = 65_500  # pixels: libjpeg's limit for both sides

# Keywords of the PNG standard (ISO/IEC 15948, section 11.3.4.2).
PNG_KEYWORDS = (
    *("Title", "Author", "Description", "Copyright", "Creation Time", "Software", "Disclaimer"),
    *("Warning", "Source", "Comment"),
)

NO_METADATA = Metadata(b"", None, None, {})


def format_of(photo: Path) -> str:
    """The format to write a photograph in, by its content: jpeg and tiff are kept, else png.

    So transparency, which JPEG lacks, is kept whatever the name of the file is.
    """
    try:
        with photo.open("rb") as file:
            start = file.read(4)
    except OSError:
        return "png"  # reading the photograph will say what is wrong
    if start.startswith(JPEG_SIGNATURE):
        return "jpeg"
    return "tiff" if start.startswith(TIFF_SIGNATURES) else "png"


def with_suffix_of(path: Path, file_format: str) -> Path:
    """A path with a suffix of the format: its own one, or in place of that of another format."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES[file_format]:
        return path
    stem = path.stem if suffix in Image.registered_extensions() else path.name  # "1950.06.12"
    return path.with_name(stem + SUFFIXES[file_format][0])


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
    exif = adapt(read_exif(metadata.exif), *image.size)
    has_exif = any(exif.values())
    options: dict[str, Any] = {"icc_profile": SRGB_PROFILE}
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    if has_exif and file_format != "tiff":
        options["exif"] = b"Exif\0\0" + encode_exif(exif)
    match file_format:
        case "jpeg":
            image = over_white(image)
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
        if error.errno not in FILE_ERRORS:
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    except (ValueError, struct.error) as error:  # a limit of the format
        raise InputError(f"{path}: cannot be written ({error})") from None


def _png_text(text: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    for keyword in PNG_KEYWORDS:
        if keyword in text:
            # In Latin-1, or in UTF-8 where that does not do.
            chunks.add_text(keyword, str(text[keyword]))
    return chunks


def _srgb_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Bytes 24 to 35 are the time of creation (ICC.1:2022, section 7.2.8): outputs should not
    # depend on it.
    return profile[:24] + bytes.fromhex("07e6 0001 0001 0000 0000 0000") + profile[36:]


SRGB_PROFILE = _srgb_profile()
