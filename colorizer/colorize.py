"""Photographs of any size and shape in a network's colors."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from colorizer.color_spaces import chroma_of, rgb_of
from colorizer.network import Colorizer, scaled
from colorizer.prediction import predict, to_pictures

MODEL = Path("models/colorizer.safetensors")  # where the pipeline puts it

# How often the side that a network learnt goes into the longer side of what it sees at most.
LONGEST = 4
# Of the guided filter: the pixels around each, of what the network sees, and how small a variance
# of their gray is no edge. Chosen by python -m experiments.full_size, by eye: wider squares have
# about 1% fewer errors there, but what is small, such as an eye, takes the color around it.
RADIUS, NO_EDGE = 2, 0.01
ROWS = 256  # that are composed at once, which bounds memory


def colorize(network: Colorizer, gray: np.ndarray, learnt_size: tuple[int, int]) -> np.ndarray:
    """A photograph in the network's colors, with its own luma: uint8 (H, W) to (H, W, 3).

    The network sees it reduced to the size that it learnt, and its mirror image. The chroma of what
    it predicts is brought up along the photograph's own edges: as slope * gray + offset, which
    change slowly (guided filter, He et al. 2013; from reduced pictures, He and Sun 2015). Where
    rgb would leave 0..255 the color pales, so that the luma stays, but for rounding.
    """
    seen = reduced(gray, learnt_size)
    chroma = predicted_chroma(network, seen)
    return composed(gray, guided(scaled(seen.unsqueeze(-1)), chroma, RADIUS, NO_EDGE))


def reduced(gray: np.ndarray, learnt_size: tuple[int, int]) -> Tensor:
    """Gray, uint8 (H, W), as a network should see it: uint8 (1, h, w).

    The sides are at least those that it learnt, in proportion, but of what is very long.
    """
    height, width = gray.shape
    scales = [learnt / side for learnt, side in zip(learnt_size, gray.shape, strict=True)]
    scale = min(max(scales), LONGEST * min(scales))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(resized)).unsqueeze(0)


def predicted_chroma(network: Colorizer, gray: Tensor) -> Tensor:
    """Chroma (1, 2, h, w) that a network predicts for gray, uint8 (1, h, w); on the CPU."""
    (prediction,) = predict(network, [gray], flips=True)
    return chroma_of(prediction.cpu().permute(0, 3, 1, 2) / 127.5 - 1)


def guided(gray: Tensor, chroma: Tensor, radius: int, no_edge: float) -> Tensor:
    """Slopes and offsets by which chroma (n, 2, h, w) follows gray (n, 1, h, w): (n, 4, h, w).

    The line of least squares in the square around each pixel, with sides of 2 * radius + 1, and
    flatter where the variance of gray is not far above `no_edge`; then the mean of the lines that
    a pixel had a part in.
    """

    def around(pictures: Tensor) -> Tensor:
        side = 2 * radius + 1
        return functional.avg_pool2d(pictures, side, 1, radius, count_include_pad=False)

    mean_gray, mean_chroma = around(gray), around(chroma)
    variance = around(gray * gray) - mean_gray * mean_gray
    slope = (around(gray * chroma) - mean_gray * mean_chroma) / (variance + no_edge)
    return around(torch.cat([slope, mean_chroma - slope * mean_gray], dim=1))


def composed(gray: np.ndarray, lines: Tensor) -> np.ndarray:
    """Rgb, uint8 (H, W, 3), of gray, uint8 (H, W), and slopes and offsets (1, 4, h, w)."""
    rgb = np.empty((*gray.shape, 3), np.uint8)
    for top in range(0, len(gray), ROWS):
        rows = slice(top, min(top + ROWS, len(gray)))
        levels = scaled(torch.from_numpy(gray[None, rows, :, None].copy()))
        slopes, offsets = _brought_up(lines, gray.shape, rows).chunk(2, dim=1)
        colors = with_luma(slopes * levels + offsets, levels)
        rgb[rows] = to_pictures(((colors + 1) * 127.5).permute(0, 2, 3, 1))[0]
    return rgb


def with_luma(chroma: Tensor, gray: Tensor) -> Tensor:
    """Rgb (n, 3, H, W) on [-1, 1] with the luma of gray; chroma gives way where it has no room."""
    rgb = rgb_of("ycbcr", chroma, gray)
    away = rgb - gray
    room = torch.where(away > 0, 1 - gray, 1 + gray)
    share = (room / away.abs().clamp(min=1e-6)).amin(dim=1, keepdim=True).clamp(max=1)
    return gray + share * away


def _brought_up(planes: Tensor, size: tuple[int, ...], rows: slice) -> Tensor:
    """Some rows of planes (1, n, h, w) that are brought up to a size, bilinearly."""
    height, width = size
    of_plane = planes.shape[2] / height
    box = (0, rows.start * of_plane, planes.shape[3], rows.stop * of_plane)
    wanted = width, rows.stop - rows.start
    bilinear = Image.Resampling.BILINEAR
    # Not PyTorch's, which has no box: Pillow's looks beyond it, so that rows meet without a seam.
    images = [Image.fromarray(plane.numpy()) for plane in planes[0]]
    resized = [np.asarray(image.resize(wanted, bilinear, box)) for image in images]
    return torch.from_numpy(np.stack(resized)).unsqueeze(0)
