import json
from contextlib import suppress

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml as parse_yaml_of_dvc
from hypothesis import given
from hypothesis import strategies as st

from colorizer.errors import InputError
from colorizer.files import (
    atomic_write,
    parse_yaml,
    read_yaml,
    write_metrics,
    write_text,
    write_yaml,
)


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


@pytest.mark.parametrize("name", ["x" * 246, "x" * 247, "x" * 255, "é" * 127])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    for content in ("first", "second"):
        write_text(tmp_path / name, content)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == content
    for _ in range(2):  # a folder that takes the place of a folder
        with atomic_write(tmp_path / "folder" / name) as (partial,):
            partial.mkdir()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [name]


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


YAML_SCALARS = (
    *("1e-05", "1E5", "1.0e-05", "-2.5", ".5", "5.", "0.1", "16", "012", "0o17", "0x1F", "+3"),
    *("true", "False", "no", "yes", "on", "off", "null", "~", ".inf", "-.inf", "1:30", "'16'"),
    *("abc", "1e", "e5", "1.2.3", "2**3"),
)


@pytest.mark.parametrize("scalar", YAML_SCALARS)
def test_a_scalar_means_what_it_means_to_dvc(scalar):
    expected = parse_yaml_of_dvc(f"value: {scalar}\n", "params.yaml")["value"]
    value = parse_yaml(f"value: {scalar}\n", "params.yaml")["value"]
    assert (type(value), value) == (type(expected), expected)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("section.value=0.00001", 1e-05),
        ("section.value=1e-8", 1e-08),
        ("section.value=1e5", 1e5),
        ("section.value=16", 16),
        ("section.value=true", True),
        ("section.value=all", "all"),
        ("section.value='16'", "16"),
    ],
)
def test_what_dvc_exp_run_writes_is_read(tmp_path, option, expected):
    file = tmp_path / "params.yaml"
    file.write_text("section:\n  value: 0.5  # a comment\n")
    apply_overrides(str(file), [option])  # what `dvc exp run -S` calls
    value = read_yaml(file)["section"]["value"]
    assert (type(value), value) == (type(expected), expected)


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii"), min_size=1),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False),
            st.text(st.characters(codec="ascii")),
            st.lists(st.integers(), max_size=3),
        ),
    )
)
def test_yaml_round_trips(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("yaml") / "file.yaml"
    write_yaml(file, content)
    assert read_yaml(file) == content


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1: "),
        ("a: 1\na: 2\n", "line 2: found duplicate key 'a'"),
        ("a: {b: 1, b: 2}\n", "line 1: found duplicate key 'b'"),
        ("a: 2020-01-45\n", "has a value that its form does not allow"),
        ("a: !!python/name:os.system\n", "line 1: could not determine a constructor"),
    ],
)
def test_what_is_not_yaml_is_an_error_of_one_line(tmp_path, text, message):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_yaml(file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)
