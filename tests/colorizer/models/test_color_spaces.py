import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import lab2rgb, rgb2lab, rgb2ycbcr

from colorizer.models.color_spaces import (
    OUT_CHANNELS,
    lightness_of,
    normalized_ab,
    rgb_to_chroma,
    to_rgb,
)

IMAGES = arrays(np.uint8, (4, 5, 3))
NEAR = {"atol": 1e-5, "rtol": 0}


def channels_first(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)[None]


@given(IMAGES)
def test_chroma_equals_scikit_image(rgb):
    chroma = channels_first((rgb2ycbcr(rgb)[..., 1:] - 128) / 112)  # its Cb and Cr: 16..240
    ours = rgb_to_chroma(channels_first(rgb / 127.5 - 1))
    torch.testing.assert_close(ours, chroma, atol=1e-3, rtol=0)


@given(arrays(np.float32, (2, 4, 5), elements=st.floats(-2, 2, width=32)), st.floats(-1, 1))
def test_ycbcr_keeps_luma_and_chroma(values, level):
    gray, chroma = torch.full((1, 1, 4, 5), level), torch.from_numpy(values)[None]
    rgb = to_rgb("ycbcr", chroma, gray)
    red, green, blue = rgb.unbind(dim=1)
    torch.testing.assert_close(0.299 * red + 0.587 * green + 0.114 * blue, gray[:, 0], **NEAR)
    torch.testing.assert_close(rgb_to_chroma(rgb), chroma, **NEAR)


@given(IMAGES)
def test_lab_equals_scikit_image(rgb):
    gray = (rgb / 255) @ np.array([0.299, 0.587, 0.114])
    lab = rgb2lab(rgb)
    lab[..., :1] = rgb2lab(np.repeat(gray[..., None], 3, axis=-1))[..., :1]
    lightness = lightness_of("lab", channels_first(gray[..., None] * 2 - 1))
    torch.testing.assert_close(lightness, channels_first(lab[..., :1] / 50 - 1), atol=2e-4, rtol=0)
    ours = to_rgb("lab", normalized_ab(torch.from_numpy(lab[None])), lightness).clamp(-1, 1)
    torch.testing.assert_close(ours, channels_first(lab2rgb(lab) * 2 - 1), atol=5e-3, rtol=0)


@pytest.mark.parametrize("space", OUT_CHANNELS)
@pytest.mark.parametrize("value", [-3.0, -1.0, 0.0, 1.0, 3.0])
def test_gradients_are_finite_everywhere(space, value):
    output = torch.full((1, OUT_CHANNELS[space], 1, 9), value, requires_grad=True)
    to_rgb(space, output, torch.linspace(-1, 1, 9).view(1, 1, 1, 9)).sum().backward()
    assert output.grad.isfinite().all()
    assert output.grad.abs().sum() > 0
