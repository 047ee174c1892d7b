"""Data augmentation: horizontal flips and small shifts of whole images."""

import torch
from torch import Generator, Tensor


def sample_flips_and_shifts(
    count: int, horizontal_flip: bool, max_shift: int, generator: Generator
) -> Tensor:
    """Draw a shift and a flip for each of `count` images: int64 (count, 3).

    Columns: pixels down and pixels right, each in -max_shift..max_shift, then 1 for a flip, which
    half of the images get when `horizontal_flip` is true.
    """
    shifts = torch.randint(-max_shift, max_shift + 1, (count, 2), generator=generator)
    flips = torch.randint(0, 1 + horizontal_flip, (count, 1), generator=generator)
    return torch.cat([shifts, flips], dim=1)


def flip_and_shift(images: Tensor, flips_and_shifts: Tensor) -> Tensor:
    """Flip images (N, H, W, ...), then shift them, repeating the border where a shift leaves it.

    `flips_and_shifts` comes from `sample_flips_and_shifts`.
    """
    n, height, width = images.shape[:3]
    moves = flips_and_shifts.to(images.device)[:, :, None]
    down, right, flip = moves.unbind(dim=1)  # (N, 1) each
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    columns = torch.where(flip == 1, width - 1 - columns, columns)
    batch = torch.arange(n, device=images.device)[:, None, None]
    return images[batch, rows[:, :, None], columns[:, None, :]]
