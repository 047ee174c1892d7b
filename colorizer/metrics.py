"""Errors of predictions, summed over a split and divided once; lookup tables as baselines."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colorizer.data.splits import Split
from colorizer.distributed import all_reduce_sum

LEVELS = 255  # difference between black and white

# Squared errors are reported on the networks' scale, [-1, 1], as the report's are.
SQUARED_LEVELS_PER_UNIT = (LEVELS / 2) ** 2
LARGEST_MSE = 4.0  # of an image: black instead of white everywhere

GRAY_LEVELS = 256
CHUNK_SIZE = 64  # photographs: 64 of 80x80 take 3 MB of indices


def distance(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Absolute difference of uint8 images: uint8, since wider types take a lot of memory."""
    difference: np.ndarray = np.maximum(prediction, target) - np.minimum(prediction, target)
    return difference


def is_outside_margin(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Which values differ by `margin` levels or more: bool, of the shape of the uint8 images."""
    outside: np.ndarray = distance(prediction, target) >= margin
    return outside


class ErrorTotals:
    """Errors of predictions, summed batch by batch and divided once by the number of values.

    A value is one channel of one pixel. Its distance is |prediction - target| in levels; a
    prediction that is not finite has a distance of 255 levels. The sums stay on the device of the
    predictions and include those of all ranks.
    """

    def __init__(self, margins: Sequence[int]) -> None:
        """Count the errors for each of `margins`, in levels, 0..255."""
        self.margins = list(margins)
        self._values = 0
        # Sums of squared and absolute distances, then a count for each margin.
        self._sums = torch.zeros(2 + len(self.margins), dtype=torch.float64)

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch: float32 predictions in levels, uint8 targets, of one shape and device."""
        distance = (prediction - target).abs_().nan_to_num_(nan=LEVELS, posinf=LEVELS)
        # How many distances have each whole number of levels, then at least as many: margins are
        # whole levels.
        levels = distance.clamp(max=LEVELS).to(torch.uint8).flatten()
        counts = torch.bincount(levels, minlength=LEVELS + 1)
        outside = counts.flip(0).cumsum(0).flip(0)[self.margins]
        exact = distance.double().flatten()
        absolute, squared = exact.sum(), exact.dot(exact)
        self._values += distance.numel()
        sums = torch.cat([torch.stack([squared, absolute]), outside])
        self._sums = self._sums.to(distance.device) + sums

    @property
    def margin_errors(self) -> list[float]:
        """For each margin, the share of values with that distance or more, 0..1.

        The report's definition: |prediction - target| >= margin / 127.5 on [-1, 1], with
        predictions that are neither rounded nor clamped.
        """
        return self._means()[2:]

    @property
    def mse(self) -> float:
        """Mean squared distance on the scale [-1, 1]."""
        return self._means()[0] / SQUARED_LEVELS_PER_UNIT

    @property
    def mae(self) -> float:
        """Mean distance in levels."""
        return self._means()[1]

    def _means(self) -> list[float]:
        values, *sums = all_reduce_sum(
            torch.cat([self._sums.new_tensor([self._values]), self._sums])
        ).tolist()
        return [value / values for value in sums]


class ImageTotals:
    """Accuracy, PSNR and SSIM of 8-bit images, summed batch by batch and divided once."""

    def __init__(self, margin: int) -> None:
        """Count a value as right when it is less than `margin` levels off."""
        self._margin = margin
        self._values = self._images = self._right = self._squared = 0
        self._ssim = 0.0

    def add(self, images: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch of images and targets, both uint8 (n, H, W, 3); H and W are at least 11."""
        difference = distance(images, targets)
        self._values += difference.size
        self._images += len(images)
        self._right += int((difference < self._margin).sum())
        self._squared += int(np.square(difference, dtype=np.int64).sum())
        self._ssim += sum(map(ssim, images, targets))

    @property
    def accuracy(self) -> float:
        """The course scorer's accuracy: the share of values less than the margin off, 0..1."""
        return self._right / self._values

    @property
    def psnr(self) -> float:
        """10 log10(255^2 / mean squared difference over all values), in decibels.

        Exact images score as if one value were off by one level.
        """
        return 10 * math.log10(LEVELS**2 * self._values / max(self._squared, 1))

    @property
    def ssim(self) -> float:
        """Structural similarity, -1..1, averaged over images: see `ssim`."""
        return self._ssim / self._images


def ssim(image: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity of uint8 images (H, W, 3), -1..1, averaged over channels.

    With the Gaussian window of Wang et al. 2004, "Image quality assessment: from error visibility
    to structural similarity".
    """
    from skimage.metrics import structural_similarity  # takes 0.5 s, in evaluate only

    return float(
        structural_similarity(
            *(image, target),
            channel_axis=-1,
            data_range=LEVELS,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


# Baselines that a network has to beat: lookup tables with one color for each gray level. A table is
# float32 (256, 3), in levels. A histogram is int64 (256, 3, 256): for each gray level and channel,
# how many training pixels have each value.


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
    off = np.abs(table[:, :, None] - np.arange(256))  # (256, 3, 256)
    total = histogram.sum()
    return [float(histogram[off >= margin].sum() / total) for margin in margins]


def _copy_unseen(table: np.ndarray, histogram: np.ndarray) -> np.ndarray:
    seen = histogram.sum(axis=2) > 0
    return np.where(seen, table, gray_table()).astype(np.float32)
