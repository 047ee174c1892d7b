"""EXIF that a colorized photograph takes over: tags with their types, each written as it was.

EXIF has the structure of TIFF: a header, directories of tags, and values (Exif 2.32, section 4.6.2;
TIFF 6.0, section 2). Pillow guesses the types of tags, fails at some, turns text to ASCII, and
omits all but the first directory when it compresses a TIFF.
"""

import mmap
import struct
from collections.abc import Container
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer.data.tiff import BYTE_ORDERS, ORIENTATION

# The directories: the first one, and the tags in it that point to the others.
IMAGE, EXIF, GPS = 0, 0x8769, 0x8825

# Taken over from the first directory, which in a TIFF also says how pixels are stored: description,
# make, model, software, date, artist, computer, ratings, copyright, and what Windows calls title,
# comment, author, keywords and subject.
IMAGE_TAGS = {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
# Left out of the other directories: the camera's own data (with offsets that no longer fit, and
# often a thumbnail), padding, pointers, and the gamma of another color space.
MAKER_NOTE, PADDING, INTEROPERABILITY, GAMMA = 0x927C, 0xEA1C, 0xA005, 0xA500
ANY = frozenset(range(65_536))
LEFT_OUT = {MAKER_NOTE, PADDING, INTEROPERABILITY, GAMMA, EXIF, GPS}

USER_COMMENT, UNICODE = 0x9286, b"UNICODE\0"  # UTF-16 follows, in the byte order of the tags

COLOR_SPACE, PIXEL_WIDTH, PIXEL_HEIGHT = 0xA001, 0xA002, 0xA003
UPRIGHT, SRGB = 1, 1
SHORT, LONG = 3, 4
# Bytes of an item of each type, and of the numbers in it (a rational has two).
ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
NUMBER_BYTES = ITEM_BYTES | {5: 4, 10: 4}

LARGEST = 65_000  # bytes; a segment of JPEG holds 65533


class Tag(NamedTuple):
    """A value, little-endian, and its type in TIFF."""

    type: int
    value: bytes


Directories = dict[int, dict[int, Tag]]


def read_exif(data: bytes | mmap.mmap) -> Directories:
    """Read the tags to take over from EXIF or a TIFF file; of damaged data what can be read."""
    directories: Directories = {IMAGE: {}, EXIF: {}, GPS: {}}
    first = _read_first(data, IMAGE_TAGS | {EXIF, GPS})
    for pointer in (EXIF, GPS):
        if pointer in first:
            order = "<" if data[:1] == b"I" else ">"
            offset = int.from_bytes(first.pop(pointer).value[:4], "little")
            directories[pointer] = _read_directory(data, offset, order, ANY - LEFT_OUT)
    directories[IMAGE] = first
    return directories


def adapt(directories: Directories, width: int, height: int) -> Directories:
    """The tags for an upright image in sRGB of this size."""
    if not any(directories.values()):
        return directories
    actual = {
        COLOR_SPACE: Tag(SHORT, struct.pack("<H", SRGB)),
        PIXEL_WIDTH: Tag(LONG, struct.pack("<L", width)),
        PIXEL_HEIGHT: Tag(LONG, struct.pack("<L", height)),
    }
    stale = {number: tag for number, tag in actual.items() if number in directories[EXIF]}
    upright = {ORIENTATION: Tag(SHORT, struct.pack("<H", UPRIGHT))}
    return {
        IMAGE: directories[IMAGE] | upright,
        EXIF: directories[EXIF] | stale,
        GPS: directories[GPS],
    }


def encode_exif(directories: Directories) -> bytes:
    """EXIF as bytes, without the largest tags where it would not fit into a JPEG."""
    directories = {pointer: dict(tags) for pointer, tags in directories.items()}
    while True:
        body, first = _encode(directories, 8)
        if len(body) <= LARGEST:
            return b"II*\0" + struct.pack("<L", first) + body
        sizes = {
            (len(tag.value), pointer, number)
            for pointer, tags in directories.items()
            for number, tag in tags.items()
        }
        _, pointer, number = max(sizes)
        del directories[pointer][number]


def add_to_tiff(path: Path, directories: Directories) -> None:
    """Add tags to a little-endian TIFF file of one page: a new first directory at its end."""
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            stored = _read_first(data, ANY)
        end = file.seek(0, 2)
        file.write(b"\0" * (end % 2))  # directories begin at even offsets
        merged = directories | {IMAGE: stored | directories[IMAGE]}
        body, first = _encode(merged, end + end % 2)
        file.write(body)
        file.seek(4)
        file.write(struct.pack("<L", first))


def _read_first(data: bytes | mmap.mmap, wanted: Container[int]) -> dict[int, Tag]:
    order = BYTE_ORDERS.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    (offset,) = struct.unpack_from(f"{order}L", data, 4)
    return _read_directory(data, offset, order, wanted)


def _read_directory(
    data: bytes | mmap.mmap, offset: int, order: str, wanted: Container[int]
) -> dict[int, Tag]:
    tags = {}
    with suppress(struct.error):  # it ends outside the data
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            number, kind, items = struct.unpack_from(f"{order}HHL", data, entry)
            size, place = ITEM_BYTES.get(kind, 0) * items, entry + 8
            if size > 4:
                (place,) = struct.unpack_from(f"{order}L", data, place)
            if size and place + size <= len(data) and number in wanted:
                value = _to_little(data[place : place + size], order, NUMBER_BYTES[kind])
                if number == USER_COMMENT and value.startswith(UNICODE):
                    value = UNICODE + _to_little(value[len(UNICODE) :], order, 2)
                tags[number] = Tag(kind, value)
    return tags


def _to_little(value: bytes, order: str, width: int) -> bytes:
    """Numbers of `width` bytes in the byte order "<" or ">", as little-endian ones."""
    whole = len(value) // width * width
    return np.frombuffer(value[:whole], f"{order}u{width}").astype(f"<u{width}").tobytes()


def _encode(directories: Directories, offset: int) -> tuple[bytes, int]:
    """Directories to be stored from `offset` on, and the offset of the first one of them."""
    body, first = b"", dict(directories[IMAGE])
    for pointer in (EXIF, GPS):
        if directories[pointer]:
            first[pointer] = Tag(LONG, struct.pack("<L", offset + len(body)))
            body += _encode_directory(directories[pointer], offset + len(body))
    return body + _encode_directory(first, offset + len(body)), offset + len(body)


def _encode_directory(tags: dict[int, Tag], offset: int) -> bytes:
    entries = values = b""
    end = offset + 2 + 12 * len(tags) + 4
    for number, (kind, value) in sorted(tags.items()):
        entries += struct.pack("<HHL", number, kind, len(value) // ITEM_BYTES[kind])
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += struct.pack("<L", end + len(values))
            values += value + b"\0" * (len(value) % 2)
    no_other_image = struct.pack("<L", 0)
    return struct.pack("<H", len(tags)) + entries + no_other_image + values
