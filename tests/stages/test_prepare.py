import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from colorizer.data.splits import open_split
from colorizer.errors import InputError
from tests.conftest import REPOSITORY
from tests.stages.conftest import PREPARED

OUTPUTS = PREPARED[:3]


@pytest.fixture
def prepare(run_stage, raw):
    return lambda: run_stage("prepare", str(raw), *PREPARED)


def test_writes_the_photographs_in_the_order_of_their_names(prepare, raw, capsys):
    prepare()
    for output, split, count in zip(OUTPUTS, ("train", "val", "test"), (12, 6, 4), strict=True):
        prepared = open_split(Path(output))
        photos = sorted(f"{split}/images/{number}.png" for number in range(count))
        assert prepared.names == [f"{raw}/{photo}" for photo in photos]
        for row, name in enumerate(prepared.names):
            with Image.open(name) as image:
                np.testing.assert_array_equal(prepared.rgb[row], image.convert("RGB"))
                np.testing.assert_array_equal(prepared.gray[row], image.convert("L"))
    printed = capsys.readouterr().out
    assert "train: 12 photographs of 16x16 pixels, 0.0% gray" in printed
    assert "test: 4 photographs of 16x16 pixels, 100.0% gray" in printed


def test_bytes_do_not_depend_on_the_number_of_processes(prepare, raw, params, monkeypatch):
    monkeypatch.setattr("stages.prepare.CHUNK_SIZE", 2)
    (raw / "train/images/3.png").write_bytes(b"not an image")
    params["prepare"]["bad_photos"] = "skip"
    contents = []
    for processes in (1, 2, 5):
        monkeypatch.setattr("stages.prepare.available_processors", lambda count=processes: count)
        prepare()
        files = [path for output in PREPARED for path in sorted(Path(output).glob("*"))]
        contents.append({path: path.read_bytes() for path in files})
    assert contents[0] == contents[1] == contents[2]
    assert len(contents[0]) == 3 * 4


CLUSTER = """
import os, subprocess, sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = {"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address}
        subprocess.run(
            [sys.executable, "-m", "stages.prepare", *sys.argv[2:]],
            env=os.environ | {"PYTHONPATH": sys.argv[1]} | address,
            check=True,
        )
"""


def test_a_cluster_writes_the_same_bytes(prepare, raw, capsys):
    """Also of files for which Pillow is configured: see colorizer/data/decoding.py."""
    rgb = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    planes = np.moveaxis(rgb, -1, 0)
    tifffile.imwrite(raw / "train/planes.tif", planes, photometric="rgb", planarconfig="separate")
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    eight = Image.fromarray((rgb >> 8).astype(np.uint8))
    eight.save(raw / "train/text.png", pnginfo=text)
    eight.save(raw / "train/x.webp", lossless=True)
    prepare()
    assert "decoding with the Dask scheduler" not in capsys.readouterr().out
    expected = {path: path.read_bytes() for path in Path().rglob("data/prepared/*/*")}
    shutil.rmtree("data/prepared")
    Path("cluster.py").write_text(CLUSTER)
    done = subprocess.run(
        [sys.executable, "cluster.py", str(REPOSITORY), str(raw), *PREPARED],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "decoding with the Dask scheduler at tcp://127.0.0.1" in done.stdout
    written = {path: path.read_bytes() for path in Path().rglob("data/prepared/*/*")}
    assert written == expected
    assert len(written) == 3 * 4


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(1.0, range(12)), (0.5, range(0, 12, 2)), (0.25, (0, 4, 8)), (0.001, (0,))],
)
def test_a_fraction_of_the_training_photographs_is_evenly_spaced(
    prepare, raw, params, fraction, expected
):
    params["prepare"]["train_fraction"] = fraction
    prepare()
    photos = sorted(path.name for path in (raw / "train/images").iterdir())
    training = open_split(Path(OUTPUTS[0]))
    assert [Path(name).name for name in training.names] == [photos[index] for index in expected]
    assert [len(open_split(Path(output))) for output in OUTPUTS[1:]] == [6, 4]


def test_other_sizes_are_resized(prepare, params):
    params["prepare"]["image_size"] = 24
    prepare()
    assert open_split(Path(OUTPUTS[0])).rgb.shape == (12, 24, 24, 3)


def test_gray_photographs_among_color_ones_are_kept(prepare, raw, capsys):
    Image.new("L", (16, 16), 50).save(raw / "val/images/3.png")
    prepare()
    assert len(open_split(Path(OUTPUTS[1]))) == 6
    assert "val: 6 photographs of 16x16 pixels, 16.7% gray" in capsys.readouterr().out


def toned(path: Path) -> None:
    """Write a photograph in sepia."""
    gray = np.random.default_rng(0).integers(0, 256, (16, 16, 1)) / 255
    Image.fromarray(((8, 2, 0) + gray * (247, 238, 180)).astype(np.uint8)).save(path)


def test_toned_photographs_are_counted_apart(prepare, raw, capsys):
    toned(raw / "val/images/3.png")
    Image.new("L", (16, 16), 50).save(raw / "val/images/4.png")
    prepare()
    line = "val: 6 photographs of 16x16 pixels, 16.7% gray, 16.7% toned, "
    assert line in capsys.readouterr().out


def test_a_split_of_gray_and_toned_photographs_needs_color(prepare, raw):
    for path in (raw / "val").rglob("*.png"):
        toned(path)
    with pytest.raises(InputError, match=r"val: all 6 photographs are gray or toned \(6\)"):
        prepare()


def test_files_that_are_no_photographs_are_counted_by_kind(prepare, raw, capsys):
    for name in ("a.CR2", "b.cr2", "notes.txt"):
        (raw / "train" / name).write_text("x")
    prepare()
    kinds = "MB; other files: 2 .cr2 (camera raw), 1 .txt\n"
    assert kinds in capsys.readouterr().out


def test_photographs_of_train_that_are_also_in_val_are_counted(prepare, raw, capsys):
    prepare()
    assert "exact copies" not in capsys.readouterr().out
    (raw / "val/again").mkdir()
    for name in ("3", "7"):
        with Image.open(raw / f"train/images/{name}.png") as image:
            image.save(raw / f"val/again/{name}.tif")  # other bytes, the same pixels
            image.transpose(Image.Transpose.ROTATE_90).save(raw / f"val/again/turned {name}.png")
    prepare()
    assert "exact copies of training photographs in val: 2 of 10;" in capsys.readouterr().out


def test_a_copy_of_a_bad_or_unused_photograph_is_not_counted(prepare, raw, params, capsys):
    for split in ("train", "val"):
        (raw / split / "bad.png").write_bytes(b"")
    params["prepare"] |= {"bad_photos": "skip", "train_fraction": 0.5}
    with Image.open(raw / "train/images/0.png") as image:  # after bad.png, and so left out
        image.save(raw / "val/copy.png")
    prepare()
    assert "exact copies" not in capsys.readouterr().out


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_that_needs_color_and_has_none_is_named(prepare, raw, split):
    for path in (raw / split).rglob("*.png"):
        Image.new("L", (16, 16), 50).save(path)
    with pytest.raises(InputError, match=f"{split}: all .* photographs are gray"):
        prepare()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_missing_and_an_empty_split_are_named(prepare, raw, split):
    for path in (raw / split).rglob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match=f"{split}: no photographs"):
        prepare()
    (raw / split / "images").rmdir()
    (raw / split).rmdir()
    with pytest.raises(InputError, match=f"{split}: no such folder"):
        prepare()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", 3])
def test_the_name_of_a_data_set_is_a_plain_folder_name(prepare, params, name):
    params["data"]["name"] = name
    with pytest.raises(InputError, match=r"params\.yaml: data\.name is"):
        prepare()
