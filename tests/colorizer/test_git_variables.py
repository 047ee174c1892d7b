import os
import subprocess
import sys
from pathlib import Path

from colorizer.git_variables import GIT_VARIABLES, drop_git_variables
from tests.conftest import REPOSITORY

# As for submodules, Git keeps the configuration that was given on its command line.
CONFIGURATION = {"GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"}


def test_they_are_those_that_git_calls_local():
    listed = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    )
    # Versions of Git differ in the rare ones.
    assert {"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"} <= {*listed.stdout.split()}
    assert {*listed.stdout.split()} - CONFIGURATION <= {*GIT_VARIABLES}


def test_git_works_on_the_repository_of_its_folder_again(tmp_path, monkeypatch):
    for name in ("outer", "inner"):
        subprocess.run(["git", "init", "--quiet", name], cwd=tmp_path, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "outer/.git"))
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -v")  # says nothing of a repository

    def repository() -> Path:
        command = ["git", "rev-parse", "--absolute-git-dir"]
        found = subprocess.run(
            command, cwd=tmp_path / "inner", capture_output=True, text=True, check=True
        )
        return Path(found.stdout.strip())

    assert repository() == tmp_path / "outer/.git"
    drop_git_variables()
    assert repository() == tmp_path / "inner/.git"
    assert os.environ["GIT_SSH_COMMAND"] == "ssh -v"


def test_tests_that_a_hook_runs_do_not_see_them():
    code = "import os, tests.conftest; assert not {'GIT_DIR', 'GIT_INDEX_FILE'} & {*os.environ}"
    hook = {"GIT_DIR": "/nowhere/.git", "GIT_INDEX_FILE": "/nowhere/.git/index"}
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=os.environ | hook, check=True)
