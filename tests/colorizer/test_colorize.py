import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from colorizer import colorize as module
from colorizer.color import luma
from colorizer.colorize import colorize, reduced, with_luma
from colorizer.network import Colorizer, ModelParams
from tests.conftest import UNET_WITH_BINS, small_params

LEARNT = (16, 16)


def build(**changes: object) -> Colorizer:
    torch.manual_seed(3)
    return Colorizer(ModelParams(**small_params()["model"] | changes))


def of_one_weight(weight: tuple[float, float], bias: tuple[float, float]) -> Colorizer:
    """A network with chroma = weight * gray + bias."""
    network = build(color_space="ycbcr", conv_layers=1, kernel_size=1)
    state = {
        "body.0.weight": torch.tensor(weight).reshape(2, 1, 1, 1),
        "body.0.bias": torch.tensor(bias),
    }
    network.load_state_dict(state)
    return network


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((40, 60), (16, 24)),
        ((60, 40), (24, 16)),
        ((8, 8), (16, 16)),
        ((1000, 1000), (16, 16)),
        ((10, 4000), (1, 64)),  # not 16 x 6400
        ((1, 1), (16, 16)),
    ],
)
def test_a_network_sees_what_it_learnt_the_size_of(size, seen):
    assert reduced(np.zeros(size, np.uint8), LEARNT).shape == (1, *seen)


def test_a_picture_of_the_size_it_learnt_stays_what_it_is():
    gray = np.random.default_rng(1).integers(0, 256, LEARNT, dtype=np.uint8)
    np.testing.assert_array_equal(reduced(gray, LEARNT)[0], gray)


@given(
    st.sampled_from([{}, {"color_space": "lab"}, UNET_WITH_BINS]),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.integers(0, 99),
)
def test_the_luma_of_a_photograph_stays_its_own(changes, size, seed):
    gray = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    rgb = colorize(build(**changes), gray, LEARNT)
    assert rgb.shape == (*size, 3)
    assert np.abs(luma(rgb).astype(int) - gray).max() <= 1  # each channel is rounded


@given(st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=2), st.floats(-1, 1, width=32))
def test_where_there_is_no_room_for_a_color_it_pales(chroma, gray):
    rgb = with_luma(torch.tensor(chroma).reshape(1, 2, 1, 1), torch.full((1, 1, 1, 1), gray))
    red, green, blue = rgb.flatten().tolist()
    assert max(map(abs, (red, green, blue))) <= 1 + 1e-5
    assert 0.299 * red + 0.587 * green + 0.114 * blue == pytest.approx(gray, abs=1e-5)
    assert (blue - gray) * chroma[0] >= -1e-5  # its hue stays
    assert (red - gray) * chroma[1] >= -1e-5


def test_colors_are_those_of_jpeg_for_the_chroma_that_is_predicted():
    gray = np.tile(np.linspace(90, 160, 50).astype(np.uint8), (40, 1))
    rgb = colorize(of_one_weight((0, 0), (0.2, -0.3)), gray, LEARNT)
    planes = [gray, np.full_like(gray, 128 + 0.2 * 127.5), np.full_like(gray, 128 - 0.3 * 127.5)]
    jpeg = Image.merge("YCbCr", [Image.fromarray(plane) for plane in planes]).convert("RGB")
    assert np.abs(rgb.astype(int) - np.asarray(jpeg)).max() <= 2


def test_colors_end_where_the_luma_does():
    gray = np.full((320, 320), 80, np.uint8)
    gray[:, 161:] = 180  # twenty pixels become one: brought up plainly, colors would mix as far
    rgb = colorize(of_one_weight((0.5, -0.5), (0, 0)), gray, LEARNT).astype(int)
    left, right = rgb[160, 20], rgb[160, 300]
    apart = np.abs(left - right).max()
    assert apart > 50
    beside = slice(158, 161), slice(161, 164)
    for columns, color in zip(beside, (left, right), strict=True):
        assert np.abs(rgb[100:200, columns] - color).max() < apart / 5


def test_rows_that_are_composed_apart_meet_without_a_seam(monkeypatch):
    gray = np.random.default_rng(2).integers(0, 256, (50, 30), dtype=np.uint8)
    whole = colorize(build(**UNET_WITH_BINS), gray, LEARNT)
    monkeypatch.setattr(module, "ROWS", 7)
    assert np.abs(colorize(build(**UNET_WITH_BINS), gray, LEARNT).astype(int) - whole).max() <= 1
