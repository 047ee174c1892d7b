"""Metrics of predictions rounded to 8-bit images: accuracy, PSNR, SSIM."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from colorizer.metrics.margin import LEVELS

# Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".
SSIM_SIGMA = 1.5  # pixels: standard deviation of the Gaussian window
SSIM_RADIUS = 5  # pixels: the window has 11 x 11
SSIM_C1, SSIM_C2 = (0.01 * LEVELS) ** 2, (0.03 * LEVELS) ** 2


class PictureTotals:
    """Accuracy, PSNR and SSIM of images, summed batch by batch and divided once at the end."""

    def __init__(self, margin: int) -> None:
        """Count a value as right when it is less than `margin` levels off."""
        self._margin = margin
        self._values = self._images = self._right = self._squared = 0
        self._ssim = 0.0

    def add(self, images: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch of images and targets, both uint8 (n, H, W, 3); H and W are at least 11."""
        difference = np.abs(images.astype(np.int64) - targets.astype(np.int64))
        self._values += difference.size
        self._images += len(images)
        self._right += int((difference < self._margin).sum())
        self._squared += int(np.square(difference).sum())
        self._ssim += sum(map(ssim, images, targets))

    @property
    def accuracy(self) -> float:
        """The course scorer's accuracy: the share of values less than the margin off, 0..1."""
        return self._right / self._values

    @property
    def psnr(self) -> float:
        """10 log10(255^2 / mean squared difference over all values), in decibels.

        Exact images score as if one value were off by one level.
        """
        return 10 * math.log10(LEVELS**2 * self._values / max(self._squared, 1))

    @property
    def ssim(self) -> float:
        """Structural similarity, -1..1, averaged over images: see `ssim`."""
        return self._ssim / self._images


def ssim(image: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity of an image and its target, -1..1, averaged over channels.

    Wang et al. 2004, with the Gaussian window. Both are uint8 (H, W, 3), H and W at least 11. It
    equals `skimage.metrics.structural_similarity`; by matrix products, which are several times
    faster for images of 80x80.
    """
    x, y = (
        torch.from_numpy(values.transpose(2, 0, 1).astype(np.float64, order="C"))
        for values in (image, target)
    )
    rows, columns = (_gaussian_window(size) for size in x.shape[1:])

    def blur(values: Tensor) -> Tensor:
        return rows @ (values @ columns.T)  # (3, H - 10, W - 10)

    mean_x, mean_y = blur(x), blur(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = blur(x * y) - product, blur(x**2 + y**2) - squares
    similarity = (2 * product + SSIM_C1) * (2 * covariance + SSIM_C2)
    similarity /= (squares + SSIM_C1) * (variances + SSIM_C2)
    return similarity.mean().item()


@cache
def _gaussian_window(size: int) -> Tensor:
    """Matrix that averages `size` values by a window around each value that has all of it."""
    weights = torch.exp(
        -0.5 * (torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1).double() / SSIM_SIGMA) ** 2
    )
    matrix = torch.zeros(size - 2 * SSIM_RADIUS, size, dtype=torch.float64)
    for offset, weight in enumerate(weights / weights.sum()):
        matrix.diagonal(offset).fill_(weight)
    return matrix
