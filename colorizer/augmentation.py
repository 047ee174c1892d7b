"""Pictures as they might have been taken: turned over sideways, shifted a little."""

import torch
from torch import Generator, Tensor


def draw_moves(count: int, flips: bool, shifts: int, generator: Generator) -> Tensor:
    """Draw a move for each of `count` pictures: int64 (count, 3).

    How many pixels down and right, each -shifts..shifts, and whether it is turned over left to
    right, 0 or 1: half of them are where there are `flips`.
    """
    shifted = torch.randint(-shifts, shifts + 1, (count, 2), generator=generator)
    turned = torch.randint(0, 1 + flips, (count, 1), generator=generator)
    return torch.cat([shifted, turned], dim=1)


def moved(pictures: Tensor, moves: Tensor) -> Tensor:
    """Move pictures (n, H, W, ...) as `draw_moves` says, each turned over before it is shifted.

    Where a shift leaves the picture, its border is repeated.
    """
    n, height, width = pictures.shape[:3]
    down, right, turned = moves.to(pictures.device)[:, :, None].unbind(dim=1)  # (n, 1) each
    rows = (torch.arange(height, device=pictures.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=pictures.device) - right).clamp(0, width - 1)
    columns = torch.where(turned == 1, width - 1 - columns, columns)
    which = torch.arange(n, device=pictures.device)[:, None, None]
    return pictures[which, rows[:, :, None], columns[:, None, :]]
