from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from colorizer.data.sample import BANDS, cut_tiles
from colorizer.params import SampleParams

PARAMS = st.builds(
    SampleParams,
    tile_size=st.just(16),
    scales=st.integers(1, 3),
    largest_scale=st.floats(1, 4),
    step=st.floats(0.2, 1),
)


def marked_photo(height: int, width: int) -> np.ndarray:
    """An image whose first two channels are each pixel's column and row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8)


@given(st.integers(20, 120), st.integers(40, 250), PARAMS)
def test_no_pixel_of_one_split_is_in_another(height, width, params):
    used = {split: np.zeros((height, width), bool) for split in BANDS}
    for split in BANDS:
        for tile in cut_tiles(marked_photo(height, width), split, params):
            bottom, right = tile.top + tile.crop_size, tile.left + tile.crop_size
            assert bottom <= height
            assert right <= width
            used[split][tile.top : bottom, tile.left : right] = True
    for one, other in combinations(used.values(), 2):
        assert not (one & other).any()


@given(PARAMS)
def test_a_tile_shows_the_crop_at_its_coordinates(params):
    for tile in cut_tiles(marked_photo(60, 240), "train", params):
        assert tile.rgb.shape == (16, 16, 3)
        middle = tile.rgb[4:-4, 4:-4].reshape(-1, 3).mean(axis=0)
        center = (tile.crop_size - 1) / 2
        np.testing.assert_allclose(middle[:2], [tile.left + center, tile.top + center], atol=1)


def test_scales_and_steps_by_hand():
    params = SampleParams(tile_size=16, scales=3, largest_scale=2.5, step=1.0)
    tiles = [tile[:3] for tile in cut_tiles(marked_photo(50, 100), "train", params)]
    # The band is 50 x 50: three crops of 16 pixels fit beside each other, one of 28 or 40.
    of_16 = [(16, top, left) for top in (0, 16, 32) for left in (0, 16, 32)]
    assert tiles == [*of_16, (28, 0, 0), (40, 0, 0)]
    assert {tile.crop_size for tile in cut_tiles(marked_photo(50, 100), "val", params)} == {16}
