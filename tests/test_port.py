"""The port to denoising that docs/copy-this-structure.md describes, applied and run."""

import json
import shutil
from pathlib import Path

import pytest

from colorizer.files import write_yaml
from tests.conftest import REPOSITORY, Run, small_params
from tests.test_guides import bash, blocks

GUIDE = "docs/copy-this-structure.md"


@pytest.fixture(scope="module")
def port(work: Path, run: Run) -> Path:
    """A commit of the repository after the guide's first block: patched, without colorization."""
    shutil.copy(REPOSITORY / "params.yaml", work)
    for command in ("init --quiet", "add .", "commit --quiet --message Baseline"):
        run("git", *command.split())
    bash(run, blocks(GUIDE)[0])
    return work


@pytest.mark.usefixtures("port")
def test_its_unit_test_passes_and_its_params_and_deps_are_declared(run):
    names = ("colorizer/data/test_noise.py", "test_params_yaml.py", "test_dvc_yaml.py")
    # Without those that run every stage.
    chosen = "noise or ranges or deps"
    run("python", "-m", "pytest", "--quiet", "-k", chosen, *(f"tests/{name}" for name in names))


def test_the_network_is_better_than_its_noisy_input(port, run):
    params = small_params()
    params["prepare"]["noise"] = 40.0
    params["train"] |= {"optimizer": "adam", "learning_rate": 0.01, "epochs": 30, "patience": 30}
    write_yaml(port / "params.yaml", params)
    run("dvc", "repro", "evaluate")
    measured = json.loads((port / "metrics/evaluate.json").read_text())
    assert measured["margin_error"] < 0.8 * measured["gray"]["margin_error"]
