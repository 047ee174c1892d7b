"""Gradients of the training losses; the values of the losses are not computed."""

from typing import Literal

import torch
from torch import Tensor

RegressionLoss = Literal["mse", "l1", "huber", "margin"]
LossName = RegressionLoss | Literal["cross_entropy"]

SIGMOID_WIDTH = 0.4  # of the margin loss, in margins


def regression_gradient(loss: RegressionLoss, difference: Tensor, margin: float) -> Tensor:
    """Derivative of a loss with respect to d, the prediction minus its target, for each value.

    `difference` and `margin` are on the scale [-1, 1].

    mse: d^2, minimal at the mean; the report's loss.
    l1: |d|, minimal at the median.
    huber: d^2 / (2 margin) within the margin, |d| - margin / 2 beyond it (Huber 1964).
    margin: width * sigmoid((|d| - margin) / width) with a width of 0.4 margins: the margin error
        with a smooth step, as Nguyen and Sanner 2013 smooth the 0-1 loss. Its slope is largest at
        the margin, 1/4, and vanishes far from it.
    """
    match loss:
        case "mse":
            return difference * 2
        case "l1":
            return difference.sign()
        case "huber":
            return (difference / margin).clamp_(-1, 1)
        case "margin":
            step = torch.sigmoid((difference.abs() - margin) / (margin * SIGMOID_WIDTH))
            return step * (1 - step) * difference.sign()


def cross_entropy_gradient(probabilities: Tensor, chroma: Tensor, chroma_range: float) -> Tensor:
    """Gradient of the summed cross-entropy with respect to the logits: (N, 2 * bins, h, w).

    `probabilities` are (N, h, w, 2, bins), `chroma` (N, 2, h, w) is the target. A chroma between
    two centers belongs to both bins, in proportion to its distance from the other center.
    """
    last = probabilities.shape[-1] - 1
    channels_last = chroma.permute(0, 2, 3, 1).unsqueeze(-1)
    position = (channels_last / chroma_range).clamp(-1, 1).add(1) * (last / 2)  # in bins
    lower = position.floor().clamp(max=last - 1)
    share, lower = position - lower, lower.long()
    gradient = probabilities.clone()
    gradient.scatter_add_(-1, lower, share - 1).scatter_add_(-1, lower + 1, -share)
    return gradient.flatten(3).permute(0, 3, 1, 2)
