import ctypes
import mmap
import os
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorizer.data.arrays import (
    array_writer,
    expect_random_reads,
    open_array,
    open_predictions,
    prefetch_rows,
)
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


def resident_pages(array: np.ndarray) -> set[int]:
    """Pages of a file that are in memory, by mincore(2)."""
    size = array.offset + array.nbytes
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    start = ctypes.c_void_p(array.ctypes.data - array.offset)
    assert ctypes.CDLL(None).mincore(start, ctypes.c_size_t(size), pages) == 0
    return {number for number, page in enumerate(pages) if page & 1}


@pytest.fixture
def on_disk(tmp_path):
    """A map of 256 rows of 5 pages, none of which is in memory."""
    path = tmp_path / "x.npy"
    np.save(path, np.arange(256 * 5 * mmap.PAGESIZE // 8).reshape(256, -1))
    array = open_array(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if resident_pages(array):
        pytest.skip("files of this system stay in memory")
    return array


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="mincore(2) of Linux")


@needs_linux
def test_prefetched_rows_are_read_and_nothing_else(on_disk):
    rows = [3, 100, 255]
    expect_random_reads(on_disk)
    prefetch_rows(on_disk, rows)
    row = 5 * mmap.PAGESIZE
    # Rows begin behind the header, in the middle of a page: each lies on 6 pages.
    starts = [(on_disk.offset + number * row) // mmap.PAGESIZE for number in rows]
    expected = {page for start in starts for page in range(start, start + 6)}
    deadline = time.monotonic() + 60
    while not expected <= resident_pages(on_disk):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert resident_pages(on_disk) <= expected


@needs_linux
def test_random_reads_read_no_more_than_the_page_that_is_used(on_disk):
    expect_random_reads(on_disk)
    assert on_disk[100, 300] == 100 * on_disk.shape[1] + 300
    assert len(resident_pages(on_disk)) == 1


@needs_linux
def test_by_default_the_kernel_reads_more(on_disk):
    """So that the test above can fail."""
    assert on_disk[100, 300] == 100 * on_disk.shape[1] + 300
    assert len(resident_pages(on_disk)) > 1
