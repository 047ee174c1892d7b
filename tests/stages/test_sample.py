from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from tests.conftest import contents


def test_tiles_are_parts_of_scikit_image_photographs_and_gray_in_test(run_stage):
    run_stage("sample")
    sample = Path("data/raw/sample")
    assert {*contents(sample)} > {
        "train/images/astronaut_80_000_000.png",
        "val/images/cat_80_000_225.png",
        "test/images/rocket_80_080_480.png",
    }
    with Image.open(sample / "train/images/astronaut_80_080_160.png") as tile:
        np.testing.assert_array_equal(tile, skimage.data.astronaut()[80:160, 160:240])
    for split, enough, mode in [("train", 60, "RGB"), ("val", 20, "RGB"), ("test", 20, "L")]:
        paths = [*(sample / split / "images").iterdir()]
        assert len(paths) >= enough
        for path in paths:
            with Image.open(path) as image:
                assert (image.mode, image.size, image.format) == (mode, (80, 80), "PNG")


def test_the_same_bytes_each_time_and_nothing_of_an_earlier_sample(run_stage, params):
    run_stage("sample")
    first = contents(Path("data"))
    params["sample"]["tile_size"] = 100
    run_stage("sample")
    assert not {*contents(Path("data"))} & {*first}
    params["sample"]["tile_size"] = 80
    run_stage("sample")
    assert contents(Path("data")) == first
