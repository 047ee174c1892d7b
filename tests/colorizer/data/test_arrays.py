import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorizer.data.arrays import array_writer, open_array, open_predictions
from colorizer.errors import InputError


@given(st.lists(st.integers(0, 5), max_size=5), st.sampled_from(["uint8", "float16", "float32"]))
def test_writes_the_same_bytes_as_numpy(tmp_path_factory, lengths, dtype):
    folder = tmp_path_factory.mktemp("arrays")
    rows = np.random.default_rng(0).integers(0, 200, (sum(lengths), 3, 2))
    with array_writer(folder / "ours.npy", np.dtype(dtype), (3, 2)) as writer:
        for batch in np.split(rows, np.cumsum(lengths)):
            writer.append(batch)
    np.save(folder / "numpy.npy", rows.astype(dtype))
    assert (folder / "ours.npy").read_bytes() == (folder / "numpy.npy").read_bytes()


def test_opens_a_copy_on_write_memory_map(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6).reshape(2, 3))
    array = open_array(tmp_path / "x.npy")
    assert isinstance(array, np.memmap)
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    array[0, 0] = 9  # in memory only
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), [[0, 1, 2], [3, 4, 5]])


def test_rows_of_another_shape_raise_an_error(tmp_path):
    with (
        pytest.raises(ValueError, match="shape"),
        array_writer(tmp_path / "x.npy", np.uint8, (3,)) as writer,
    ):
        writer.append(np.zeros((2, 4)))


def test_an_unfinished_file_cannot_be_opened_as_an_array(tmp_path):
    """The header counts no rows before the end, so that a partial array is never opened."""
    with array_writer(tmp_path / "x.npy", np.uint8, (3,)) as writer:
        writer.append(np.ones((4, 3)))
        (tmp_path / "copy.npy").write_bytes((tmp_path / "x.npy").read_bytes())
    with pytest.raises(InputError, match=r"copy\.npy: cannot be read as an array"):
        open_array(tmp_path / "copy.npy")


def test_predictions_are_images_of_the_expected_shape(tmp_path):
    path = tmp_path / "x.npy"
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    np.save(path, images)
    np.testing.assert_array_equal(open_predictions(path, (2, 2, 2, 3)), images)
    with pytest.raises(InputError, match=r"x\.npy: holds uint8 \(2, 2, 2, 3\), should hold uint8 "):
        open_predictions(path, (3, 2, 2, 3))
    np.save(path, images.astype(np.float32))
    with pytest.raises(InputError, match="holds float32"):
        open_predictions(path, (2, 2, 2, 3))
