"""What a user sees of an error, and the exit status, of programs run as DVC runs them."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PROGRAM = """
import os, signal, sys, time
from colorizer.errors import InputError, one_line_errors
with one_line_errors():
    {}
"""


def run(statement: str, *shell: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*shell, sys.executable, "-c", PROGRAM.format(statement)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("raise InputError('x.png: is broken')", "error: x.png: is broken\n"),
        ("open('no/such.file')", "error: no/such.file: No such file or directory\n"),
        ("raise MemoryError", "error: there is too little memory\n"),
    ],
)
def test_what_the_user_can_fix_is_one_line_and_status_1(statement, line):
    ended = run(statement)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", line)


def test_a_defect_keeps_its_traceback():
    ended = run("1 / 0")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_without_a_traceback(number):
    ended = run(f"os.kill(os.getpid(), {number:d}); time.sleep(60)")
    assert (ended.returncode, ended.stderr) == (128 + number, "")


@pytest.mark.parametrize(
    ("statement", "status"), [("sys.stderr.write('x')", 0), ("raise InputError", 1)]
)
def test_standard_error_may_be_closed(statement, status):
    ended = run(f"{statement}; print('done')", "sh", "-c", '"$@" 2>&-', "sh")
    assert (ended.returncode, ended.stdout) == (status, "" if status else "done\n")
