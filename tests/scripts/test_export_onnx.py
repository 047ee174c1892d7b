"""The network predicts the same in onnxruntime as in PyTorch."""

import sys
from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest
import torch

from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainedModel, save_model
from scripts import export_onnx
from tests.conftest import UNET_WITH_BINS, small_params

SIZES = [(2, 80, 80), (1, 97, 130)]  # the second has to be padded to a multiple of the patches


def network_with_statistics(**changes: object) -> Colorizer:
    """A network whose batch norm has running statistics, so that it is not the identity."""
    torch.manual_seed(6)
    network = Colorizer(ModelParams(**small_params()["model"] | changes), 12)
    for _ in range(20):
        network(torch.rand(4, 1, 16, 16) * 2 - 1)
    return network.eval()


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Export a network; a session of the file."""

    def export(network: Colorizer) -> onnxruntime.InferenceSession:
        model, onnx = tmp_path / "model.safetensors", tmp_path / "model.onnx"
        save_model(model, TrainedModel(network, (16, 24), "tiny", 12))
        monkeypatch.setattr(sys, "argv", ["export_onnx", str(model), str(onnx)])
        export_onnx.main()
        return onnxruntime.InferenceSession(str(onnx))

    return export


def predictions(
    network: Colorizer, session: onnxruntime.InferenceSession
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rgb in PyTorch and in onnxruntime."""
    for n, height, width in SIZES:
        gray = torch.rand(n, 1, height, width) * 2 - 1
        with torch.inference_mode():
            rgb = network(network.lightness(gray)).numpy()
        yield rgb, session.run(["rgb"], {"gray": gray.numpy()})[0]


# An export takes seconds: each network has several of the options.
@pytest.mark.parametrize(
    "changes",
    [
        {"conv_layers": 4, "batch_norm": "all", "tanh": True},
        {"color_space": "lab"},
        UNET_WITH_BINS | {"chroma_bins": 0, "chroma_range": 1.0, "depth": 2, "patch_size": 1},
    ],
)
def test_rgb_of_any_size_is_the_same(exported, changes):
    network = network_with_statistics(**changes)
    session = exported(network)
    for expected, actual in predictions(network, session):
        assert actual.shape == expected.shape
        assert np.abs(actual - expected).max() < 1e-4
    metadata = session.get_modelmeta().custom_metadata_map
    assert ModelParams.model_validate_json(metadata["model"]) == network.params
    assert metadata["image_size"] == "[16, 24]"


def test_chroma_bins_decode_the_same_unless_two_windows_have_the_same_probability(exported):
    network = network_with_statistics(**UNET_WITH_BINS)
    with torch.no_grad():
        network.body.head.weight *= 100  # as confident as a trained one
    for expected, actual in predictions(network, exported(network)):
        assert (np.abs(actual - expected) < 1e-4).mean() > 0.999
