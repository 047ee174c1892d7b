import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from colorizer.errors import InputError
from colorizer.network import ConvStack, ModelParams, load_network, save_network, scaled

BASELINE = {"conv_layers": 2, "kernels": 8, "kernel_size": 3, "batch_norm": False, "tanh": False}


def build(**changes) -> ConvStack:
    return ConvStack(ModelParams(**(BASELINE | changes)))


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
    first, last = network[0], network[-1]
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
    kinds = [type(layer).__name__ for layer in build(conv_layers=3, batch_norm=True, tanh=True)]
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
    st.builds(
        ModelParams,
        conv_layers=st.integers(1, 4),
        kernels=st.integers(1, 9),
        kernel_size=st.sampled_from([1, 3, 5]),
        batch_norm=st.booleans(),
        tanh=st.booleans(),
    )
)
def test_a_network_comes_back_from_its_file_alone(tmp_path_factory, params):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    network = ConvStack(params).eval()
    save_network(path, network)
    loaded = load_network(path).eval()
    assert loaded.params == params
    gray = torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(loaded(gray), network(gray), rtol=0, atol=0)


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        torch.manual_seed(1)
        save_network(tmp_path / name, build(conv_layers=4, batch_norm=True))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_and_a_broken_file_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as a model"):
        load_network(path)
    save_network(path, build())
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
    save_network(path, build())
    weights = load_file(path)
    save_file(weights, path, metadata={"network": json.dumps(BASELINE | {"kernels": 9})})
    with pytest.raises(InputError, match="the weights do not fit"):
        load_network(path)
    save_file(weights, path, metadata={"network": json.dumps(BASELINE | {"kernels": -1})})
    with pytest.raises(InputError, match=r"network\.kernels is -1"):
        load_network(path)
    save_file(weights, path, metadata={"network": "3"})
    with pytest.raises(InputError, match="has no network configuration"):
        load_network(path)
