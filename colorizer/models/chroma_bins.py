"""Chroma as a classification over bins of Cb and of Cr.

As in Zhang et al. 2016, "Colorful image colorization", but with Cb and Cr apart: when luma is
known, the error of blue depends on Cb alone and that of red on Cr alone.

Chroma is float32 (N, 2, h, w) on [-1, 1]. Logits are (N, 2 * bins, h, w): the bins of Cb, then
those of Cr. The centers of the bins are evenly spaced on [-chroma_range, chroma_range]; a chroma
beyond that range belongs to the outermost bin.
"""

import torch
from torch import Tensor

from colorizer.models.color_spaces import BLUE_PER_CB, RED_PER_CR

# A window counts bins at the margin this much less than its center. So the best of all windows that
# contain a narrow mode has the mode in its middle.
EDGE_DISCOUNT = 0.2
TINY = 1e-12  # instead of no curvature, where three windows are equally probable


def bin_log_probabilities(logits: Tensor) -> Tensor:
    """Log softmax over bins: logits (N, 2 * bins, h, w) to (N, h, w, 2, bins)."""
    return _by_bin(logits).log_softmax(dim=-1)


def bin_probabilities(logits: Tensor) -> Tensor:
    """Softmax over bins: logits (N, 2 * bins, h, w) to probabilities (N, h, w, 2, bins)."""
    return _by_bin(logits).softmax(dim=-1)


def bin_centers(bins: int, chroma_range: float, device: torch.device) -> Tensor:
    """The chroma of each bin: float32 (bins,)."""
    return torch.linspace(-chroma_range, chroma_range, bins, device=device)


def expected_chroma(probabilities: Tensor, chroma_range: float) -> Tensor:
    """The mean chroma, weighted by probability: (N, 2, h, w)."""
    centers = bin_centers(probabilities.shape[-1], chroma_range, probabilities.device)
    return (probabilities @ centers).permute(0, 3, 1, 2)


def decode_chroma(probabilities: Tensor, chroma_range: float, margin: int) -> Tensor:
    """The chroma with which blue and red are most probably within `margin` levels: (N, 2, h, w).

    The probability is that of a window of bins around each center, in which bins at the margin
    count EDGE_DISCOUNT less. Between the best center and its neighbors, the maximum is that of the
    parabola through their three windows.
    """
    last = probabilities.shape[-1] - 1
    bin_width = 2 * chroma_range / last
    centers = bin_centers(last + 1, chroma_range, probabilities.device)
    distance = (centers[:, None] - centers).abs() / bin_width  # (bins, bins), in bins
    decoded = []
    for channel, rgb_per_chroma in zip(
        probabilities.unbind(dim=-2), (BLUE_PER_CB, RED_PER_CR), strict=True
    ):
        half_window = margin / 127.5 / rgb_per_chroma / bin_width
        # For the window around each center, by columns, the share of every bin that it covers.
        coverage = (half_window + 0.5 - distance).clamp(0, 1)
        windows = channel @ (coverage * (1 - EDGE_DISCOUNT * distance / half_window))
        best = windows.argmax(dim=-1, keepdim=True)
        # The first and the last bin have the same neighbor on both sides.
        below, above = (best - 1).abs(), last - (last - best - 1).abs()
        left, top, right = (windows.gather(-1, bins) for bins in (below, best, above))
        curvature = (left - top) + (right - top)
        offset = (left - right) / (2 * curvature).clamp(max=-TINY)  # at most half a bin
        position = best + offset
        decoded.append((position * bin_width - chroma_range).squeeze(-1))
    return torch.stack(decoded, dim=1)


def _by_bin(logits: Tensor) -> Tensor:
    channels_last: Tensor = logits.permute(0, 2, 3, 1).unflatten(-1, (2, -1))
    return channels_last
