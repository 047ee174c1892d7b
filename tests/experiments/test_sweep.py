"""Sweeps and rechecks in a repository whose pipeline takes milliseconds."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from colorizer.device import available_device, processor_name
from experiments.rows import CURVES, HISTORIES, MEASURED, RUNS_FILE, add_rows, read_table
from tests.conftest import REPOSITORY, kill_when

# Each run adds a line to a file, then takes as long as a test wants it to.
STAGE = """
import json, os, sys, time
from pathlib import Path
import yaml

params = yaml.safe_load(Path("params.yaml").read_text())
kernels, name = params["model"]["kernels"], params["data"]["name"]
assert Path("data/raw", name).read_text() == "photographs"
with open(os.environ["RAN"], "a") as file:
    file.write(f"{kernels}\\n")
time.sleep(float(os.environ["NAP"]))
if kernels == 13:
    sys.exit("error: model.kernels is 13, which is unlucky")
for folder in ("metrics", "plots"):
    Path(folder).mkdir(exist_ok=True)
Path("model").write_text(str(kernels))
metrics = {"epochs": 2, "best_epoch": 1, "train_mse": 1, "val_mse": 1, "diverged": 0}
Path("metrics/train.json").write_text(json.dumps(metrics))
header = "epoch,train_mse,val_mse,val_margin_error,learning_rate"
Path("plots/history.csv").write_text(header + "\\n1,0.50,1,0.90,1\\n2,1,1,1,1\\n")
metrics = {name: 1 for name in ("mse", "psnr", "ssim", "gain_over_table", "accuracy")}
metrics |= {"margin_error": 1 / kernels, "table_mode": {"margin_error": 0.5}}
metrics["gray"] = {"margin_error": 0.7}
Path("metrics/evaluate.json").write_text(json.dumps(metrics))
Path("plots/margin_curve.csv").write_text("margin,network,gray\\n0,1,1\\n")
"""
PIPELINE = """
stages:
  evaluate:
    cmd: python stage.py
    deps: [stage.py, 'data/raw/${data.name}']
    params: [data, evaluate, model, train]
    outs:
      - model
      - metrics/train.json: {cache: false}
      - metrics/evaluate.json: {cache: false}
      - plots/history.csv: {cache: false}
      - plots/margin_curve.csv: {cache: false}
"""
PARAMS = """
data: {name: none}
model: {kernels: 8}
train: {seed: 1, threads: 2}
evaluate: {threads: 2}
"""
SWEEPS = """
same: {seeds: [5], runs: {two: {model.kernels: 2}}}
three: {seeds: [5], grid: {model.kernels: [2, 13, 4]}}
others: {seeds: [5], grid: {model.kernels: [1, 2, 3]}}
"""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def dvc(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "dvc", *words, "--quiet"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def commit_all(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-verify", "--message", "All")


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "project"
    for name, text in {
        "stage.py": STAGE,
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "data/raw/tiny": "photographs",
        "experiments/sweeps.yaml": SWEEPS,
        "experiments/models.yaml": "a: {model.kernels: 16}\n",
        "experiments/questions.csv": "question,change,network,reference\n",
        "experiments/published.csv": "network,title,epochs,train_mse,val_mse,margin_error\n",
        ".gitignore": "/results*\n__pycache__/\n/model\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "--quiet")
    dvc(folder, "init")
    shutil.copy(REPOSITORY / ".dvc/config", folder / ".dvc/config")
    commit_all(folder)
    return folder


@pytest.fixture
def project(tmp_path, template) -> Path:
    return shutil.copytree(template, tmp_path / "project")


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Tells the stage where to list what it ran, and how long to take."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "RAN": str(tmp_path / "ran"),
        "NAP": "0",
        "DASK_TEMPORARY_DIRECTORY": str(tmp_path),
    }


@pytest.fixture
def start(environment) -> Callable[..., subprocess.Popen[str]]:
    """Start a command of experiments in a project, in a process group of its own."""

    def command(folder: Path, name: str, *words: str, **changes: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"experiments.{name}", "tiny", "results", *words],
            cwd=folder,
            env=environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return command


@pytest.fixture
def ran(environment) -> Callable[[], list[str]]:
    """The kernels of each run that has begun."""
    file = Path(environment["RAN"])
    return lambda: sorted(file.read_text().split()) if file.exists() else []


def experiments(folder: Path) -> dict[str, str]:
    """The experiments in a repository, and what each committed."""
    listing = git(
        folder, "for-each-ref", "--format=%(refname:lstrip=4) %(tree)", "refs/exps/??/*/*"
    )
    return dict(line.split() for line in listing.splitlines())


def read_all(folder: Path) -> list[list[str]]:
    """The rows of all files; their order is that in which runs finished."""
    files = sorted((folder / "results").rglob("*.csv"))
    return [sorted(file.read_text().splitlines()) for file in files]


def wait_for(reached: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is reached by a process that goes on meanwhile."""
    while not reached():
        assert process.poll() is None, (process.communicate(), reached())
        time.sleep(0.1)


def test_a_sweep_goes_on_after_a_kill_lists_what_fails_twice_and_can_be_rechecked(
    project, start, ran
):
    hooks = project.parent / "hooks"  # of a user, for all repositories
    hooks.mkdir()
    for name in ("post-checkout", "pre-push"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    (project.parent / "gitconfig").write_text(f"[core]\nhooksPath = {hooks}\n")
    config = {"GIT_CONFIG_GLOBAL": str(project.parent / "gitconfig")}
    kill_when(start(project, "sweep", "three", "--jobs", "1", NAP="300"), lambda: bool(ran()))

    out, error = start(project, "sweep", "three", "--jobs", "2", **config).communicate()
    assert ran() == ["13", "13", "2", "2", "4"], out + error  # the first 2 was killed
    assert experiments(project).keys() == {f"tiny-three-kernels_{n}-5" for n in (2, 4)}
    assert "2 of 3 runs finished" in out
    assert (project / "results/report.md").exists()
    assert error.splitlines()[-2:] == [
        "error: failed twice (results/failed.log has their output):",
        "  tiny-three-kernels_13-5: error: model.kernels is 13, which is unlucky",
    ]
    assert "python stage.py" in (project / "results/failed.log").read_text()
    assert "Traceback" not in error

    rows = read_table(project / "results" / RUNS_FILE)
    commit = git(project, "rev-parse", "HEAD")
    assert {*rows["name"]} == {"tiny-three-kernels_2-5", "tiny-three-kernels_4-5"}
    rows = rows.sort_values("name", ignore_index=True)
    assert {*rows["commit"]} == {commit}
    assert {*rows["machine"]} == {processor_name(available_device())}
    assert rows["params"][0] == (
        "data.name=tiny evaluate.threads=1 model.kernels=2 train.threads=1"
    )
    measured = (2, 1, 0, 1, 1, 0.5, 1, 1, 1, 1, 0.5, 0.7, "0.90", 1)
    assert [*rows.loc[0, MEASURED]] == [*map(str, measured)]
    history = read_table(project / "results" / HISTORIES / "three.csv")
    assert [*history["train_mse"]] == ["0.50", "1"] * 2
    assert len(read_table(project / "results" / CURVES / "three.csv")) == 2
    assert not git(project, "status", "--porcelain")

    # A row is enough, also that of another sweep, and when the experiments are gone.
    dvc(project, "exp", "remove", "--all-commits")
    start(project, "sweep", "same", "three").communicate()
    assert ran() == ["13"] * 4 + ["2", "2", "4"]
    start(project, "sweep", "same", "--rerun").communicate()
    assert ran() == ["13"] * 4 + ["2", "2", "2", "4"]
    assert len(read_table(project / "results" / RUNS_FILE)) == 2

    file = project / "results" / HISTORIES / "three.csv"
    file.write_text(file.read_text().replace("kernels_2-5,1,0.50", "kernels_2-5,1,0.5"))
    rows = read_table(project / "results" / RUNS_FILE)
    rows["mse"], rows["psnr"] = "2", ""  # psnr is compared in no row that lacks it
    add_rows(project / "results", {RUNS_FILE: rows[rows["name"] == "tiny-three-kernels_2-5"]})
    rechecking = start(project, "recheck", "--rows", "9", "--seed", "3")
    out, error = rechecking.communicate()
    assert rechecking.returncode == 1, error
    assert sorted(out.splitlines()) == [
        "1 of 2 rows are equal to the last digit",
        "tiny-three-kernels_2-5: mse is 1 instead of 2 (runs.csv); "
        "train_mse is 0.50 instead of 0.5 (histories/three.csv)",
        "tiny-three-kernels_4-5: equal",
    ]
    assert ran() == ["13"] * 4 + ["2"] * 4 + ["4"] * 2  # not from DVC's run cache


def test_a_cluster_without_a_shared_file_system_gives_what_one_machine_gives(
    project, environment, start, ran, tmp_path
):
    alone = tmp_path / "alone"
    dvc(project, "remote", "add", "--default", "store", str(tmp_path / "store"))
    git(project, "rm", "--quiet", "--cached", "data/raw/tiny")
    dvc(project, "add", "data/raw/tiny")
    dvc(project, "push")
    commit_all(project)
    shutil.copytree(project, alone)
    start(alone, "sweep", "others", "--jobs", "1").communicate()
    git(tmp_path, "init", "--quiet", "--bare", "hub")
    git(project, "remote", "add", "origin", str(tmp_path / "hub"))
    git(project, "push", "--quiet", "origin", "HEAD:refs/heads/main")

    scheduler = str(tmp_path / "scheduler")
    file = f"--scheduler-file {scheduler}"
    programs = ["scheduler --port 0 --dashboard-address :0"]
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        programs.append(f"worker --nthreads 1 --no-nanny --no-dashboard --local-directory {name}")
    cluster = [
        subprocess.Popen(
            [sys.executable, "-m", *f"distributed.cli.dask_{program} {file}".split()],
            cwd=tmp_path,
            env={**environment, "NAP": "1", "PYTHONPATH": ""},
            stderr=subprocess.DEVNULL,
        )
        for program in programs
    ]
    try:
        wait_for(Path(scheduler).exists, cluster[0])
        sweeping = start(project, "sweep", "others", "--scheduler", scheduler, "--share", "origin")
        wait_for(lambda: len(ran()) == 3 + 2, sweeping)  # both workers have begun
        cluster[1].kill()
        _, error = sweeping.communicate()
    finally:
        for process in cluster:
            process.kill()
            process.wait()
    assert sweeping.returncode == 0, error
    assert len(ran()) == 3 + 3 + 1  # the one that was killed began twice
    assert experiments(project) == experiments(alone)
    assert read_all(project) == read_all(alone)
    # The outputs are in the DVC remote.
    dvc(project, "exp", "pull", "origin", "tiny-others-kernels_3-5")
    dvc(project, "exp", "apply", "tiny-others-kernels_3-5")
    assert (project / "model").read_text() == "3"


def test_what_cannot_run_is_one_line(project, start):
    for change, message in (
        ("", "Dask: unknown address scheme"),
        ("\n", "params.yaml: not as committed, and runs are of the commit"),
    ):
        with (project / "params.yaml").open("a") as file:
            file.write(change)
        sweeping = start(project, "sweep", "same", "--scheduler", "no://where")
        _, error = sweeping.communicate()
        assert (sweeping.returncode, error.count("\n")) == (1, 1)
        assert error.startswith(f"error: {message}")


def test_tables_keep_the_digits_of_other_rows(tmp_path):
    rows = pd.DataFrame({"name": ["b", "a"], "margin_error": ["0.250", "1e-05"]})
    add_rows(tmp_path, {RUNS_FILE: rows})
    add_rows(tmp_path, {RUNS_FILE: pd.DataFrame({"name": ["c", "b"], "margin_error": ["1", "2"]})})
    assert (tmp_path / RUNS_FILE).read_text() == "name,margin_error\na,1e-05\nc,1\nb,2\n"
