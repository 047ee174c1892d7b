"""Training in several processes gives the results of one process."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from colorizer.files import write_yaml
from colorizer.models.model_file import load_network
from tests.conftest import REPOSITORY, UNET_WITH_BINS
from tests.stages.conftest import HISTORY, METRICS, MODEL, PATHS, metrics, series
from tests.stages.forks import Server, Stage

TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
ON_CPUS = {"CUDA_VISIBLE_DEVICES": ""}  # two processes on GPUs would need two
ENVIRONMENT = {
    **ON_CPUS,
    "PYTHONPATH": str(REPOSITORY),
    "PATH": "",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def train(server: Server, processes: int) -> str:
    """Train in forks with the environment that torchrun sets; what they print."""
    common = {
        **ON_CPUS,
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    ranks = [
        {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else ON_CPUS
        for rank in range(processes)
    ]
    stages = [Stage(server, "train", *PATHS["train"], **environment) for environment in ranks]
    printed = [stage.communicate() for stage in stages]
    assert [stage.returncode for stage in stages] == [0] * processes, printed
    return "".join(output for output, _ in printed)


# 12 photographs: batches of 5, 5 and 2 leave ranks with different shares, batches of 11 and 1 leave
# one rank with nothing.
@pytest.mark.parametrize("batch_size", [5, 11])
@pytest.mark.parametrize(
    ("model", "loss"),
    [
        ({}, "mse"),
        ({"batch_norm": "hidden"}, "mse"),
        ({"batch_norm": "all", "track_running_stats": False}, "mse"),
        ({"color_space": "lab"}, "mse"),
        (UNET_WITH_BINS, "cross_entropy"),
    ],
    ids=["plain", "batch norm", "statistics of the batch", "lab", "unet with bins"],
)
@pytest.mark.usefixtures("built")
def test_two_processes_train_as_one(server, params, model, loss, batch_size):
    params["model"] |= model
    params["train"] |= {"batch_size": batch_size, "epochs": 8, "patience": 2, "loss": loss}
    write_yaml(Path("params.yaml"), params)
    outcomes = []
    for processes in (1, 2):
        output = train(server, processes)
        assert output.count("best epoch") == 1, "one process reports"
        outcomes.append((metrics(METRICS), series(HISTORY), load_network(Path(MODEL)).state_dict()))
    (one, one_history, one_weights), (two, two_history, two_weights) = outcomes
    assert (one["epochs"], one["best_epoch"]) == (two["epochs"], two["best_epoch"])
    assert two == pytest.approx(one, abs=1e-4)
    for actual, expected in zip(two_history, one_history, strict=True):
        assert actual == pytest.approx(expected, abs=1e-4)
    for name, weight in two_weights.items():
        torch.testing.assert_close(weight, one_weights[name], rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("built")
def test_two_processes_give_the_same_bytes_each_time(server, params):
    """Once started by torchrun, once as forks."""
    write_yaml(Path("params.yaml"), params)
    options = ("--standalone", "--nproc-per-node", "2")
    command = [*TORCHRUN, *options, "-m", "stages.train", *PATHS["train"]]
    subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    contents = [[Path(path).read_bytes() for path in (MODEL, METRICS, HISTORY)]]
    train(server, 2)
    contents.append([Path(path).read_bytes() for path in (MODEL, METRICS, HISTORY)])
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("built")
def test_two_machines_train_as_one(server, params, tmp_path):
    """Two agents of torchrun, each in a folder of its own; the second writes nothing."""
    write_yaml(Path("params.yaml"), params)
    train(server, 1)
    one = (metrics(METRICS), series(HISTORY))
    other = tmp_path / "other"
    shutil.copytree(Path("data"), other / "data")
    shutil.copy("params.yaml", other)
    before = sorted(other.rglob("*"))
    address = ("--master-addr", "127.0.0.1", "--master-port", str(free_port()))
    machines = [
        subprocess.Popen(
            [
                *TORCHRUN,
                *("--nnodes", "2", "--node-rank", str(number), "--nproc-per-node", "1"),
                *address,
                *("-m", "stages.train", *PATHS["train"]),
            ],
            cwd=folder,
            env=ENVIRONMENT,
        )
        for number, folder in enumerate([Path.cwd(), other])
    ]
    assert [machine.wait(120) for machine in machines] == [0, 0]
    assert metrics(METRICS) == pytest.approx(one[0], abs=1e-4)
    for actual, expected in zip(series(HISTORY), one[1], strict=True):
        assert actual == pytest.approx(expected, abs=1e-4)
    assert sorted(other.rglob("*")) == before
