import numpy as np
import pytest
import torch

from colorizer.models.colorizer import Colorizer, predict_rows, to_uint8
from tests.colorizer.models.conftest import UNET, build

BINS = UNET | {"chroma_bins": 9}
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)


def random_gray(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 10, 12), dtype=torch.uint8, generator=generator)


def predict(network: Colorizer, gray: torch.Tensor, flip_tta: bool = False) -> np.ndarray:
    """Predictions for the rows from the last to the first."""
    rows = torch.arange(len(gray)).flip(0)
    batches, predictions = zip(*predict_rows(network, gray, rows, flip_tta), strict=True)
    assert torch.equal(torch.cat(batches), rows)
    return torch.cat(predictions).flip(0).numpy()


def test_chroma_bins_give_logits_in_training_mode_and_rgb_in_evaluation_mode():
    network, gray = build(**BINS), torch.rand(2, 1, 13, 21)
    assert network(gray).shape == (2, 2 * 9, 8, 12)  # halves of 16 x 24
    rgb = network.eval()(gray)
    assert rgb.shape == (2, 3, 13, 21)
    torch.testing.assert_close((rgb * LUMA).sum(dim=1, keepdim=True), gray, atol=1e-5, rtol=0)


def test_the_chroma_target_is_averaged_over_the_output_stride():
    rgb = torch.rand(2, 3, 16, 24) * 2 - 1
    luma = (rgb * LUMA).sum(dim=1)
    chroma = torch.stack([(rgb[:, 2] - luma) / 1.772, (rgb[:, 0] - luma) / 1.402], dim=1)
    expected = chroma.unflatten(3, (12, 2)).unflatten(2, (8, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(build(**BINS).chroma_target(rgb), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("changes", [BINS, {"color_space": "lab", "kernels": 16, "conv_layers": 3}])
def test_autocast_rounds_the_body_only(changes):
    """In bfloat16 a window of bins, and so a color, would have 8 bits."""
    network = build(**changes).eval()
    lightness = torch.rand(2, 1, 16, 24) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16):
        output, rgb = network.body(lightness), network(lightness)
    assert not torch.equal(output.float(), network.body(lightness)), "the body is in bfloat16"
    torch.testing.assert_close(rgb, network.to_rgb(output.float(), lightness), rtol=0, atol=0)


def test_predictions_are_in_levels_in_evaluation_mode_and_change_no_buffer():
    network, gray = build(batch_norm="hidden", dropout=0.5), random_gray(7)  # in batches of 4
    network(torch.rand(2, 1, 9, 9))  # running statistics other than the initial ones
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    prediction = predict(network, gray)
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)
    with torch.no_grad():
        output = network.eval()(torch.from_numpy(gray.numpy() / 127.5 - 1).float()[:, None])
    expected = (output.permute(0, 2, 3, 1).numpy() + 1) * 127.5
    np.testing.assert_allclose(prediction, expected, atol=1e-3)


def test_flip_tta_averages_an_image_with_its_mirror_image():
    network, gray = build(color_space="lab"), random_gray(2)
    mirrored = predict(network, gray.flip(2))[:, :, ::-1]
    mean = (predict(network, gray) + mirrored) / 2
    np.testing.assert_allclose(predict(network, gray, flip_tta=True), mean, atol=1e-3)
    assert np.abs(mirrored - mean).max() > 1


def test_uint8_images_are_rounded_and_clamped():
    levels = [-3, 0.4, 0.6, 254.6, 300, np.nan, np.inf, -np.inf]
    assert to_uint8(torch.tensor(levels)).tolist() == [0, 0, 1, 255, 255, 0, 255, 0]
