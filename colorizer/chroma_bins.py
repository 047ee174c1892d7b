"""Chroma as probabilities: bins of Cb and of Cr, and the chroma that follows from them.

Classification as in Zhang et al. 2016, "Colorful image colorization", but of Cb and Cr apart: where
luma is known, the error of blue follows from Cb alone and that of red from Cr.

Chroma is (n, 2, h, w) float32 on [-1, 1]; logits are (n, 2 * bins, h, w), of the bins of Cb, then
of those of Cr, whose centers lie evenly from -reach to reach. What lies beyond is in the outermost.
"""

import torch
from torch import Tensor

from colorizer.color_spaces import OF_CB, OF_CR

WINDOW = 12 / 127.5  # how far off blue and red may be: the report's margin


def probabilities_of(logits: Tensor) -> Tensor:
    """Probabilities of the bins, which come last: (n, h, w, 2, bins)."""
    last: Tensor = logits.permute(0, 2, 3, 1).unflatten(-1, (2, -1))
    return last.softmax(dim=-1)


def gradient_of_cross_entropy(probabilities: Tensor, chroma: Tensor, reach: float) -> Tensor:
    """Derivative, by the logits, of minus the logs of the probabilities of the true bins, added up.

    Of the shape of the logits. A chroma between two centers is in both bins, by its nearness to
    them.
    """
    last = probabilities.shape[-1] - 1
    place = (chroma.permute(0, 2, 3, 1).unsqueeze(-1) / reach).clamp(-1, 1).add(1) * (last / 2)
    lower = place.floor().clamp(max=last - 1)
    share, lower = place - lower, lower.long()
    gradient = probabilities.clone()
    gradient.scatter_add_(-1, lower, share - 1).scatter_add_(-1, lower + 1, -share)
    return gradient.flatten(3).permute(0, 3, 1, 2)


def likeliest(probabilities: Tensor, reach: float) -> Tensor:
    """The chroma with which blue and red are most probably within the window.

    It is the mean of the chroma in the window of bins that has the most probability.
    """
    chromas = []
    bins = probabilities.shape[-1]
    per_bin = 2 * reach / (bins - 1)
    centers = torch.linspace(-reach, reach, bins, device=probabilities.device)
    apart = (centers[:, None] - centers).abs() / per_bin
    for some, scale in zip(probabilities.unbind(dim=-2), (OF_CB, OF_CR), strict=True):
        half = WINDOW / scale / per_bin
        inside = (half + 0.5 - apart).clamp(0, 1)  # of each window the shares of all bins
        most = (some @ inside).argmax(dim=-1)
        kept = some * inside[most]  # (n, h, w, bins)
        chromas.append(kept @ centers / kept.sum(dim=-1))
    return torch.stack(chromas, dim=1)
