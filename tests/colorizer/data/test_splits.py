import mmap

import numpy as np
import pytest

from colorizer.data import splits
from colorizer.data.color import luma, rgb_to_lab
from colorizer.data.splits import open_split, write_split
from colorizer.errors import InputError
from tests.conftest import contents, rows_of

RGB = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_a_split_round_trips(make_split):
    split = make_split(RGB, "val")
    assert split.names == [f"val/{number}.png" for number in range(len(split))]
    np.testing.assert_array_equal(split.rgb, RGB)
    np.testing.assert_array_equal(split.gray, luma(RGB))
    np.testing.assert_allclose(split.lab, rgb_to_lab(RGB), atol=1 / 32)  # half precision


def test_room_for_more_rows_leaves_no_trace(tmp_path):
    for name, most in (("exact", 5), ("roomy", 9)):
        write_split(tmp_path / name, rows_of(RGB, "val"), most, 16)
    assert contents(tmp_path / "exact") == contents(tmp_path / "roomy")
    np.save(tmp_path / "rgb.npy", RGB)
    assert (tmp_path / "exact/rgb.npy").read_bytes() == (tmp_path / "rgb.npy").read_bytes()


def test_a_change_of_an_opened_split_never_reaches_its_files(make_split, tmp_path):
    make_split(RGB).rgb[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "split/rgb.npy"), RGB)


DAMAGES = {
    "a row less": lambda path: np.save(path, np.load(path)[:-1]),
    "another dtype": lambda path: np.save(path, np.load(path).astype(np.float64)),
    "pickled": lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_array_is_an_input_error(make_split, tmp_path, damage):
    make_split(RGB)
    damage(tmp_path / "split/lab.npy")
    with pytest.raises(InputError, match=r"split/lab\.npy: (cannot be read|has )"):
        open_split(tmp_path / "split")


def test_missing_names_are_an_input_error(make_split, tmp_path):
    make_split(RGB)
    (tmp_path / "split/names.txt").unlink()
    with pytest.raises(InputError, match=r"names\.txt: No such file or directory; run prepare"):
        open_split(tmp_path / "split")


def test_rows_are_prefetched_by_the_pages_that_they_lie_on(tmp_path, monkeypatch):
    advice, page = [], mmap.PAGESIZE

    class Recorded(mmap.mmap):
        def madvise(self, *arguments: int) -> None:
            super().madvise(*arguments)
            advice.append(arguments)

    monkeypatch.setattr(mmap, "mmap", Recorded)
    np.save(tmp_path / "x.npy", np.zeros((9, 5 * page), np.uint8))
    array = splits.open_array(tmp_path / "x.npy")
    splits.expect_random_reads(array)
    splits.prefetch_rows(array, [3, 8])
    # The rows begin behind a header of 128 bytes.
    rows = [(mmap.MADV_WILLNEED, 5 * row * page, 128 + 5 * page) for row in (3, 8)]
    assert advice == [(mmap.MADV_RANDOM,), *rows]
