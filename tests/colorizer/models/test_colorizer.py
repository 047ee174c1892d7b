import pytest
import torch

from colorizer.models.colorizer import normalize
from tests.colorizer.models.conftest import UNET, build


def test_levels_are_normalized_to_minus_one_to_one():
    levels = torch.tensor([0, 51, 255, 102], dtype=torch.uint8).view(1, 2, 1, 2)  # (n, H, W, C)
    expected = torch.tensor([-1, 1, -0.6, -0.2]).view(1, 2, 2, 1)  # (n, C, H, W)
    torch.testing.assert_close(normalize(levels), expected)


def test_chroma_bins_give_logits_in_training_mode_and_rgb_in_evaluation_mode():
    network = build(**UNET | {"chroma_bins": 9})
    gray = torch.rand(2, 1, 13, 21)
    assert network(gray).shape == (2, 2 * 9, 8, 12)  # halves of 16 x 24
    rgb = network.eval()(gray)
    assert rgb.shape == (2, 3, 13, 21)
    luma = (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1, keepdim=True)
    torch.testing.assert_close(luma, gray, atol=1e-5, rtol=0)


def test_the_chroma_target_is_averaged_over_the_output_stride():
    network = build(**UNET | {"chroma_bins": 9})
    rgb = torch.rand(2, 3, 16, 24) * 2 - 1
    red, _, blue = rgb.unbind(dim=1)
    luma = (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1)
    chroma = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], dim=1)
    expected = (chroma[..., ::2, ::2] + chroma[..., 1::2, ::2]) / 4
    expected += (chroma[..., ::2, 1::2] + chroma[..., 1::2, 1::2]) / 4
    torch.testing.assert_close(network.chroma_target(rgb), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [UNET | {"chroma_bins": 65}, {"color_space": "lab", "kernels": 16, "conv_layers": 3}],
)
def test_autocast_rounds_the_body_only(changes):
    """In bfloat16 a window of bins, and so a color, would have 8 bits."""
    network = build(**changes).eval()
    lightness = torch.rand(2, 1, 16, 24) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16):
        output, rgb = network.body(lightness), network(lightness)
    assert rgb.dtype == torch.float32
    exact = network.body(lightness)
    assert not torch.equal(output.float(), exact), "the body is in bfloat16"
    torch.testing.assert_close(rgb, network.to_rgb(output.float(), lightness), rtol=0, atol=0)
