from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from colorizer import files
from colorizer.errors import InputError
from colorizer.files import atomic_write, read_yaml, write_metrics
from tests.conftest import contents


@pytest.fixture
def old(tmp_path):
    """A file and a folder to be replaced, beside what a killed process left."""
    for name in ("file.txt", "folder/old", ".folder.partial/stale"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    return tmp_path / "file.txt", tmp_path / "folder"


def test_files_and_folders_are_replaced_when_the_block_ends(old, tmp_path):
    with atomic_write(*old, tmp_path / "a/b.txt") as (partial, partial_folder, partial_b):
        for path in (partial, partial_folder / "new", partial_b):
            path.parent.mkdir(exist_ok=True)
            path.write_text("new")
        assert old[0].read_text() == "old"
        assert (old[1] / "old").exists()
    assert contents(tmp_path) == dict.fromkeys(["file.txt", "folder/new", "a/b.txt"], b"new")


def test_nothing_changes_when_the_block_fails(old, tmp_path):
    with suppress(KeyError), atomic_write(*old) as (partial, partial_folder):
        partial.write_text("half")
        partial_folder.mkdir()
        raise KeyError
    assert contents(tmp_path) == {"file.txt": b"old", "folder/old": b"old"}


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    def write() -> None:
        with atomic_write(tmp_path / "x.txt") as (partial,):
            partial.symlink_to("/dev/full")
            partial.write_text("x")

    with pytest.raises(OSError, match=r"No space left on device: .*/x\.txt'"):
        write()


def test_text_csv_and_metrics_by_hand(tmp_path):
    files.write_text(tmp_path / "names.txt", "é\nb\n")
    files.write_csv(tmp_path / "x.csv", pd.DataFrame({"epoch": [1, 2], "rate": [1e-8, 0.1234567]}))
    write_metrics(tmp_path / "x.json", {"b": 0.12345678, "a": {"d": 1, "c": 2.0}})
    assert contents(tmp_path) == {
        "names.txt": b"\xc3\xa9\nb\n",
        "x.csv": b"epoch,rate\n1,1e-08\n2,0.123457\n",
        "x.json": b'{\n  "b": 0.123457,\n  "a": {\n    "d": 1,\n    "c": 2.0\n  }\n}\n',
    }


def test_metrics_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(tmp_path / "x.json", {"nested": {"mse": float("nan")}})
    assert contents(tmp_path) == {}


def test_yaml_is_written_in_the_order_of_its_keys_and_read_as_dvc_does(tmp_path):
    content = {"b": {"all": 1e-08, "ab": [True, None, "1e5"]}, "a": 16}
    files.write_yaml(tmp_path / "file.yaml", content)
    assert str(read_yaml(tmp_path / "file.yaml")) == str(content)


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "a: 2020-01-45\n", "a: \udcff\n"])
def test_what_is_not_yaml_is_an_error_of_one_line(tmp_path, text):
    file = tmp_path / "file.yaml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=rf"^{file}: [ -~]+$"):
        read_yaml(file)


def test_yaml_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file$"):
        read_yaml(tmp_path / "none.yaml")


def test_commands_work_from_a_folder_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "project/docs").mkdir(parents=True)
    (tmp_path / "project/dvc.yaml").touch()
    monkeypatch.chdir(tmp_path / "project/docs")
    args = Namespace(photo=Path("x.png"), count=3)
    files.enter_project(args)
    assert (Path.cwd(), args) == (
        tmp_path / "project",
        Namespace(photo=Path("docs/x.png"), count=3),
    )
