"""Training in several processes, as torchrun starts them, against one process."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from colorizer.network import load_network
from tests.conftest import REPOSITORY, UNET_WITH_BINS
from tests.stages.conftest import HISTORY, METRICS, MODEL, PATHS, metrics, series

ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def launch(params, *command: str) -> subprocess.CompletedProcess[str]:
    YAML().dump(params, Path("params.yaml"))
    return subprocess.run(
        [sys.executable, *command, "-m", "stages.train", *PATHS["train"]],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )


# 12 photographs: batches of 5, 5 and 2 leave ranks with different shares, batches of 11 and 1 leave
# one rank with nothing.
@pytest.mark.parametrize("batch_size", [5, 11])
@pytest.mark.parametrize(
    ("model", "loss"),
    [({}, "mse"), ({"batch_norm": True}, "mse"), (UNET_WITH_BINS, "cross_entropy")],
    ids=["plain", "batch norm", "unet with bins"],
)
@pytest.mark.usefixtures("built")
def test_two_processes_train_as_one(params, model, loss, batch_size):
    params["model"] |= model
    params["train"] |= {"batch_size": batch_size, "epochs": 8, "patience": 2, "loss": loss}
    outcomes = []
    for command in ((), TORCHRUN):
        said = launch(params, *command).stdout
        assert said.count("best epoch") == 1, "one process reports"
        outcomes.append((metrics(METRICS), series(HISTORY), load_network(Path(MODEL)).state_dict()))
    (one, one_history, one_weights), (two, two_history, two_weights) = outcomes
    assert (one["epochs"], one["best_epoch"]) == (two["epochs"], two["best_epoch"])
    assert two == pytest.approx(one, abs=1e-4)
    for ours, theirs in zip(two_history, one_history, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    for name, weight in two_weights.items():
        torch.testing.assert_close(weight, one_weights[name], rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("built")
def test_two_processes_give_the_same_bytes_each_time(params):
    contents = []
    for _ in range(2):
        launch(params, *TORCHRUN)
        contents.append([Path(path).read_bytes() for path in (MODEL, METRICS, HISTORY)])
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("built")
def test_two_machines_train_as_one(params, tmp_path):
    """Two agents of torchrun, each in a folder of its own; the second writes nothing."""
    launch(params)
    one = (metrics(METRICS), series(HISTORY))
    other = tmp_path / "other"
    shutil.copytree(Path("data"), other / "data")
    shutil.copy("params.yaml", other)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = sorted(other.rglob("*"))
    machines = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"),
                *("--node-rank", str(number), "--nproc-per-node", "1"),
                *("--master-addr", "127.0.0.1", "--master-port", str(port)),
                *("-m", "stages.train", *PATHS["train"]),
            ],
            cwd=folder,
            env=ENVIRONMENT,
        )
        for number, folder in enumerate([Path.cwd(), other])
    ]
    assert [machine.wait(120) for machine in machines] == [0, 0]
    assert metrics(METRICS) == pytest.approx(one[0], abs=1e-4)
    for ours, theirs in zip(series(HISTORY), one[1], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert sorted(other.rglob("*")) == before
