"""The margin error of 8-bit images, and the scales that errors are measured on."""

import numpy as np
from pydantic import Field

from colorizer.params import Section

LEVELS = 255  # difference between black and white

# Squared errors are reported on the networks' scale, [-1, 1], as the report's are.
SQUARED_LEVELS_PER_UNIT = (LEVELS / 2) ** 2
LARGEST_MSE = 4.0  # of an image: black instead of white everywhere


class MetricParams(Section):
    """Section `metric` of params.yaml."""

    margin: int = Field(ge=1, le=LEVELS)


def distance(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Absolute difference of uint8 images: uint8, since wider types take a lot of memory."""
    difference: np.ndarray = np.maximum(prediction, target) - np.minimum(prediction, target)
    return difference


def is_outside_margin(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Which values differ by `margin` levels or more: bool, of the shape of the uint8 images."""
    outside: np.ndarray = distance(prediction, target) >= margin
    return outside


def margin_error_per_image(images: np.ndarray, targets: np.ndarray, margin: int) -> np.ndarray:
    """Share of values of each uint8 image, (N, H, W, ...), outside the margin: float64 (N,)."""
    return np.array(
        [
            is_outside_margin(image, target, margin).mean()
            for image, target in zip(images, targets, strict=True)
        ]
    )
