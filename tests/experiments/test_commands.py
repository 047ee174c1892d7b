import time

import pytest

from colorizer.errors import InputError
from experiments.commands import command


def test_gives_what_was_printed():
    assert command("sh", "-c", "printf 'one\\ntwo\\n'; printf three >&2") == "one\ntwo\n"


def test_says_the_last_line_of_what_fails():
    with pytest.raises(InputError, match=r"^sh -c .*: worse$"):
        command("sh", "-c", "printf 'bad\\nworse\\n' >&2; exit 3")


def test_says_what_was_printed_where_nothing_was_complained():
    with pytest.raises(InputError, match=r"no such thing$"):
        command("sh", "-c", "echo no such thing; exit 1")


def test_does_not_wait_for_what_a_command_leaves_running():
    began = time.monotonic()
    assert command("sh", "-c", "sleep 120 & echo started") == "started\n"
    assert time.monotonic() - began < 60
