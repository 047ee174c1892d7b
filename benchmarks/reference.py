"""The reference loop: the report's way of training, written plainly, for comparison.

Each epoch decodes every photograph again; tensors have channels first in memory; validation uses
small batches too; PyTorch has its default settings.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from colorizer.data.photos import find_photos

BATCH_SIZE = 16
LEARNING_RATE = 0.1
MARGIN = 12  # levels


class Photos(Dataset[tuple[Tensor, Tensor]]):
    """Gray (1, H, W) and rgb (3, H, W) of the photographs in a folder, float32 on [-1, 1]."""

    def __init__(self, folder: Path) -> None:
        """List the photographs."""
        self._paths = [folder / name for name in find_photos(folder)[0]]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self._paths[index]) as image:
            arrays = np.array(image.convert("L")), np.array(image.convert("RGB"))
        gray, rgb = (torch.from_numpy(array).float() / 127.5 - 1 for array in arrays)
        return gray[None], rgb.permute(2, 0, 1)


def build(conv_layers: int, kernels: int, batch_norm: bool) -> nn.Sequential:
    """The report's network; its batch norm follows every convolution."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([1, *[kernels] * (conv_layers - 1), 3]):
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def epochs(
    raw: Path, seed: int, conv_layers: int, kernels: int, batch_norm: bool
) -> Iterator[tuple[float, float, float]]:
    """Train without end; yield training MSE, validation MSE and margin error after each epoch.

    Two things are as in the pipeline and not as in the report, so that the two can be compared:
    errors are totals over totals, and batch norm validates in evaluation mode.
    """
    torch.manual_seed(seed)
    network = build(conv_layers, kernels, batch_norm)
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    training, validation = Photos(raw / "train"), Photos(raw / "val")
    while True:
        network.train()
        shuffled = torch.randperm(len(training), generator=order).tolist()
        train_squared = 0.0
        for gray, rgb in DataLoader(training, BATCH_SIZE, sampler=shuffled):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(network(gray), rgb)
            loss.backward()
            optimizer.step()
            train_squared += loss.item() * len(gray)
        network.eval()
        squared, outside = 0.0, 0.0
        with torch.no_grad():
            for gray, rgb in DataLoader(validation, BATCH_SIZE):
                output = network(gray)
                squared += nn.functional.mse_loss(output, rgb).item() * len(gray)
                is_outside = (output - rgb).abs() >= MARGIN / 127.5
                outside += is_outside.float().mean().item() * len(gray)
        yield train_squared / len(training), squared / len(validation), outside / len(validation)
