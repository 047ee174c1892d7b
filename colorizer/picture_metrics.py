"""Measures of finished pictures, uint8, as a viewer sees them."""

import math

import numpy as np
from skimage.metrics import structural_similarity

from colorizer.metrics import LEVELS


class PictureTotals:
    """Scores of pictures against the true ones, added up and divided once at the end."""

    def __init__(self, margin: int) -> None:
        """Count a value as right when it is nearer than `margin` levels."""
        self._margin = margin
        self._values = self._pictures = self._right = self._squared = 0
        self._ssim = 0.0

    def add(self, pictures: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch of pictures and targets, both uint8 (n, H, W, 3), H and W at least 11."""
        difference = np.abs(pictures.astype(np.int64) - targets.astype(np.int64))
        self._values += difference.size
        self._pictures += len(pictures)
        self._right += int((difference < self._margin).sum())
        self._squared += int(np.square(difference).sum())
        for picture, target in zip(pictures, targets, strict=True):
            self._ssim += float(
                structural_similarity(
                    picture,
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
        """The course scorer's: the share of values nearer than the margin, 0..1."""
        return self._right / self._values

    @property
    def psnr(self) -> float:
        """10 log10(255^2 / mean squared difference over all values), in decibels.

        Exact pictures score as if one value were off by one level.
        """
        return 10 * math.log10(LEVELS**2 * self._values / max(self._squared, 1))

    @property
    def ssim(self) -> float:
        """Structural similarity, -1..1, averaged over channels and pictures.

        Wang et al. 2004, "Image quality assessment": Gaussian window, sigma 1.5.
        """
        return self._ssim / self._pictures
