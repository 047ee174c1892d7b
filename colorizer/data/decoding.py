"""Image files decoded by Pillow, and by tifffile where Pillow alone gets TIFF wrong."""

import importlib.util
import logging
import math
import mmap
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from colorizer.data.srgb import Samples, image_to_srgb, samples_to_srgb
from colorizer.data.tiff import (
    BITS_PER_SAMPLE,
    COLOR_MAP,
    ORIENTATION,
    PHOTOMETRIC,
    PLANAR_CONFIGURATION,
    SEPARATE_PLANES,
    TIFF_SIGNATURES,
    WHITE_IS_ZERO,
    pillow_decodes,
    read_tiff,
)
from colorizer.errors import InputError

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None


def configure_pillow() -> None:
    """Set what Pillow reads, and how.

    Not only when this module is imported: on a Dask worker it is not, its functions are sent.
    """
    # libtiff for uncompressed TIFF, too: Pillow's own reader takes the wrong bytes of 16 bits when
    # each channel has a plane of its own.
    TiffImagePlugin.READ_LIBTIFF = True
    # Editors embed XMP of more than Pillow's 1 MB for one text; all together stay below 64 MB.
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
    # What is wrong is said by an exception, or does not matter.
    for library in ("PIL", "tifffile"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    Image.init()
    if HAS_HEIF and "HEIF" not in Image.OPEN:
        import pillow_heif

        pillow_heif.register_heif_opener()


configure_pillow()
# Not EPS, which Pillow lets Ghostscript execute, nor IPTC, which may contain it; nor formats that
# Pillow identifies but does not decode.
FORMATS = sorted(
    {*Image.ID} - {"EPS", "IPTC", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"},
    key=lambda name: (name not in {"JPEG", "PNG"}, name),  # the frequent ones are tried first
)
# Formats without a signature: only their suffix tells them from anything else.
UNSIGNED_FORMATS = {name for name in FORMATS if Image.OPEN[name][1] is None}
FORMAT_OF_SUFFIX = {
    suffix: name for suffix, name in Image.EXTENSION.items() if name in {*FORMATS, "MPO"}
}
HEIF_SUFFIXES = {".heic", ".heics", ".heif", ".heifs", ".hif"}
# TIFF with the sensor's values, of which Pillow would read a preview.
CAMERA_RAW_SUFFIXES = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos"),
    *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf"),
    *(".srw", ".x3f"),
}

# Pillow's modes of 8 bits or fewer per channel, and of 16-bit gray in formats that have 65535 as
# white. Modes "I" and "F" have no fixed scale, except for "I" of PGM.
EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"}
SIXTEEN_BIT_MODES = {"I;16", "I;16L", "I;16B"}
SIXTEEN_BIT_FORMATS = {"PNG", "TIFF", "JPEG2000", "PPM", "HEIF"}
NAMES_OF_MODES = {"F": "floats", "I": "32-bit integers"} | dict.fromkeys(
    SIXTEEN_BIT_MODES, "16-bit values"
)

# Formats of Pillow with several images in a file, of which the first is the photograph: their word.
IMAGES_OF = dict.fromkeys(("GIF", "PNG", "WEBP", "AVIF"), "frame") | {"TIFF": "page"}

TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Each scan of a progressive JPEG takes time as if for all its pixels, and few bytes. Encoders write
# about 10.
MAX_SCANS = 100
# A JPEG may be reduced while it is decoded to this multiple of the side that is asked for.
DRAFT_FACTOR = 4

# Beginnings of files, in lower case, that are no image for Pillow: an offset, bytes, what it is.
SIGNATURES = (
    (0, b"", "an empty file"),
    (0, b"%pdf", "a PDF document"),
    (0, b"%!ps", "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (0, b"pk\3\4", "a ZIP archive or an office document"),
    (0, b"<!doctype html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "XML, perhaps an SVG drawing"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cjxl ", "JPEG XL"),
    (0, b"ii\xbc\x01", "JPEG XR"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?radiance", "Radiance HDR"),
    (0, b"#?rgbe", "Radiance HDR"),
    (0, b"form", "IFF"),
    (0, b"8bps", "Photoshop of a kind that Pillow does not read"),
    (0, b"fujifilmccd-raw", "a camera raw file"),
    (4, b"ftypcrx", "a camera raw file"),
    (4, b"ftypqt", "a video"),
    (4, b"ftypmp4", "a video"),
    (4, b"ftypisom", "a video"),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (8, b"avi ", "a video"),
    *((4, b"ftyp" + brand, "HEIF") for brand in (b"hei", b"hev", b"mif1", b"msf1")),
)


class Metadata(NamedTuple):
    """What a file says of its photograph."""

    exif: bytes | mmap.mmap  # in the structure of TIFF; of a TIFF, the file
    dpi: tuple[float, float] | None  # dots per inch, horizontal and vertical
    comment: bytes | None  # of JPEG
    text: Mapping[str, str]  # of PNG, by keyword


class Photo(NamedTuple):
    """A decoded photograph."""

    image: Image.Image
    metadata: Metadata
    position: str  # among several images in its file, such as "page 1 of 3"; else ""


class TooLargeError(InputError):
    """A photograph has more pixels than the limit."""


def is_image(path: Path) -> bool:
    """Whether a file begins like an image that can be decoded, whatever its name."""
    if not path.is_file() or path.suffix.lower() in CAMERA_RAW_SUFFIXES:
        return False
    try:
        with _pillow(math.inf):
            Image.open(path, formats=_formats(path)).close()
            return True
    except Exception:  # Pillow's parsers can raise anything
        return False


def decode(
    path: Path, mode: Literal["RGB", "L"], max_megapixels: float, min_side: int | None
) -> Photo:
    """Decode an image to 8-bit sRGB, upright: `mode`, or with alpha "RGBA" or "LA".

    "L" is the luma of ITU-R BT.601. With `min_side`, an image whose sides are several times as
    large may come reduced. Raises TooLargeError, InputError for what is known to be unreadable or
    of an unknown scale, and whatever the decoders raise for a damaged file. Only one thread of a
    process may call this.
    """
    if path.suffix.lower() in CAMERA_RAW_SUFFIXES:
        raise InputError(f"{path}: is a camera raw file; develop it to JPEG, PNG or TIFF")
    with _pillow(max_megapixels):
        try:
            photo, orientation = _decode(path, mode, max_megapixels, min_side)
        except Image.DecompressionBombError:
            raise TooLargeError(
                f"{path}: has more than {max_megapixels:g} megapixels; reduce it"
            ) from None
    image, transposition = photo.image, TRANSPOSITIONS.get(orientation)
    if transposition is not None:
        image = image.transpose(transposition)
    image.info = {}  # such as a profile that no longer holds
    return photo._replace(image=image)


def _decode(
    path: Path, mode: Literal["RGB", "L"], max_megapixels: float, min_side: int | None
) -> tuple[Photo, int]:
    """The photograph as `decode` returns it, but not upright; and its orientation, 1 to 8."""
    try:
        opened: Any = Image.open(path, formats=_formats(path))
    except UnidentifiedImageError:
        if not _beginning(path).startswith(TIFF_SIGNATURES):
            raise InputError(f"{path}: {_description(path)}") from None
        image, orientation = read_tiff(path, mode, max_megapixels)
        return Photo(image, Metadata(_mapped(path), None, None, {}), ""), orientation
    with opened:
        position = _position(opened)
        if opened.format == "TIFF" and not (
            pillow_decodes(path, opened) and opened.mode in EIGHT_BIT_MODES | SIXTEEN_BIT_MODES
        ):
            image, orientation = read_tiff(path, mode, max_megapixels)
        else:
            image, orientation = _load(path, opened, mode, min_side)
        return Photo(image, _metadata(path, opened), position), orientation


def _load(
    path: Path, image: Any, mode: Literal["RGB", "L"], min_side: int | None
) -> tuple[Image.Image, int]:
    """Decode an opened image as `decode` does, not yet upright; and its orientation, 1 to 8."""
    if image.format in {"JPEG", "MPO"}:
        if "progressive" in image.info:
            _limit_scans(path)
        if min_side is not None and min(image.size) >= 2 * DRAFT_FACTOR * min_side:
            image.draft(image.mode, (DRAFT_FACTOR * min_side,) * 2)
    tile = image.tile[0] if len(image.tile) == 1 else None
    _load_tiff(image) if image.format == "TIFF" else image.load()
    orientation, profile = _orientation(image), image.info.get("icc_profile")
    samples = _samples(path, image, tile)
    if samples:
        return samples_to_srgb(samples, profile, mode), orientation
    if image.mode in EIGHT_BIT_MODES:
        _fix_values(path, image)
        return image_to_srgb(image, profile, mode), orientation
    kind = NAMES_OF_MODES.get(image.mode, f"mode {image.mode}")
    raise InputError(
        f"{path}: is {image.format} with {kind} on an unknown scale; should have 8 bits per "
        "channel, or in PNG, TIFF and PGM 16 bits"
    )


def _metadata(path: Path, image: Any) -> Metadata:
    """What the file of an opened or loaded image says, without decoding anything more."""
    exif = image.info.get("exif")
    if image.format == "TIFF":
        exif = _mapped(path)
    elif isinstance(exif, bytes):
        exif = exif.removeprefix(b"Exif\0\0")
    else:
        exif = b""
    return Metadata(
        exif,
        _dpi(image.info.get("dpi")),
        image.info.get("comment") if image.format in {"JPEG", "MPO"} else None,
        image.text if image.format == "PNG" else {},  # loaded, so not again
    )


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _dpi(values: Any) -> tuple[float, float] | None:
    with suppress(TypeError, ValueError, ArithmeticError):
        horizontal, vertical = map(float, values)
        # Pillow says 1 for a TIFF that has none; JPEG has 16 bits.
        if min(horizontal, vertical) > 1 and max(horizontal, vertical) <= 65_535:
            return horizontal, vertical
    return None


def _position(image: Any) -> str:
    """Which image of its file an opened one is, the first; "" for the only one."""
    if image.format not in IMAGES_OF:
        return ""
    try:
        images = image.n_frames
    except Exception:  # Pillow can raise anything for damaged further ones
        image.seek(0)
        return ""
    return f"{IMAGES_OF[image.format]} 1 of {images}" if images > 1 else ""


def _load_tiff(image: Image.Image) -> None:
    """Decode an opened TIFF; keep messages of libtiff from standard error.

    The last of them is the reason of the OSError for a damaged file.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as messages:
        stderr = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            image.load()
        except OSError as error:
            if error.errno is not None:
                raise
            # Pillow says only "decoder error -2".
            reason = re.sub("^decoder error.*", "is damaged", str(error))
            raise OSError(_last_message(messages) or reason) from None
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _last_message(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode("utf-8", "replace").split("\n")
    messages = [line.strip().removeprefix("tempfile.tif: ") for line in lines if line.strip()]
    return messages[-1].rstrip(".") if messages else ""


@contextmanager
def _pillow(max_megapixels: float) -> Iterator[None]:
    """Pillow as configured, without warnings, and with a limit of pixels."""
    configure_pillow()
    before = Image.MAX_IMAGE_PIXELS
    # Pillow raises DecompressionBombError for more than twice as many.
    limit = None if math.isinf(max_megapixels) else math.ceil(max_megapixels * 1e6 / 2)
    Image.MAX_IMAGE_PIXELS = limit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _formats(path: Path) -> list[str]:
    of_suffix = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    return [name for name in FORMATS if name not in UNSIGNED_FORMATS or name == of_suffix]


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _description(path: Path) -> str:
    """What a file is that Pillow does not identify, and what to do."""
    beginning = _beginning(path).lstrip(b"\xef\xbb\xbf \r\n").lower()
    for offset, signature, kind in SIGNATURES:
        found = beginning[offset:].startswith(signature) if signature else not beginning
        if found and kind == "HEIF" and not HAS_HEIF:
            return "is HEIF, such as HEIC; pip install -r requirements-heic.txt to read it"
        if found and kind == "HEIF":
            return "is HEIF that is damaged or of a kind that pillow-heif does not read"
        if found:
            return f"is {kind}, not an image in a known format; fix or remove it"
    return "is not an image in a known format; fix or remove it"


def _limit_scans(path: Path) -> None:
    scans = path.read_bytes().count(b"\xff\xda")  # entropy-coded data has a 0 after each FF
    if scans > MAX_SCANS:
        raise InputError(
            f"{path}: has {scans} scans, which take long; should have at most {MAX_SCANS}; "
            "save it as an ordinary JPEG"
        )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, of a loaded image; 1 without a readable one."""
    try:
        value: Any = image.getexif().get(ORIENTATION, 1)
    except Exception:  # unreadable EXIF has no orientation
        return 1
    if isinstance(value, (bytes, tuple)) and value:  # of type BYTE, or several
        value = value[0]
    try:
        return int(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 1


def _samples(path: Path, image: Any, tile: Any) -> Samples | None:
    """The 16-bit samples of a loaded image, of which Pillow may keep only 8 bits, not rounded.

    `tile` says how Pillow decodes it.
    """
    if image.format not in SIXTEEN_BIT_FORMATS:
        return None
    if image.mode in SIXTEEN_BIT_MODES or (image.mode, image.format) == ("I", "PPM"):
        return _gray_samples(image)
    raw_mode = tile and (tile.args[0] if isinstance(tile.args, tuple) else tile.args)
    transparent = image.info.get("transparency")
    if raw_mode == "LA;16B":
        # As if the bytes of a pixel, high and low, of gray and of alpha, were four channels.
        bytes_of_pixel = _decode_again(path, tile, "RGBA")
        return Samples(
            image.size, lambda rows: _strip(bytes_of_pixel, rows).view(">u2"), True, None, True
        )
    if raw_mode not in {f"RGB{alpha};16{order}" for alpha in ("", "A", "X") for order in "BN"}:
        return None
    is_planar = getattr(image, "tag_v2", {}).get(PLANAR_CONFIGURATION) == SEPARATE_PLANES
    if is_planar:
        return None
    # Pillow keeps the high byte of each sample: the low byte is what it takes for the high one in
    # the other byte order. (libtiff gives the machine's order, N.)
    other_order = "B" if raw_mode.endswith("N") and sys.byteorder == "little" else "L"
    low = _decode_again(path, tile, raw_mode[:-1] + other_order)

    def rows_of(rows: slice) -> np.ndarray:
        both: np.ndarray = _strip(image, rows).astype(np.uint16) * 256
        both += _strip(low, rows)
        return both

    return Samples(image.size, rows_of, image.mode == "RGBA", transparent, False)


def _decode_again(path: Path, tile: Any, raw_mode: str) -> Image.Image:
    with Image.open(path, formats=_formats(path)) as image:
        args = (raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode
        image.tile = [tile._replace(args=args)]
        image.load()  # once more, so without a message
        return image


def _gray_samples(image: Any) -> Samples:
    tags = getattr(image, "tag_v2", {})
    white = 2 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1  # 12 bits have 4095
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO

    def rows_of(rows: slice) -> np.ndarray:
        gray: np.ndarray = np.clip(_strip(image, rows), 0, white)[..., None]
        gray = (gray.astype(np.uint32) * 65535 // white).astype(np.uint16)
        if inverted:
            gray = np.bitwise_not(gray)
        return gray

    transparent = image.info.get("transparency")
    return Samples(
        image.size, rows_of, False, None if transparent is None else (transparent,), True
    )


def _strip(image: Image.Image, rows: slice) -> np.ndarray:
    return np.asarray(image.crop((0, rows.start, image.width, rows.stop)))


def _fix_values(path: Path, image: Any) -> None:
    """Correct what Pillow gets wrong in some images of 8 bits or fewer, in place."""
    transparent = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(transparent, int):
        # tRNS has a sample of the file, of 2, 4 or 8 bits, which Pillow has scaled to 8 bits.
        white = 2 ** _beginning(path)[24] - 1
        image.info["transparency"] = (transparent & white) * 255 // white
    if image.format == "TIFF" and image.mode == "P":
        colors = image.tag_v2[COLOR_MAP]
        if max(colors) < 256:  # of 0..255, as libtiff guesses, too; should be of 0..65535
            image.putpalette(bytes(colors), "RGB;L")
    if image.format == "JPEG2000" and image.mode in {"P", "PA"}:
        palette = _jpeg2000_palette(path)
        if palette is None:
            raise InputError(f"{path}: is JPEG 2000 with an unusual palette; save it without")
        image.putpalette(palette, "RGB")


def _jpeg2000_palette(path: Path) -> bytes | None:
    """Colors of the palette box (ISO/IEC 15444-1, I.5.3.4), of which Pillow drops repeated ones.

    None unless it has red, green and blue of 8 bits.
    """
    with path.open("rb") as file:
        header = file.read(65536)
    entries_at = header.find(b"pclr") + 4
    entries = int.from_bytes(header[entries_at : entries_at + 2], "big")
    channels, *bits = header[entries_at + 2 : entries_at + 6]
    colors = header[entries_at + 6 : entries_at + 6 + 3 * entries]
    return colors if (channels, bits) == (3, [7, 7, 7]) else None
