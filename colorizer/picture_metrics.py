"""Measures of finished pictures, uint8, as a viewer sees them."""

from typing import NamedTuple

import numpy as np
from skimage.metrics import structural_similarity

from colorizer.metrics import LEVELS


class PictureScores(NamedTuple):
    """Accuracy and SSIM are 0..1 (SSIM may be below 0), PSNR is in decibels."""

    accuracy: float
    psnr: float
    ssim: float


def score_pictures(pictures: np.ndarray, targets: np.ndarray, margin: int) -> PictureScores:
    """Score pictures against the true ones, both uint8 (N, H, W, 3).

    accuracy: the course scorer's, the share of values nearer than `margin` levels, averaged
    over pictures. PSNR: 10 log10(255^2 / mean squared difference over all pictures); exact
    pictures score as if one value were off by one level. SSIM: Wang et al. 2004 (Gaussian
    window, sigma 1.5) per channel, averaged over channels and pictures.
    """
    accuracy = ssim = squared = 0.0
    for picture, target in zip(pictures, targets, strict=True):
        difference = np.abs(picture.astype(np.int64) - target.astype(np.int64))
        accuracy += float((difference < margin).mean())
        squared += int(np.square(difference).sum())
        ssim += float(
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
    psnr = 10 * np.log10(LEVELS**2 * targets.size / max(squared, 1))
    return PictureScores(accuracy / len(pictures), float(psnr), ssim / len(pictures))
