"""Chroma as probabilities: bins of Cb and of Cr, and the chroma that follows from them.

Classification as in Zhang et al. 2016, "Colorful image colorization", but of Cb and Cr apart: where
luma is known, the error of blue follows from Cb alone and that of red from Cr.

Chroma is (n, 2, h, w) float32 on [-1, 1]; logits are (n, 2 * bins, h, w), of the bins of Cb, then
of those of Cr, whose centers lie evenly from -1 to 1.
"""

import torch
from torch import Tensor
from torch.nn import functional

from colorizer.color_spaces import OF_CB, OF_CR

WINDOW = 12 / 127.5  # how far off blue and red may be: the report's margin


def cross_entropy(logits: Tensor, chroma: Tensor) -> Tensor:
    """Minus the log of the probability of each chroma, added up over all: a number.

    A chroma between two centers is in both bins, by its nearness to them.
    """
    logs = logits.unflatten(1, (2, -1)).log_softmax(dim=2)  # (n, 2, bins, h, w)
    last = logs.shape[2] - 1
    place = ((chroma.clamp(-1, 1) + 1) / 2 * last).unsqueeze(2)
    lower = place.floor().clamp(max=last - 1)
    share, lower = place - lower, lower.long()
    between: Tensor = (1 - share) * logs.gather(2, lower) + share * logs.gather(2, lower + 1)
    return -between.sum()


def likeliest(logits: Tensor) -> Tensor:
    """The chroma with which blue and red are most probably within the window.

    It is the mean of the chroma in the window of bins that has the most probability.
    """
    chromas = []
    probabilities = logits.unflatten(1, (2, -1)).softmax(dim=2)  # (n, 2, bins, h, w)
    bins = probabilities.shape[2]
    centers = torch.linspace(-1, 1, bins, device=logits.device)
    apart = (centers[:, None] - centers).abs() * (bins - 1) / 2  # in bins
    for some, scale in zip(probabilities.unbind(dim=1), (OF_CB, OF_CR), strict=True):
        half = WINDOW / scale * (bins - 1) / 2
        inside = (half + 0.5 - apart).clamp(0, 1)  # of each window the shares of all bins
        mass = functional.conv2d(some, inside[:, :, None, None])
        moment = functional.conv2d(some, (inside * centers)[:, :, None, None])
        most = mass.argmax(dim=1, keepdim=True)
        chromas.append(moment.gather(1, most) / mass.gather(1, most))
    return torch.cat(chromas, dim=1)
