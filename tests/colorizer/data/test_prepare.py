import joblib
import numpy as np
import pytest
from distributed import LocalCluster
from joblib.externals.loky import get_reusable_executor
from PIL import Image

from colorizer.data.prepare import SPLITS, Summary, evenly_spaced, prepare
from colorizer.data.splits import open_split
from colorizer.errors import InputError
from colorizer.params import PrepareParams
from tests.conftest import PHOTOS, RAW, SIZE, contents, small_params


@pytest.fixture
def run(raw, tmp_path, monkeypatch):
    """Prepare the data set into a folder, in one process unless told otherwise."""
    monkeypatch.chdir(tmp_path)

    def prepare_to(out: str, processes: int = 1, **changes: object) -> list[Summary]:
        monkeypatch.setattr(joblib, "cpu_count", lambda: processes)
        params = PrepareParams(**small_params()["prepare"] | changes)
        folders = [tmp_path / out / split for split in SPLITS]
        return prepare(raw.relative_to(tmp_path), folders, params)

    return prepare_to


def toned(path) -> None:
    """Write a photograph in sepia."""
    gray = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 1)) / 255
    Image.fromarray(((8, 2, 0) + gray * (247, 238, 180)).astype(np.uint8)).save(path)


def test_photographs_have_the_order_of_their_names(run, tmp_path):
    run("out")
    for split, count in PHOTOS.items():
        prepared = open_split(tmp_path / "out" / split)
        names = [f"{RAW}/{split}/images/{number}.png" for number in range(count)]
        assert prepared.names == sorted(names)
        for row, name in enumerate(prepared.names):
            with Image.open(name) as image:
                np.testing.assert_array_equal(prepared.rgb[row], image.convert("RGB"))


def test_photographs_have_the_size_and_train_the_fraction_of_the_params(run, tmp_path):
    run("out", image_size=24, train_fraction=0.25)
    shapes = [open_split(tmp_path / "out" / split).gray.shape for split in SPLITS]
    assert shapes == [(3, 24, 24), (6, 24, 24), (4, 24, 24)]


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_the_bytes_depend_on_no_workers(run, raw, tmp_path, monkeypatch, where):
    (raw / "train/images/3.png").write_bytes(b"no image")
    run("one", bad_photos="skip")
    if where == "processes":
        run("many", processes=2, bad_photos="skip")
        get_reusable_executor().shutdown()
    else:
        with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
            monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
            run("many", bad_photos="skip")
            assert cluster.scheduler.task_prefixes, "it had nothing to do"
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert len(contents(tmp_path / "one")) == 3 * 4


@pytest.mark.parametrize(
    ("fraction", "expected"), [(1.0, "abcdefgh"), (0.5, "aceg"), (0.375, "acf"), (0.001, "a")]
)
def test_a_fraction_of_the_photographs_is_evenly_spaced(fraction, expected):
    assert evenly_spaced([*"abcdefgh"], fraction) == [*expected]


def test_a_summary_counts_what_is_gray_toned_skipped_or_no_photograph(run, raw):
    Image.new("L", (SIZE, SIZE), 50).save(raw / "val/images/0.png")
    toned(raw / "val/images/1.png")
    (raw / "val/images/2.png").write_bytes(b"")
    for name in ("a.CR2", "b.cr2", "notes.txt"):
        (raw / "val" / name).write_text("x")
    _, val, _ = run("out", bad_photos="skip")
    assert dict(val.tones) == {"gray": 1, "toned": 1, "color": 3}
    assert [*val.bad] == [f"{RAW}/val/images/2.png"]
    others = "other files: 2 .cr2 (camera raw), 1 .txt"
    assert (
        str(val) == f"val: 5 photographs, 20.0% gray, 20.0% toned, 60.0% color, 1 skipped; {others}"
    )


def test_bad_photographs_of_all_splits_are_listed_up_to_20(run, raw):
    for split, count in [("train", 15), ("test", 10)]:
        for number in range(count):
            (raw / split / f"bad{number:02}.jpg").write_bytes(b"")
    with pytest.raises(InputError) as raised:
        run("out")
    head, *lines, last = str(raised.value).split("\n  ")
    assert head.startswith("25 photographs are bad; prepare.bad_photos skip")
    assert ["train/bad" in line for line in lines] == [True] * 15 + [False] * 5
    assert last == "..."


@pytest.mark.parametrize(
    ("split", "write", "message"),
    [
        ("train", toned, "train: no photograph has color"),
        ("val", lambda path: Image.new("L", (16, 16)).save(path), "val: no photograph has color"),
        ("test", lambda path: path.write_bytes(b""), "test: all photographs are bad"),
    ],
)
def test_a_split_that_is_of_no_use_is_named(run, raw, split, write, message):
    for path in (raw / split / "images").iterdir():
        write(path)
    with pytest.raises(InputError, match=f"^{RAW}/{message}"):
        run("out", bad_photos="skip")
