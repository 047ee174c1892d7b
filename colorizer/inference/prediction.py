"""Predictions of a trained network for gray images."""

from collections.abc import Iterable, Iterator

import numpy as np
from torch import Tensor

from colorizer.models.colorizer import Colorizer


def predict(network: Colorizer, batches: Iterable[Tensor], flip_tta: bool) -> Iterator[Tensor]:
    """Yield the prediction for each batch, in evaluation mode: see `Colorizer.predict`.

    A batch is uint8 (n, H, W), its prediction float32 (n, H, W, 3) in levels.
    """
    network.eval()
    for gray in batches:
        yield network.predict(gray, flip_tta)


def to_uint8(prediction: Tensor) -> np.ndarray:
    """Round predictions in levels to a uint8 array of the same shape.

    Values outside 0..255 are clamped, NaN becomes 0.
    """
    finite = prediction.nan_to_num(nan=0, posinf=255, neginf=0)
    images: np.ndarray = finite.round().clamp(0, 255).byte().cpu().numpy()
    return images
