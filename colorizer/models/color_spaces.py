"""Conversion between the outputs of a network and rgb, for each color space.

Tensors have channels first and are on [-1, 1], which is the range of gray, of rgb, of L*, of Cb and
Cr (ITU-T T.871, as in JPEG), and of a* and b* divided by 110.
"""

import numpy as np
import torch
from torch import Tensor

from colorizer.params import ColorSpace

# Channels that a network predicts: rgb itself, or two of chroma.
OUT_CHANNELS: dict[ColorSpace, int] = {"rgb": 3, "lab": 2, "ycbcr": 2}

# ITU-R BT.601: luma = 0.299 R + 0.587 G + 0.114 B, B = luma + 1.772 Cb, R = luma + 1.402 Cr.
LUMA_RED, LUMA_GREEN, LUMA_BLUE = 0.299, 0.587, 0.114
BLUE_PER_CB, RED_PER_CR = 2 * (1 - LUMA_BLUE), 2 * (1 - LUMA_RED)

# CIE XYZ of the sRGB primaries (ITU-R BT.709), divided by the D65 white point of the 2 degree
# observer, (0.95047, 1, 1.08883), with the decimals that scikit-image uses.
RGB_TO_NORMALIZED_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
NORMALIZED_XYZ_TO_RGB = np.linalg.inv(RGB_TO_NORMALIZED_XYZ).tolist()
LAB_CHROMA_SCALE = 110.0


def lightness_of(space: ColorSpace, gray: Tensor) -> Tensor:
    """What a network sees of gray, (N, 1, H, W): its L* for lab, else gray itself."""
    if space != "lab":
        return gray
    encoded = (gray + 1) / 2
    linear = torch.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    curve = torch.where(linear > 0.008856, linear ** (1 / 3), 7.787 * linear + 16 / 116)
    return (116 * curve - 16) / 50 - 1


def rgb_to_chroma(rgb: Tensor) -> Tensor:
    """Cb and Cr (N, 2, H, W) of rgb (N, 3, H, W): the inverse of `to_rgb` in ycbcr."""
    red, green, blue = rgb.unbind(dim=1)
    luma = LUMA_RED * red + LUMA_GREEN * green + LUMA_BLUE * blue
    return torch.stack([(blue - luma) / BLUE_PER_CB, (red - luma) / RED_PER_CR], dim=1)


def normalized_ab(lab: Tensor) -> Tensor:
    """a* and b*, (N, 2, H, W), of CIE L*a*b* (N, H, W, 3) as prepared."""
    return lab[..., 1:].float().permute(0, 3, 1, 2) / LAB_CHROMA_SCALE


def to_rgb(space: ColorSpace, output: Tensor, lightness: Tensor) -> Tensor:
    """Rgb (N, 3, H, W) of a network's output (N, OUT_CHANNELS, H, W).

    `lightness`, (N, 1, H, W), is what the network saw: the luma of the result for ycbcr, L* for
    lab. Rgb may leave [-1, 1].
    """
    if space == "rgb":
        return output
    first, second = output[:, :1], output[:, 1:]
    if space == "ycbcr":
        blue, red = lightness + BLUE_PER_CB * first, lightness + RED_PER_CR * second
        green = (lightness - LUMA_RED * red - LUMA_BLUE * blue) / LUMA_GREEN
        return torch.cat([red, green, blue], dim=1)
    y = ((lightness + 1) * 50 + 16) / 116
    x, z = y + first * (LAB_CHROMA_SCALE / 500), y - second * (LAB_CHROMA_SCALE / 200)
    x, y, z = (torch.where(t > 0.2068966, t**3, (t - 16 / 116) / 7.787) for t in (x, y, z))
    linear = torch.cat([a * x + b * y + c * z for a, b, c in NORMALIZED_XYZ_TO_RGB], dim=1)
    # The root has infinite slope at 0, and torch.where passes on gradients of what it discards.
    root = linear.clamp(min=0.0031308) ** (1 / 2.4)
    encoded = torch.where(linear > 0.0031308, 1.055 * root - 0.055, 12.92 * linear)
    return encoded * 2 - 1
