import numpy as np
import pytest
import torch

from colorizer.models.color_spaces import rgb_to_chroma
from experiments.analysis.color_casts import casts_of_colorless_pixels, share_of_color_casts
from tests.conftest import draw_photos

TARGETS = torch.from_numpy(draw_photos(4, seed=5))  # uint8 (4, H, W, 3)


def test_casts_are_counted_among_colorless_pixels_by_hand():
    targets = np.array(
        [
            [(10, 10, 10), (10, 12, 20), (200, 10, 10), (0, 0, 0)],  # the third has a color
            [(250, 250, 250), (250, 250, 250), (250, 240, 239), (250, 250, 230)],  # the fourth, too
        ],
        np.uint8,
    )[None]
    predictions = torch.tensor(
        [
            [(10, 10, 30), (10, 10, -3), (0, 0, 99), (0, 30, 5)],  # blue, yellow, -, green
            [(250, 250, 238), (250, 230, 249), (258, 250, 250), (0, 0, 0)],  # yellow, magenta, none
        ],
        dtype=torch.float32,
    )[None]
    gray = np.array([[10, 31, 67, 0], [250, 224, 240, 255]], np.uint8)[None]
    shares = casts_of_colorless_pixels(gray, predictions, targets, 10)
    assert shares["pixels"].tolist() == [3 / 8, 1 / 8, 0, 0, 4 / 8]
    assert shares["colorless"].dropna().tolist() == pytest.approx([2 / 3, 0, 2 / 4])
    for band, casts in (("black", {"blue", "green"}), ("white", {"yellow", "magenta"})):
        found = shares.loc[band].drop(["pixels", "colorless"])
        assert found[found > 0].to_dict() == {
            name + ending: 1 / 2 for name in casts for ending in ("", ", unclamped")
        }
    # With a margin of 12 the second and the seventh pixel count, too: -3 wraps to 253, 258 to 2.
    shares = casts_of_colorless_pixels(gray, predictions, targets, 12)
    assert shares.loc["black", "yellow"] == 0
    assert shares.loc["black", "blue, unclamped"] == pytest.approx(2 / 3)
    assert shares.loc["white", ["cyan", "yellow"]].tolist() == pytest.approx([0, 1 / 3])
    assert shares.loc["white", "cyan, unclamped"] == pytest.approx(1 / 3)


def shifted(cb: list[float], cr: list[float]) -> torch.Tensor:
    """The targets with Cb and Cr shifted by levels, photograph by photograph."""
    cb, cr = (torch.tensor(values)[:, None, None] for values in (cb, cr))
    # BT.601: green changes so that luma stays.
    green = -(0.299 * 1.402 * cr + 0.114 * 1.772 * cb) / 0.587
    return TARGETS + torch.stack([1.402 * cr, green, 1.772 * cb], dim=-1)


def test_the_error_without_color_casts_is_that_within_photographs():
    predictions = shifted([20.0, -20, 0, 9], [0.0, 0, 30, 2])
    error, without, *_ = share_of_color_casts(predictions, TARGETS, 12).values()
    assert (error, without) == pytest.approx((np.mean([1 / 3, 1 / 3, 2 / 3, 1 / 3]), 0))
    predictions = TARGETS.float()
    predictions[:, ::2, :, 2] += 40
    predictions[:, 1::2, :, 2] -= 40
    error, without, *_ = share_of_color_casts(predictions, TARGETS, 12).values()
    assert error == without == pytest.approx(1 / 3)


def test_r2_by_hand():
    true = rgb_to_chroma(TARGETS.float().permute(0, 3, 1, 2)).mean(dim=(2, 3)).numpy()
    assert [*share_of_color_casts(TARGETS.float(), TARGETS, 12).values()][2:] == [1, 1]
    # The mean color cast for each photograph explains nothing; Cr is right.
    predictions = shifted((true[:, 0].mean() - true[:, 0]).tolist(), [0.0] * 4)
    *_, r2_cb, r2_cr = share_of_color_casts(predictions, TARGETS, 12).values()
    assert (r2_cb, r2_cr) == pytest.approx((0, 1), abs=1e-4)
