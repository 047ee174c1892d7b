import sys

import pytest
import torch
from torch import Tensor, nn

from colorizer.errors import InputError
from colorizer.network import Colorizer, ModelParams, save_network
from experiments import batch_statistics
from experiments.batch_statistics import margin_errors
from tests.conftest import REPOSITORY


class Mean(nn.Module):
    """Answers the mean of all pictures at hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, gray: Tensor) -> Tensor:
        return self.weight * gray.mean().repeat(len(gray), 3, *gray.shape[2:])


def test_errors_follow_from_the_pictures_at_hand():
    # 16 black, 16 white, and again: up to 16 at hand are of one gray, of more the mean is between.
    gray = torch.tensor([0, 255, 0, 255], dtype=torch.uint8).repeat_interleave(16)
    gray = gray[:, None, None].repeat(1, 4, 4)
    rgb = gray[..., None].repeat(1, 1, 1, 3)
    assert dict(margin_errors(Mean(), gray, rgb, 12)) == {8: 0, 16: 0, 32: 1, 64: 1}


def test_a_network_that_does_not_depend_on_them_is_refused(params, tmp_path, monkeypatch):
    model = tmp_path / "model.safetensors"
    save_network(model, Colorizer(ModelParams(**params["model"])), (24, 24))
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["batch_statistics", str(model), str(tmp_path)])
    with pytest.raises(InputError, match="does not normalise by the pictures at hand"):
        batch_statistics.main()
