"""An interrupted training continues to the same bytes."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from tests.conftest import REPOSITORY

MODEL, HISTORY = Path("models/colorizer.safetensors"), Path("plots/history.csv")
OUTPUTS = (MODEL, HISTORY, Path("metrics/train.json"))
CHECKPOINT = Path("models/colorizer.checkpoint")
EPOCHS = 100  # each takes a hundredth of a second or more


@pytest.fixture
def train(built, run_stage, params):
    """Train to the end; the bytes of the outputs."""
    params["model"] |= {"kernels": 16, "conv_layers": 4, "batch_norm": "hidden"}
    params["train"] |= {"epochs": EPOCHS, "patience": EPOCHS, "batch_size": 1, "momentum": 0.5}

    def run() -> list[bytes]:
        remove_outputs()
        run_stage("train")
        assert not CHECKPOINT.exists()
        assert not [*built.rglob("*.partial")]
        return [path.read_bytes() for path in OUTPUTS]

    return run


def remove_outputs() -> None:
    """As DVC does before it runs a stage."""
    for path in OUTPUTS:
        path.unlink(missing_ok=True)


def kill(seconds: float, after_epoch: bool) -> None:
    """Kill a training in a process of its own, some seconds after its start or its first epoch."""
    remove_outputs()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-m", "stages.train"], env=environment)
    while after_epoch and process.poll() is None and not HISTORY.exists():
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.wait()


def test_killed_training_continues_to_the_same_bytes(train, capsys):
    expected = train()
    kill(0, after_epoch=True)
    assert CHECKPOINT.exists()
    assert not MODEL.exists()
    assert train() == expected
    assert "going on after epoch" in capsys.readouterr().out


@pytest.mark.slow  # 20 processes
def test_training_killed_at_random_moments_ends_with_the_same_bytes(train, capfd):
    expected = train()
    moments = random.Random(483)
    for _ in range(10):
        kill(moments.uniform(0, 6), after_epoch=False)
        kill(moments.uniform(0, 0.3), after_epoch=True)
    assert train() == expected
    assert capfd.readouterr().out.count("going on after epoch") >= 5


@pytest.mark.parametrize("changed", ["params", "data"])
def test_training_on_other_params_or_data_starts_anew(train, params, monkeypatch, capsys, changed):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patched.setattr(
            "stages.train.write_history", MagicMock(side_effect=[None, KeyboardInterrupt])
        )
        train()
    assert CHECKPOINT.exists()
    if changed == "params":
        params["train"]["seed"] = 1
    else:
        gray = np.load("data/prepared/train/gray.npy")
        np.save("data/prepared/train/gray.npy", 255 - gray)
    assert train() == train()  # the second one has no checkpoint
    assert "going on" not in capsys.readouterr().out
