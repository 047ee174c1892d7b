"""The trivial answers that a network has to beat: one color for each gray level."""

import numpy as np

from colorizer.splits import Split

GRAY_LEVELS = 256
PHOTOS_AT_ONCE = 64  # 64 photographs of 80x80 are 3 MB of indices

# A table is float32 (256, 3): the rgb, in levels, that it answers for each gray level.
# A tally is int64 (256, 3, 256): how many training pixels of a gray level have which value
# in which channel.


def gray_table() -> np.ndarray:
    """Table that copies gray to all three channels."""
    return np.repeat(np.arange(GRAY_LEVELS, dtype=np.float32)[:, None], 3, axis=1)


def tally_values(split: Split) -> np.ndarray:
    """Tally of a split's pixels."""
    tally = np.zeros((3, GRAY_LEVELS * 256), np.int64)
    for start in range(0, len(split), PHOTOS_AT_ONCE):
        rows = slice(start, start + PHOTOS_AT_ONCE)
        gray = split.gray[rows].astype(np.intp).ravel() * 256
        for channel in range(3):
            values = gray + split.rgb[rows, ..., channel].ravel()
            tally[channel] += np.bincount(values, minlength=GRAY_LEVELS * 256)
    return tally.reshape(3, GRAY_LEVELS, 256).swapaxes(0, 1)


def median_table(tally: np.ndarray) -> np.ndarray:
    """Table of the (lower) median value of each gray level and channel.

    A gray level without training pixels is copied.
    """
    below_or_at = tally.cumsum(axis=2)
    median = (2 * below_or_at >= below_or_at[:, :, -1:]).argmax(axis=2)
    return _copied_where_unseen(median, tally)


def mode_table(tally: np.ndarray, margin: int) -> np.ndarray:
    """Table of the value that has most training values nearer than `margin` levels.

    The lowest such value, where several have as many. A gray level without training pixels
    is copied.
    """
    padded = np.pad(tally, ((0, 0), (0, 0), (margin, margin - 1))).cumsum(axis=2)
    # At index v, `padded` has counted the values up to v - margin.
    near = padded[:, :, 2 * margin - 1 :] - padded[:, :, : tally.shape[2]]
    return _copied_where_unseen(near.argmax(axis=2), tally)


def _copied_where_unseen(table: np.ndarray, tally: np.ndarray) -> np.ndarray:
    seen = tally.sum(axis=2) > 0
    return np.where(seen, table, gray_table()).astype(np.float32)
