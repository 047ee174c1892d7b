"""Files that are not what they seem, made byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def png(
    width: int, height: int, depth: int, color_type: int, rows: np.ndarray, **chunks: bytes
) -> bytes:
    """A PNG file by the standard (ISO/IEC 15948), whether or not `rows` are as the header says.

    `chunks` come before the pixels, such as tRNS.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    unfiltered = b"".join(b"\0" + row.tobytes() for row in rows)
    before = [(name.encode(), data) for name, data in chunks.items()]
    pixels = (b"IDAT", zlib.compress(unfiltered))
    every = [(b"IHDR", header), *before, pixels, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in every)


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, kind)
    return file.getvalue()


def half(kind: str) -> bytes:
    whole = encoded(kind)
    return whole[: len(whole) // 2]


def flipped_bytes() -> bytes:
    whole = bytearray(encoded("PNG"))
    whole[100:110] = bytes(255 - byte for byte in whole[100:110])
    return bytes(whole)


# Contents of files that prepare must refuse, by name.
PICTURES: dict[str, bytes] = {
    "empty.jpg": b"",
    "text.jpg": b"not a picture\n",
    "header.jpg": encoded("JPEG")[:20],
    "header.png": encoded("PNG")[:20],
    "flipped.png": flipped_bytes(),
    "bomb.png": png(20_000, 20_000, 8, 0, np.zeros((1, 20_000), np.uint8)),
    "no width.png": png(0, 16, 8, 0, np.zeros((16, 0), np.uint8)),
}
KINDS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM")
PICTURES |= {f"half.{kind.lower()}": half(kind) for kind in KINDS}
