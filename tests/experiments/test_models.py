import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from hypothesis import example, given
from hypothesis import strategies as st

from colorizer.errors import InputError
from colorizer.files import read_yaml
from colorizer.later_stages import EvaluateParams, PredictTestParams
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams, check_loss
from experiments.runs.sweeps import (
    MODELS_FILE,
    SWEEPS_FILE,
    exp_run_options,
    named_models,
    read_sweep,
)
from tests.conftest import REPOSITORY, small_params

MODELS = named_models(REPOSITORY / "experiments/models.yaml")
SECTIONS = {
    "model": ModelParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "predict_test": PredictTestParams,
}


def test_each_model_has_the_changes_of_those_before_it(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(
        "a: {model.kernels: 16}\nb: {train.horizontal_flip: true}\nc: {model.kernels: 2}\n"
    )
    assert named_models(file) == {
        "a": {"model.kernels": 16},
        "b": {"model.kernels": 16, "train.horizontal_flip": True},
        "c": {"model.kernels": 2, "train.horizontal_flip": True},
    }


def test_a_sweep_can_change_a_named_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    MODELS_FILE.write_text("a: {model.kernels: 16}\nb: {model.tanh: true}\nc: {model.depth: 1}\n")
    sweep = "{model: b, seeds: [7], changes: {train.epochs: 2}, runs: {more: {model.kernels: 32}}}"
    SWEEPS_FILE.write_text(f"wide: {sweep}\nlost: {sweep.replace('b,', 'd,')}\n")
    (run,) = read_sweep(SWEEPS_FILE, "wide", "photos")
    assert run.changes == {
        "model.kernels": 32,
        "model.tanh": True,
        "train.epochs": 2,
        "train.seed": 7,
        "train.threads": 1,
        "evaluate.threads": 1,
        "data.name": "photos",
    }
    with pytest.raises(
        InputError, match=r"sweeps.yaml: lost has model d; should be one of a, b, c"
    ):
        read_sweep(SWEEPS_FILE, "lost", "photos")


@pytest.mark.parametrize("model", MODELS)
def test_the_pipeline_accepts_each_model(model):
    sections = small_params()
    for key, value in MODELS[model].items():
        section, name = key.split(".")
        assert name in sections[section]
        sections[section][name] = value
    for name, section_type in SECTIONS.items():
        section_type(**sections[name])
    check_loss(ModelParams(**sections["model"]), TrainParams(**sections["train"]))
    assert sections["evaluate"]["flip_tta"] == sections["predict_test"]["flip_tta"]


def test_the_first_model_is_the_best_of_the_report():
    assert next(iter(MODELS.items())) == ("report_best", {"model.kernels": 16})


@given(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
        st.sampled_from(["Mine", "true", "null", "1e-05", "0x10", "~", "[1]", "a\\", "a\\'b"]),
    ).filter(lambda value: "${" not in str(value))
)
@example(1e-05)
def test_a_change_reaches_params_yaml_with_its_value_and_type(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    file.write_text("train: {loss: mse}")
    (option,) = exp_run_options({"train.loss": value})
    apply_overrides(file, [option.removeprefix("--set-param=")])  # as dvc exp run does
    found = read_yaml(file)["train"]["loss"]
    assert (type(found), found) == (type(value), value)


def test_text_that_dvc_would_replace_is_refused():
    with pytest.raises(InputError, match=r"^data.name: '\$\{model.kernels\}' has \$\{, which DVC"):
        exp_run_options({"data.name": "${model.kernels}"})


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


def test_without_a_name_all_models_are_listed_with_their_own_changes(call):
    done = call()
    assert done.returncode == 0
    head, *lines = done.stdout.splitlines()
    assert "those of all models above it" in head
    assert all(len(line) <= 80 for line in lines)
    listed = dict(line.split(": ") for line in "\n".join(lines).replace("\n    ", " ").splitlines())
    assert list(listed) == list(MODELS)
    assert listed["report_best"] == "model.kernels=16"
    assert listed["coord_channels"] == "model.coord_channels=true"
    assert listed["full_resolution"] == "model.kernels=16 model.depth=4 model.patch_size=1"


def test_an_unknown_name_is_an_error_of_one_line(call):
    done = call("ours_bst")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"error: {Path('experiments/models.yaml')} has no model ours_bst;"
    )
    assert done.stderr.count("\n") == 1
