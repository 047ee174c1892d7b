"""An interrupted training continues to the same bytes."""

import os
import random
import signal
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
# A training that kills itself, as kill -9 does, before it writes the second epoch's row.
KILLED = """
import os, signal
from stages import train

def write_or_die(history, write=train.write_history):
    write(history) if len(history) == 1 else os.kill(os.getpid(), signal.SIGKILL)

train.write_history = write_or_die
train.main()
"""


@pytest.fixture
def train(built, run_stage, params):
    """Train to the end; the bytes of the outputs."""
    params["model"] |= {"kernels": 16, "conv_layers": 4, "batch_norm": "hidden"}
    params["train"] |= {"epochs": 4, "batch_size": 1, "momentum": 0.5}

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


def start(*words: str) -> subprocess.Popen[bytes]:
    """Start Python in a process of its own."""
    remove_outputs()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, *words], env=environment)


def test_killed_training_continues_to_the_same_bytes(train, capsys):
    expected = train()
    assert start("-c", KILLED).wait() == -signal.SIGKILL
    assert len(HISTORY.read_text().splitlines()) == 1 + 1
    assert not MODEL.exists()
    assert train() == expected
    assert "going on after epoch 2" in capsys.readouterr().out


@pytest.mark.slow  # 20 processes
def test_training_killed_at_random_moments_ends_with_the_same_bytes(train, params, capfd):
    params["train"] |= {"epochs": 100, "patience": 100}
    expected = train()
    moments = random.Random(483)
    for number in range(20):
        process = start("-m", "stages.train")
        while number % 2 and process.poll() is None and not HISTORY.exists():
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3 if number % 2 else 6))
        process.kill()
        process.wait()
    assert train() == expected
    assert capfd.readouterr().out.count("going on after epoch") >= 5


def test_training_on_other_data_starts_anew(train, monkeypatch, capsys):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patched.setattr(
            "stages.train.write_history", MagicMock(side_effect=[None, KeyboardInterrupt])
        )
        train()
    assert CHECKPOINT.exists()
    gray = np.load("data/prepared/train/gray.npy")
    np.save("data/prepared/train/gray.npy", 255 - gray)
    assert train() == train()  # the second one has no checkpoint
    assert "going on" not in capsys.readouterr().out
