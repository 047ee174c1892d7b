import json
from contextlib import suppress

import pytest

from colorizer.files import atomic_write, write_metrics, write_text


def test_files_and_folders_appear_when_the_block_ends(tmp_path):
    file, folder = tmp_path / "a/file.txt", tmp_path / "b/folder"
    with atomic_write(file, folder) as (partial_file, partial_folder):
        partial_file.write_text("whole")
        partial_folder.mkdir()
        (partial_folder / "x").write_text("x")
        assert not file.exists()
        assert not folder.exists()
    assert file.read_text() == "whole"
    assert [path.name for path in folder.iterdir()] == ["x"]
    assert sorted(path.name for path in file.parent.iterdir()) == ["file.txt"]


def test_nothing_changes_when_the_block_fails(tmp_path):
    file, folder = tmp_path / "file.txt", tmp_path / "folder"
    file.write_text("old")
    folder.mkdir()
    (folder / "old").touch()
    with suppress(KeyError), atomic_write(file, folder) as (partial_file, partial_folder):
        partial_file.write_text("half")
        partial_folder.mkdir()
        raise KeyError
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "folder"]
    assert [path.name for path in folder.iterdir()] == ["old"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    leftover = tmp_path / ".folder.partial"
    leftover.mkdir()
    (leftover / "stale").touch()
    with atomic_write(tmp_path / "folder") as (partial,):
        partial.mkdir()
    assert list((tmp_path / "folder").iterdir()) == []
    assert not leftover.exists()


def test_an_existing_folder_is_replaced_entirely(tmp_path):
    for name in ("first", "second"):
        with atomic_write(tmp_path / "folder") as (partial,):
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["second"]


def test_text_has_the_same_bytes_on_every_system(tmp_path):
    write_text(tmp_path / "names.txt", "é\nb\n")
    assert (tmp_path / "names.txt").read_bytes() == b"\xc3\xa9\nb\n"


def test_metrics_keep_their_order_and_six_decimals(tmp_path):
    file = tmp_path / "metrics.json"
    write_metrics(file, {"b": 0.12345678, "a": {"d": 1, "c": 2.0}})
    text = file.read_text()
    assert json.loads(text) == {"b": 0.123457, "a": {"d": 1, "c": 2.0}}
    assert text.index('"b"') < text.index('"d"') < text.index('"c"')
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_metrics_that_are_not_finite_are_refused_and_the_old_file_is_kept(tmp_path, value):
    file = tmp_path / "metrics.json"
    write_metrics(file, {"mse": 1.0})
    before = file.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(file, {"nested": {"mse": value}})
    assert file.read_bytes() == before
