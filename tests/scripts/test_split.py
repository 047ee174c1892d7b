import sys
from pathlib import Path

import pytest
from PIL import Image

from colorizer.errors import InputError
from scripts import split


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()

    def call(photos: int) -> None:
        Path("album/trip").mkdir(parents=True)
        for number in range(photos):
            folder = "album/trip" if number > 5 else "album"
            Image.new("RGB", (4, 4), (number, 0, 0)).save(f"{folder}/{number:02}.png")
        monkeypatch.setattr(sys, "argv", ["split", "album", "mine"])
        split.main()

    return call


def test_photographs_come_into_three_splits_in_the_order_of_their_names(run):
    run(25)
    names = {
        each: sorted(path.stem for path in Path("data/raw/mine", each).rglob("*.png"))
        for each in ("train", "val", "test")
    }
    numbers = [f"{number:02}" for number in range(25)]
    assert names == {"train": numbers[:20], "val": numbers[20:22], "test": numbers[22:]}
    photo = Path("data/raw/mine/test/trip/24.png")
    assert photo.read_bytes() == Path("album/trip/24.png").read_bytes()


def test_a_data_set_that_exists_is_kept_and_few_photographs_are_refused(run):
    with pytest.raises(InputError, match=r"^album: has 9 photographs; should be 10 or more"):
        run(9)
    Path("data/raw/mine").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^data/raw/mine: exists"):
        split.main()
