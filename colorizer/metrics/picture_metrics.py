"""Metrics of predictions rounded to 8-bit images: accuracy, PSNR, SSIM."""

import math

import numpy as np
from skimage.metrics import structural_similarity

from colorizer.metrics.margin import LEVELS


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
        for image, target in zip(images, targets, strict=True):
            self._ssim += float(
                structural_similarity(
                    image,
                    target,
                    data_range=LEVELS,
                    channel_axis=-1,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                )
            )

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
        """Structural similarity, -1..1, averaged over channels and images.

        Wang et al. 2004, "Image quality assessment": Gaussian window, sigma 1.5.
        """
        return self._ssim / self._images
