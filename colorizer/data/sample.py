"""The sample data set: square tiles of scikit-image's color photographs.

The splits share no pixel.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import skimage.data
from PIL import Image

from colorizer.params import SampleParams

# The color photographs that scikit-image carries in its package, without those of microscopes and
# telescopes. One image of the stereo pair, since both show the same scene.
PHOTOS = {
    "astronaut": skimage.data.astronaut,
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
    "rocket": skimage.data.rocket,
}

# Each photograph is cut into three vertical bands: shares of its width, from the left.
BANDS = {"train": (0.0, 0.5), "val": (0.5, 0.75), "test": (0.75, 1.0)}


class Tile(NamedTuple):
    """A tile, rgb uint8 (tile_size, tile_size, 3), and the square that it was cut from."""

    crop_size: int
    top: int
    left: int
    rgb: np.ndarray


def cut_tiles(photo: np.ndarray, split: str, params: SampleParams) -> Iterator[Tile]:
    """Cut the tiles of one split from a photograph, rgb uint8 (H, W, 3).

    At each scale, square crops of the split's band at distances of `step` times their side, reduced
    to tile_size with antialiasing (Lanczos). A scale that does not fit the band gives no tile.
    """
    height, width = photo.shape[:2]
    begin, end = (int(share * width) for share in BANDS[split])
    for scale in np.linspace(1, params.largest_scale, params.scales):
        crop_size = round(scale * params.tile_size)
        stride = max(1, round(params.step * crop_size))
        for top in range(0, height - crop_size + 1, stride):
            for left in range(begin, end - crop_size + 1, stride):
                crop = photo[top : top + crop_size, left : left + crop_size]
                size = (params.tile_size, params.tile_size)
                tile = Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS)
                yield Tile(crop_size, top, left, np.asarray(tile))
