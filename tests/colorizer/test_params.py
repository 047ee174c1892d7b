import math
from pathlib import Path

import pytest
from dvc.utils.serialize import dump_yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from colorizer.errors import InputError
from colorizer.params import Section, read_section


class Example(Section):
    kernels: int = Field(ge=1, le=64)
    learning_rate: float = Field(gt=0)
    tanh: bool


GOOD = "model:\n  kernels: 8\n  learning_rate: 0.1\n  tanh: false\nother: {}\n"


def read(folder: Path, text: str) -> Example:
    file = folder / "params.yaml"
    file.write_text(text, encoding="utf-8")
    return read_section(file, "model", Example)


def test_reads_a_section(tmp_path):
    section = read(tmp_path, GOOD)
    assert (section.kernels, section.learning_rate, section.tanh) == (8, 0.1, False)


def test_reads_the_exponent_that_dvc_writes_without_a_decimal_point(tmp_path):
    assert read(tmp_path, GOOD.replace("0.1", "1e-05")).learning_rate == 0.00001


def test_an_integer_is_accepted_as_a_float_but_not_vice_versa(tmp_path):
    assert read(tmp_path, GOOD.replace("0.1", "1")).learning_rate == 1.0
    with pytest.raises(InputError, match=r"model\.kernels is 8\.0 but should be a valid integer"):
        read(tmp_path, GOOD.replace("8", "8.0"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kernels", "kernals", r"kernals is not a known key \(did you mean kernels\?\)"),
        ("kernels", "kernals", r"kernels is missing \(did you mean kernals\?\)"),
        ("tanh", "zzz", r"zzz is not a known key \(known: kernels, learning_rate, tanh\)"),
        ("  tanh: false\n", "", "tanh is missing$"),
        ("8", "abc", "kernels is 'abc' but should be a valid integer"),
        ("8", "'8'", "kernels is '8' but should be a valid integer"),
        ("8", "true", "kernels is True but should be a valid integer"),
        ("8", "null", "kernels is None but should be a valid integer"),
        ("8", "0", "kernels is 0 but should be greater than or equal to 1"),
        ("8", "65", "kernels is 65 but should be less than or equal to 64"),
        ("8", "[8]", r"kernels is \[8\] but should be a valid integer"),
        ("0.1", "-1", "learning_rate is -1 but should be greater than 0"),
        ("0.1", "0", "learning_rate is 0 but should be greater than 0"),
        ("0.1", ".nan", "learning_rate is nan but should be a finite number"),
        ("0.1", ".inf", "learning_rate is inf but should be a finite number"),
        ("0.1", "true", "learning_rate is True but should be a valid number"),
        ("false", "0", "tanh is 0 but should be a valid boolean"),
        ("false", "no", "tanh is 'no' but should be a valid boolean"),
        ("model:", "modle:", r"section model is missing \(did you mean modle\?\)"),
        ("other: {}", "other: {}\nother: {}", "line 6: found duplicate key"),
        ("  tanh", "\ttanh", "line 4: found character '\\\\t'"),
    ],
)
def test_an_invalid_key_is_an_error_of_one_line_that_names_it(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message) as raised:
        read(tmp_path, GOOD.replace(old, new))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "params.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "should consist of sections such as 'model:'"),
        ("- a\n- b\n", "should consist of sections such as 'model:'"),
        ("3\n", "should consist of sections such as 'model:'"),
        ("model: 3\n", "section model should be a mapping"),
        ("model:\n", "section model should be a mapping"),
        ("model: [1]\n", "section model should be a mapping"),
    ],
)
def test_anything_but_a_mapping_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_all_errors_are_reported_at_once(tmp_path):
    with pytest.raises(InputError) as raised:
        read(tmp_path, "model: {kernels: 0, learning_rate: x, tanh: 1}\n")
    assert all(key in str(raised.value) for key in ("kernels", "learning_rate", "tanh"))


def test_a_missing_file_and_another_encoding_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_section(tmp_path / "params.yaml", "model", Example)
    (tmp_path / "params.yaml").write_bytes(b"model: \xff\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_section(tmp_path / "params.yaml", "model", Example)


@given(rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_every_positive_float_round_trips_through_the_writer_of_dvc(tmp_path_factory, rate):
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    dump_yaml(str(file), {"model": {"kernels": 1, "learning_rate": rate, "tanh": True}})
    assert math.isclose(read_section(file, "model", Example).learning_rate, rate, rel_tol=1e-15)
