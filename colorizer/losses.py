"""What training makes small, by the gradients that pull predictions."""

from typing import Literal

import torch
from torch import Tensor

DistanceLoss = Literal["mse", "l1", "huber", "margin"]
LossName = DistanceLoss | Literal["cross_entropy"]  # the latter is in chroma_bins.py

STEP_WIDTH = 0.4  # of the margin loss, in margins


def gradient_of(loss: DistanceLoss, difference: Tensor, margin: float) -> Tensor:
    """Derivative of a loss of d, the difference between a prediction and its target.

    difference and margin are on the scale [-1, 1]. What a loss comes to is not needed to make it
    small. The losses of a value:

    mse: d^2, least at the mean; the report's.
    l1: |d|, least at the median.
    huber: d^2 / (2 margin) within the margin, |d| - margin / 2 beyond it (Huber 1964).
    margin: width * sigmoid((|d| - margin) / width), where width is 0.4 margins: the margin error
        with its step made smooth, as Nguyen and Sanner 2013 do with the 0-1 loss. Values near the
        margin are pulled, those that are far off are given up. The factor keeps the steepest
        slope at 1/4.
    """
    match loss:
        case "mse":
            return difference * 2
        case "l1":
            return difference.sign()
        case "huber":
            return (difference / margin).clamp_(-1, 1)
        case "margin":
            step = torch.sigmoid((difference.abs() - margin) / (margin * STEP_WIDTH))
            return step * (1 - step) * difference.sign()
