"""Training that is killed goes on, and a stage that is stopped leaves no half-written output."""

import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY
from tests.stages.conftest import HISTORY, METRICS, MODEL, PATHS, PREPARED, metrics, series

KILLS = 20
EPOCHS = 100  # of a hundredth of a second or more
CHECKPOINT = "models/model.checkpoint"
OUTPUTS = [MODEL, METRICS, HISTORY]


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Let what is started hear Ctrl-C, also where a shell ran the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(stage: str, *paths: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}", *paths],
        env={
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(stage: str, *paths: str, **options: object) -> tuple[int, str, str]:
    process = start(stage, *paths, **options)
    said, complained = process.communicate(timeout=300)
    return process.returncode, said, complained


@pytest.fixture
def slow(built: Path, params: dict[str, dict[str, Any]]) -> Path:
    """Prepared data, and params of a training of some seconds."""
    params["model"] |= {"kernels": 16, "conv_layers": 4, "batch_norm": True}
    params["train"] |= {
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "batch_size": 1,
        "weight_decay": 0.001,
    }
    YAML().dump(params, Path("params.yaml"))
    remove_outputs()
    return built


def remove_outputs() -> None:
    """What DVC does before it runs a stage."""
    for output in OUTPUTS:
        Path(output).unlink(missing_ok=True)


@pytest.mark.usefixtures("slow")
def test_training_killed_at_random_moments_ends_with_the_same_bytes():
    status, said, _ = finish("train", *PATHS["train"])
    assert status == 0
    assert "starting with epoch 1: there is no checkpoint" in said
    expected = {output: Path(output).read_bytes() for output in OUTPUTS}
    assert metrics(METRICS)["epochs"] == EPOCHS

    moments = random.Random(483)
    kills = resumed = 0
    while kills < KILLS:
        remove_outputs()
        process = start("train", *PATHS["train"])
        ends = time.monotonic() + 300
        # At any moment: while it starts, or some time after its first epoch here.
        before = checkpoint_time()
        while moments.random() < 0.99 and process.poll() is None and checkpoint_time() == before:
            assert time.monotonic() < ends
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        said, _ = process.communicate()
        resumed += "going on after epoch" in said
        kills += process.returncode == -signal.SIGKILL
        if Path(HISTORY).exists():
            rows = series(HISTORY)
            assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
        if Path(MODEL).exists():
            assert Path(MODEL).read_bytes() == expected[MODEL]
        if Path(METRICS).exists() and not Path(CHECKPOINT).exists():
            check(expected)  # it had finished, and was killed while the interpreter shut down
    remove_outputs()
    status, _, _ = finish("train", *PATHS["train"])
    assert status == 0
    check(expected)
    assert resumed >= 1, "kills should come while it trains, too"


def checkpoint_time() -> int:
    path = Path(CHECKPOINT)
    return path.stat().st_mtime_ns if path.exists() else 0


def check(expected: dict[str, bytes]) -> None:
    assert {output: Path(output).read_bytes() for output in OUTPUTS} == expected
    assert not Path(CHECKPOINT).exists()
    assert not list(Path().rglob("*.partial"))


def interrupt_training(number: signal.Signals) -> tuple[int, str]:
    process = start("train", *PATHS["train"])
    while not Path(CHECKPOINT).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, complained = process.communicate(timeout=300)
    return process.returncode, complained


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_without_a_traceback_or_half_a_file(number, status):
    ended, complained = interrupt_training(number)
    assert ended == status
    assert "Traceback" not in complained
    assert not list(Path().rglob("*.partial"))
    assert not Path(MODEL).exists()
    assert Path(CHECKPOINT).exists()


@pytest.mark.usefixtures("slow")
def test_a_checkpoint_of_other_params_or_data_is_not_gone_on_with(params):
    interrupt_training(signal.SIGKILL)
    params["train"]["epochs"] = 2
    YAML().dump(params, Path("params.yaml"))
    rgb = Path(PREPARED[0], "rgb.npy")
    rgb.write_bytes(rgb.read_bytes()[:-1] + b"\0")
    status, said, _ = finish("train", *PATHS["train"])
    assert status == 0
    assert "starting with epoch 1: the checkpoint is of other params and data" in said
    assert metrics(METRICS)["epochs"] == 2
    assert not Path(CHECKPOINT).exists()


@pytest.mark.parametrize("stage", ["prepare", *PATHS])
@pytest.mark.parametrize("size", [100, 1000])
def test_a_full_disk_is_one_line_and_changes_no_output(built, stage, size):
    """A limit on the size of files stands for a full disk; both are errors of writing."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    paths = (str(built), *PREPARED) if stage == "prepare" else PATHS[stage]
    limit = (size, size)
    status, _, complained = finish(
        stage, *paths, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    )
    after = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert status == 1
    last = complained.replace("\r", "\n").splitlines()[-1]
    assert re.fullmatch(r"error: (data|metrics|models|plots)/\S.*: File too large", last)
    assert "Traceback" not in complained
    assert after == before
