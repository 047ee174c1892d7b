"""Conversions between color spaces, on NumPy arrays."""

import numpy as np
from PIL import Image


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
    from skimage.color import rgb2lab  # takes 0.5 s, which only processes that decode need

    lab: np.ndarray = rgb2lab(rgb).astype(np.float32)
    return lab
