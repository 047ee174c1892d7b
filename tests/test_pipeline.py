"""The whole pipeline as its users run it, on a tiny data set in a repository of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from tests.conftest import PHOTOS, REPOSITORY, draw_photos, small_params

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the code as it stands, and small params."""
    folder = tmp_path_factory.mktemp("repository")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPOSITORY / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    YAML().dump(small_params(), folder / "params.yaml")
    for seed, (split, count) in enumerate(PHOTOS.items()):
        images = folder / "data/raw/tiny" / split / "images"
        images.mkdir(parents=True)
        for number, rgb in enumerate(draw_photos(count, seed)):
            Image.fromarray(rgb).save(images / f"{number}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def run(work: Path) -> Run:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **{f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "somebody@example.com" for who in ("AUTHOR", "COMMITTER")},
    }

    def command(*words: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            words, cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert (ended.returncode == 0) == succeeds, ended.stdout + ended.stderr
        return ended

    return command


@pytest.fixture(scope="module")
def built(work: Path, run: Run) -> Path:
    """The repository after `dvc add` of the photographs, `dvc repro` and a commit."""
    run("git", "init", "--quiet")
    run("dvc", "add", "--quiet", "data/raw/tiny")
    run("dvc", "repro")
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "Baseline")
    return work


def metrics(folder: Path, stage: str) -> dict[str, Any]:
    return json.loads((folder / f"metrics/{stage}.json").read_text())


def test_every_output_is_there(built):
    pictures = np.load(built / "data/predictions/estimations_test.npy")
    assert (pictures.dtype, pictures.shape) == (np.uint8, (3, 16, 16, 3))
    names = (built / "data/predictions/test_images.txt").read_text().splitlines()
    assert len(names) == 3
    assert all((built / "data/raw/tiny" / name).is_file() for name in names)
    assert len(list((built / "plots/images").glob("*.png"))) == 10
    assert metrics(built, "train")["epochs"] == 3
    trained, measured = metrics(built, "train"), metrics(built, "evaluate")
    assert trained["val_margin_error"] == measured["margin_error"]


@pytest.mark.usefixtures("built")
def test_git_knows_every_file_and_generated_ones_are_not_in_it(run):
    assert run("git", "status", "--porcelain").stdout == ""
    tracked = run("git", "ls-files", "data", "models", "metrics", "plots").stdout.split()
    assert sorted(path for path in tracked if not path.endswith(".gitignore")) == [
        "data/raw/tiny.dvc",
        "metrics/evaluate.json",
        "metrics/train.json",
        "plots/history.csv",
        "plots/margin_curve.csv",
    ]


@pytest.mark.usefixtures("built")
def test_a_second_repro_runs_nothing(run):
    said = run("dvc", "repro").stdout
    assert "Running stage" not in said
    assert "up to date" in said


def test_a_forced_repro_gives_the_same_bytes(built, run):
    before = (built / "dvc.lock").read_bytes()
    run("dvc", "repro", "--force")
    assert (built / "dvc.lock").read_bytes() == before
    assert run("git", "status", "--porcelain").stdout == ""


def test_one_variant_can_be_compared(built, run):
    before = metrics(built, "evaluate")["margin_error"]
    said = run("dvc", "exp", "run", "-S", "model.kernels=16", "-S", "train.epochs=2").stdout
    assert "Running stage 'train'" in said
    assert "Running stage 'prepare'" not in said
    changes = json.loads(run("dvc", "metrics", "diff", "--json").stdout)
    change = changes["metrics/evaluate.json"]["margin_error"]
    assert change["old"] == before
    assert change["new"] == metrics(built, "evaluate")["margin_error"]
    columns = run("dvc", "exp", "show", "--csv").stdout.splitlines()[0].split(",")
    assert {"model.kernels", "margin_error", "val_margin_error"} <= set(columns)
    run("git", "checkout", "--quiet", ".")
    run("dvc", "checkout", "--quiet")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.kernals=16", "model.kernals"),
        ("model.kernels=abc", "error: params.yaml: model.kernels is 'abc' but should be"),
        ("train.learning_rate=-1", "error: params.yaml: train.learning_rate is -1 but should be"),
        ("predict_test.count=5", "error: params.yaml: predict_test.count is 5 but"),
    ],
)
def test_a_bad_override_ends_with_one_line_of_ours(built, run, override, line):
    ended = run("dvc", "exp", "run", "-S", override, succeeds=False)
    assert line in ended.stderr
    assert ended.stderr.count("error: params.yaml: ") == line.startswith("error: ")
    assert "Traceback" not in ended.stdout + ended.stderr
    run("git", "checkout", "--quiet", ".")
    run("dvc", "checkout", "--quiet")
    assert built.joinpath("models/colorizer.safetensors").is_file()


def test_a_small_and_a_large_learning_rate_both_end_well(built, run):
    run("dvc", "exp", "run", "-S", "train.learning_rate=0.00001", "-S", "train.epochs=1")
    assert metrics(built, "train")["diverged"] == 0
    large = ["-S", "train.learning_rate=10", "-S", "train.batch_size=1", "-S", "train.epochs=9"]
    run("dvc", "exp", "run", *large)
    assert metrics(built, "train")["diverged"] == 1
    assert metrics(built, "train")["val_margin_error"] == 1
    assert metrics(built, "evaluate")["margin_error"] == 1
    run("git", "checkout", "--quiet", ".")
    run("dvc", "checkout", "--quiet")
