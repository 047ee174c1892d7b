"""What a trained network says of gray pictures."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from colorizer.network import scaled

# Bounds the memory of one step: 64 pictures of 80x80 are 5 MB for each 3 kernels.
PICTURES_AT_ONCE = 64


def predict(network: nn.Module, gray: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Give the predictions of a few pictures at a time, with the rows that they belong to.

    gray uint8 (N, H, W); each prediction float32 (n, H, W, 3) in levels, 0..255 unless the
    network leaves that range: neither rounded nor clamped. The network is left in evaluation
    mode, where batch norm uses what it learnt, not the pictures at hand.
    """
    network.eval()
    for start in range(0, len(gray), PICTURES_AT_ONCE):
        rows = slice(start, min(start + PICTURES_AT_ONCE, len(gray)))
        with torch.inference_mode():
            output = network(scaled(np.array(gray[rows]), network).unsqueeze(1))
            levels = output.add_(1).mul_(127.5).permute(0, 2, 3, 1)
        yield rows, levels.cpu().numpy()


def to_pictures(prediction: np.ndarray) -> np.ndarray:
    """Round predictions in levels to uint8 pictures of the same shape.

    What lies outside 0..255 becomes the nearest end, what is not a number 0.
    """
    finite = np.nan_to_num(prediction, nan=0, posinf=255, neginf=0)
    pictures: np.ndarray = np.rint(finite).clip(0, 255)
    return pictures.astype(np.uint8)
