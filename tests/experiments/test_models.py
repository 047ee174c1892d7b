import os
import subprocess
import sys
from pathlib import Path

import pytest

from colorizer.later_stages import EvaluateParams, PredictTestParams
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams, check_loss
from experiments.models import named_models
from experiments.runs.sweeps import exp_run_options
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


def test_changes_are_options_of_dvc():
    changes = {"model.coord_channels": True, "train.learning_rate": 0.003, "train.loss": "l1"}
    assert exp_run_options(changes) == [
        "--set-param=model.coord_channels=true",
        "--set-param=train.learning_rate=0.003",
        "--set-param=train.loss=l1",
    ]


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
    assert "and those of all models above it" in head
    assert all(len(line) <= 80 for line in lines)
    listed = dict(line.split(": ") for line in "\n".join(lines).replace("\n    ", " ").splitlines())
    assert list(listed) == list(MODELS)
    assert listed["report_best"] == "model.kernels=16"
    assert listed["coord_channels"] == "model.coord_channels=true"
    assert listed["ours_best"] == "model.kernels=16 model.depth=4 model.patch_size=1"


def test_an_unknown_name_is_an_error_of_one_line(call):
    done = call("ours_bst")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"error: {Path('experiments/models.yaml')} has no model ours_bst;"
    )
    assert done.stderr.count("\n") == 1
