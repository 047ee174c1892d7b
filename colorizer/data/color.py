"""Conversions between color spaces, on NumPy arrays."""

import numpy as np
from PIL import Image

# CIE XYZ of the sRGB primaries (ITU-R BT.709), divided by the D65 white point of the 2 degree
# observer, (0.95047, 1, 1.08883), with the decimals that scikit-image uses.
RGB_TO_NORMALIZED_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])

# Linear light of each of the 256 levels of an sRGB channel: IEC 61966-2-1.
_ENCODED = np.arange(256) / 255
_LINEAR = np.where(_ENCODED > 0.04045, ((_ENCODED + 0.055) / 1.055) ** 2.4, _ENCODED / 12.92)


def luma(rgb: np.ndarray) -> np.ndarray:
    """gray = 0.299 R + 0.587 G + 0.114 B, rounded (ITU-R BT.601), by Pillow's `convert("L")`.

    rgb uint8 (..., H, W, 3) to gray uint8 (..., H, W).
    """
    rows = rgb.reshape(-1, rgb.shape[-2], 3)
    return np.array(Image.fromarray(rows).convert("L")).reshape(rgb.shape[:-1])


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of sRGB under D65 (CIE 15; IEC 61966-2-1).

    rgb uint8 (..., 3) to lab float32 (..., 3): L* in 0..100, a* and b* in about -108..98. Computed
    in double precision, so that processors whose cube roots differ in the last bit agree.
    """
    red, green, blue = np.moveaxis(_LINEAR[rgb], -1, 0)
    # Sums, not a matrix product, whose order of summation depends on the processor.
    x, y, z = (
        _lab_curve(from_red * red + from_green * green + from_blue * blue)
        for from_red, from_green, from_blue in RGB_TO_NORMALIZED_XYZ
    )
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return lab.astype(np.float32)


def _lab_curve(ratio: np.ndarray) -> np.ndarray:
    return np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
