from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorizer.errors import InputError

FOLDER = "data/raw/sample"


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_writes_enough_tiles_of_the_right_kind(run_stage: Callable[..., None], params):
    params["sample"] |= {"scales": 2, "largest_scale": 1.5, "step": 0.4}
    run_stage("sample", FOLDER)
    for split, enough, mode in [("train", 500, "RGB"), ("val", 100, "RGB"), ("test", 100, "L")]:
        paths = list(Path(FOLDER, split, "images").iterdir())
        assert len(paths) >= enough
        for path in paths:
            with Image.open(path) as image:
                assert (image.mode, image.size, image.format) == (mode, (80, 80), "PNG")
    scales = {path.stem.split("_")[1] for path in Path(FOLDER, "train/images").iterdir()}
    assert len(scales) > 1
    with_color = [np.ptp(np.asarray(Image.open(path)), axis=-1).any() for path in paths_of("val")]
    assert np.mean(with_color) > 0.9


def paths_of(split: str) -> list[Path]:
    return list(Path(FOLDER, split, "images").iterdir())


def test_writes_the_same_bytes_each_time(run_stage, params):
    params["sample"]["step"] = 1.0
    run_stage("sample", "a")
    run_stage("sample", "b")
    assert files(Path("a")) == files(Path("b"))
    assert len(files(Path("a"))) > 50


def test_a_tile_that_fits_nowhere_is_an_error_and_nothing_is_written(run_stage, params):
    params["sample"]["tile_size"] = 1000
    with pytest.raises(InputError, match=r"sample\.tile_size is 1000, too large"):
        run_stage("sample", FOLDER)
    assert not any(Path("data").rglob("*.png"))
