import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainingSet, save_network
from experiments import batch_statistics
from experiments.batch_statistics import errors_by_batch_size
from tests.conftest import REPOSITORY


class Mean(nn.Module):
    """Predicts the mean of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def predict(self, gray: Tensor, flip_tta: bool) -> Tensor:
        assert not flip_tta
        return self.weight * gray.float().mean().repeat(*gray.shape, 3)


def test_errors_depend_on_the_batch():
    # 16 black, 16 white, and again: a batch of up to 16 has one gray, the mean of more is between.
    gray = torch.tensor([0, 255, 0, 255], dtype=torch.uint8).repeat_interleave(16)
    gray = gray[:, None, None].repeat(1, 4, 4)
    rgb = gray[..., None].repeat(1, 1, 1, 3)
    assert dict(errors_by_batch_size(Mean(), gray, rgb, 12)) == {8: 0, 16: 0, 32: 1, 64: 1}


def test_mean_and_deviation_of_several_networks_are_printed(
    params, make_split, tmp_path, monkeypatch, capsys
):
    make_split(np.zeros((40, 24, 24, 3), np.uint8), "black")
    sections = ModelParams(
        **params["model"] | {"batch_norm": "hidden", "track_running_stats": False}
    )
    models = [tmp_path / f"{level}.safetensors" for level in (0, 24)]
    for model, level in zip(models, (0, 24), strict=True):  # what it predicts; 24 is an error
        network = Colorizer(sections, 12)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            parameter.fill_(level * 2 / 255 - 1)  # the last one: biases of the last convolution
        save_network(model, network, (24, 24), TrainingSet("tiny", 12))
    monkeypatch.chdir(REPOSITORY)
    words = ["batch_statistics", *map(str, models), str(tmp_path / "black")]
    monkeypatch.setattr(sys, "argv", words)
    batch_statistics.main()
    output = capsys.readouterr().out
    for count in (8, 16, 32, 64):
        assert f"| {count} | 0.5000 ± 0.7071 |" in output  # of 0 and 1


def test_a_network_that_does_not_depend_on_the_batch_is_refused(params, tmp_path, monkeypatch):
    model = tmp_path / "model.safetensors"
    save_network(
        model, Colorizer(ModelParams(**params["model"]), 12), (24, 24), TrainingSet("tiny", 12)
    )
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["batch_statistics", str(model), str(tmp_path)])
    with pytest.raises(InputError, match="does not normalize by the batch"):
        batch_statistics.main()
