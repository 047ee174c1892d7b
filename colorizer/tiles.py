"""The sample data set: square tiles of color photographs, cut so that splits share no pixel."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image
from pydantic import Field

from colorizer.params import Section

# Each photograph is cut into three upright bands, from left to right.
BANDS = {"train": (0.0, 0.5), "val": (0.5, 0.75), "test": (0.75, 1.0)}


class SampleParams(Section):
    """Section `sample` of params.yaml."""

    tile_size: int = Field(ge=16, le=1024)
    scales: int = Field(ge=1, le=10)
    largest_scale: float = Field(ge=1, le=10)
    step: float = Field(ge=0.05, le=1)


class Tile(NamedTuple):
    """A tile, rgb uint8 (tile_size, tile_size, 3), and the square that it was cut from."""

    crop_size: int
    top: int
    left: int
    rgb: np.ndarray


def cut_tiles(photo: np.ndarray, split: str, params: SampleParams) -> Iterator[Tile]:
    """Cut the tiles of one split from a photograph, rgb uint8 (height, width, 3).

    At each scale, squares from the split's band, `step` of their side apart, reduced to
    tile_size with antialiasing (Lanczos). A scale that does not fit the band gives none.
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
