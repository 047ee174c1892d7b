import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import lab2rgb, rgb2lab, rgb2ycbcr

from colorizer.models.color_spaces import OUT_CHANNELS, lightness_of, to_rgb

IMAGES = arrays(np.uint8, (4, 5, 3))


def channels_first(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)[None]


def gray_of(rgb: np.ndarray) -> np.ndarray:
    """Luma on 0..1, not rounded."""
    return (rgb / 255) @ np.array([0.299, 0.587, 0.114])


@given(IMAGES)
def test_rgb_is_the_output_of_the_network(rgb):
    output = channels_first(rgb / 127.5 - 1)
    assert to_rgb("rgb", output, output[:, :1]) is output


@given(IMAGES)
def test_ycbcr_inverts_that_of_scikit_image(rgb):
    ycbcr = rgb2ycbcr(rgb)  # its Cb and Cr are 128 + 112 times ours
    chroma = channels_first((ycbcr[..., 1:] - 128) / 112)
    gray = channels_first(gray_of(rgb)[..., None] * 2 - 1)
    assert torch.allclose(to_rgb("ycbcr", chroma, gray), channels_first(rgb / 127.5 - 1), atol=1e-3)


@given(arrays(np.float32, (2, 4, 5), elements=st.floats(-2, 2, width=32)), st.floats(-1, 1))
def test_ycbcr_keeps_the_luma_for_every_chroma(chroma, level):
    gray = torch.full((1, 1, 4, 5), level)
    red, green, blue = to_rgb("ycbcr", torch.from_numpy(chroma)[None], gray)[0]
    assert torch.allclose(0.299 * red + 0.587 * green + 0.114 * blue, gray[0, 0], atol=1e-5)


@given(IMAGES)
def test_lab_equals_scikit_image(rgb):
    gray = gray_of(rgb)
    lightness = rgb2lab(np.repeat(gray[..., None], 3, axis=-1))[..., 0]
    chroma = rgb2lab(rgb)[..., 1:]
    input_gray = channels_first(gray[..., None] * 2 - 1)
    torch.testing.assert_close(
        lightness_of("lab", input_gray),
        channels_first(lightness[..., None] / 50 - 1),
        atol=2e-4,
        rtol=0,
    )
    expected = lab2rgb(np.concatenate([lightness[..., None], chroma], axis=-1))
    ours = to_rgb("lab", channels_first(chroma / 110), lightness_of("lab", input_gray)).clamp(-1, 1)
    torch.testing.assert_close(ours, channels_first(expected * 2 - 1), atol=5e-3, rtol=0)


@pytest.mark.parametrize("space", OUT_CHANNELS)
def test_gradients_are_finite_everywhere(space):
    gray = torch.linspace(-1, 1, 9).view(1, 1, 1, 9)
    for value in (-3.0, -1.0, 0.0, 1.0, 3.0):
        output = torch.full((1, OUT_CHANNELS[space], 1, 9), value, requires_grad=True)
        to_rgb(space, output, gray).sum().backward()
        assert output.grad.isfinite().all()
        assert output.grad.abs().sum() > 0


@pytest.mark.parametrize("space", ["rgb", "ycbcr"])
def test_the_lightness_of_is_luma(space):
    gray = torch.rand(1, 1, 2, 2)
    assert lightness_of(space, gray) is gray
