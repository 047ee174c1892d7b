"""Training by torchrun, here in two processes on one machine without GPUs."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from colorizer import distributed
from colorizer.data.splits import PREPARED
from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import MODEL_FILE, load_model
from colorizer.params import ModelParams
from tests.conftest import REPOSITORY, UNET_WITH_BINS, draw_photos

HISTORY = Path("plots/history.csv")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
BINS = UNET_WITH_BINS | {"batch_norm": "none"}


def take_outcome() -> dict[str, torch.Tensor]:
    """History and weights; their files are removed."""
    history = torch.from_numpy(pd.read_csv(HISTORY).to_numpy())
    weights = load_model(MODEL_FILE).network.state_dict()
    HISTORY.unlink()
    MODEL_FILE.unlink()
    return {"history": history, **weights}


# Batches of 5, 5 and 2 of 12 photographs leave the processes with different shares, batches of 11
# and 1 leave one with nothing.
@pytest.mark.parametrize(
    ("model", "loss", "batch_size"),
    [({}, "mse", 5), pytest.param(BINS, "cross_entropy", 11, marks=pytest.mark.slow)],
)
def test_two_processes_train_as_one(
    run_stage, make_split, params, monkeypatch, model, loss, batch_size
):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # two processes on GPUs would need two
    make_split(draw_photos(12, seed=0), PREPARED / "train")
    make_split(draw_photos(5, seed=1), PREPARED / "val")  # batches of 4 and 1
    params["model"] |= model
    params["train"] |= {"loss": loss, "batch_size": batch_size, "horizontal_flip": True}
    run_stage("train")
    one = take_outcome()
    command = [sys.executable, "-m", *TORCHRUN, "-m", "stages.train"]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    assert printed.count("best epoch") == 1, "one process reports"
    torch.testing.assert_close(take_outcome(), one, rtol=1e-3, atol=1e-4)


def test_batch_norm_of_several_processes_on_cpus_is_refused(params, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    model = ModelParams(**params["model"] | {"batch_norm": "hidden"})
    with pytest.raises(InputError, match=r"^params\.yaml: model\.batch_norm with several"):
        distributed.wrap_ddp(Colorizer(model, 12))
