"""Photographs in folders: listed in a fixed order, decoded by Pillow to 8-bit sRGB, or refused."""

import errno
import logging
import os
import re
import struct
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError
from PIL import TiffImagePlugin as Tiff

from colorizer.errors import InputError

MAX_MEGAPIXELS = 250  # largest photograph that is read: python -m colorizer takes 2 GiB for it
DRAFT_FACTOR = 4  # a JPEG may be reduced while it is decoded to this multiple of what is needed
# Root mean square of the chroma, in levels, that is noise. JPEG of quality 40 puts up to 2.5 on
# sepia; of 6971 color faces, 2 have less.
CHROMA_NOISE = 2.5
TONE_SIDE = 40  # pixels, up to twice as many: the reduced photograph to measure chroma in
LUMA_STEP = 8  # levels of luma that share a chroma in a toned photograph
GRAY_AND_PRIMARIES = np.array([(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.uint8)
RAMPS = np.arange(256, dtype=np.uint8)[:, None, None] * GRAY_AND_PRIMARIES  # (256, 4, 3)
SRGB_TOLERANCE = 2  # levels: a profile that moves no color by more is sRGB up to rounding
LARGEST_STEP = 3  # levels of sRGB from one of 8 bits to the next; it is 13 in linear light
# Code points of ITU-T H.273 that are shown as sRGB, and names of others.
SRGB_PRIMARIES, SRGB_TRANSFERS = {1, 2}, {1, 2, 6, 13, 14, 15}
PRIMARIES, HDR = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}, {16: "PQ", 18: "HLG"}
# Where PNG (chunk cICP) and AVIF (box colr) have them, of which Pillow says nothing.
CODE_POINTS = re.compile(rb"\x00\x00\x00\x04cICP(.)(.)|colrnclx\x00(.)\x00(.)", re.DOTALL)

# Errors that a file causes when it is read or written (None: its content). Others, such as a full
# or failing disk, are faults of the machine, for which no photograph may be skipped.
FILE_ERRORS = {
    *(None, errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EFBIG),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}
# Modes for TIFF that Pillow gets wrong when each channel has a plane of its own.
NOT_IN_PLANES = {"LA", "La", "PA", "LAB", "YCbCr"}
SUBFILE_TYPE, DNG_VERSION = 254, 50706  # tags of TIFF that Pillow does not name
WHITE_IS_ZERO, UNSIGNED, IN_PLANES = 0, 1, 2  # values of others
# TIFF with the sensor's values, of which Pillow would read a preview.
CAMERA_RAW_SUFFIXES = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos"),
    *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf"),
    *(".srw", ".x3f"),
}
HEIF_SUFFIXES = {".heic", ".heics", ".heif", ".heifs", ".hif"}
HAS_HEIF = find_spec("pillow_heif") is not None


@contextmanager
def _pillow(max_megapixels: float) -> Iterator[None]:
    """Pillow set up to read, without warnings, with a limit of pixels that ends with the block.

    Not once at import: a Dask worker does not import this module, its functions are sent there.
    """
    Tiff.READ_LIBTIFF = True  # Pillow's own reader takes the wrong bytes of 16 bits in planes
    # Editors embed XMP of more than Pillow's 1 MB for one text; all together stay below 64 MB.
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what matters is raised
    Image.init()
    if HAS_HEIF and "HEIF" not in Image.OPEN:
        import pillow_heif

        pillow_heif.register_heif_opener()
    before = Image.MAX_IMAGE_PIXELS
    # Pillow refuses more than twice as many.
    Image.MAX_IMAGE_PIXELS = round(min(max_megapixels, 1e9) * 5e5)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


# Not EPS, which Pillow lets Ghostscript execute, nor IPTC, which may contain it; nor what Pillow
# identifies but does not decode; nor, from IM on, formats without a signature.
UNREAD = {"EPS", "IPTC", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IM", "IMT", "PCD", "SPIDER", "TGA"}
with _pillow(MAX_MEGAPIXELS):
    FORMATS = sorted({*Image.ID} - UNREAD)


def find_photos(folder: Path) -> tuple[list[str], list[str]]:
    """List the photographs below a folder, at any depth, and the other files.

    Both are POSIX paths relative to the folder, sorted as text: the same order on every system. A
    photograph is a file with the suffix of a format that is read, in upper or lower case; for
    another suffix, or without one, its content decides. Hidden files and folders are ignored;
    links to folders are followed, and each folder is visited once. Raises InputError when there is
    no photograph, OSError for a folder that cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a dataset has the folders train, val and test")
    files: dict[bool, list[str]] = {True: [], False: []}  # whether they are photographs
    visited = set()
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        if os.path.realpath(parent) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(parent))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            files[_is_photo(path)].append(path.relative_to(folder).as_posix())
    photos, others = sorted(files[True]), sorted(files[False])
    if not photos:
        found_instead = f", only {count_kinds(others)}" if others else ""
        raise InputError(f"{folder}: no photographs (.jpg, .png, .tif ...){found_instead}")
    return photos, others


def count_kinds(names: Iterable[str]) -> str:
    """The number of files of each suffix, most first: "3 .cr2 (camera raw), 1 .txt"."""
    counts = Counter(Path(name).suffix.lower() for name in names)
    notes = dict.fromkeys(CAMERA_RAW_SUFFIXES, " (camera raw)") | {"": "without suffix"}
    if not HAS_HEIF:
        notes |= dict.fromkeys(HEIF_SUFFIXES, " (pip install -e .[heic])")
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {suffix}{notes.get(suffix, '')}" for suffix, count in by_count)


def read_photo(
    path: Path, mode: Literal["RGB", "L"], max_megapixels: float, min_side: int | None = None
) -> Image.Image:
    """Decode a photograph to 8-bit sRGB, upright: an image in `mode`, or with alpha RGBA or LA.

    Takes the first image of a file with several. In RGB, a gray photograph has three equal
    channels; L is the luma of ITU-R BT.601 and takes a quarter of the memory. `info` has
    what the file says: "exif" (an Image.Exif), "dpi", "comment". A JPEG of many times `min_side`
    comes reduced.

    Raises InputError for a file that Pillow cannot decode or would decode wrongly, for colors other
    than sRGB without an ICC profile, for more than `max_megapixels`, and for a name that is not one
    line of UTF-8; MemoryError, which names the file; OSError for a fault of the machine, such as a
    failing disk. Only one thread of a process may call this.
    """
    if str(path).encode(errors="ignore").decode().splitlines() != [str(path)]:
        raise InputError(f"{str(path)!a}: should have a name that is one line of UTF-8; rename it")
    if path.exists() and not path.is_file():  # reading from a pipe could block forever
        raise InputError(f"{path}: is not a file; fix or remove it")
    try:
        content = path.read_bytes()  # whole, so that libtiff reads no disk: it hides its errors
        with _pillow(max_megapixels):
            return _decode(content, path.suffix.lower(), mode, min_side)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # Pillow's decoders can raise anything for a broken file
        if isinstance(error, MemoryError) or re.search("out of memory|error -9", str(error)):
            raise MemoryError(f"{path}: takes more memory than there is; reduce it") from None
        if getattr(error, "errno", None) not in FILE_ERRORS:
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = reason.splitlines()[0].rstrip(".")
        raise InputError(f"{path}: {reason}; fix or remove it") from None


def decode_photo(path: Path, size: int) -> np.ndarray:
    """Decode a photograph to rgb, uint8 (size, size, 3), sRGB.

    Reads it as `read_photo` does, which says what is raised; puts transparent parts over white,
    crops to the largest centered square and resizes with antialiasing (Lanczos). A photograph of
    size x size pixels keeps its pixels.
    """
    image = over_white(read_photo(path, "RGB", MAX_MEGAPIXELS, size))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


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


def _is_photo(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in CAMERA_RAW_SUFFIXES or Image.EXTENSION.get(suffix) in {*FORMATS, "MPO", "TGA"}:
        return suffix not in CAMERA_RAW_SUFFIXES
    try:
        with _pillow(np.inf):
            return path.is_file() and bool(Image.open(path, formats=FORMATS))
    except Exception:  # Pillow's parsers can raise anything
        return False


def _decode(
    content: bytes, suffix: str, mode: Literal["RGB", "L"], min_side: int | None
) -> Image.Image:
    """Decode a file as `read_photo` does; errors lack its name."""
    if not content:
        raise InputError("is an empty file; fix or remove it")
    is_tga = Image.EXTENSION.get(suffix) == "TGA"  # it has no signature
    try:
        image: Any = Image.open(BytesIO(content), formats=["TGA"] if is_tga else FORMATS)
    except UnidentifiedImageError:
        heif = suffix in HEIF_SUFFIXES and not HAS_HEIF
        cure = "pip install -e .[heic]" if heif else "fix or remove it"
        raise InputError(f"is not an image in a known format; {cure}") from None
    tags = getattr(image, "tag_v2", {})  # of TIFF
    if suffix in CAMERA_RAW_SUFFIXES or DNG_VERSION in tags or tags.get(SUBFILE_TYPE, 0) & 1:
        raise InputError("is camera raw or begins with a preview; develop it to JPEG, PNG or TIFF")
    depth = content[24] if image.format == "PNG" else max(tags.get(Tiff.BITSPERSAMPLE, (8,)))
    _refuse_misread(image, tags, depth)
    _refuse_other_colors(image, content)
    is_jpeg = image.format in {"JPEG", "MPO"}
    if min_side and is_jpeg and min(image.size) >= 2 * DRAFT_FACTOR * min_side:
        image.draft(image.mode, (DRAFT_FACTOR * min_side,) * 2)
    image = _load(image, content)
    info: dict[str | tuple[int, int], Any] = {
        key: image.info[key] for key in ("dpi", "comment") if key in image.info
    }
    with suppress(SyntaxError, ValueError, struct.error):  # damaged EXIF is as none
        info["exif"] = image.getexif()
    image.info.pop("exif", None)  # exif_transpose would write it anew, which fails for some
    ImageOps.exif_transpose(image, in_place=True)
    if image.format == "PNG" and content[25] == 4:  # for 16-bit gray with alpha, Pillow has RGBA
        image = image.convert("LA")
    decoded = _to_srgb(image, depth, mode)
    decoded.info = info
    return decoded


def _refuse_misread(image: Any, tags: Any, depth: int) -> None:
    """Raise InputError for an opened image that Pillow would decode without an error, but wrongly.

    `tags` are those of TIFF, `depth` the bits of a channel in PNG and TIFF.
    """
    kind, is_deep = image.format, image.mode.startswith("I;16")
    has_hidden_color = "transparency" in image.info and image.mode not in {"1", "P"}
    if (
        image.mode == "F"
        or (image.mode == "I" and kind != "PPM")
        or (is_deep and kind not in {"PNG", "TIFF", "JPEG2000", "HEIF"})
        or (is_deep and (tags.get(Tiff.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO or depth == 12))
        or {*tags.get(Tiff.SAMPLEFORMAT, (UNSIGNED,))} != {UNSIGNED}
        or (tags.get(Tiff.PLANAR_CONFIGURATION) == IN_PLANES and image.mode in NOT_IN_PLANES)
        or max(tags.get(Tiff.COLORMAP, (65535,))) < 256
        or (kind == "JPEG2000" and image.mode in {"P", "PA"})
        or (kind == "PNG" and has_hidden_color and depth != 8)
    ):
        raise InputError(
            f"is {kind} of a kind that Pillow gets wrong ({image.mode}, {depth} bits); save it "
            "with 8 bits per channel, of gray or RGB"
        )


def _refuse_other_colors(image: Image.Image, content: bytes) -> None:
    """Raise InputError for code points (ITU-T H.273) of other colors than those of sRGB."""
    primaries, transfer = 2, 2  # unspecified
    if image.format in {"PNG", "AVIF"} and (match := CODE_POINTS.search(content)):
        primaries, transfer = (code[0] for code in match.groups() if code)
    elif nclx := image.info.get("nclx_profile"):  # of pillow_heif
        primaries, transfer = nclx["color_primaries"], nclx["transfer_characteristics"]
    if transfer in HDR:
        raise InputError(f"is HDR ({HDR[transfer]}); convert it to sRGB")
    is_srgb = primaries in SRGB_PRIMARIES and transfer in SRGB_TRANSFERS
    if not is_srgb and "icc_profile" not in image.info:
        name = PRIMARIES.get(primaries, f"colors with the code points {primaries} and {transfer}")
        raise InputError(f"is in {name}; convert it to sRGB")


def _load(image: Any, content: bytes) -> Any:
    """Decode an opened image; a JPEG also when nothing but its end marker is missing.

    Not a progressive one: whole scans, of which nobody knows, may be missing too.
    """
    try:
        image.load()
        return image
    except OSError as error:
        is_progressive = "progressive" in image.info
        if image.format != "JPEG" or is_progressive or "truncated" not in str(error):
            raise
    # Pixels that are missing are made of what follows.
    first, *others = (
        Image.open(BytesIO(content.rstrip(b"\xff") + 999 * filler + b"\xff\xd9"), formats=["JPEG"])
        for filler in (b"\0\0", b"\x5a\x0f", b"\xa5\xf0", b"\xdb\x93")
    )
    if any(ImageChops.difference(first, other).getbbox() for other in others):
        raise InputError("lacks its end, with some pixels; fix or remove it")
    return first


def _to_srgb(image: Image.Image, depth: int, mode: str) -> Image.Image:
    """Convert a decoded image from its profile to sRGB in a mode, with alpha if it has some."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # white is 65535
        rounded = (np.asarray(image).astype(np.uint32) + 128) // 257
        image = Image.fromarray(rounded.astype(np.uint8))
    base = "L" if image.mode in {"1", "L", "LA", "La"} else "RGB"
    alpha = None
    if image.has_transparency_data:
        image = image.convert(base + "A")
        alpha = image.getchannel("A")
    if image.mode not in {base, "CMYK"}:
        image = image.convert(base)
    if profile:
        image = _from_profile(image, profile, depth)
    if image.mode != mode:
        image = image.convert(mode)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _from_profile(image: Image.Image, profile: bytes, depth: int) -> Image.Image:
    """Convert an image in mode L, RGB or CMYK to sRGB, unless the profile is of another space."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
    except OSError:  # damaged
        return image
    space = source.profile.xcolor_space.strip()
    # LittleCMS's optimization is up to 10 levels off for gray with a linear profile.
    flags = ImageCms.Flags.NOOPTIMIZE if image.mode == "L" else ImageCms.Flags.NONE
    if (space, image.mode) == ("RGB", "L"):  # as many programs embed
        image = image.convert("RGB")
    if space != image.mode.replace("L", "GRAY"):
        return image
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, image.mode, "RGB", flags=flags)
    if image.mode != "CMYK":
        colors = RAMPS[:, : 1 if space == "GRAY" else 4]
        probe = Image.fromarray(colors).convert(image.mode)
        converted = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int)
        if depth == 16 and np.diff(converted[:, 0], axis=0).max() > LARGEST_STEP:
            raise InputError("is 16 bits of linear light, of which Pillow keeps 8; save it in sRGB")
        if np.abs(converted - colors).max() <= SRGB_TOLERANCE:
            return image
    return ImageCms.applyTransform(image, transform, inPlace=image.mode == "RGB") or image


def _raise(error: OSError) -> None:
    raise error
