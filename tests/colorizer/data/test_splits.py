import numpy as np
import pytest

from colorizer.data.color import luma, rgb_to_lab
from colorizer.data.splits import Rows, allocate_split, finish_split, open_split, write_photos
from colorizer.errors import InputError

EXPECTED = ["gray.npy", "lab.npy", "names.txt", "rgb.npy"]


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_a_split_round_trips(make_split, rgb):
    split = make_split(rgb, "val")
    assert len(split) == 5
    assert split.names == [f"val/{number}.png" for number in range(5)]
    np.testing.assert_array_equal(split.rgb, rgb)
    np.testing.assert_array_equal(split.gray, luma(rgb))
    np.testing.assert_allclose(split.lab, rgb_to_lab(rgb), atol=1 / 32)


def test_arrays_are_memory_maps(make_split, rgb):
    split = make_split(rgb)
    for array in (split.gray, split.rgb, split.lab):
        assert isinstance(array, np.memmap)


def write(folder, rgb, batches, names) -> None:
    allocate_split(folder, len(rgb), 16)
    for batch in batches:
        part = rgb[batch]
        write_photos(folder, batch.start, Rows(luma(part), part, rgb_to_lab(part)))
    finish_split(folder, names)


def same_files(one, other) -> bool:
    files = sorted(path.name for path in one.iterdir())
    assert files == sorted(path.name for path in other.iterdir()) == EXPECTED
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def test_bytes_do_not_depend_on_batches_or_their_order(tmp_path, rgb):
    write(tmp_path / "one", rgb, [slice(0, 5)], list("abcde"))
    write(tmp_path / "three", rgb, [slice(3, 5), slice(0, 2), slice(2, 3)], list("abcde"))
    assert same_files(tmp_path / "one", tmp_path / "three")


def test_rows_without_a_name_are_removed(tmp_path, rgb):
    write(tmp_path / "five", rgb, [slice(0, 5)], ["a", None, "c", "d", None])
    write(tmp_path / "three", rgb[[0, 2, 3]], [slice(0, 3)], ["a", "c", "d"])
    assert same_files(tmp_path / "five", tmp_path / "three")


def test_rows_that_do_not_fit_raise_an_error(tmp_path, rgb):
    allocate_split(tmp_path / "split", 4, 16)
    for first, size in ((0, 16), (4, 16), (0, 8)):
        part = rgb[:, :size, :size]
        with pytest.raises(ValueError, match="do not fit"):
            write_photos(tmp_path / "split", first, Rows(luma(part), part, rgb_to_lab(part)))


@pytest.mark.parametrize("name", ["gray", "rgb", "lab"])
def test_an_array_of_another_shape_or_dtype_is_an_input_error(make_split, rgb, tmp_path, name):
    make_split(rgb)
    path = tmp_path / "split" / f"{name}.npy"
    array = np.load(path)
    for wrong in (array[:-1], array.astype(np.float64), array[:, :8], array[0]):
        np.save(path, wrong)
        with pytest.raises(InputError, match=r"should hold .* run prepare again"):
            open_split(tmp_path / "split")


@pytest.mark.parametrize("name", ["gray.npy", "rgb.npy", "lab.npy"])
def test_a_truncated_or_missing_array_is_an_input_error(make_split, rgb, tmp_path, name):
    make_split(rgb)
    path = tmp_path / "split" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"{name}: cannot be read as an array"):
        open_split(tmp_path / "split")
    path.unlink()
    with pytest.raises(InputError, match=f"{name}: cannot be read as an array"):
        open_split(tmp_path / "split")


def test_pickled_objects_are_not_loaded(make_split, rgb, tmp_path):
    make_split(rgb)
    np.save(tmp_path / "split/gray.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"gray\.npy: cannot be read as an array"):
        open_split(tmp_path / "split")


def test_a_missing_names_file_is_an_input_error(make_split, rgb, tmp_path):
    make_split(rgb)
    (tmp_path / "split/names.txt").unlink()
    with pytest.raises(InputError, match=r"names\.txt: cannot be read"):
        open_split(tmp_path / "split")
