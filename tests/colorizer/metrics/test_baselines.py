import numpy as np
import pytest

from colorizer.data.color import luma
from colorizer.metrics import baselines
from colorizer.metrics.baselines import (
    gray_table,
    histogram_by_gray,
    median_table,
    mode_table,
    table_margin_errors,
)


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def histogram(make_split, rgb, monkeypatch) -> np.ndarray:
    monkeypatch.setattr(baselines, "CHUNK_SIZE", 3)  # so that there are several chunks
    return histogram_by_gray(make_split(rgb))


def values_of(rgb: np.ndarray, level: int, channel: int) -> np.ndarray:
    return rgb[luma(rgb) == level][:, channel].astype(int)


def test_histogram_counts_each_pixel(rgb, histogram):
    for level, channel in [(100, 0), (128, 1), (140, 2)]:
        values = values_of(rgb, level, channel)
        assert values.size
        np.testing.assert_array_equal(histogram[level, channel], np.bincount(values, minlength=256))
    assert histogram.sum() == rgb.size


def test_gray_table_copies_gray():
    np.testing.assert_array_equal(gray_table()[[0, 7, 255]], [[0] * 3, [7] * 3, [255] * 3])


def test_median_table_has_the_median(rgb, histogram):
    table = median_table(histogram)
    for level in range(60, 200):
        for channel in range(3):
            values = np.sort(values_of(rgb, level, channel))
            assert table[level, channel] == values[(values.size - 1) // 2]


@pytest.mark.parametrize("margin", [1, 12, 200])
def test_mode_table_has_the_value_with_most_values_within_the_margin(rgb, histogram, margin):
    table = mode_table(histogram, margin)
    for level in range(60, 200, 7):
        for channel in range(3):
            values = values_of(rgb, level, channel)
            near = [np.count_nonzero(np.abs(values - level) < margin) for level in range(256)]
            assert table[level, channel] == near.index(max(near))


def test_a_gray_level_without_training_pixels_is_copied(make_split):
    histogram = histogram_by_gray(make_split(np.full((1, 16, 16, 3), 9, np.uint8)))
    for table in (median_table(histogram), mode_table(histogram, 1)):
        np.testing.assert_array_equal(table[[8, 9, 200]], [[8] * 3, [9] * 3, [200] * 3])


def test_the_errors_of_a_table_are_those_of_its_predictions(rgb, histogram):
    table = np.random.default_rng(4).integers(0, 256, (256, 3)).astype(np.float32)
    distance = np.abs(table[luma(rgb)] - rgb)
    expected = [(distance >= margin).mean() for margin in (0, 12, 40)]
    assert expected[0] == 1 > expected[1] > expected[2] > 0
    assert table_margin_errors(table, histogram, [0, 12, 40]) == pytest.approx(expected)
