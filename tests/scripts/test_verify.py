import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo

from colorizer.device import available_device, processor_name
from colorizer.errors import InputError
from colorizer.files import write_yaml
from scripts import verify
from tests.conftest import REPOSITORY

OTHER = "aarch64 DEFAULT"
OUTPUTS = {"data/prepared/val": "a1", "model": "b2"}
METRICS = {"evaluate.margin_error": 0.25, "train.val_mse": 0.01, "train.best_epoch": 3}
WITHIN = "data is identical, metrics are within tolerance"
NOT_WITHIN = "error: metrics are not within tolerance"


@pytest.mark.parametrize(
    ("outputs", "metrics", "verdict"),  # what another kind of processor rebuilds differently
    [
        ({}, {}, "all 2 outputs are identical to dvc.lock"),
        ({"data/prepared/val": "c3"}, {}, "error: 1 of 2 outputs differ from dvc.lock"),
        ({"model": "c3"}, {}, WITHIN),
        ({"model": "c3"}, {"evaluate.margin_error": 0.2509}, WITHIN),
        ({"model": "c3"}, {"evaluate.margin_error": 0.2511}, NOT_WITHIN),
        ({"model": "c3"}, {"train.val_mse": 0.010009}, WITHIN),
        ({"model": "c3"}, {"train.val_mse": 0.010011}, NOT_WITHIN),
        ({"model": "c3"}, {"train.val_mse": None}, NOT_WITHIN),
        ({"model": "c3"}, {"train.best_epoch": 4}, WITHIN),
    ],
)
def test_verdict(outputs, metrics, verdict):
    tables = []
    for old, changes in ((OUTPUTS, outputs), (METRICS, metrics)):
        tables.append(pd.DataFrame({"committed": old, "rebuilt": old | changes}))
    try:
        found = verify.judge(*tables, OTHER)
    except InputError as error:
        found = f"error: {error}"
    assert found == verdict


def commit() -> None:
    subprocess.run(["git", "add", "."], check=True)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "Built"], check=True)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A pipeline with a photograph, in a folder of a larger Git repository; the current folder."""
    folder = tmp_path / "larger" / "colors"
    for name in ("data/raw", "metrics"):
        (folder / name).mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["verify"])
    monkeypatch.setattr(verify, "COMMITTED_ON", processor_name(available_device()))
    Path("constraints.txt").write_text("pytest==0.1\n")
    Path("data/raw/photo.json").write_text('{"val_mse": 0.5}')
    stage = {
        "cmd": "cp data/raw/photo.json metrics/train.json",
        "deps": ["data/raw/photo.json"],
        "metrics": [{"metrics/train.json": {"cache": False}}],
    }
    write_yaml(Path("dvc.yaml"), {"stages": {"train": stage}})
    subprocess.run(["git", "init", "--quiet", ".."], check=True)
    with Repo.init(subdir=True) as repo:
        repo.add("data/raw/photo.json")
        repo.reproduce()
    commit()
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_head_is_rebuilt_without_the_hooks_of_git(project, tmp_path, monkeypatch, capfd):
    hook = tmp_path / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook_ran\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\nhooksPath = {tmp_path}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))  # as if this were a hook
    (project / "dvc.yaml").write_text("stages: {}\n")  # not committed
    verify.main()
    printed = capfd.readouterr().out
    assert "only HEAD is verified" in printed
    assert "is installed, 0.1 is pinned" in printed
    assert printed.endswith("identical\nall 1 outputs are identical to dvc.lock\n")
    assert not (tmp_path / "hook_ran").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "error"),
    [
        ("dvc.lock", "md5: .*", f"md5: {'f' * 32}", "1 of 1 outputs differ from dvc.lock"),
        ("dvc.yaml", "cmd: .*", "cmd: 'false'", "dvc repro --force failed"),
    ],
)
def test_a_rebuild_to_another_output_fails(project, file, pattern, replacement, error):
    (project / file).write_text(re.sub(pattern, replacement, (project / file).read_text()))
    commit()
    with pytest.raises(InputError, match=error):
        verify.main()


def test_outside_of_a_git_repository_the_error_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    command = [sys.executable, "-m", "scripts.verify"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("error: fatal: not a git repository")


def test_every_direct_dependency_is_pinned():
    files = REPOSITORY.glob("requirements*.txt")
    lines = [line for file in files for line in file.read_text().splitlines()]
    direct = {line.split()[0].lower() for line in lines if line and not line.startswith("#")}
    pins = (REPOSITORY / "constraints.txt").read_text().lower().replace("_", "-").split()
    assert direct <= {*pins}
