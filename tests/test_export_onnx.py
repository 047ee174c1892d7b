"""The network in onnxruntime says what it says in PyTorch."""

import sys
from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest
import torch

import export_onnx
from colorizer.network import Colorizer, ModelParams, save_network
from tests.conftest import UNET_WITH_BINS, small_params

SIZES = [(2, 80, 80), (1, 97, 130)]  # the second has to be padded before it is halved


def trained(**changes: object) -> Colorizer:
    """A network whose batch norm has seen something, so that it is no identity."""
    torch.manual_seed(6)
    network = Colorizer(ModelParams(**small_params()["model"] | changes))
    for _ in range(20):
        network(torch.rand(4, 1, 16, 16) * 2 - 1)
    return network.eval()


def both(network: Colorizer, path: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rgb in PyTorch and in onnxruntime."""
    session = onnxruntime.InferenceSession(path)
    for n, height, width in SIZES:
        gray = torch.rand(n, 1, height, width) * 2 - 1
        with torch.inference_mode():
            rgb = network(gray).numpy()
        yield rgb, session.run(["rgb"], {"gray": gray.numpy()})[0]


@pytest.fixture
def exported(tmp_path, monkeypatch):
    def export(network: Colorizer) -> str:
        model, onnx = tmp_path / "model.safetensors", tmp_path / "model.onnx"
        save_network(model, network, (16, 24))
        monkeypatch.setattr(sys, "argv", ["export_onnx", str(model), str(onnx)])
        export_onnx.main()
        return str(onnx)

    return export


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"conv_layers": 4, "batch_norm": True, "tanh": True},
        {"color_space": "lab"},
        UNET_WITH_BINS | {"bins": 0, "reach": 1.0},
        UNET_WITH_BINS | {"bins": 0, "reach": 1.0, "halvings": 3, "squares": 1},
    ],
)
def test_rgb_of_any_size_is_the_same(exported, changes):
    network = trained(**changes)
    for ours, theirs in both(network, exported(network)):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 1e-4


def test_bins_give_the_same_but_where_two_windows_are_as_likely(exported):
    network = trained(**UNET_WITH_BINS)
    with torch.no_grad():
        network.body.leave.weight *= 100  # sure of itself, as one that has learnt
    for ours, theirs in both(network, exported(network)):
        assert (np.abs(ours - theirs) < 1e-4).mean() > 0.999


def test_the_file_tells_what_it_is(exported):
    network = trained()
    metadata = onnxruntime.InferenceSession(exported(network)).get_modelmeta()
    assert ModelParams.model_validate_json(metadata.custom_metadata_map["model"]) == network.params
    assert metadata.custom_metadata_map["learnt_size"] == "[16, 24]"
