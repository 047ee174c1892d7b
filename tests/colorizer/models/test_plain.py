import pytest
import torch

from tests.colorizer.models.conftest import build, count_weights


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (9 * 8 + 8) + (9 * 8 * 3 + 3)),
        ({"kernels": 16}, (9 * 16 + 16) + (9 * 16 * 3 + 3)),
        ({"conv_layers": 1}, 9 * 3 + 3),
        ({"conv_layers": 1, "kernels": 100, "batch_norm": "all"}, 9 * 3 + 3 + 2 * 3),
        ({"conv_layers": 4, "kernels": 4}, (9 * 4 + 4) + 2 * (9 * 4 * 4 + 4) + (9 * 4 * 3 + 3)),
        ({"kernel_size": 5, "batch_norm": "hidden"}, (25 * 8 + 8) + 2 * 8 + (25 * 8 * 3 + 3)),
    ],
)
def test_number_of_weights_by_hand(changes, expected):
    assert count_weights(build(**changes)) == expected


def test_computes_the_network_of_the_report():
    network = build(kernels=5)
    gray = torch.rand(2, 1, 7, 9) * 2 - 1
    first, last = network.body[0], network.body[-1]
    hidden = torch.nn.functional.conv2d(gray, first.weight, first.bias, padding=1).relu()
    expected = torch.nn.functional.conv2d(hidden, last.weight, last.bias, padding=1)
    torch.testing.assert_close(network(gray), expected)


@pytest.mark.parametrize("conv_layers", [1, 2, 4])
def test_the_receptive_field_grows_by_one_pixel_per_layer(conv_layers):
    network = build(conv_layers=conv_layers)
    gray = torch.zeros(1, 1, 21, 21, requires_grad=True)
    network(gray + torch.rand(gray.shape))[0, :, 10, 10].sum().backward()
    rows, columns = gray.grad[0, 0].nonzero(as_tuple=True)
    assert max(abs(rows - 10)) <= conv_layers
    assert max(abs(columns - 10)) <= conv_layers


def test_batch_norm_follows_hidden_convolutions():
    body = build(conv_layers=3, batch_norm="hidden", tanh=True).body
    block = ["SameConv2d", "BatchNorm2d", "ReLU"]
    expected = [*block, *block, "SameConv2d", "Tanh"]
    assert [type(layer).__name__ for layer in body] == expected


@pytest.mark.parametrize("conv_layers", [1, 2, 4])
def test_batch_norm_of_the_report_follows_every_convolution(conv_layers):
    body = build(conv_layers=conv_layers, kernels=5, batch_norm="all").body
    block = ["SameConv2d", "BatchNorm2d", "ReLU"]
    expected = [*block * (conv_layers - 1), "SameConv2d", "BatchNorm2d"]
    assert [type(layer).__name__ for layer in body] == expected
    norms = [layer.num_features for layer in body if isinstance(layer, torch.nn.BatchNorm2d)]
    assert norms == [5] * (conv_layers - 1) + [3]


def test_batch_norm_over_the_outputs_normalizes_each_channel_before_tanh():
    output = build(batch_norm="all", kernels=6).train()(torch.rand(4, 1, 9, 9) * 2 - 1)
    torch.testing.assert_close(output.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(output.std(dim=(0, 2, 3)), torch.ones(3), atol=0.02, rtol=0)
    assert [type(layer).__name__ for layer in build(batch_norm="all", tanh=True).body][-2:] == [
        "BatchNorm2d",
        "Tanh",
    ]


def test_tanh_keeps_predictions_in_range():
    gray = torch.randn(1, 1, 8, 8) * 1000
    assert build(tanh=True)(gray).abs().max() <= 1
    assert build()(gray).abs().max() > 1


def test_dropout_drops_channels_in_training_mode_only():
    network = build(dropout=0.5, kernels=64)
    gray = torch.rand(1, 1, 8, 8)
    assert not torch.equal(network(gray), network(gray))
    network.eval()
    assert torch.equal(network(gray), network(gray))
