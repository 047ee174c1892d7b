"""Baselines that a network has to beat: lookup tables with one color for each gray level."""

from collections.abc import Sequence

import numpy as np

from colorizer.data.splits import Split

GRAY_LEVELS = 256
CHUNK_SIZE = 64  # photographs: 64 of 80x80 take 3 MB of indices

# A table is float32 (256, 3): the rgb, in levels, that it gives for each gray level.
# A histogram is int64 (256, 3, 256): for each gray level and channel, how many training pixels have
# each value.


def gray_table() -> np.ndarray:
    """Table that copies gray to all three channels."""
    return np.repeat(np.arange(GRAY_LEVELS, dtype=np.float32)[:, None], 3, axis=1)


def histogram_by_gray(split: Split) -> np.ndarray:
    """Histogram of the pixels of a split."""
    histogram = np.zeros((3, GRAY_LEVELS * 256), np.int64)
    for start in range(0, len(split), CHUNK_SIZE):
        rows = slice(start, start + CHUNK_SIZE)
        gray = split.gray[rows].astype(np.intp).ravel() * 256
        for channel in range(3):
            values = gray + split.rgb[rows, ..., channel].ravel()
            histogram[channel] += np.bincount(values, minlength=GRAY_LEVELS * 256)
    return histogram.reshape(3, GRAY_LEVELS, 256).swapaxes(0, 1)


def median_table(histogram: np.ndarray) -> np.ndarray:
    """Table of the (lower) median value for each gray level and channel.

    A gray level without training pixels maps to itself.
    """
    below_or_at = histogram.cumsum(axis=2)
    median = (2 * below_or_at >= below_or_at[:, :, -1:]).argmax(axis=2)
    return _copy_unseen(median, histogram)


def mode_table(histogram: np.ndarray, margin: int) -> np.ndarray:
    """Table of the value that has most training values less than `margin` levels away.

    Of several such values the lowest. A gray level without training pixels maps to itself.
    """
    padded = np.pad(histogram, ((0, 0), (0, 0), (margin, margin - 1))).cumsum(axis=2)
    # padded[v] counts the values up to v - margin.
    near = padded[:, :, 2 * margin - 1 :] - padded[:, :, : histogram.shape[2]]
    return _copy_unseen(near.argmax(axis=2), histogram)


def table_margin_errors(
    table: np.ndarray, histogram: np.ndarray, margins: Sequence[int]
) -> list[float]:
    """For each margin, the share of a histogram's values that a table is that far off, or more."""
    distance = np.abs(table[:, :, None] - np.arange(256))  # (256, 3, 256)
    total = histogram.sum()
    return [float(histogram[distance >= margin].sum() / total) for margin in margins]


def _copy_unseen(table: np.ndarray, histogram: np.ndarray) -> np.ndarray:
    seen = histogram.sum(axis=2) > 0
    return np.where(seen, table, gray_table()).astype(np.float32)
