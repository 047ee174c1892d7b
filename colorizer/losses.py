"""What training makes small, by the gradients that pull predictions."""

from typing import Literal

import torch
from torch import Tensor

LossName = Literal["mse", "l1", "huber", "margin"]

# Widths of the soft step of the margin loss, in margins: in the beginning and in the end.
WIDEST, NARROWEST = 4.0, 0.25


def gradient_of(loss: LossName, difference: Tensor, margin: float, done: float) -> Tensor:
    """Derivative of a loss of d, the difference between a prediction and its target.

    difference and margin are on the scale [-1, 1]; done is the share of training that is over,
    0..1. What a loss comes to is not needed to make it small. The losses of a value:

    mse: d^2, least at the mean; the report's.
    l1: |d|, least at the median.
    huber: d^2 / (2 margin) within the margin, |d| - margin / 2 beyond it (Huber 1964).
    margin: width * sigmoid((|d| - margin) / width), the margin error with a soft step. Its
        width falls geometrically from 4 margins to a quarter of one in the course of training:
        wide, the sigmoid is nearly straight and the loss is l1 but for outliers; narrow, it
        counts what the margin error counts. The factor keeps the steepest slope at 1/4.
    """
    match loss:
        case "mse":
            return difference * 2
        case "l1":
            return difference.sign()
        case "huber":
            return (difference / margin).clamp_(-1, 1)
        case "margin":
            width = margin * WIDEST * (NARROWEST / WIDEST) ** done
            step = torch.sigmoid((difference.abs() - margin) / width)
            return step * (1 - step) * difference.sign()
