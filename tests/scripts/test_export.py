"""The network predicts the same in onnxruntime as in PyTorch."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch

from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import TrainedModel, load_model, save_model
from colorizer.params import ModelParams
from scripts import export
from tests.conftest import UNET_WITH_BINS, small_params

# An export takes seconds, so each network has several of the options.
NETWORKS = [
    {"conv_layers": 4, "batch_norm": "all", "track_running_stats": False, "tanh": True},
    {"color_space": "lab"},
    UNET_WITH_BINS,
]
SHAPES = [(2, 1, 80, 80), (1, 1, 97, 130)]  # the second is no multiple of the U-Net's patches


@pytest.mark.parametrize("changes", NETWORKS)
def test_rgb_of_any_size_is_the_same(changes, tmp_path, monkeypatch):
    torch.manual_seed(6)
    network = Colorizer(ModelParams(**small_params()["model"] | changes), 12)
    for _ in range(20):  # running statistics, so that batch norm is not the identity
        network(torch.rand(4, 1, 16, 16) * 2 - 1)
    network.eval()
    if network.params.chroma_bins:
        with torch.no_grad():
            network.body.head.weight *= 100  # as confident as a trained one
    model, onnx = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    save_model(model, TrainedModel(network, (16, 24), "tiny", 12, {}))
    monkeypatch.setattr(sys, "argv", ["export", str(model), str(onnx)])
    export.main()
    session = onnxruntime.InferenceSession(str(onnx))
    for shape in SHAPES:
        gray = torch.rand(shape) * 2 - 1
        with torch.inference_mode():
            expected = network(network.lightness(gray)).numpy()
        (rgb,) = session.run(["rgb"], {"gray": gray.numpy()})
        assert rgb.shape == expected.shape
        same = np.abs(rgb - expected) < 1e-4
        # Two windows of bins can have the same probability, and either of them is right.
        assert same.all() or (network.params.chroma_bins and same.mean() > 0.999)
    metadata = session.get_modelmeta().custom_metadata_map
    assert ModelParams.model_validate_json(metadata["model"]) == network.params
    assert (metadata["margin"], metadata["image_size"]) == ("12", "[16, 24]")


def test_in_half_precision_a_model_has_half_the_size_and_predicts_nearly_the_same(
    tmp_path, monkeypatch
):
    network = Colorizer(
        ModelParams(**small_params()["model"] | UNET_WITH_BINS | {"kernels": 32}), 12
    )
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_model(whole, TrainedModel(network, (16, 24), "tiny", 12, {}))
    monkeypatch.setattr(sys, "argv", ["export", str(whole), str(half)])
    export.main()
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    weights = network.state_dict()
    for name, loaded in load_model(half).network.state_dict().items():
        assert loaded.dtype == weights[name].dtype
        torch.testing.assert_close(loaded, weights[name], rtol=2**-11, atol=1e-7)
