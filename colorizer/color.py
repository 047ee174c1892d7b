"""Conversions between color spaces, on numpy arrays."""

import numpy as np

# CIE XYZ of the sRGB primaries (ITU-R BT.709), rows divided by the D65 white point of the
# 2 degree observer, (0.95047, 1, 1.08883): with the decimals that scikit-image has.
RGB_TO_XYZ_OF_WHITE = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])

# Linear light of each of the 256 values of an sRGB channel: IEC 61966-2-1.
_ENCODED = np.arange(256) / 255
_LINEAR = np.where(_ENCODED > 0.04045, ((_ENCODED + 0.055) / 1.055) ** 2.4, _ENCODED / 12.92)


def luma(rgb: np.ndarray) -> np.ndarray:
    """gray = 0.299 R + 0.587 G + 0.114 B, rounded (ITU-R BT.601).

    rgb uint8 (..., 3) to gray uint8 (...). In the 16-bit fixed point of Pillow's
    `convert("L")`, so that both give the same gray.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    gray: np.ndarray = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    return gray.astype(np.uint8)


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of sRGB under D65 (CIE 15; IEC 61966-2-1).

    rgb uint8 (..., 3) to lab float32 (..., 3): L in 0..100, a and b about -108..98. Computed in
    double precision, so that processors whose cube roots differ in the last bit agree.
    """
    red, green, blue = np.moveaxis(_LINEAR[rgb], -1, 0)
    # Sums written out, not a matrix product: the order of a product's sums is the processor's.
    x, y, z = (
        _lab_curve(of_red * red + of_green * green + of_blue * blue)
        for of_red, of_green, of_blue in RGB_TO_XYZ_OF_WHITE
    )
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return lab.astype(np.float32)


def _lab_curve(ratio: np.ndarray) -> np.ndarray:
    return np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
