"""Margin error and mean squared error of predictions, as totals over totals."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from colorizer.params import Section

LEVELS = 255  # the difference between black and white

# Squared errors are reported on the networks' scale, [-1, 1], as the report's are.
_SQUARED_LEVELS_PER_UNIT = (LEVELS / 2) ** 2
LARGEST_MSE = 4.0  # of a picture, black for white everywhere


class MetricParams(Section):
    """Section `metric` of params.yaml."""

    margin: int = Field(ge=1, le=LEVELS)


class ErrorTotals:
    """Errors of predictions, added up batch by batch and divided once by all values.

    A value is one channel of one pixel. Its distance is |prediction - target| in levels; that
    of a prediction which is not finite is 255 levels, as of black from white.
    """

    def __init__(self, margins: Sequence[int]) -> None:
        """Count the errors of each of `margins`, in levels."""
        self.margins = list(margins)
        self._values = 0
        self._squared = 0.0
        self._absolute = 0.0
        self._outside = np.zeros(len(self.margins), np.int64)

    def add(self, prediction: np.ndarray, target: np.ndarray) -> None:
        """Add a batch: prediction float32 in levels, target uint8, of one shape."""
        distance = np.abs(prediction - target)
        distance[~np.isfinite(distance)] = LEVELS
        self._values += distance.size
        self._squared += float(np.square(distance, dtype=np.float64).sum())
        self._absolute += float(distance.sum(dtype=np.float64))
        self._outside += [np.count_nonzero(distance >= margin) for margin in self.margins]

    @property
    def margin_errors(self) -> list[float]:
        """For each margin the share of values whose distance is the margin or more, 0..1.

        The report's definition: |prediction - target| >= margin / 127.5 on [-1, 1], on
        floats that are neither rounded nor clamped.
        """
        return [float(outside) / self._values for outside in self._outside]

    @property
    def mse(self) -> float:
        """Mean squared distance on the scale [-1, 1]."""
        return self._squared / self._values / _SQUARED_LEVELS_PER_UNIT

    @property
    def mae(self) -> float:
        """Mean distance in levels."""
        return self._absolute / self._values
