"""ICC profiles made byte by byte (ISO 15076-1), and what they mean by the formulas of sRGB."""

import struct

import numpy as np

# The primaries of sRGB, adapted to D50: a profile with them differs from sRGB by its curve alone.
PRIMARIES = {
    b"rXYZ": (0.4360747, 0.2225045, 0.0139322),
    b"gXYZ": (0.3850649, 0.7168786, 0.0971045),
    b"bXYZ": (0.1430804, 0.0606169, 0.7141733),
}
D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(gamma: float) -> bytes:
    """Colors with the primaries of sRGB, and values to the power of gamma as linear light."""
    primaries = {name: _xyz(color) for name, color in PRIMARIES.items()}
    return _profile(b"RGB ", primaries | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma)))


def gray_profile(gamma: float) -> bytes:
    """Gray whose value to the power of gamma is linear light."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def srgb_levels(values: np.ndarray, gamma: float) -> np.ndarray:
    """Levels 0..255 of sRGB (IEC 61966-2-1), not rounded, of values on [0, 1] of such a profile."""
    light = values**gamma
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(color: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_number, color))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": name, b"wtpt": _xyz(D50), b"cprt": b"text\0\0\0\0none\0\0\0\0"} | tags
    start, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += tag + struct.pack(">II", start + len(data), len(padded))
        data += padded
    header = struct.pack(
        ">I4sI4s4s4s12s4s28s12s48s",
        *(start + len(data), bytes(4), 0x02400000, b"mntr", space, b"XYZ ", bytes(12), b"acsp"),
        *(bytes(28), b"".join(map(_number, D50)), bytes(48)),
    )
    return header + struct.pack(">I", len(tags)) + table + data
