import numpy as np
import pytest
import torch

from colorizer.models.color_spaces import rgb_to_chroma
from experiments.tint import shares_of_tint, tints, with_tint_of
from tests.conftest import draw_photos

TARGETS = torch.from_numpy(draw_photos(4, seed=5))  # uint8 (4, H, W, 3)


def shifted(cb: list[float], cr: list[float]) -> torch.Tensor:
    """The targets with another tint: Cb and Cr shifted by levels, photograph by photograph."""
    cb, cr = (torch.tensor(values)[:, None, None] for values in (cb, cr))
    # BT.601: green changes so that luma stays.
    green = -(0.299 * 1.402 * cr + 0.114 * 1.772 * cb) / 0.587
    return TARGETS + torch.stack([1.402 * cr, green, 1.772 * cb], dim=-1)


def test_without_tint_there_is_no_error_where_only_the_tint_is_wrong():
    predictions = shifted([20.0, -20, 0, 9], [0.0, 0, 30, 2])
    error, without, _ = shares_of_tint([predictions], [TARGETS], 12)
    assert error == pytest.approx(np.mean([1 / 3, 1 / 3, 2 / 3, 1 / 3]))
    assert without == 0


def test_r2_by_hand():
    images = TARGETS.float().div(127.5).sub(1).permute(0, 3, 1, 2)
    true = rgb_to_chroma(images).mean(dim=(2, 3)).numpy() * 127.5
    _, _, exact = shares_of_tint([TARGETS.float()], [TARGETS], 12)
    assert exact == pytest.approx([1, 1], abs=1e-4)
    # The mean tint for each photograph explains nothing; Cr is right.
    predictions = shifted((true[:, 0].mean() - true[:, 0]).tolist(), [0.0] * 4)
    halves = zip(*(values.split(2) for values in (predictions, TARGETS)), strict=True)
    _, _, r2 = shares_of_tint(*zip(*halves, strict=True), 12)
    assert r2 == pytest.approx([0, 1], abs=1e-4)


def test_contrast_stays_when_the_tint_is_replaced():
    images, targets = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    corrected = with_tint_of(images, targets)
    torch.testing.assert_close(tints(corrected), tints(targets))
    contrast, expected = (
        rgb_to_chroma(each) - tints(each)[:, :, None, None] for each in (corrected, images)
    )
    torch.testing.assert_close(contrast, expected)
