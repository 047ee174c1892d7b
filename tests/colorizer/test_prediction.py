import numpy as np
import pytest
import torch

from colorizer.network import Colorizer, ModelParams
from colorizer.prediction import predict, to_pictures
from tests.conftest import small_params


@pytest.fixture
def network() -> Colorizer:
    torch.manual_seed(0)
    params = ModelParams(**small_params()["model"] | {"conv_layers": 3, "batch_norm": True})
    return Colorizer(params)


@pytest.fixture
def gray() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 10, 12), dtype=np.uint8)


def gathered(network, gray, at_once, flips=False) -> np.ndarray:
    return torch.cat([*predict(network, torch.from_numpy(gray).split(at_once), flips)]).numpy()


def test_predicts_in_levels_what_the_network_says(network, gray):
    with torch.no_grad():
        output = network.eval()(torch.from_numpy(gray / 127.5 - 1).float()[:, None])
    expected = (output.permute(0, 2, 3, 1).numpy() + 1) * 127.5
    np.testing.assert_allclose(gathered(network, gray, 7), expected, atol=1e-3)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_batches_do_not_matter(network, gray, at_once):
    whole = gathered(network, gray, 7)
    np.testing.assert_allclose(gathered(network, gray, at_once), whole, atol=1e-3)


def test_flips_average_a_picture_with_its_mirror_image(network, gray):
    mirrored = gathered(network, gray[:, :, ::-1].copy(), 7)[:, :, ::-1]
    mean = (gathered(network, gray, 7) + mirrored) / 2
    np.testing.assert_allclose(gathered(network, gray, 3, flips=True), mean, atol=1e-3)
    assert np.abs(mirrored - mean).max() > 1


def test_predicting_teaches_the_network_nothing(network, gray):
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gathered(network, gray, 7)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_pictures_are_rounded_and_clamped():
    levels = np.array([-3, 0.4, 0.6, 254.6, 300, np.nan, np.inf, -np.inf], np.float32)
    pictures = to_pictures(torch.from_numpy(levels))
    assert pictures.dtype == np.uint8
    assert pictures.tolist() == [0, 0, 1, 255, 255, 0, 255, 0]
