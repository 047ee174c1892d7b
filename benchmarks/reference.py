"""The reference loop: the report's way of training, written plainly, for comparison.

Each epoch decodes every photograph again; tensors have channels first in memory; validation uses
small batches too; PyTorch has its default settings.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

BATCH_SIZE = 16
LEARNING_RATE = 0.1
SEED = 483  # of all that is compared
MARGIN = 12  # levels


class Photos(Dataset[tuple[Tensor, Tensor]]):
    """Gray (1, H, W) and rgb (3, H, W) of photographs, float32 on [-1, 1]."""

    def __init__(self, paths: list[Path]) -> None:
        """Read the photographs at `paths`."""
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self._paths[index]) as image:
            rgb, gray = np.array(image.convert("RGB")), np.array(image.convert("L"))
        return (
            torch.from_numpy(gray)[None].float() / 127.5 - 1,
            torch.from_numpy(rgb).permute(2, 0, 1).float() / 127.5 - 1,
        )


def build(conv_layers: int, kernels: int, batch_norm: bool) -> nn.Sequential:
    """The report's network; its batch norm follows every convolution."""
    layers: list[nn.Module] = []
    channels = 1
    for _ in range(conv_layers - 1):
        layers.append(nn.Conv2d(channels, kernels, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(kernels))
        layers.append(nn.ReLU())
        channels = kernels
    layers.append(nn.Conv2d(channels, 3, 3, padding=1))
    if batch_norm:
        layers.append(nn.BatchNorm2d(3))
    return nn.Sequential(*layers)


def epochs(
    network: nn.Module, training: list[Path], validation: list[Path], seed: int
) -> Iterator[tuple[float, float, float]]:
    """Train without end; yield training MSE, validation MSE and margin error after each epoch.

    Two things are as in the pipeline and not as in the report, so that the two can be compared:
    errors are totals over totals, and batch norm validates in evaluation mode.
    """
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    photos = Photos(training)
    while True:
        network.train()
        shuffled = torch.randperm(len(photos), generator=order).tolist()
        train_squared = 0.0
        for gray, rgb in DataLoader(photos, BATCH_SIZE, sampler=shuffled):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(network(gray), rgb)
            loss.backward()
            optimizer.step()
            train_squared += loss.item() * len(gray)
        network.eval()
        squared, outside = 0.0, 0.0
        with torch.no_grad():
            for gray, rgb in DataLoader(Photos(validation), BATCH_SIZE):
                output = network(gray)
                squared += nn.functional.mse_loss(output, rgb).item() * len(gray)
                outside += ((output - rgb).abs() >= MARGIN / 127.5).float().mean().item() * len(
                    gray
                )
        yield train_squared / len(photos), squared / len(validation), outside / len(validation)
