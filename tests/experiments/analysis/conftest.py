"""DVC experiments without a run of the pipeline: commits under refs/exps."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def git(*arguments: str, **environment: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(command, check=True, env=os.environ | environment)


@pytest.fixture
def add_experiment(tmp_path, monkeypatch) -> Callable[..., None]:
    """Add an experiment of this name, with these files, on a baseline of its own."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    Path(".dvc").mkdir()
    Path(".dvc/config").touch()

    def add(name: str, files: dict[str, bytes], hour: int = 12) -> None:
        for path, content in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(content)
        git("add", ".dvc", *files)
        date = f"2026-11-24T{hour}:00:00+00:00"
        git("commit", "--quiet", "--message", name, GIT_COMMITTER_DATE=date)
        git("update-ref", f"refs/exps/ab/{hour}/{name}", "HEAD")

    return add
