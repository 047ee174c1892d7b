import tarfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from benchmarks.reads import BATCH_SIZE, ORDERS, batches
from benchmarks.scale import numbered, write_photos, write_shards
from colorizer.data.photos import find_photos


def test_a_numbered_jpeg_is_the_same_picture_in_another_file():
    file = BytesIO()
    Image.linear_gradient("L").save(file, "jpeg")
    files = [numbered(file.getvalue(), number) for number in (0, 1, 499_999)]
    assert len(set(files)) == 3
    for number, content in zip((0, 1, 499_999), files, strict=True):
        with Image.open(BytesIO(content)) as image, Image.open(file) as original:
            assert image.info["comment"] == str(number).encode()
            np.testing.assert_array_equal(image, original)


def test_photographs_are_distinct_and_shards_hold_them_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.scale.SHARD_SIZE", 100)
    write_photos(tmp_path / "raw", 300)
    write_shards(tmp_path / "raw", tmp_path / "shards")
    contents = []
    for split, count in {"train": 270, "val": 15, "test": 15}.items():
        photos, _ = find_photos(tmp_path / "raw" / split)
        assert len(photos) == count
        names = []
        for path in sorted((tmp_path / "shards" / split).iterdir()):
            with tarfile.open(path) as shard:
                members = shard.getmembers()
                assert len(members) <= 100
                names += [member.name for member in members]
                contents += [shard.extractfile(member).read() for member in members]
        assert names == photos
    assert len(set(contents)) == 300


@pytest.mark.parametrize("order", ORDERS)
def test_each_photograph_is_read_once(order):
    read = [*batches(order, 50)]
    assert [len(batch) for batch in read] == [BATCH_SIZE] * 3 + [2]
    assert sorted(np.concatenate(read)) == [*range(50)]
    assert (np.concatenate(read).tolist() == [*range(50)]) == (order == "in order")
