"""Interrupted training resumes, and a stage that is stopped leaves no partial output."""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from colorizer.files import write_yaml
from tests.conftest import REPOSITORY
from tests.stages.conftest import HISTORY, METRICS, MODEL, PATHS, PREPARED, metrics, series
from tests.stages.forks import Server, Stage

KILLS = 20
EPOCHS = 100  # each takes a hundredth of a second or more
CHECKPOINT = "models/model.checkpoint"
OUTPUTS = [MODEL, METRICS, HISTORY]


def train_in_new_process() -> str:
    """Train to the end as DVC does; what is printed."""
    process = subprocess.run(
        [sys.executable, "-m", "stages.train", *PATHS["train"]],
        env={"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return process.stdout


@pytest.fixture
def slow(built: Path, params: dict[str, dict[str, Any]]) -> Path:
    """Prepared data, and params of a training run of some seconds."""
    params["model"] |= {"kernels": 16, "conv_layers": 4, "batch_norm": "hidden"}
    params["train"] |= {
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "batch_size": 1,
        "weight_decay": 0.001,
    }
    write_yaml(Path("params.yaml"), params)
    remove_outputs()
    return built


def remove_outputs() -> None:
    """What DVC does before it runs a stage."""
    for output in OUTPUTS:
        Path(output).unlink(missing_ok=True)


@pytest.mark.usefixtures("slow")
def test_training_killed_at_random_moments_ends_with_the_same_bytes(server):
    assert "starting with epoch 1: there is no checkpoint" in train_in_new_process()
    expected = {output: Path(output).read_bytes() for output in OUTPUTS}
    assert metrics(METRICS)["epochs"] == EPOCHS

    moments = random.Random(483)
    kills = resumed = 0
    while kills < KILLS:
        remove_outputs()
        process = Stage(server, "train", *PATHS["train"])
        deadline = time.monotonic() + 300
        # Half of them after an epoch here, however slow the machine is; the others at any moment.
        before = checkpoint_time()
        longer = 1 if kills % 2 else 0.97
        while moments.random() < longer and process.poll() is None and checkpoint_time() == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        output, _ = process.communicate()
        resumed += "resuming after epoch" in output
        kills += process.returncode == -signal.SIGKILL
        if Path(HISTORY).exists():
            rows = series(HISTORY)
            assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
        if Path(MODEL).exists():
            assert Path(MODEL).read_bytes() == expected[MODEL]
        if Path(METRICS).exists() and not Path(CHECKPOINT).exists():
            check(expected)  # it had finished, and was killed while the interpreter shut down
    remove_outputs()
    train_in_new_process()
    check(expected)
    assert resumed >= KILLS // 4, "some kills should come while it trains"


def checkpoint_time() -> int:
    path = Path(CHECKPOINT)
    return path.stat().st_mtime_ns if path.exists() else 0


def check(expected: dict[str, bytes]) -> None:
    assert {output: Path(output).read_bytes() for output in OUTPUTS} == expected
    assert not Path(CHECKPOINT).exists()
    assert not list(Path().rglob("*.partial"))


def interrupt_training(server: Server, number: signal.Signals) -> tuple[int | None, str]:
    """Send a signal after the first epoch; exit status and standard error."""
    process = Stage(server, "train", *PATHS["train"])
    while not Path(CHECKPOINT).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate()
    return process.returncode, errors


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_without_a_traceback_or_partial_file(server, number, status):
    ended, errors = interrupt_training(server, number)
    assert ended == status
    assert "Traceback" not in errors
    assert not list(Path().rglob("*.partial"))
    assert not Path(MODEL).exists()
    assert Path(CHECKPOINT).exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_prepare_without_a_traceback_or_partial_file(built, server, number, status):
    for copy in range(3000):
        shutil.copy(built / "train/images/0.png", built / f"train/{copy}.png")
    before = {
        path: path.read_bytes() for path in Path("data/prepared").rglob("*") if path.is_file()
    }
    process = Stage(server, "prepare", str(built), *PREPARED)
    while not Path("data/prepared/.train.partial").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == status
    assert "Traceback" not in errors
    assert not list(Path().rglob("*.partial"))
    after = {path: path.read_bytes() for path in Path("data/prepared").rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.usefixtures("slow")
def test_training_does_not_resume_from_a_checkpoint_of_other_params_or_data(server, params):
    interrupt_training(server, signal.SIGKILL)
    params["train"]["epochs"] = 2
    write_yaml(Path("params.yaml"), params)
    rgb = Path(PREPARED[0], "rgb.npy")
    rgb.write_bytes(rgb.read_bytes()[:-1] + b"\0")
    process = Stage(server, "train", *PATHS["train"])
    output, _ = process.communicate()
    assert process.returncode == 0
    assert "starting with epoch 1: the checkpoint is of other params and data" in output
    assert metrics(METRICS)["epochs"] == 2
    assert not Path(CHECKPOINT).exists()


@pytest.mark.parametrize("stage", ["prepare", *PATHS])
@pytest.mark.parametrize("size", [100, 1000])
def test_a_full_disk_is_an_error_of_one_line_and_changes_no_output(built, server, stage, size):
    """A limit on the size of files stands for a full disk: both make a write fail."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    paths = (str(built), *PREPARED) if stage == "prepare" else PATHS[stage]
    process = Stage(server, stage, *paths, file_size=size)
    _, errors = process.communicate()
    after = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert process.returncode == 1
    last = errors.replace("\r", "\n").splitlines()[-1]
    assert re.fullmatch(r"error: (data|metrics|models|plots)/\S.*: File too large", last)
    assert "Traceback" not in errors
    assert after == before
