import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from colorizer.data.color import luma
from colorizer.inference import colorize as colorize_module
from colorizer.inference.colorize import colorize, colorize_image, reduce_photo, with_luma
from colorizer.models.colorizer import Colorizer
from colorizer.params import ModelParams
from tests.conftest import UNET_WITH_BINS, small_params

IMAGE_SIZE = (16, 16)


def build(**changes: object) -> Colorizer:
    torch.manual_seed(3)
    return Colorizer(ModelParams(**small_params()["model"] | changes), 12)


def pointwise(weight: tuple[float, float], bias: tuple[float, float]) -> Colorizer:
    """A network that predicts chroma = weight * gray + bias at each pixel."""
    network = build(color_space="ycbcr", conv_layers=1, kernel_size=1)
    state = {
        "body.0.weight": torch.tensor(weight).reshape(2, 1, 1, 1),
        "body.0.bias": torch.tensor(bias),
    }
    network.load_state_dict(state)
    return network


@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((60, 40), (24, 16)),
        ((10, 4000), (1, 64)),  # not 16 x 6400
        ((1, 1), (16, 16)),
    ],
)
def test_a_photograph_is_reduced_to_the_size_of_the_training_images(size, reduced):
    assert reduce_photo(np.zeros(size, np.uint8), IMAGE_SIZE).shape == (1, *reduced)


@given(
    st.sampled_from([{}, {"color_space": "lab"}, UNET_WITH_BINS]),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.integers(0, 99),
)
def test_the_luma_of_a_photograph_is_kept(changes, size, seed):
    gray = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    rgb = colorize(build(**changes), gray, IMAGE_SIZE)
    assert np.abs(luma(rgb).astype(int) - gray).max() <= 1  # each channel is rounded


@given(st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=2), st.floats(-1, 1, width=32))
def test_chroma_is_reduced_where_rgb_would_leave_its_range(chroma, gray):
    rgb = with_luma(torch.tensor(chroma).reshape(1, 2, 1, 1), torch.full((1, 1, 1, 1), gray))
    red, green, blue = rgb.flatten().tolist()
    assert max(map(abs, (red, green, blue))) <= 1 + 1e-5
    assert 0.299 * red + 0.587 * green + 0.114 * blue == pytest.approx(gray, abs=1e-5)
    assert (blue - gray) * chroma[0] >= -1e-5  # the hue is kept
    assert (red - gray) * chroma[1] >= -1e-5


def test_colors_follow_the_edges_of_luma():
    gray = np.full((320, 320), 80, np.uint8)
    gray[:, 161:] = 180  # 20 pixels are reduced to one: plain upsampling would blend colors as far
    rgb = colorize(pointwise((0.5, -0.5), (0, 0)), gray, IMAGE_SIZE).astype(int)
    left, right = rgb[160, 20], rgb[160, 300]
    contrast = np.abs(left - right).max()
    assert contrast > 50
    beside = slice(158, 161), slice(161, 164)
    for columns, color in zip(beside, (left, right), strict=True):
        assert np.abs(rgb[100:200, columns] - color).max() < contrast / 5


@given(st.floats(0, 3), st.integers(90, 160))
def test_saturation_is_a_factor_on_chroma(saturation, level):
    gray = np.full((20, 20), level, np.uint8)
    network = pointwise((0, 0), (0.1, -0.1))
    rgb = colorize_image(Image.fromarray(gray), network, IMAGE_SIZE, saturation, beside=False)
    cb, cr = (0.1 * saturation * 127.5, -0.1 * saturation * 127.5)
    # From Y, Cb and Cr to red, green and blue, by the JFIF standard.
    expected = level + np.array([1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb])
    assert np.abs(np.asarray(rgb) - expected).max() <= 1


def test_strips_meet_without_a_seam(monkeypatch):
    gray = np.random.default_rng(2).integers(0, 256, (50, 30), dtype=np.uint8)
    whole = colorize(build(**UNET_WITH_BINS), gray, IMAGE_SIZE)
    monkeypatch.setattr(colorize_module, "STRIP_PIXELS", 7 * 30)
    strips = colorize(build(**UNET_WITH_BINS), gray, IMAGE_SIZE)
    assert np.abs(strips.astype(int) - whole).max() <= 1
