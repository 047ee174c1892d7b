import numpy as np
import pytest
import torch

from colorizer.inference.prediction import predict, to_uint8
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from tests.conftest import small_params


@pytest.fixture
def network() -> Colorizer:
    torch.manual_seed(0)
    params = ModelParams(**small_params()["model"] | {"conv_layers": 3, "batch_norm": "hidden"})
    return Colorizer(params, 12)


@pytest.fixture
def gray() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 10, 12), dtype=np.uint8)


def predict_all(network, gray, batch_size, flip_tta=False) -> np.ndarray:
    return torch.cat(
        [*predict(network, torch.from_numpy(gray).split(batch_size), flip_tta)]
    ).numpy()


def test_predictions_are_network_outputs_in_levels(network, gray):
    with torch.no_grad():
        output = network.eval()(torch.from_numpy(gray / 127.5 - 1).float()[:, None])
    expected = (output.permute(0, 2, 3, 1).numpy() + 1) * 127.5
    np.testing.assert_allclose(predict_all(network, gray, 7), expected, atol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_predictions_do_not_depend_on_the_batch_size(network, gray, batch_size):
    whole = predict_all(network, gray, 7)
    np.testing.assert_allclose(predict_all(network, gray, batch_size), whole, atol=1e-3)


def test_flip_tta_averages_an_image_with_its_mirror_image(network, gray):
    mirrored = predict_all(network, gray[:, :, ::-1].copy(), 7)[:, :, ::-1]
    mean = (predict_all(network, gray, 7) + mirrored) / 2
    np.testing.assert_allclose(predict_all(network, gray, 3, flip_tta=True), mean, atol=1e-3)
    assert np.abs(mirrored - mean).max() > 1


def test_predicting_changes_no_weight_or_buffer(network, gray):
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    predict_all(network, gray, 7)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_uint8_images_are_rounded_and_clamped():
    levels = np.array([-3, 0.4, 0.6, 254.6, 300, np.nan, np.inf, -np.inf], np.float32)
    images = to_uint8(torch.from_numpy(levels))
    assert images.dtype == np.uint8
    assert images.tolist() == [0, 0, 1, 255, 255, 0, 255, 0]
