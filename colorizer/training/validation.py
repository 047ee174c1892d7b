"""The errors of a network on a split, in training."""

from typing import NamedTuple

import torch
from torch import Tensor

from colorizer.data.splits import Split
from colorizer.device import to_device_if_fits
from colorizer.distributed import shard
from colorizer.metrics.error_totals import ErrorTotals
from colorizer.models.colorizer import Colorizer


class SplitTensors(NamedTuple):
    """A split as tensors: gray uint8 (N, H, W) and rgb uint8 (N, H, W, 3)."""

    gray: Tensor
    rgb: Tensor

    @classmethod
    def of(cls, split: Split, device: torch.device) -> "SplitTensors":
        """In the memory of a GPU when they fit there, else the memory maps of the split."""
        return cls(to_device_if_fits(split.gray, device), to_device_if_fits(split.rgb, device))


def validate(network: Colorizer, validation: SplitTensors, margin: int) -> tuple[float, float]:
    """Mean squared error on [-1, 1] and margin error on a split, in evaluation mode.

    Each rank takes its shard of every batch, so that batch norm without running statistics
    normalizes the same images together for any number of ranks.
    """
    network.eval()
    totals = ErrorTotals([margin])
    gray, rgb = (images.split(network.params.eval_batch_size) for images in validation)
    for images, target in zip(gray, rgb, strict=True):
        prediction = network.predict(shard(images), flip_tta=False)
        totals.add(prediction, shard(target).to(prediction.device))
    return totals.mse, totals.margin_errors[0]
