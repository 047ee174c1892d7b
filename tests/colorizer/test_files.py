from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from dvc.utils.hydra import apply_overrides
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("value", [1e-8, 1e5, 16, True, "all"])
def test_what_dvc_exp_run_writes_is_read(tmp_path, value):
    """PyYAML would read 1e-08 as text."""
    (tmp_path / "params.yaml").write_text("section:\n  value: 0.5  # a comment\n")
    apply_overrides(str(tmp_path / "params.yaml"), [f"section.value={value}"])  # option -S
    assert read_yaml(tmp_path / "params.yaml") == {"section": {"value": value}}


TEXT = st.text(st.characters(codec="ascii"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT


@given(st.dictionaries(TEXT, SCALARS | st.lists(SCALARS)))
def test_yaml_round_trips_in_its_order(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("yaml") / "file.yaml"
    files.write_yaml(file, content)
    assert [*read_yaml(file).items()] == [*content.items()]


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "a: 2020-01-45\n", "a: \udcff\n"])
def test_what_is_not_yaml_is_an_error_of_one_line(tmp_path, text):
    file = tmp_path / "file.yaml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=rf"^{file}: [ -~]+$"):
        read_yaml(file)


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
