import json
from contextlib import suppress

import pytest

from colorizer.files import replacing, write_metrics, write_series, write_text


def test_files_and_folders_appear_when_the_block_ends(tmp_path):
    file, folder = tmp_path / "a/file.txt", tmp_path / "b/folder"
    with replacing(file, folder) as (partial_file, partial_folder):
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
    with suppress(KeyError), replacing(file, folder) as (partial_file, partial_folder):
        partial_file.write_text("half")
        partial_folder.mkdir()
        raise KeyError
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "folder"]
    assert [path.name for path in folder.iterdir()] == ["old"]


def test_what_a_killed_process_left_is_no_obstacle(tmp_path):
    leftover = tmp_path / ".folder.partial"
    leftover.mkdir()
    (leftover / "stale").touch()
    with replacing(tmp_path / "folder") as (partial,):
        partial.mkdir()
    assert list((tmp_path / "folder").iterdir()) == []
    assert not leftover.exists()


def test_an_old_folder_is_replaced_whole(tmp_path):
    for name in ("first", "second"):
        with replacing(tmp_path / "folder") as (partial,):
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
def test_metrics_that_are_not_finite_are_refused_and_leave_the_old_file(tmp_path, value):
    file = tmp_path / "metrics.json"
    write_metrics(file, {"mse": 1.0})
    before = file.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(file, {"nested": {"mse": value}})
    assert file.read_bytes() == before


def test_series_keep_small_numbers(tmp_path):
    write_series(tmp_path / "history.csv", ["epoch", "rate"], [(1, 1e-8), (2, 0.123456789)])
    assert (tmp_path / "history.csv").read_bytes() == b"epoch,rate\n1,1e-08\n2,0.123457\n"
