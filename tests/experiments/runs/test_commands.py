import os
import signal
import subprocess
import sys
import time

import pytest

from colorizer.errors import InputError
from experiments.runs.commands import command
from tests.conftest import REPOSITORY

# Processes in the background may have been started so that they ignore Ctrl-C.
INTERRUPTIBLE = """
import signal
from experiments.runs.commands import command
signal.signal(signal.SIGINT, signal.default_int_handler)
command("dvc")
"""


def test_returns_standard_output():
    assert command("sh", "-c", "printf 'one\\ntwo\\n'; printf three >&2") == "one\ntwo\n"


def test_an_error_is_the_last_line_of_standard_error():
    with pytest.raises(InputError, match=r"^sh -c .*: worse$"):
        command("sh", "-c", "printf 'bad\\nworse\\n' >&2; exit 3")


def test_an_error_of_dvc_is_its_message_without_the_hint_after_it():
    with pytest.raises(InputError, match=r": bad$"):
        command("sh", "-c", "printf 'ERROR: bad\n\nHaving any troubles?\n' >&2; exit 255")


def test_dvc_finishes_when_the_program_is_interrupted(tmp_path):
    (tmp_path / "dvc.py").write_text(
        "import time; open('began', 'w'); time.sleep(2); open('ended', 'w')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (tmp_path / "began").exists():
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    assert process.wait(timeout=60) != 0
    assert (tmp_path / "ended").exists()


def test_an_error_is_standard_output_when_standard_error_is_empty():
    with pytest.raises(InputError, match=r"no such thing$"):
        command("sh", "-c", "echo no such thing; exit 1")


def test_does_not_wait_for_processes_that_a_command_leaves_running():
    start = time.monotonic()
    assert command("sh", "-c", "sleep 120 & echo started") == "started\n"
    assert time.monotonic() - start < 60
