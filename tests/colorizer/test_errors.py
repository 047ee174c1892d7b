"""Error messages as a user sees them, of stages run as DVC runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ("sample: {}\n", "error: params.yaml: sample.tile_size is missing; "),
        ("", "error: params.yaml: should consist of sections such as 'sample:'"),
        ("sampel: {}\n", "error: params.yaml: section sample is missing (did you mean sampel?)"),
    ],
)
def test_bad_input_ends_with_one_line_and_exit_status_1(tmp_path, params, line):
    (tmp_path / "params.yaml").write_text(params)
    ended = run(tmp_path, "-m", "stages.sample", "out")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1


def test_an_error_of_the_operating_system_is_one_line_that_names_the_file(tmp_path):
    text = (REPOSITORY / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "data").write_text("a file where a folder should be")
    ended = run(tmp_path, "-m", "stages.sample", "data/raw/sample")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: data/raw")
    assert ended.stderr.count("\n") == 1


def test_ctrl_c_ends_without_a_traceback(tmp_path):
    code = (
        "from colorizer.errors import one_line_errors\n"
        "with one_line_errors():\n"
        "    raise KeyboardInterrupt\n"
    )
    ended = run(tmp_path, "-c", code)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_an_unexpected_exception_keeps_its_traceback(tmp_path):
    code = "from colorizer.errors import one_line_errors\nwith one_line_errors():\n    1 / 0\n"
    ended = run(tmp_path, "-c", code)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
