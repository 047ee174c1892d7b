import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer import metrics
from colorizer.data.color import luma
from colorizer.metrics import (
    LARGEST_MSE,
    ErrorTotals,
    ImageTotals,
    gray_table,
    histogram_by_gray,
    median_table,
    mode_table,
    table_margin_errors,
)

IMAGES = arrays(np.uint8, (4, 3, 2, 3))
PREDICTIONS = arrays(np.float32, (4, 3, 2, 3), elements=st.floats(-300, 600, width=32))


def add(totals: ErrorTotals, prediction: np.ndarray, target: np.ndarray) -> None:
    totals.add(torch.from_numpy(prediction), torch.from_numpy(target))


def totals_of(prediction, target, margins=(12,)) -> ErrorTotals:
    totals = ErrorTotals(margins)
    add(totals, np.asarray(prediction, np.float32), np.asarray(target, np.uint8))
    return totals


def test_margin_error_by_hand():
    # Distances 0, 11, 11.5, 12, 12.5, 100: the last three count.
    prediction, target = [50, 61, 38.5, 62, 37.5, 150], [50] * 6
    assert totals_of(prediction, target).margin_errors == [0.5]
    # Predictions are neither rounded nor clamped.
    prediction, target = [-12.0, 267.0, -11.9, 266.9], [0, 255, 0, 255]
    assert totals_of(prediction, target).margin_errors == [0.5]


def test_mean_errors_by_hand():
    # 127.5 levels are 1 on [-1, 1].
    totals = totals_of([0, 127.5, 255, 255], [0, 0, 0, 255])
    assert totals.mse == pytest.approx((0 + 1 + 4 + 0) / 4)
    assert totals.mae == pytest.approx((0 + 127.5 + 255 + 0) / 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_is_as_wrong_as_black_for_white(value):
    totals = totals_of([value, value], [0, 255], margins=(0, 12, 255))
    assert totals.margin_errors == [1.0, 1.0, 1.0]
    assert (totals.mse, totals.mae) == (LARGEST_MSE, 255)
    assert totals_of([0, 255], [255, 0]).mse == LARGEST_MSE


@given(PREDICTIONS, IMAGES, st.lists(st.integers(1, 3), max_size=4))
def test_errors_do_not_depend_on_batches_and_decrease_as_the_margin_grows(prediction, target, cuts):
    whole, parts = totals_of(prediction, target, range(256)), ErrorTotals(range(256))
    for rows in np.split(np.arange(4), np.unique(cuts)):
        add(parts, prediction[rows], target[rows])
    assert parts.margin_errors == whole.margin_errors == sorted(whole.margin_errors, reverse=True)
    assert (parts.mse, parts.mae) == pytest.approx((whole.mse, whole.mae))


def test_exact_images_have_finite_scores():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)
    scores = ImageTotals(12)
    scores.add(images, images)
    assert (scores.accuracy, scores.ssim) == (1, pytest.approx(1))
    assert scores.psnr == pytest.approx(10 * np.log10(255**2 * images.size))


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def histogram(make_split, rgb, monkeypatch) -> np.ndarray:
    monkeypatch.setattr(metrics, "CHUNK_SIZE", 3)  # so that there are several chunks
    return histogram_by_gray(make_split(rgb))


def values_of(rgb: np.ndarray, level: int, channel: int) -> np.ndarray:
    return rgb[luma(rgb) == level][:, channel].astype(int)


def test_the_histogram_counts_each_pixel(rgb, histogram):
    for level, channel in [(100, 0), (128, 1), (140, 2)]:
        values = values_of(rgb, level, channel)
        assert values.size
        np.testing.assert_array_equal(histogram[level, channel], np.bincount(values, minlength=256))
    assert histogram.sum() == rgb.size


def test_the_median_table_has_the_lower_median(rgb, histogram):
    table = median_table(histogram)
    for level in range(60, 200, 7):
        for channel in range(3):
            values = np.sort(values_of(rgb, level, channel))
            assert table[level, channel] == values[(values.size - 1) // 2]


@pytest.mark.parametrize("margin", [1, 12, 200])
def test_the_mode_table_has_the_value_with_most_values_within_the_margin(rgb, histogram, margin):
    table = mode_table(histogram, margin)
    for level in range(60, 200, 7):
        for channel in range(3):
            values = values_of(rgb, level, channel)
            near = [np.count_nonzero(np.abs(values - color) < margin) for color in range(256)]
            assert table[level, channel] == near.index(max(near))


def test_a_gray_level_without_training_pixels_is_copied(make_split):
    histogram = histogram_by_gray(make_split(np.full((1, 16, 16, 3), 9, np.uint8)))
    for table in (gray_table(), median_table(histogram), mode_table(histogram, 1)):
        np.testing.assert_array_equal(table[[8, 9, 200]], [[8] * 3, [9] * 3, [200] * 3])


def test_the_errors_of_a_table_are_those_of_its_predictions(rgb, histogram):
    table = np.random.default_rng(4).integers(0, 256, (256, 3)).astype(np.float32)
    distance = np.abs(table[luma(rgb)] - rgb)
    expected = [(distance >= margin).mean() for margin in (0, 12, 40)]
    assert expected[0] == 1 > expected[1] > expected[2] > 0
    assert table_margin_errors(table, histogram, [0, 12, 40]) == pytest.approx(expected)
