import sys

from PIL import Image

from benchmarks.scale import measure, write_photos

# Two processes of 50 MB, which both read a mapped file of 100 MB.
PROGRAM = """
import mmap, os, time
with open("file", "w+b") as file:
    file.truncate(100_000_000)
    mapped = mmap.mmap(file.fileno(), 0)
os.fork()
data, total = b"x" * 50_000_000, sum(mapped[::4096])
time.sleep(1)
"""


def test_photographs_are_distinct_files_of_one_picture(tmp_path):
    write_photos(tmp_path, 40)
    paths = [*tmp_path.rglob("*.jpg")]
    assert len({path.read_bytes() for path in paths}) == 40
    assert len({Image.open(path).tobytes() for path in paths}) == 1


def test_memory_is_that_of_all_processes_without_mapped_files(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    _, megabytes = measure(f"{sys.executable} program.py", tmp_path)
    assert 100 < megabytes < 150
