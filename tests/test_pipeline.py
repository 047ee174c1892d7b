"""The whole pipeline as its users run it, on a tiny data set in a repository of its own."""

import json
import os
import re
import signal
import time
from contextlib import suppress
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run, kill_when


def restore(run: Run) -> None:
    run("git", "checkout", "--quiet", ".")
    run("dvc", "checkout", "--quiet")


def metrics(folder: Path, stage: str) -> dict[str, Any]:
    return json.loads((folder / f"metrics/{stage}.json").read_text())


def test_every_output_is_there(built):
    pictures = np.load(built / "data/predictions/estimations_test.npy")
    assert (pictures.dtype, pictures.shape) == (np.uint8, (3, 16, 16, 3))
    names = (built / "data/predictions/test_images.txt").read_text().splitlines()
    assert len(names) == 3
    assert all((built / name).is_file() for name in names)
    assert len(list((built / "plots/images").glob("*.png"))) == 10
    assert metrics(built, "train")["epochs"] == 3
    trained, measured = metrics(built, "train"), metrics(built, "evaluate")
    assert trained["val_margin_error"] == measured["margin_error"]


@pytest.mark.usefixtures("built")
def test_every_file_is_tracked_or_ignored_and_generated_ones_are_ignored(run):
    assert run("git", "status", "--porcelain").stdout == ""
    tracked = run("git", "ls-files", "data", "models", "metrics", "plots").stdout.split()
    assert sorted(path for path in tracked if not path.endswith(".gitignore")) == [
        "data/raw/tiny.dvc",
        "metrics/evaluate.json",
        "metrics/prepare.json",
        "metrics/train.json",
        "plots/history.csv",
        "plots/margin_curve.csv",
    ]


@pytest.mark.usefixtures("built")
def test_a_second_repro_runs_nothing(run):
    printed = run("dvc", "repro").stdout
    assert "Running stage" not in printed
    assert "up to date" in printed


def lock_of(run: Run, experiment: str) -> str:
    (ref,) = run(
        "git", "for-each-ref", "--format=%(refname)", f"refs/exps/**/{experiment}"
    ).stdout.split()
    return run("git", "show", f"{ref}:dvc.lock").stdout


def test_experiments_give_the_same_bytes_wherever_they_run(built, run, start):
    """In the workspace, in a temporary folder, and by two workers of the queue at once.

    Up to training: what follows from the same model is the same in any folder, as `make verify`
    shows.
    """
    seed = ["train", "-S", "train.seed=7", "--force"]
    for name in ("queued-1", "queued-2"):
        run("dvc", "exp", "run", "--queue", *seed, "--name", name)
    # The workers keep the pipes of this command open, so it is not read to the end.
    assert start("dvc", "queue", "start", "--jobs", "2").wait(timeout=300) == 0
    ends = time.monotonic() + 300
    while "Success" not in (states := queue_states(run)) or set(states) != {"Success"}:
        assert time.monotonic() < ends, states
        assert "Failed" not in states
        time.sleep(1)
    # A worker ends when the queue has been empty for some seconds; once, in CI, one did not.
    for file in (built / ".dvc/tmp/exps/celery").glob("dvc-exp-worker-*.json"):
        worker = json.loads(file.read_text())
        if worker["returncode"] is None:
            with suppress(ProcessLookupError):
                os.kill(worker["pid"], signal.SIGTERM)
    run("dvc", "exp", "run", "--temp", *seed, "--name", "temporary")
    run("dvc", "exp", "run", *seed, "--name", "workspace")
    locks = [lock_of(run, name) for name in ("queued-1", "queued-2", "temporary", "workspace")]
    assert len(set(locks)) == 1
    assert "seed: 7" in locks[0]
    restore(run)
    assert (built / "dvc.lock").read_text() != locks[0]


def queue_states(run: Run) -> list[str]:
    lines = run("dvc", "queue", "status").stdout.splitlines()
    return re.findall(r"Success|Failed|Running|Queued", "\n".join(lines))


def test_a_pipeline_killed_while_training_resumes(built, run, start):
    """Up to the stage that is killed: what follows from the same model is the same."""
    run("sed", "-i", "s/epochs: 3/epochs: 60/; s/patience: 5/patience: 60/", "params.yaml")
    checkpoint = built / "models/colorizer.checkpoint"
    locks = []
    for command in (("dvc", "repro"), ("dvc", "exp", "run", "--force", "--single-item")):
        kill_when(start(*command, "train"), checkpoint.exists)
        assert "resuming after epoch" in run(*command, "train").stdout
        assert not checkpoint.exists()
        locks.append((built / "dvc.lock").read_bytes())
    forced = run("dvc", "repro", "--force", "--single-item", "train")
    assert "starting with epoch 1" in forced.stdout
    assert {*locks} == {(built / "dvc.lock").read_bytes()}
    restore(run)


def test_verify_as_a_git_hook_in_another_environment_finds_every_output_identical(built, run):
    hook = built / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntest -n "$GIT_DIR$GIT_INDEX_FILE" && python -m scripts.verify\n')
    hook.chmod(0o755)
    before = run("git", "log", "--oneline").stdout, run("git", "config", "--list").stdout
    others = {
        "OMP_NUM_THREADS": "5",
        "MKL_NUM_THREADS": "3",
        "TZ": "Asia/Kolkata",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as in Jupyter
        "PYTHONWARNINGS": "error::UserWarning",
    }
    # With these two options, Git tells the hook both.
    git = "git --git-dir .git --work-tree . commit --quiet --allow-empty --message Verified"
    setting = starmap("{}={}".format, others.items())
    ended = run("env", *setting, "sh", "-c", f"umask 077; {git}")
    hook.unlink()
    printed = ended.stdout + ended.stderr
    assert "all 15 outputs are identical to dvc.lock" in printed
    assert "DIFFERS" not in printed
    # The repository is as it was.
    assert run("git", "status", "--porcelain").stdout == ""
    run("git", "reset", "--quiet", "--hard", "HEAD~1")
    assert (run("git", "log", "--oneline").stdout, run("git", "config", "--list").stdout) == before


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.kernals=16", "model.kernals"),
        ("model.kernels=abc", "error: params.yaml: model.kernels is 'abc' but should be"),
    ],
)
def test_a_bad_override_ends_with_one_line_of_ours(built, run, override, line):
    ended = run("dvc", "exp", "run", "-S", override, succeeds=False)
    assert line in ended.stderr
    assert ended.stderr.count("error: params.yaml: ") == line.startswith("error: ")
    assert "Traceback" not in ended.stdout + ended.stderr
    restore(run)
    assert built.joinpath("models/colorizer.safetensors").is_file()


def test_a_bad_value_for_a_later_stage_ends_the_run_before_training(built, run):
    ended = run("dvc", "exp", "run", "-S", "plot.dpi=1000", "-S", "train.seed=5", succeeds=False)
    assert "error: params.yaml: plot.dpi is 1000 but should be" in ended.stderr
    assert "Running stage 'train'" in ended.stdout
    assert "Running stage 'evaluate'" not in ended.stdout
    assert not (built / "plots/history.csv").exists()  # written after the first epoch
    restore(run)


@pytest.mark.usefixtures("built")
def test_a_change_of_the_figures_does_not_train_again(run):
    run("sed", "-i", "s/dpi: 50/dpi: 60/", "params.yaml")
    assert list(json.loads(run("dvc", "status", "--json").stdout)) == ["plot"]
    restore(run)


@pytest.mark.usefixtures("built")
def test_the_curves_of_dvc_have_a_color_for_each_method_and_whole_epochs(run):
    plots = json.loads(run("dvc", "plots", "show", "--json").stdout)["data"]
    specs = {name: as_spec(plots[name][0]["content"]) for name in plots if "/" not in name}
    assert set(specs) == {"mean_squared_error", "margin_error", "margin_curve"}
    methods = specs.pop("margin_curve")
    colors = {point[methods["encoding"]["color"]["field"]] for point in methods["data"]["values"]}
    assert colors == {"network", "gray", "table_median", "table_mode"}
    for spec in specs.values():
        axis = spec["encoding"]["x"]["axis"]
        assert (axis["format"], axis["labelExpr"]) == ("d", "datum.value % 1 ? '' : datum.label")
        assert {point["epoch"] for point in spec["data"]["values"]} == {"1", "2", "3"}


def as_spec(content: Any) -> dict[str, Any]:
    return json.loads(content) if isinstance(content, str) else content
