"""What a trained network says of gray pictures."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from colorizer.network import scaled

# Bounds the memory of one step: 32 pictures of 80x80 are 2.5 MB for each 3 kernels. Larger
# batches are no faster on a CPU, since they leave its caches.
PICTURES_AT_ONCE = 32


def predict(network: nn.Module, batches: Iterable[Tensor], flips: bool) -> Iterator[Tensor]:
    """Give the predictions for batches of gray pictures, one after the other.

    A batch is uint8 (n, H, W), its prediction float32 (n, H, W, 3) in levels, on the network's
    device: 0..255 unless the network leaves that range, neither rounded nor clamped. With `flips`
    it is the mean of two, for the pictures as they are and turned over left to right. The network
    is left in evaluation mode, where batch norm uses what it learnt, not the pictures at hand.
    """
    network.eval()
    device = next(network.parameters()).device
    for gray in batches:
        with torch.inference_mode():
            pictures = scaled(gray.to(device).unsqueeze(-1))
            output = network(pictures)  # (n, 3, H, W)
            if flips:
                output = (output + network(pictures.flip(3)).flip(3)) / 2
            yield output.add_(1).mul_(127.5).permute(0, 2, 3, 1)


def to_pictures(prediction: Tensor) -> np.ndarray:
    """Round predictions in levels to uint8 pictures of the same shape, as an array.

    What lies outside 0..255 becomes the nearest end, what is not a number 0.
    """
    finite = prediction.nan_to_num(nan=0, posinf=255, neginf=0)
    pictures: np.ndarray = finite.round().clamp(0, 255).byte().cpu().numpy()
    return pictures
