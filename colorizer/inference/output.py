"""Colorized photographs as files: their names, formats and metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms

from colorizer.data.photos import FILE_ERRORS, over_white
from colorizer.errors import InputError
from colorizer.files import atomic_write

# Formats that are written, with their suffixes; the first is given to a photograph without one.
SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "tiff": (".tif", ".tiff"),
}
SIGNATURES = {"jpeg": (b"\xff\xd8\xff",), "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")}

# EXIF that is kept of the first directory, which in a TIFF also says how pixels are stored:
# description, make, model, software, date, artist, computer, ratings, copyright, and what Windows
# calls title, comment, author, keywords and subject.
KEPT_TAGS = {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
UPRIGHT = {274: 1}  # the orientation
EXIF, GPS = 0x8769, 0x8825
# Left out of them: the camera's own data, padding, a pointer, and color space, gamma and size.
LEFT_OUT = {0x927C, 0xEA1C, 0xA005, 0xA001, 0xA500, 0xA002, 0xA003}


def format_of(photo: Path) -> str:
    """The format to write a photograph in, by its content: jpeg and tiff are kept, else png.

    So transparency, which JPEG lacks, is kept whatever the name of the file is.
    """
    try:
        with photo.open("rb") as file:
            start = file.read(4)
    except OSError:
        return "png"  # reading the photograph will say what is wrong
    return next((name for name, begin in SIGNATURES.items() if start.startswith(begin)), "png")


def with_suffix_of(path: Path, file_format: str) -> Path:
    """A path with a suffix of the format: its own one, or in place of that of another format."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES[file_format]:
        return path
    stem = path.stem if suffix in Image.registered_extensions() else path.name  # "1950.06.12"
    return path.with_name(stem + SUFFIXES[file_format][0])


def write_photo(path: Path, image: Image.Image, quality: int, info: Mapping[Any, Any]) -> None:
    """Write an sRGB image, RGB or RGBA, in the format of the suffix; JPEG puts it over white.

    `quality` is that of JPEG, 1..100; `info` that of `read_photo`, of which EXIF, resolution and
    comment are kept. Raises InputError for an image that cannot be written, and OSError for faults
    of the machine, such as a full disk.
    """
    (file_format,) = (name for name, of in SUFFIXES.items() if path.suffix.lower() in of)
    options: dict[str, Any] = {"comment": info.get("comment", b"")}
    if "exif" in info:
        options["exif"] = kept_exif(info["exif"])
    if all(1 < dots < 2**16 for dots in info.get("dpi", (1, 1))):  # Pillow says 1 for none
        options["dpi"] = info["dpi"]
    if file_format == "jpeg":
        image, options["quality"] = over_white(image), quality
    try:
        with atomic_write(path) as (partial,):
            # TIFF is not compressed: Pillow would leave out all but the first directory of EXIF.
            image.save(partial, file_format, icc_profile=SRGB_PROFILE, compress_level=4, **options)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) not in FILE_ERRORS:
            raise
        raise InputError(
            f"{path}: cannot be written ({getattr(error, 'strerror', '') or error})"
        ) from None


def kept_exif(exif: Image.Exif) -> Image.Exif:
    """EXIF that still holds for an upright image in sRGB; none where Pillow cannot write it."""
    kept = Image.Exif()
    try:
        kept.update({tag: _raw(exif[tag]) for tag in KEPT_TAGS & {*exif}} | UPRIGHT)
        for directory in (EXIF, GPS):
            tags = {tag: _raw(value) for tag, value in exif.get_ifd(directory).items()}
            if tags := {tag: tags[tag] for tag in tags.keys() - LEFT_OUT}:
                kept.get_ifd(directory).update(tags)
                kept[directory] = tags  # or it does not become part of a TIFF
        kept.tobytes()
    except Exception:  # Pillow can raise anything for damaged EXIF
        return Image.Exif()
    return kept


def _raw(value: Any) -> Any:
    # Pillow reads text as Latin-1 and writes it as ASCII, but bytes as they are.
    is_text = isinstance(value, str) and not value.isascii()
    return value.encode("latin-1") if is_text else value


def _srgb_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Bytes 24 to 35 are the time of creation (ICC.1:2022, section 7.2.8): outputs should not
    # depend on it.
    return profile[:24] + bytes.fromhex("07e6 0001 0001 0000 0000 0000") + profile[36:]


SRGB_PROFILE = _srgb_profile()
