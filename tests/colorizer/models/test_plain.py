import pytest
import torch
from torch.nn import functional

from tests.colorizer.models.conftest import build


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_computes_the_network_of_the_report(kernel_size):
    network = build(kernels=5, kernel_size=kernel_size, tanh=True)
    gray = torch.rand(2, 1, 7, 9) * 2 - 1
    first, last = network.body[0], network.body[-2]
    assert first.weight.shape == (5, 1, kernel_size, kernel_size)
    hidden = functional.conv2d(gray, first.weight, first.bias, padding="same").relu()
    expected = functional.conv2d(hidden, last.weight, last.bias, padding="same").tanh()
    torch.testing.assert_close(network(gray), expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"conv_layers": 1, "batch_norm": "all"}, "SameConv2d BatchNorm2d"),
        ({"conv_layers": 3}, "SameConv2d ReLU SameConv2d ReLU SameConv2d"),
        ({"batch_norm": "all"}, "SameConv2d BatchNorm2d ReLU SameConv2d BatchNorm2d"),
        (
            {"batch_norm": "hidden", "dropout": 0.1, "tanh": True},
            "SameConv2d BatchNorm2d Dropout2d ReLU SameConv2d Tanh",
        ),
    ],
)
def test_order_of_the_layers(changes, expected):
    assert " ".join(type(layer).__name__ for layer in build(**changes).body) == expected
