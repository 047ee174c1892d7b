"""Margin error, MSE and MAE of predictions: summed over a whole split, divided once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from colorizer.distributed import all_reduce_sum
from colorizer.metrics.margin import LEVELS, SQUARED_LEVELS_PER_UNIT


class ErrorTotals:
    """Errors of predictions, summed batch by batch and divided once by the number of values.

    A value is one channel of one pixel. Its distance is |prediction - target| in levels; a
    prediction that is not finite has a distance of 255 levels. The sums stay on the device of the
    predictions and include those of all ranks.
    """

    def __init__(self, margins: Sequence[int]) -> None:
        """Count the errors for each of `margins`, in levels, 0..255."""
        self.margins = list(margins)
        self._values = 0
        # Sums of squared and absolute distances, then a count for each margin.
        self._sums = torch.zeros(2 + len(self.margins), dtype=torch.float64)

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch: float32 predictions in levels, uint8 targets, of one shape and device."""
        distance = (prediction - target).abs_().nan_to_num_(nan=LEVELS, posinf=LEVELS)
        # How many distances have each whole number of levels, then at least as many: margins are
        # whole levels.
        levels = distance.clamp(max=LEVELS).to(torch.uint8).flatten()
        counts = torch.bincount(levels, minlength=LEVELS + 1)
        outside = counts.flip(0).cumsum(0).flip(0)[self.margins]
        exact = distance.double().flatten()
        absolute, squared = exact.sum(), exact.dot(exact)
        self._values += distance.numel()
        sums = torch.cat([torch.stack([squared, absolute]), outside])
        self._sums = self._sums.to(distance.device) + sums

    @property
    def margin_errors(self) -> list[float]:
        """For each margin, the share of values with that distance or more, 0..1.

        The report's definition: |prediction - target| >= margin / 127.5 on [-1, 1], with
        predictions that are neither rounded nor clamped.
        """
        return self._means()[2:]

    @property
    def mse(self) -> float:
        """Mean squared distance on the scale [-1, 1]."""
        return self._means()[0] / SQUARED_LEVELS_PER_UNIT

    @property
    def mae(self) -> float:
        """Mean distance in levels."""
        return self._means()[1]

    def _means(self) -> list[float]:
        values, *sums = all_reduce_sum(
            torch.cat([self._sums.new_tensor([self._values]), self._sums])
        ).tolist()
        return [value / values for value in sums]
