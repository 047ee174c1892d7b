"""What a network sees and predicts in each color space, and the rgb that follows from it.

Tensors with channels first, on the scale of networks: [-1, 1] is the range of gray, of rgb, of
L*, and of chroma: of Cb and Cr by ITU-T T.871 (as in JPEG), of a* and b* where 1 is 110.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from colorizer.color import RGB_TO_XYZ_OF_WHITE

ColorSpace = Literal["rgb", "lab", "ycbcr"]

# What a network predicts: rgb itself, or the two channels of chroma.
OUTPUTS: dict[ColorSpace, int] = {"rgb": 3, "lab": 2, "ycbcr": 2}

# ITU-R BT.601: luma = 0.299 R + 0.587 G + 0.114 B. Chroma is B - luma and R - luma, by its range.
RED, GREEN, BLUE = 0.299, 0.587, 0.114
OF_CB, OF_CR = 2 * (1 - BLUE), 2 * (1 - RED)

RGB_OF_XYZ = np.linalg.inv(RGB_TO_XYZ_OF_WHITE).tolist()
CHROMA_OF_LAB = 110.0


def network_input(space: ColorSpace, gray: Tensor) -> Tensor:
    """Gray as a network of a color space sees it: L* for lab, else luma."""
    if space != "lab":
        return gray
    encoded = (gray + 1) / 2
    linear = torch.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    curve = torch.where(linear > 0.008856, linear ** (1 / 3), 7.787 * linear + 16 / 116)
    return (116 * curve - 16) / 50 - 1


def chroma_of(rgb: Tensor) -> Tensor:
    """Cb and Cr (n, 2, H, W) of rgb (n, 3, H, W): what rgb_of takes in ycbcr."""
    red, green, blue = rgb.unbind(dim=1)
    luma = RED * red + GREEN * green + BLUE * blue
    return torch.stack([(blue - luma) / OF_CB, (red - luma) / OF_CR], dim=1)


def rgb_of(space: ColorSpace, output: Tensor, gray: Tensor) -> Tensor:
    """Rgb (n, 3, H, W) of a network's output (n, OUTPUTS, H, W) for gray (n, 1, H, W).

    In ycbcr its luma is the gray, whatever the network says; rgb may leave [-1, 1].
    """
    if space == "rgb":
        return output
    first, second = output[:, :1], output[:, 1:]
    if space == "ycbcr":
        blue, red = gray + OF_CB * first, gray + OF_CR * second
        green = (gray - RED * red - BLUE * blue) / GREEN
        return torch.cat([red, green, blue], dim=1)
    lightness = (network_input("lab", gray) + 1) * 50
    y = (lightness + 16) / 116
    x, z = y + first * (CHROMA_OF_LAB / 500), y - second * (CHROMA_OF_LAB / 200)
    x, y, z = (torch.where(t > 0.2068966, t**3, (t - 16 / 116) / 7.787) for t in (x, y, z))
    linear = torch.cat([a * x + b * y + c * z for a, b, c in RGB_OF_XYZ], dim=1)
    # The root's slope is infinite at 0, and where() lets what it does not choose spoil gradients.
    root = linear.clamp(min=0.0031308) ** (1 / 2.4)
    encoded = torch.where(linear > 0.0031308, 1.055 * root - 0.055, 12.92 * linear)
    return encoded * 2 - 1
