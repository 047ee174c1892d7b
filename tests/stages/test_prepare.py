from pathlib import Path

import pytest
from PIL import Image

from colorizer.data.splits import open_split
from tests.conftest import PHOTOS, RAW
from tests.stages.conftest import metrics


@pytest.mark.usefixtures("raw")
def test_writes_splits_counts_and_no_skipped_names(run_stage, capsys):
    run_stage("prepare")
    for split, count in PHOTOS.items():
        assert len(open_split(Path("data/prepared", split))) == count
    nothing = dict.fromkeys(PHOTOS, 0)
    assert metrics("metrics/prepare.json") == {"photos": PHOTOS, "skipped": nothing}
    assert Path("data/prepared/skipped.txt").read_text() == "# skipped photographs\n"
    *splits, end = capsys.readouterr().out.split("\n")
    assert [line.split(" photographs")[0] for line in splits] == ["train: 12", "val: 6", "test: 4"]
    assert end == ""


def test_bad_photographs_are_skipped_and_listed_with_their_names_escaped(run_stage, raw, params):
    params["prepare"]["bad_photos"] = "skip"
    for name in ("train/bad.png", "test/b\u00e9d.png"):
        (raw / name).write_bytes(b"")
    run_stage("prepare")
    names = f"{RAW}/train/bad.png\n{RAW}/test/b\\xe9d.png\n"
    assert Path("data/prepared/skipped.txt").read_text() == f"# skipped photographs\n{names}"
    assert metrics("metrics/prepare.json")["skipped"] == {"train": 1, "val": 0, "test": 1}


def test_photographs_of_train_that_are_also_in_val_are_counted(run_stage, raw, capsys):
    for name in ("3", "7"):
        with Image.open(raw / f"train/images/{name}.png") as image:
            image.save(raw / f"val/{name}.tif")  # other bytes, the same pixels
    run_stage("prepare")
    printed = capsys.readouterr().out
    assert "exact copies of training photographs in val: 2 of 8;" in printed
