import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from colorizer.errors import InputError
from colorizer.files import read_yaml
from colorizer.params import Params
from experiments.runs import MODELS_FILE, SWEEPS_FILE, exp_run_options, named_models, read_runs
from tests.conftest import REPOSITORY, small_params


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a sweeps.yaml, beside a models.yaml and a params.yaml, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    Path("params.yaml").write_text(
        "data: {name: sample}\nmodel: {kernels: 8, tanh: false}\n"
        "train: {seed: 1, threads: 2, epochs: 9}\nevaluate: {threads: 1}\n"
    )
    MODELS_FILE.write_text(
        "a: {model.kernels: 16}\nb: {model.tanh: true}\nc: {model.kernels: 8, train.threads: 2}\n"
    )
    return SWEEPS_FILE.write_text


def test_a_run_has_the_changes_of_its_model_its_sweep_and_its_point(write):
    write(
        "s: {model: b, seeds: [7, 8], changes: {train.epochs: 2}, "
        "runs: {wide: {model.kernels: 32}}}"
    )
    first, second = read_runs("photos", ["s"])
    assert first.changes == {
        "data.name": "photos",
        "model.kernels": 32,
        "model.tanh": True,
        "train.epochs": 2,
        "train.threads": 1,  # as all sweeps have it, unless they say otherwise
    }
    assert (
        first.params == "data.name=photos model.kernels=32 model.tanh=true train.epochs=2 "
        "train.threads=1"
    )
    assert (first.name, first.seed) == ("photos-s-wide-7", 7)
    assert second == first._replace(name="photos-s-wide-8", seed=8)


def test_points_are_models_and_the_combinations_of_a_grid(write):
    write(
        "s: {seeds: [1], changes: {train.threads: 1}, models: [c, a]}\n"
        "g: {seeds: [1], grid: {model.kernels: [2, 8], train.epochs: [3, 9]}}\n"
    )
    runs = read_runs("sample")
    assert {run.point: run.params for run in runs} == {
        "c": "model.tanh=true",
        "a": "model.kernels=16 train.threads=1",
        "kernels_2-epochs_3": "model.kernels=2 train.epochs=3 train.threads=1",
        "kernels_2-epochs_9": "model.kernels=2 train.threads=1",
        "kernels_8-epochs_3": "train.epochs=3 train.threads=1",
        "kernels_8-epochs_9": "train.threads=1",
    }


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        ("t: {seeds: [1]}", "has no 's'"),
        ("s: {seeds: [1], models: [d]}", "has no 'd'"),
        ("s: {seeds: [1], run: {}}", "s: .* unexpected keyword argument 'run'"),
    ],
)
def test_what_does_not_exist_is_named(write, sweeps, message):
    write(sweeps)
    with pytest.raises(InputError, match=message):
        read_runs("sample", ["s"])


def test_the_pipeline_accepts_each_model(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    for changes in named_models().values():
        sections = small_params()
        for key, value in changes.items():
            section, name = key.split(".")
            assert name in sections[section]
            sections[section][name] = value
        Params(**sections)
        assert sections["evaluate"]["flip_tta"] == sections["predict_test"]["flip_tta"]


@pytest.mark.parametrize("value", [True, 16, 1e-05, "unet", "torchrun --nproc-per-node 2"])
def test_a_change_reaches_params_yaml_with_its_value_and_type(tmp_path, value):
    file = tmp_path / "params.yaml"
    file.write_text("train: {loss: mse}")
    (option,) = exp_run_options({"train.loss": value})
    apply_overrides(file, [option.removeprefix("--set-param=")])  # as dvc exp run does
    found = read_yaml(file)["train"]["loss"]
    assert (type(found), found) == (type(value), value)


@pytest.fixture
def call(tmp_path):
    """Run the command with a dvc on the path that prints what it is given, and fails."""
    dvc = tmp_path / "dvc"
    dvc.write_text('#!/bin/sh\necho "called: $@"\nexit 3\n')
    dvc.chmod(0o755)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "experiments.models", *words],
            cwd=REPOSITORY,
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )

    return run


def test_a_model_is_run_by_dvc_with_the_options_after_its_name(call):
    done = call("report_best", "--set-param", "data.name=faces", "--queue")
    words = "exp run --set-param=model.kernels=16 --set-param data.name=faces --queue"
    assert f"called: {words}\n" in done.stdout
    assert done.returncode == 3


def test_all_models_are_listed_where_none_is_named_or_none_has_the_name(call):
    assert call().stdout == (REPOSITORY / MODELS_FILE).read_text(encoding="utf-8")
    done = call("ours_bst")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: {MODELS_FILE} has no model ours_bst; has report_best")
