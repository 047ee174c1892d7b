"""Sweeps in a repository whose pipeline takes milliseconds."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from colorizer.errors import InputError
from experiments.runs.results import RUNS_FILE
from experiments.runs.runner import enqueue
from experiments.runs.sharing import Sharing
from experiments.runs.sweeps import Run, read_sweep, read_sweeps
from tests.conftest import REPOSITORY

STAGE = """
import json, os, sys, time
from pathlib import Path
import yaml

kernels = yaml.safe_load(Path("params.yaml").read_text())["model"]["kernels"]
for folder in ("metrics", "plots"):
    Path(folder).mkdir(exist_ok=True)
match sys.argv[1]:
    case "prepare":
        Path("prepared").write_text("all")
    case "train":
        with open(os.environ["RAN"], "a") as file:
            file.write(f"{kernels}\\n")
        if not Path(os.environ["RAN"] + "-rested").exists():
            time.sleep(float(os.environ["NAP"]))
        if kernels == 13:
            sys.exit(1)
        Path("model").write_text(str(kernels))
        metrics = {"epochs": 1, "best_epoch": 1, "train_mse": 1, "val_mse": 1, "diverged": 0}
        Path("metrics/train.json").write_text(json.dumps(metrics))
        header = "epoch,train_mse,val_mse,val_margin_error,learning_rate"
        Path("plots/history.csv").write_text(header + "\\n1,1,1,1,1\\n")
    case "evaluate":
        metrics = {name: 1 for name in ("mse", "psnr", "ssim", "gain_over_table")}
        metrics |= {"margin_error": 1 / kernels, "table_mode": {"margin_error": 0.5}}
        metrics["gray"] = {"margin_error": 0.7}
        Path("metrics/evaluate.json").write_text(json.dumps(metrics))
        Path("plots/margin_curve.csv").write_text("margin,network\\n0,1\\n")
"""
PIPELINE = """
stages:
  prepare:
    cmd: python stage.py prepare
    deps: [stage.py, 'data/raw/${data.name}']
    params: [prepare]
    outs: [prepared]
  train:
    cmd: python stage.py train
    deps: [stage.py, prepared]
    params: [data, model, train]
    outs:
      - model
      - metrics/train.json: {cache: false}
      - plots/history.csv: {cache: false}
  evaluate:
    cmd: python stage.py evaluate
    deps: [stage.py, model]
    params: [evaluate]
    outs:
      - metrics/evaluate.json: {cache: false}
      - plots/margin_curve.csv: {cache: false}
"""
PARAMS = """
data: {name: none}
prepare: {image_size: 8}
model: {kernels: 8}
train: {seed: 1, threads: 2}
evaluate: {threads: 2}
"""
SWEEPS = """
one: {seeds: [5], grid: {model.kernels: [2]}}
three: {seeds: [5], grid: {model.kernels: [2, 13, 4]}}
four: {seeds: [5], grid: {model.kernels: [1, 2, 3, 4]}}
"""
SHARE = ("--share", "origin")
POLLING_OFTEN = """
from colorizer.errors import one_line_errors
from experiments import sweep
from experiments.runs import runner
runner.POLL_SECONDS = 1
with one_line_errors():
    sweep.main()
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def environment(tmp_path):
    """Tells the stage where to list what it ran, and how long to take."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "RAN": str(tmp_path / "ran"),
        "NAP": "0",
    }


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A repository with a Git remote and a DVC remote beside it."""
    root = tmp_path_factory.mktemp("template")
    folder = root / "project"
    for name, text in {
        "stage.py": STAGE,
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "data/raw/tiny": "photographs",
        "experiments/sweeps.yaml": SWEEPS,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(root, "init", "--quiet", "--bare", "hub")
    git(root, "init", "--quiet", "project")
    git(folder, "config", "user.name", "a")
    git(folder, "config", "user.email", "a@b")
    for words in ("init", "config core.analytics false", "remote add -d store ../store"):
        subprocess.run([sys.executable, "-m", "dvc", *words.split()], cwd=folder, check=True)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    git(folder, "remote", "add", "origin", "../hub")
    git(folder, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    return root


@pytest.fixture
def project(tmp_path, template):
    """A copy of that repository and of its Git remote."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path / "project"


def start(folder: Path, environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", POLLING_OFTEN, "tiny", "results", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def experiments(folder: Path, environment: dict[str, str]) -> set[str]:
    words = ("exp", "list", "--name-only")
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return set(done.stdout.split())


def kill_all(environment: dict[str, str], *doing: str) -> None:
    """Kill the processes of a sweep, as a reboot would; or those with a word of `doing`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = f"RAN={environment['RAN']}".encode() in (process / "environ").read_bytes()
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if inside and int(process.name) != os.getpid() and (not doing or {*words} & {*doing}):
            os.kill(int(process.name), signal.SIGKILL)


def read_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results" / RUNS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def ran(environment: dict[str, str]) -> list[str]:
    return sorted(Path(environment["RAN"]).read_text().split())


def test_a_failed_run_is_retried_and_listed_and_a_killed_sweep_resumes(project, environment):
    slowly = environment | {"NAP": "300"}
    killed = start(project, slowly, "three", "--jobs", "1")
    while not Path(environment["RAN"]).exists():
        time.sleep(0.2)
    kill_all(environment)
    killed.wait()

    out, error = start(project, environment, "three", "--jobs", "2").communicate(timeout=600)
    assert ran(environment) == ["13", "13", "2", "2", "4"], out + error  # the first 2 was killed
    assert experiments(project, environment) == {f"tiny-three-kernels_{n}-5" for n in (2, 4)}
    assert "2 of 3 runs are here" in out
    last = error.splitlines()[-1]
    assert last.startswith("error: failed twice: tiny-three-kernels_13-5")

    rows = read_rows(project)
    assert [(row["point"], float(row["margin_error"])) for row in rows] == [
        ("kernels_2", 0.5),
        ("kernels_4", 0.25),
    ]
    for row in rows:
        queued, finished = (datetime.fromisoformat(row[name]) for name in ("queued", "finished"))
        assert queued < finished
    written = (project / "results/report.md").read_text()
    assert "Failed: tiny-three-kernels_13-5." in written

    # Collected rows stay valid when their experiments are gone.
    subprocess.run(["dvc", "exp", "remove", "--all-commits"], cwd=project, env=environment)
    subprocess.run(["dvc", "queue", "remove", "--all"], cwd=project, env=environment)
    start(project, environment, "three", "--jobs", "1").communicate(timeout=600)
    assert ran(environment) == ["13"] * 4 + ["2", "2", "4"]
    assert len(read_rows(project)) == 2


def test_a_run_is_repeated_when_its_worker_was_killed(project, environment):
    sweeping = start(project, environment | {"NAP": "300"}, "one", "--jobs", "1")
    while not Path(environment["RAN"]).exists():
        time.sleep(0.2)
    Path(environment["RAN"] + "-rested").touch()
    kill_all(environment, "queue-worker", "exec-run", "stage.py")
    assert sweeping.wait(timeout=600) == 0, sweeping.stderr.read()
    assert ran(environment) == ["2", "2"]
    assert experiments(project, environment) == {"tiny-one-kernels_2-5"}


def test_uncommitted_changes_are_not_queued(project, monkeypatch):
    monkeypatch.chdir(project)
    (run,) = read_sweep(Path("experiments/sweeps.yaml"), "one", "tiny")
    for file in ("params.yaml", "stage.py", "experiments/sweeps.yaml"):
        with Path(file).open("a") as opened:
            opened.write("# changed\n")
        with pytest.raises(InputError, match=f"^{file}: not as committed; commit that, or"):
            enqueue(run, "x86_64")
        git(project, "checkout", file)


def test_two_clones_share_a_sweep_without_running_anything_twice(project, environment, tmp_path):
    git(tmp_path, "clone", "--quiet", "hub", "other", "--branch", "main")
    folders = [project, tmp_path / "other"]
    for key, value in (("user.name", "b"), ("user.email", "b@c")):
        git(folders[1], "config", key, value)
    taking = environment | {"NAP": "3"}
    words = ("four", "--jobs", "1", *SHARE)
    for process in [start(folder, taking, *words) for folder in folders]:
        assert process.wait(timeout=600) == 0, process.stderr.read()
    assert ran(environment) == ["1", "2", "3", "4"]
    both = [experiments(folder, environment) for folder in folders]
    assert all(both)
    assert not both[0] & both[1]

    # Again, as if no experiment had been pushed: they are pushed now, and nothing runs.
    pushed = git(tmp_path / "hub", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    assert len(pushed) == 4
    for ref in pushed:
        git(tmp_path / "hub", "update-ref", "-d", ref)
    for folder in (*folders, folders[0]):
        assert start(folder, taking, *words).wait(timeout=600) == 0
    for folder in folders:
        assert experiments(folder, environment) == both[0] | both[1]
    assert len(ran(environment)) == 4


def test_runs_that_another_machine_claimed_can_be_reclaimed(project, tmp_path, monkeypatch):
    git(tmp_path, "clone", "--quiet", "hub", "other", "--branch", "main")
    runs = read_sweep(project / "experiments/sweeps.yaml", "three", "tiny")

    def claimed(folder: Path, runs: list[Run], reclaim: bool = False) -> list[Run]:
        monkeypatch.chdir(folder)
        return Sharing("origin", reclaim).claim(runs)

    assert claimed(project, runs[:2]) == runs[:2]
    assert claimed(project, runs[:1]) == runs[:1]  # killed and started again
    assert claimed(tmp_path / "other", runs) == runs[2:]
    assert claimed(tmp_path / "other", runs[:1], reclaim=True) == runs[:1]
    assert claimed(project, runs) == runs[1:2]


def test_the_name_of_a_run_lists_its_settings(project):
    runs = read_sweep(project / "experiments/sweeps.yaml", "three", "tiny")
    assert [run.name for run in runs] == [f"tiny-three-kernels_{n}-5" for n in (2, 13, 4)]
    assert runs[1].changes == {
        "model.kernels": 13,
        "data.name": "tiny",
        "train.seed": 5,
        "train.threads": 1,
        "evaluate.threads": 1,
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: {seeds: [1], grid: {model.kernels: [2]}, runs: {b: {}}}", "there are runs, too"),
        ("a: {seeds: [], runs: {b: {}}}", "at least 1 item"),
        ("b: {seeds: [1]}", "section a is missing"),
        ("a: {runs: {b: {}}}", "seeds is missing"),
        ("a: {seeds: [1], grid: {kernels: [2]}}", "should match pattern"),
    ],
)
def test_an_invalid_sweep_is_refused(tmp_path, text, complaint):
    file = tmp_path / "sweeps.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_sweep(file, "a", "tiny")


def test_a_file_that_is_not_yaml_is_one_line_of_error(tmp_path):
    file = tmp_path / "sweeps.yaml"
    file.write_text("a: [1\nb: 2")
    with pytest.raises(InputError, match=r"sweeps.yaml: line 2: .+$"):
        read_sweeps(file, "tiny")


def test_the_grid_is_that_of_the_report():
    runs = read_sweep(REPOSITORY / "experiments/sweeps.yaml", "grid", "faces")
    assert len({run.name for run in runs}) == 45
    assert all(run.seed == 483 for run in runs)
