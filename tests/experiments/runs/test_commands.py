import pytest

from colorizer.errors import InputError
from experiments.runs.commands import command


def test_returns_standard_output():
    assert command("sh", "-c", "printf 'one\\ntwo\\n'; printf three >&2") == "one\ntwo\n"


def test_an_error_is_the_last_line_of_standard_error():
    with pytest.raises(InputError, match=r"^sh -c .*: worse$"):
        command("sh", "-c", "printf 'bad\\nworse\\n' >&2; exit 3")


def test_an_error_of_dvc_is_its_message_without_the_hint_after_it():
    with pytest.raises(InputError, match=r": bad$"):
        command("sh", "-c", "printf 'ERROR: bad\n\nHaving any troubles?\n' >&2; exit 255")


def test_an_error_is_standard_output_when_standard_error_is_empty():
    with pytest.raises(InputError, match=r"no such thing$"):
        command("sh", "-c", "echo no such thing; exit 1")
