"""What a margin is, and the scales that errors are measured on."""

import numpy as np
from pydantic import Field

from colorizer.params import Section

LEVELS = 255  # the difference between black and white

# Squared errors are reported on the networks' scale, [-1, 1], as the report's are.
SQUARED_LEVELS_PER_UNIT = (LEVELS / 2) ** 2
LARGEST_MSE = 4.0  # of a picture, black for white everywhere


class MetricParams(Section):
    """Section `metric` of params.yaml."""

    margin: int = Field(ge=1, le=LEVELS)


def beyond(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Which values of finished pictures, uint8 of one shape, are `margin` levels off or more."""
    off: np.ndarray = np.abs(prediction.astype(int) - target.astype(int)) >= margin
    return off
