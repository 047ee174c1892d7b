"""TIFF that Pillow does not decode, or gets wrong: read by tifffile, or refused by its kind."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from colorizer.data.srgb import Samples, samples_to_srgb
from colorizer.errors import InputError

# How files begin, with their byte order; and BigTIFF.
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
TIFF_SIGNATURES = (*BYTE_ORDERS, b"II+\0", b"MM\0+")

# Tags (TIFF 6.0; DNG 1.7) and their values.
SUBFILE_TYPE, BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION = 254, 258, 262, 274
PLANAR_CONFIGURATION, COLOR_MAP, SAMPLE_FORMAT, DNG_VERSION = 284, 320, 339, 50706
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
SEPARATE_PLANES = 2
PREMULTIPLIED, STRAIGHT = 1, 2  # kinds of alpha among the extra samples
UNSIGNED = 1  # a sample format

NAMES_OF_COLORS = {WHITE_IS_ZERO: "gray", BLACK_IS_ZERO: "gray", RGB: "RGB"}
NAMES_OF_DTYPES = {"u": "", "i": "signed ", "f": "float ", "c": "complex "}


def pillow_decodes(path: Path, image: Any) -> bool:
    """Whether Pillow gets the values of an opened TIFF of 8 or 16 bits right.

    Raises InputError for camera raw, of which Pillow would decode a preview.
    """
    tags = image.tag_v2
    if DNG_VERSION in tags or tags.get(SUBFILE_TYPE, 0) & 1:
        raise InputError(
            f"{path}: is a camera raw file or begins with a preview; develop or save it as JPEG, "
            "PNG or TIFF"
        )
    in_planes = tags.get(PLANAR_CONFIGURATION) == SEPARATE_PLANES
    channels = len(tags.get(BITS_PER_SAMPLE, (1,)))
    return set(tags.get(SAMPLE_FORMAT, (UNSIGNED,))) == {UNSIGNED} and (
        not in_planes or channels == 1 or tags.get(PHOTOMETRIC) in {RGB, CMYK}
    )


def read_tiff(
    path: Path, mode: Literal["RGB", "L"], max_megapixels: float
) -> tuple[Image.Image, int]:
    """Decode a TIFF as `decode` does, not yet upright; and its orientation, 1 to 8.

    Raises InputError, which says what the file is, for all but gray and RGB of 8 or 16 bits.
    """
    import tifffile  # takes 0.3 s, for files that are rare

    kind = "a damaged TIFF"
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first.aspage()
            kind = _kind(page)
            if page.imagewidth * page.imagelength > max_megapixels * 1e6:
                raise Image.DecompressionBombError
            samples = _samples(page) if _is_known(page) else None
            orientation = int(page.tags.valueof(ORIENTATION, 1))
            profile = page.iccprofile
    except (Image.DecompressionBombError, MemoryError):
        raise
    except Exception:  # tifffile can raise anything for a damaged file
        samples = None
    if samples is None:
        raise InputError(
            f"{path}: is {kind}, which is not read; save it with 8 or 16 bits per channel, of gray "
            "or RGB"
        )
    return samples_to_srgb(samples, profile, mode), orientation


def _kind(page: Any) -> str:
    compression = "" if page.compression == 1 else f", compressed by {page.compression.name}"
    planes = ", in planes" if page.planarconfig == SEPARATE_PLANES else ""
    dtype = NAMES_OF_DTYPES.get(page.dtype.kind if page.dtype else "u", "")
    colors = NAMES_OF_COLORS.get(page.photometric, page.photometric.name)
    alpha = " with alpha" if {PREMULTIPLIED, STRAIGHT} & {*page.extrasamples} else ""
    return f"a TIFF of {page.bitspersample}-bit {dtype}{colors}{alpha}{planes}{compression}"


def _is_known(page: Any) -> bool:
    return page.dtype in (np.uint8, np.uint16) and page.bitspersample == 8 * page.dtype.itemsize


def _samples(page: Any) -> Samples | None:
    """Samples of a page of gray or RGB with 8 or 16 bits; extra samples other than alpha go."""
    colors = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3}.get(page.photometric)
    if not colors or page.samplesperpixel - len(page.extrasamples) != colors:
        return None
    values = page.asarray().reshape(
        (-1, page.imagelength, page.imagewidth)
        if page.planarconfig == SEPARATE_PLANES
        else (page.imagelength, page.imagewidth, -1)
    )
    if page.planarconfig == SEPARATE_PLANES:
        values = np.moveaxis(values, 0, -1)
    extra = page.extrasamples[0] if page.extrasamples else 0
    has_alpha = extra in {PREMULTIPLIED, STRAIGHT}
    values = values[..., : colors + has_alpha]

    def rows(some: slice) -> np.ndarray:
        strip: np.ndarray = values[some].astype(np.uint16) * (
            257 if values.dtype == np.uint8 else 1
        )
        if page.photometric == WHITE_IS_ZERO:
            strip[..., 0] = 65535 - strip[..., 0]
        if extra == PREMULTIPLIED:
            color, alpha = strip[..., :-1].astype(np.float64), strip[..., -1:]
            color = np.minimum(np.rint(color * 65535 / np.maximum(alpha, 1)), 65535)
            strip[..., :-1] = color.astype(np.uint16)
        return strip

    size = page.imagewidth, page.imagelength
    return Samples(size, rows, has_alpha, None, colors == 1)
