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
from typing import Any

import pytest

from colorizer.errors import InputError
from experiments.runs.results import RUNS_FILE
from experiments.runs.runner import committed_project
from experiments.runs.sweeps import read_sweep, read_sweeps
from tests.conftest import REPOSITORY

# Each run adds a line to a file, then takes as long as a test wants it to.
STAGE = """
import json, os, sys, time
from pathlib import Path
import yaml

params = yaml.safe_load(Path("params.yaml").read_text())
kernels, name = params["model"]["kernels"], params["data"]["name"]
for folder in ("metrics", "plots"):
    Path(folder).mkdir(exist_ok=True)
match sys.argv[1]:
    case "prepare":
        assert Path("data/raw", name).read_text() == "photographs", repr(name)
        Path("prepared").write_text("all")
    case "train":
        with open(os.environ["RAN"], "a") as file:
            file.write(f"{kernels}\\n")
        ends = time.monotonic() + float(os.environ["NAP"])
        while time.monotonic() < ends and not Path(os.environ["RAN"] + "-awake").exists():
            time.sleep(0.1)
        if kernels == 13:
            sys.exit("error: model.kernels is 13, which is unlucky")
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
    params: [data, prepare]
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
same: {seeds: [1], runs: {as_committed: {}}}
three: {seeds: [5], grid: {model.kernels: [2, 13, 4]}}
others: {seeds: [5], grid: {model.kernels: [1, 2, 3]}}
"""
DEVICE = "def available_device(): ...\ndef processor_name(device): return 'a processor'\n"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dvc(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def init_git(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "a")
    git(folder, "config", "user.email", "a@b")


def init_dvc(folder: Path, *options: str) -> None:
    """With our settings: by default each command of DVC starts another that looks for updates."""
    dvc(folder, "init", "--quiet", *options)
    shutil.copy(REPOSITORY / ".dvc/config", folder / ".dvc/config")


def commit_all(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")


def write_project(folder: Path) -> None:
    for name, text in {
        "stage.py": STAGE,
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "data/raw/tiny": "photographs",
        "experiments/sweeps.yaml": SWEEPS,
        "colorizer/device.py": DEVICE,
        ".gitignore": "/results*\n__pycache__/\n/prepared\n/model\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Tells the stage where to list what it ran, and how long to take."""
    for name, value in {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAN": str(tmp_path / "ran"),
        "NAP": "0",
        "DASK_TEMPORARY_DIRECTORY": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    return {**os.environ}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template") / "project"
    write_project(folder)
    init_git(folder)
    init_dvc(folder)
    commit_all(folder)
    return folder


@pytest.fixture
def project(tmp_path, template):
    return shutil.copytree(template, tmp_path / "project")


def start(
    folder: Path, environment: dict[str, str], *words: str, data: str = "tiny"
) -> subprocess.Popen[str]:
    """Start a sweep in a session of its own, which Ctrl-C ends.

    The background jobs of a shell ignore Ctrl-C, and so would their children.
    """
    restored = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); "
    run = restored + "runpy.run_module('experiments.sweep', run_name='__main__', alter_sys=True)"
    return subprocess.Popen(
        [sys.executable, "-c", run, data, *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def sweep(folder: Path, environment: dict[str, str], *words: str) -> tuple[str, str]:
    """Run a sweep; standard output and error."""
    return start(folder, environment, *words).communicate(timeout=600)


def ran(environment: dict[str, str]) -> list[str]:
    return sorted(Path(environment["RAN"]).read_text().split())


def wait_until_it_trains(environment: dict[str, str]) -> None:
    while not Path(environment["RAN"]).exists():
        time.sleep(0.1)


def wake(environment: dict[str, str]) -> None:
    """Let runs end that take long."""
    Path(environment["RAN"] + "-awake").touch()


def processes(environment: dict[str, str], word: str) -> list[int]:
    """Processes of this test with a word in their command."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = f"RAN={environment['RAN']}".encode() in (process / "environ").read_bytes()
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if inside and int(process.name) != os.getpid() and word in command:
            found.append(int(process.name))
    return found


def kill(environment: dict[str, str], word: str) -> None:
    for process in processes(environment, word):
        os.kill(process, signal.SIGKILL)


def wait_until_none_runs(environment: dict[str, str], word: str) -> None:
    while processes(environment, word):
        time.sleep(0.1)


def experiments(folder: Path) -> dict[str, str]:
    """Experiments in a repository, and what each committed."""
    listing = git(folder, "for-each-ref", "--format=%(refname:lstrip=4) %(tree)", "refs/exps/")
    return dict(line.split() for line in listing.splitlines() if len(line.split()) == 2)


def read_rows(folder: Path, results: str = "results") -> list[dict[str, str]]:
    with (folder / results / RUNS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_failed_run_is_retried_and_listed_and_a_killed_sweep_resumes(project, environment):
    killed = start(project, environment | {"NAP": "300"}, "results", "three", "--jobs", "1")
    wait_until_it_trains(environment)
    killed.kill()
    wait_until_none_runs(environment, "stage.py")  # it ends with the sweep, by itself

    out, error = sweep(project, environment, "results", "three", "--jobs", "2")
    assert ran(environment) == ["13", "13", "2", "2", "4"], out + error  # the first 2 was killed
    assert experiments(project).keys() == {f"tiny-three-kernels_{n}-5" for n in (2, 4)}
    assert "2 of 3 runs are here" in out
    assert "dashboard: http://" in error
    assert error.splitlines()[-2:] == [
        "error: failed twice (results/failed.log has their output):",
        "  tiny-three-kernels_13-5: model.kernels is 13, which is unlucky",
    ]
    log = (project / "results/failed.log").read_text()
    assert log.startswith("tiny-three-kernels_13-5\n")
    assert "> python stage.py train\n" in log
    assert "Traceback" not in error

    rows = read_rows(project)
    assert [(row["point"], float(row["margin_error"])) for row in rows] == [
        ("kernels_2", 0.5),
        ("kernels_4", 0.25),
    ]
    for row in rows:
        assert row["machine"] == "a processor"
        assert datetime.fromisoformat(row["started"]) <= datetime.fromisoformat(row["finished"])
    assert "Failed: tiny-three-kernels_13-5." in (project / "results/report.md").read_text()
    assert not git(project, "status", "--porcelain")

    # Collected rows stay valid when their experiments are gone.
    dvc(project, "exp", "remove", "--all-commits")
    sweep(project, environment, "results", "three", "--jobs", "1")
    assert ran(environment) == ["13"] * 4 + ["2", "2", "4"]
    assert len(read_rows(project)) == 2


def test_a_run_is_repeated_when_its_worker_was_killed(project, environment):
    sweeping = start(project, environment | {"NAP": "300"}, "results", "one", "--jobs", "1")
    wait_until_it_trains(environment)
    kill(environment, "spawn_main")  # Dask's worker
    wait_until_none_runs(environment, "stage.py")  # it ends with the worker
    wake(environment)
    _, error = sweeping.communicate(timeout=600)
    assert sweeping.returncode == 0, error
    assert "tiny-one-kernels_2-5: its worker ended; another one will run it" in error
    assert ran(environment) == ["2", "2"]
    assert experiments(project).keys() == {"tiny-one-kernels_2-5"}


def test_ctrl_c_ends_all_processes(project, environment):
    sweeping = start(project, environment | {"NAP": "300"}, "results", "one", "--jobs", "1")
    wait_until_it_trains(environment)
    os.killpg(sweeping.pid, signal.SIGINT)
    _, error = sweeping.communicate(timeout=60)
    assert sweeping.returncode == 130, error
    assert "Traceback" not in error
    wait_until_none_runs(environment, "stage.py")


def test_two_sweeps_of_a_repository_run_nothing_twice(project, environment):
    both = [
        start(project, environment | {"NAP": "1"}, results, "others", "--jobs", "1")
        for results in ("results", "results2")
    ]
    for process in both:
        _, error = process.communicate(timeout=600)
        assert process.returncode == 0, error
    assert ran(environment) == ["1", "2", "3"]
    assert len(read_rows(project, "results")) == len(read_rows(project, "results2")) == 3


def test_a_cluster_without_a_shared_file_system_gives_what_one_machine_gives(
    project, environment, tmp_path
):
    alone = tmp_path / "alone"
    dvc(project, "remote", "add", "--default", "store", str(tmp_path / "store"))
    (project / "data/raw/tiny").unlink()
    (project / "data/raw/tiny").write_text("photographs")
    git(project, "rm", "--quiet", "--cached", "data/raw/tiny")
    dvc(project, "add", "--quiet", "data/raw/tiny")
    dvc(project, "push", "--quiet")
    commit_all(project)
    shutil.copytree(project, alone)
    _, error = sweep(alone, environment, "results", "others", "--jobs", "1")
    assert len(experiments(alone)) == 3, error
    assert len(ran(environment)) == 3

    git(tmp_path, "init", "--quiet", "--bare", "hub")
    git(project, "remote", "add", "origin", str(tmp_path / "hub"))
    words = ("results", "others", "--scheduler", str(tmp_path / "scheduler"), "--share", "origin")
    _, error = sweep(project, environment, *words)
    assert error.splitlines()[-1].endswith("git push it first")
    git(project, "push", "--quiet", "origin", "HEAD:refs/heads/main")

    file = ("--scheduler-file", str(tmp_path / "scheduler"))
    environment |= {"NAP": "1"}
    cluster = [_start_dask("scheduler", "--port", "0", "--dashboard-address", ":0", *file)]
    try:
        while not (tmp_path / "scheduler").exists():
            time.sleep(0.1)
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
            folder = ("--local-directory", str(tmp_path / name))
            worker = _start_dask(
                "worker", *options, *folder, *file, cwd=tmp_path / name, env=environment
            )
            cluster.append(worker)
        sweeping = start(project, environment, *words)
        while len(ran(environment)) < 3 + 2:  # both have begun
            time.sleep(0.1)
        cluster[1].kill()
        _, error = sweeping.communicate(timeout=600)
    finally:
        for process in cluster:
            process.kill()
            process.wait()
    assert sweeping.returncode == 0, error
    assert "its worker ended; another one will run it" in error
    assert experiments(project) == experiments(alone)
    assert len(ran(environment)) == 3 + 3 + 1  # the one that was killed began twice
    rows = [{**row, "started": "", "finished": ""} for row in read_rows(project)]
    assert rows == [{**row, "started": "", "finished": ""} for row in read_rows(alone)]

    # The outputs are in the DVC remote.
    dvc(project, "exp", "pull", "origin", "tiny-others-kernels_3-5")
    dvc(project, "exp", "apply", "tiny-others-kernels_3-5")
    assert (project / "model").read_text() == "3"


def _start_dask(program: str, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *words]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=nowhere, stderr=nowhere, **options)


def test_a_finished_run_waits_for_a_repository_that_cannot_be_reached(project, environment):
    sweeping = start(project, environment | {"NAP": "300"}, "results", "one", "--jobs", "1")
    wait_until_it_trains(environment)
    (project / ".git").rename(project / "away")
    wake(environment)
    lines = []
    for line in sweeping.stderr:
        lines.append(line)
        if "tiny-one-kernels_2-5 is finished; publishing it failed" in line:
            break
    (project / "away").rename(project / ".git")
    sweeping.communicate(timeout=600)
    assert sweeping.returncode == 0, lines
    assert ran(environment) == ["2"]


def test_an_error_of_the_worker_itself_is_one_line(project, environment):
    (project / ".git/sweeps").touch()  # where it makes a folder
    _, error = sweep(project, environment, "results", "one", "--jobs", "1")
    last = error.splitlines()[-1]
    assert last.startswith("  tiny-one-kernels_2-5: ")
    assert "File exists" in last
    assert ".git/sweeps" in last


def test_a_run_with_the_committed_params_is_an_experiment(project, environment):
    (project / "params.yaml").write_text(
        PARAMS.replace("none", "tiny").replace("threads: 2", "threads: 1")
    )
    subprocess.run(["dvc", "repro", "--quiet"], cwd=project, env=environment, check=True)
    commit_all(project)
    for _ in range(2):
        sweep(project, environment, "results", "same", "--jobs", "1")
    assert len(ran(environment)) == 1  # by dvc repro
    assert [row["point"] for row in read_rows(project)] == ["as_committed"]


def test_the_name_of_a_data_set_stays_as_it_is(project, environment):
    (project / "data/raw/1e5").write_text("photographs")
    commit_all(project)
    sweeping = start(project, environment, "results", "one", "--jobs", "1", data="1e5")
    _, error = sweeping.communicate(timeout=600)
    assert sweeping.returncode == 0, error
    assert [row["name"] for row in read_rows(project)] == ["1e5-one-kernels_2-5"]


def test_the_project_can_be_a_folder_of_a_linked_work_tree_with_a_signed_head(
    tmp_path, environment
):
    top = tmp_path / "top"
    write_project(top / "vision")
    init_git(top)
    init_dvc(top / "vision", "--subdir")
    git(top, "config", "log.showSignature", "true")
    git(top, "config", "gpg.format", "ssh")
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    if shutil.which("ssh-keygen"):
        subprocess.run(keygen, check=True)
        git(top, "config", "user.signingkey", str(tmp_path / "key"))
        git(top, "config", "commit.gpgsign", "true")
    commit_all(top)
    git(top, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    folder = tmp_path / "tree" / "vision"
    _, error = sweep(folder, environment, "results", "one", "--jobs", "1")
    assert [row["point"] for row in read_rows(folder)] == ["kernels_2"], error
    (row,) = read_rows(folder)
    assert row["finished"] == datetime.fromisoformat(row["finished"]).isoformat()


def test_a_sweep_belongs_to_the_commit_that_it_began_with(project, environment):
    began_with = git(project, "rev-parse", "HEAD").strip()
    sweeping = start(project, environment | {"NAP": "300"}, "results", "one", "--jobs", "1")
    wait_until_it_trains(environment)
    (project / "params.yaml").write_text(PARAMS.replace("seed: 1", "seed: 9"))
    commit_all(project)
    wake(environment)
    out, error = sweeping.communicate(timeout=600)
    assert sweeping.returncode == 0, error
    assert f"belong to commit {began_with[:7]}" in out
    assert not (project / "results").exists()

    (command,) = [line.partition("git switch ")[2] for line in out.splitlines() if "switch" in line]
    words, _, collecting = command.partition(", then ")
    git(project, "switch", "--quiet", *words.split())
    env = environment | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run(collecting.split(), cwd=project, env=env, check=True)
    assert [row["commit"] for row in read_rows(project)] == [began_with]


def test_tasks_and_locks_of_the_owner_are_left_alone(project, environment):
    dvc(project, "exp", "run", "--queue", "--name", "mine", "-S", "model.kernels=7")
    queued = dvc(project, "queue", "status")
    lock = project / ".dvc/tmp/lock"
    holding = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", holding, lock], stdin=subprocess.PIPE)
    try:
        _, error = sweep(project, environment, "results", "one", "--jobs", "1")
    finally:
        holder.communicate()
    assert len(read_rows(project)) == 1, error
    assert dvc(project, "queue", "status") == queued


def test_what_is_not_committed_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    runs = read_sweep(Path("experiments/sweeps.yaml"), "one", "tiny")
    for file in ("params.yaml", "stage.py", "experiments/sweeps.yaml", "data/raw/tiny"):
        with Path(file).open("a") as opened:
            opened.write("# changed\n")
        with pytest.raises(InputError, match=f"^{file}: not as committed; commit that, or"):
            committed_project(runs, None)
        git(project, "checkout", "HEAD", "--", file)
    assert committed_project(runs, None).commit == git(project, "rev-parse", "HEAD").strip()


def test_a_data_set_that_workers_cannot_get_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "data/raw/other").write_text("photographs")
    with pytest.raises(InputError, match=r"^data/raw/other: workers get what DVC tracks; dvc add"):
        committed_project(read_sweep(Path("experiments/sweeps.yaml"), "one", "other"), None)


def test_a_shallow_clone_is_refused(project, tmp_path, monkeypatch):
    (project / "more").touch()
    commit_all(project)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    runs = read_sweep(Path("experiments/sweeps.yaml"), "one", "tiny")
    with pytest.raises(InputError, match="shallow; run git fetch --unshallow first"):
        committed_project(runs, None)


def test_a_scheduler_that_cannot_be_reached_is_one_line(project, environment):
    words = ("results", "one", "--scheduler", "tcp://127.0.0.1:1")
    _, error = sweep(project, environment, *words)
    assert "error: --scheduler tcp://127.0.0.1:1: " in error
    assert "Traceback" not in error


def test_a_scheduler_that_ends_is_one_line(project, environment, tmp_path):
    file = tmp_path / "scheduler"
    options = ("--port", "0", "--dashboard-address", ":0", "--scheduler-file", str(file))
    scheduler = _start_dask("scheduler", *options)
    try:
        while not file.exists():
            time.sleep(0.1)
        sweeping = start(project, environment, "results", "one", "--scheduler", str(file))
        while "waiting for a first worker" not in (line := sweeping.stderr.readline()):
            assert line
    finally:
        scheduler.kill()
        scheduler.wait()
    out, error = sweeping.communicate(timeout=600)
    assert sweeping.returncode == 1
    assert error.splitlines()[-1].startswith("error: the scheduler ended or cannot be reached; ")
    assert "Traceback" not in error
    assert "runs are here" not in out


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
