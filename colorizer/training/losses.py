"""Training losses: from a network's output and its target to a scalar, by autograd.

They are summed over all values; the trainer divides by the number of values of the whole batch.
"""

import torch
from torch import Tensor
from torch.nn import functional

from colorizer.models.chroma_bins import expected_chroma
from colorizer.params import RegressionLoss

SIGMOID_WIDTH = 0.4  # of the margin loss, in margins
CONTRAST_SCALE = 0.05  # of chroma, for the contrast loss: 6 levels of Cb and Cr


def regression_loss(loss: RegressionLoss, prediction: Tensor, target: Tensor, m: float) -> Tensor:
    """A loss of d, the prediction minus its target, summed over all values; float32 of shape ().

    Prediction, target and `m`, the margin, are on the scale [-1, 1].

    mse: d^2, minimal at the mean; the report's loss.
    l1: |d|, minimal at the median.
    huber: d^2 / (2 m) within the margin, |d| - m / 2 beyond it (Huber 1964).
    margin: w * sigmoid((|d| - m) / w) with w = 0.4 m: the margin error with a smooth step, as
        Nguyen and Sanner 2013 smooth the 0-1 loss. Its slope is largest at the margin, 1/4, and
        vanishes far from it.
    """
    match loss:
        case "mse":
            return functional.mse_loss(prediction, target, reduction="sum")
        case "l1":
            return functional.l1_loss(prediction, target, reduction="sum")
        case "huber":
            return functional.smooth_l1_loss(prediction, target, reduction="sum", beta=m)
        case "margin":
            width = SIGMOID_WIDTH * m
            step: Tensor = torch.sigmoid(((prediction - target).abs() - m) / width)
            return width * step.sum()


def cross_entropy(log_probabilities: Tensor, chroma: Tensor, chroma_range: float) -> Tensor:
    """Cross-entropy of chroma bins, summed over pixels and over Cb and Cr; float32 of shape ().

    `log_probabilities` are (N, h, w, 2, bins), `chroma`, the target, is (N, 2, h, w): see
    `colorizer.models.chroma_bins`. A chroma between two centers belongs to both bins, in proportion
    to its distance from the other center.
    """
    last = log_probabilities.shape[-1] - 1
    channels_last = chroma.permute(0, 2, 3, 1)
    position = (channels_last / chroma_range).clamp(-1, 1).add(1) * (last / 2)  # in bins
    lower = position.floor().clamp(max=last - 1)
    share = position - lower
    bins = torch.stack([lower, lower + 1], dim=-1).long()
    shares = torch.stack([1 - share, share], dim=-1)
    return -(log_probabilities.gather(-1, bins) * shares).sum()


def contrast_loss(probabilities: Tensor, chroma: Tensor, chroma_range: float) -> Tensor:
    """Loss of expected chroma, from which its mean over the photograph was subtracted.

    The same is subtracted from the target. For d, the difference of both in units of
    CONTRAST_SCALE: d^2 / 2 within 1, |d| - 1/2 beyond it, summed as in `cross_entropy`. The tint of
    a photograph can hardly be inferred from gray, so the cross-entropy has a noisy gradient; this
    loss does not depend on the tint.
    """
    difference = (expected_chroma(probabilities, chroma_range) - chroma) / CONTRAST_SCALE
    means = difference.mean(dim=(2, 3), keepdim=True).expand_as(difference)
    return functional.smooth_l1_loss(difference, means, reduction="sum")
