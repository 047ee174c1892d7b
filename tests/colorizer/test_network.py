import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from colorizer.errors import InputError
from colorizer.network import (
    Colorizer,
    ModelParams,
    load_network,
    read_learnt_size,
    save_network,
    scaled,
    squares_as_channels,
)
from tests.conftest import small_params

BASELINE = small_params()["model"] | {"kernels": 8}


def build(**changes) -> Colorizer:
    return Colorizer(ModelParams(**(BASELINE | changes)))


def weights(network: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (9 * 8 + 8) + (9 * 8 * 3 + 3)),
        ({"kernels": 16}, (9 * 16 + 16) + (9 * 16 * 3 + 3)),
        ({"conv_layers": 1}, 9 * 3 + 3),
        ({"conv_layers": 1, "kernels": 100, "batch_norm": True}, 9 * 3 + 3),
        ({"conv_layers": 4, "kernels": 4}, (9 * 4 + 4) + 2 * (9 * 4 * 4 + 4) + (9 * 4 * 3 + 3)),
        ({"kernel_size": 5, "batch_norm": True}, (25 * 8 + 8) + 2 * 8 + (25 * 8 * 3 + 3)),
    ],
)
def test_number_of_weights_by_hand(changes, expected):
    assert weights(build(**changes)) == expected


def test_computes_the_report_s_network():
    network = build(kernels=5)
    gray = torch.rand(2, 1, 7, 9) * 2 - 1
    first, last = network.body[0], network.body[-1]
    hidden = torch.nn.functional.conv2d(gray, first.weight, first.bias, padding=1).relu()
    expected = torch.nn.functional.conv2d(hidden, last.weight, last.bias, padding=1)
    torch.testing.assert_close(network(gray), expected)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="should be odd"):
        build(kernel_size=4)


@pytest.mark.parametrize("conv_layers", [1, 2, 4])
def test_a_value_depends_on_the_pixels_around_it_and_no_others(conv_layers):
    network = build(conv_layers=conv_layers)
    gray = torch.zeros(1, 1, 21, 21, requires_grad=True)
    network(gray + torch.rand(gray.shape))[0, :, 10, 10].sum().backward()
    rows, columns = gray.grad[0, 0].nonzero(as_tuple=True)
    assert max(abs(rows - 10)) <= conv_layers
    assert max(abs(columns - 10)) <= conv_layers


def test_batch_norm_follows_every_convolution_but_the_last():
    kinds = [
        type(layer).__name__ for layer in build(conv_layers=3, batch_norm=True, tanh=True).body
    ]
    block = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds == [*block, *block, "Conv2d", "Tanh"]


def test_tanh_keeps_predictions_in_range():
    gray = torch.randn(1, 1, 8, 8) * 1000
    assert build(tanh=True)(gray).abs().max() <= 1
    assert build()(gray).abs().max() > 1


def test_levels_become_the_scale_of_the_networks():
    levels = torch.tensor([0, 51, 255, 102], dtype=torch.uint8).view(1, 2, 1, 2)  # (n, H, W, C)
    expected = torch.tensor([-1, 1, -0.6, -0.2]).view(1, 2, 2, 1)  # (n, C, H, W)
    torch.testing.assert_close(scaled(levels), expected)


@given(
    st.fixed_dictionaries(
        {
            "network": st.sampled_from(["plain", "unet"]),
            "color_space": st.sampled_from(["rgb", "lab", "ycbcr"]),
            "conv_layers": st.integers(1, 4),
            "kernels": st.integers(1, 9),
            "kernel_size": st.sampled_from([1, 3, 5]),
            "batch_norm": st.booleans(),
            "tanh": st.booleans(),
        }
    ).map(lambda changes: ModelParams(**BASELINE | changes))
)
def test_a_network_comes_back_from_its_file_alone(tmp_path_factory, params):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    network = Colorizer(params).eval()
    save_network(path, network, (64, 80))
    loaded = load_network(path).eval()
    assert loaded.params == params
    assert read_learnt_size(path) == (64, 80)
    gray = torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(loaded(gray), network(gray), rtol=0, atol=0)


def test_the_same_network_gives_the_same_bytes(tmp_path):
    written = set()
    for _ in range(9):  # what is written in any order may be written in the same one by chance
        torch.manual_seed(1)
        save_network(tmp_path / "model", build(conv_layers=4, batch_norm=True), (80, 80))
        written.add((tmp_path / "model").read_bytes())
    assert len(written) == 1


def test_a_missing_and_a_broken_file_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as a model"):
        load_network(path)
    save_network(path, build(), (80, 80))
    whole = path.read_bytes()
    for broken in (b"", b"text", whole[:-1], whole[:50]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as a model"):
            load_network(path)


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="has no network configuration"):
        load_network(path)
    save_network(path, build(), (80, 80))
    weights = load_file(path)

    def write(**configuration: object) -> None:
        save_file(weights, path, metadata={"colorizer": json.dumps(configuration)})

    write(model=BASELINE | {"kernels": 9}, learnt_size=[80, 80])
    with pytest.raises(InputError, match="the weights do not fit"):
        load_network(path)
    write(model=BASELINE | {"kernels": -1}, learnt_size=[80, 80])
    with pytest.raises(InputError, match=r"model\.kernels is -1"):
        load_network(path)
    for size in (None, 80, "80", [0, 80], [8]):
        write(model=BASELINE, learnt_size=size)
        with pytest.raises(InputError, match="does not say what size of pictures"):
            read_learnt_size(path)
    for others in ({}, {"model": 3}):
        write(**others)
        with pytest.raises(InputError, match="has no network configuration"):
            load_network(path)


UNET = {
    "network": "unet",
    "color_space": "ycbcr",
    "conv_layers": 2,
    "kernels": 4,
    "batch_norm": True,
    "halvings": 2,
    "doublings": 1,
    "squares": 1,
    "positions": True,
}


@given(
    st.integers(1, 35),
    st.integers(1, 35),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(1, 5),
)
def test_a_unet_takes_pictures_of_any_size(height, width, doublings, more, squares):
    sizes = {"doublings": doublings, "halvings": doublings + more, "squares": squares}
    network = build(**UNET | sizes).eval()
    gray = torch.rand(2, 1, height, width) * 2 - 1
    assert network(gray).shape == (2, 3, height, width)


def test_a_unet_takes_no_pictures_at_all():
    """As a rank does, whose share of a batch is empty."""
    network = build(**UNET | {"batch_norm": False})
    assert network(torch.zeros(0, 1, 16, 16)).shape == (0, 3, 16, 16)


def testsquares_as_channels_of_pixels_are_channels():
    gray = torch.rand(3, 1, 8, 12)
    assert torch.equal(squares_as_channels(gray, 4), torch.nn.functional.pixel_unshuffle(gray, 4))


def test_a_unet_pads_what_it_cannot_halve_with_the_border():
    network = build(**UNET | {"positions": False}).eval()
    gray = torch.rand(1, 1, 13, 21)
    padded = torch.nn.functional.pad(gray, (0, 3, 0, 3), mode="replicate")  # to 16 x 24
    torch.testing.assert_close(network(gray), network(padded)[..., :13, :21])


def test_number_of_weights_of_a_unet_by_hand():
    def block(inputs, outputs):  # of two convolutions with batch norm
        return 9 * inputs * outputs + 9 * outputs**2 + 2 * outputs + 4 * outputs

    down = block(4, 8) + block(8, 16)
    up = 16 * 8 + 8 + block(8 + 8, 8)
    # The pixels of a square and two positions go in.
    assert weights(build(**UNET)) == block(1 + 2, 4) + down + up + (8 * 2 + 2)
    assert weights(build(**UNET | {"squares": 3})) == block(9 + 2, 4) + down + up + (8 * 2 + 2)
    up += 8 * 4 + 4 + block(4 + 4, 4)
    whole = block(1 + 2, 4) + down + up + (4 * 2 + 2)
    assert weights(build(**UNET | {"doublings": 2})) == whole


def test_a_unet_that_ends_coarsely_blends_its_chroma():
    gray = torch.rand(1, 1, 16, 16)
    of_blue = build(**UNET).eval()(gray)[:, 2:] - gray  # as chroma, Cb
    steps = of_blue.diff(dim=3)
    within = steps[..., 2:-2:2]  # from a pixel to the next that shares its square of 2 x 2
    between = (steps[..., 1:-3:2] + steps[..., 3:-1:2]) / 2
    torch.testing.assert_close(within, between, atol=1e-6, rtol=0)
    assert within.abs().max() > 1e-4


def test_bins_are_logits_while_training_and_rgb_afterwards():
    network = build(**UNET | {"bins": 9})
    gray = torch.rand(2, 1, 13, 21)
    assert network(gray).shape == (2, 2 * 9, 8, 12)  # halves of 16 x 24
    rgb = network.eval()(gray)
    assert rgb.shape == (2, 3, 13, 21)
    luma = (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1, keepdim=True)
    torch.testing.assert_close(luma, gray, atol=1e-5, rtol=0)


def test_the_chroma_to_learn_is_the_mean_of_a_square():
    network = build(**UNET | {"bins": 9})
    rgb = torch.rand(2, 3, 16, 24) * 2 - 1
    red, _, blue = rgb.unbind(dim=1)
    luma = (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1)
    chroma = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], dim=1)
    expected = (chroma[..., ::2, ::2] + chroma[..., 1::2, ::2]) / 4
    expected += (chroma[..., ::2, 1::2] + chroma[..., 1::2, 1::2]) / 4
    torch.testing.assert_close(network.chroma(rgb), expected, atol=1e-5, rtol=0)


def test_every_weight_of_a_unet_learns():
    network = build(**UNET)
    network(torch.rand(2, 1, 16, 16)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.abs().sum() > 0 or name.endswith("0.bias"), name


def test_a_unet_without_positions_does_not_know_where_it_is():
    gray = torch.zeros(1, 1, 64, 64)
    for positions in (False, True):
        torch.manual_seed(0)
        network = build(**UNET | {"positions": positions, "halvings": 1}).eval()
        rgb = network(gray)[0, 0, 16:48, 16:48]  # away from the borders, which padding shows
        assert (rgb.std() > 1e-4) == positions
        assert positions or rgb.std() < 1e-6


def test_dropout_leaves_out_channels_while_training_only():
    network = build(dropout=0.5, kernels=64)
    gray = torch.rand(1, 1, 8, 8)
    assert not torch.equal(network(gray), network(gray))
    network.eval()
    assert torch.equal(network(gray), network(gray))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"halvings": 1}, "network plain has none; should be 0"),
        ({"positions": True}, "network plain has none; should be false"),
        ({"running_averages": False}, "there is no batch norm; should be true"),
        ({"squares": 2}, "network plain has none; should be 1"),
        (UNET | {"doublings": 3}, "halvings is 2"),
        (UNET | {"color_space": "rgb", "doublings": 2, "squares": 2}, "color_space is rgb"),
        (UNET | {"color_space": "rgb"}, "color_space is rgb"),
        (UNET | {"bins": 1}, "should be 0, for none, or from 2"),
        (UNET | {"bins": 9, "color_space": "lab"}, "color_space should then be ycbcr"),
        (UNET | {"bins": 9, "tanh": True}, "tanh should then be false"),
        (UNET | {"reach": 0.5}, r"there are no bins; should be 1\.0"),
    ],
)
def test_combinations_without_sense_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        build(**changes)
