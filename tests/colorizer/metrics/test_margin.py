import numpy as np
import pytest

from colorizer.metrics.margin import MetricParams, is_outside_margin, margin_error_per_image


@pytest.mark.parametrize("margin", [0, 256])
def test_a_margin_is_1_to_255_levels(margin):
    with pytest.raises(ValueError, match="margin"):
        MetricParams(margin=margin)
    assert MetricParams(margin=1).margin == 1
    assert MetricParams(margin=255).margin == 255


def test_values_outside_the_margin_by_hand():
    images, targets = np.array([0, 255, 0, 12, 0, 11], np.uint8), np.uint8([255, 0, 12, 0, 11, 0])
    assert is_outside_margin(images, targets, 12).tolist() == [True] * 4 + [False] * 2


def test_margin_error_per_image_by_hand():
    targets = np.full((3, 2, 2, 3), 100, np.uint8)  # 12 values in each image
    images = targets.copy()
    images[1, 0, 0] = 111, 112, 88  # 11, 12 and 12 levels off: two of 12 values are outside
    images[2] = 250
    images[2, 1, 1, 2] = 89  # 11 levels off: 11 of 12 values are outside
    errors = margin_error_per_image(images, targets, 12)
    assert errors.dtype == np.float64
    assert errors.tolist() == pytest.approx([0, 2 / 12, 11 / 12])
    assert margin_error_per_image(images, targets, 13).tolist() == pytest.approx([0, 0, 11 / 12])
