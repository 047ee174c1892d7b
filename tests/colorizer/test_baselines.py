import numpy as np
import pytest

from colorizer import baselines
from colorizer.baselines import gray_table, median_table, mode_table, tally_values
from colorizer.color import luma


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def tally(make_split, rgb, monkeypatch) -> np.ndarray:
    monkeypatch.setattr(baselines, "PHOTOS_AT_ONCE", 3)  # so that there are several batches
    return tally_values(make_split(rgb))


def values_of(rgb: np.ndarray, level: int, channel: int) -> np.ndarray:
    return rgb[luma(rgb) == level][:, channel].astype(int)


def test_tally_counts_each_pixel(rgb, tally):
    for level, channel in [(100, 0), (128, 1), (140, 2)]:
        values = values_of(rgb, level, channel)
        assert values.size
        np.testing.assert_array_equal(tally[level, channel], np.bincount(values, minlength=256))
    assert tally.sum() == rgb.size


def test_gray_table_copies():
    np.testing.assert_array_equal(gray_table()[[0, 7, 255]], [[0] * 3, [7] * 3, [255] * 3])


def test_median_table_answers_the_median(rgb, tally):
    table = median_table(tally)
    for level in range(60, 200):
        for channel in range(3):
            values = np.sort(values_of(rgb, level, channel))
            assert table[level, channel] == values[(values.size - 1) // 2]


@pytest.mark.parametrize("margin", [1, 12, 200])
def test_mode_table_answers_the_value_with_most_values_near(rgb, tally, margin):
    table = mode_table(tally, margin)
    for level in range(60, 200, 7):
        for channel in range(3):
            values = values_of(rgb, level, channel)
            near = [np.count_nonzero(np.abs(values - answer) < margin) for answer in range(256)]
            assert table[level, channel] == near.index(max(near))


def test_a_level_that_training_never_shows_is_copied(make_split):
    tally = tally_values(make_split(np.full((1, 16, 16, 3), 9, np.uint8)))
    for table in (median_table(tally), mode_table(tally, 1)):
        np.testing.assert_array_equal(table[[8, 9, 200]], [[8] * 3, [9] * 3, [200] * 3])
