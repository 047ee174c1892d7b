"""ICC profiles by gamma, and what they mean by the formulas of sRGB."""

import struct

import numpy as np
from PIL import ImageCms


def rgb_profile(gamma: float) -> bytes:
    """Colors with the primaries of sRGB, and values to the power of gamma as linear light."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # The one curve of all channels: (a x + b) ** gamma, c and d of no effect (ISO 15076-1, 10.18).
    start = profile.index(b"para\0\0\0\0\0\3\0\0") + 12
    curve = struct.pack(">5i", *(round(65536 * number) for number in (gamma, 1, 0, 0, 0)))
    return profile[:start] + curve + profile[start + len(curve) :]


def gray_profile(gamma: float) -> bytes:
    """Gray whose value to the power of gamma is linear light."""
    return rgb_profile(gamma).replace(b"RGB ", b"GRAY").replace(b"rTRC", b"kTRC")


def srgb_levels(values: np.ndarray, gamma: float) -> np.ndarray:
    """Levels 0..255 of sRGB (IEC 61966-2-1), not rounded, of values on [0, 1] of such a profile."""
    light = values**gamma
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
