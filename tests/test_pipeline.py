"""The whole pipeline as its users run it, on a tiny data set in a repository of its own."""

import json
from itertools import starmap
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run, kill_when

EVALUATION, LOCK = "metrics/evaluate.json", "dvc.lock"


def restore(run: Run) -> None:
    """Go back to the commit, as the README says."""
    run("bash", "-c", "git checkout --quiet HEAD -- . && dvc checkout --quiet")


def metrics(folder: Path, stage: str) -> dict[str, Any]:
    return json.loads((folder / f"metrics/{stage}.json").read_text())


def test_repro_makes_every_output_and_git_has_the_small_ones(built, run):
    assert len(list((built / "plots/images").glob("*.png"))) == 10
    assert metrics(built, "train")["val_margin_error"] == metrics(built, "evaluate")["margin_error"]
    names = (built / "data/predictions/test_images.txt").read_text().splitlines()
    assert len(names) == 3
    assert all((built / name).is_file() for name in names)
    assert run("git", "status", "--porcelain").stdout == ""
    tracked = run("git", "ls-files", "data", "models", "metrics", "plots").stdout.split()
    assert sorted(path for path in tracked if not path.endswith(".gitignore")) == [
        "data/raw/tiny.dvc",
        EVALUATION,
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


def test_a_killed_repro_continues_to_the_same_lock(built, run, start):
    run("sed", "-i", "s/epochs: 3/epochs: 60/; s/patience: 5/patience: 60/", "params.yaml")
    checkpoint = built / "models/colorizer.checkpoint"
    kill_when(start("dvc", "repro", "train"), checkpoint.exists)
    printed = run("dvc", "repro", "train").stdout
    assert "going on after epoch" in printed
    assert "Running stage 'prepare'" not in printed
    assert not checkpoint.exists()
    continued = (built / LOCK).read_bytes()
    forced = run("dvc", "repro", "--force", "--single-item", "train").stdout
    assert "going on" not in forced
    assert (built / LOCK).read_bytes() == continued
    restore(run)


def test_a_bad_value_ends_the_run_with_one_line_of_ours(built, run):
    before = (built / LOCK).read_bytes()
    ended = run("dvc", "exp", "run", "-S", "plot.dpi=1000", succeeds=False)
    assert ended.stderr.count("error: params.yaml: plot.dpi is 1000: Input should be less") == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    restore(run)
    assert (built / LOCK).read_bytes() == before


@pytest.mark.usefixtures("built")
def test_the_curves_have_a_color_for_each_method_and_whole_epochs(run):
    plots = json.loads(run("dvc", "plots", "show", "--json").stdout)["data"]
    specs = {name: plots[name][0]["content"] for name in plots if "/" not in name}
    specs = {
        name: json.loads(spec) if isinstance(spec, str) else spec for name, spec in specs.items()
    }
    methods = specs.pop("margin_curve")
    colors = {point[methods["encoding"]["color"]["field"]] for point in methods["data"]["values"]}
    assert colors == {"network", "gray", "table_median", "table_mode"}
    assert {*specs} == {"mean_squared_error", "margin_error"}
    for spec in specs.values():
        assert spec["encoding"]["x"]["axis"]["format"] == "d"
        assert {point["epoch"] for point in spec["data"]["values"]} == {"1", "2", "3"}


@pytest.mark.slow  # the whole pipeline once more
def test_verify_as_a_git_hook_in_another_environment_finds_every_output_identical(built, run):
    hook = built / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntest -n "$GIT_DIR$GIT_INDEX_FILE" && python -m scripts.verify\n')
    hook.chmod(0o755)
    others = {
        "OMP_NUM_THREADS": "5",
        "TZ": "Asia/Kolkata",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as in Jupyter
        "PYTHONWARNINGS": "error::UserWarning",
    }
    # With these two options, Git tells the hook both.
    git = "git --git-dir .git --work-tree . commit --quiet --allow-empty --message Verified"
    ended = run("env", *starmap("{}={}".format, others.items()), "sh", "-c", f"umask 077; {git}")
    hook.unlink()
    assert "all 15 outputs are identical to dvc.lock" in ended.stdout + ended.stderr
    assert run("git", "status", "--porcelain").stdout == ""
