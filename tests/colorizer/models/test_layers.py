import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from colorizer.models.layers import BatchNorm2d, SameConv2d

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def random_images(n: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Random images, channels last in memory."""
    return torch.randn(n, height, width, channels).permute(0, 3, 1, 2)


def output_and_gradients(layer, images, gradient) -> list[torch.Tensor]:
    """The output of a layer and the gradients of its input and weights."""
    layer.zero_grad()
    images = images.clone().requires_grad_()  # clones keep the order in memory
    output = layer(images)
    output.backward(gradient)
    return [output.detach(), images.grad, *(weight.grad for weight in layer.parameters())]


@given(
    in_channels=st.sampled_from([1, 2, 3, 8, 17]),
    out_channels=st.sampled_from([1, 2, 3, 5, 8, 16, 17]),
    kernel_size=st.sampled_from([1, 3, 5]),
    n=st.integers(0, 3),
    height=st.integers(1, 6),
    width=st.integers(1, 21),
)
def test_convolution_equals_pytorch(in_channels, out_channels, kernel_size, n, height, width):
    torch.manual_seed(0)
    ours = SameConv2d(in_channels, out_channels, kernel_size)
    torch.manual_seed(0)
    theirs = nn.Conv2d(in_channels, out_channels, kernel_size, padding="same")
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    images = random_images(n, in_channels, height, width)
    gradient = torch.randn(n, out_channels, height, width)
    torch.testing.assert_close(
        output_and_gradients(ours, images, gradient),
        output_and_gradients(theirs, images, gradient),
        **TOLERANCE,
    )


@given(
    channels=st.sampled_from([1, 3, 8, 16, 20]),
    n=st.integers(1, 4),
    width=st.integers(2, 9),
    track_running_stats=st.booleans(),
)
def test_batch_norm_equals_pytorch(channels, n, width, track_running_stats):
    ours = BatchNorm2d(channels, track_running_stats=track_running_stats)
    theirs = nn.BatchNorm2d(channels, track_running_stats=track_running_stats)
    torch.manual_seed(0)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    for _ in range(2):
        images = random_images(n, channels, 5, width) * 3 + 1
        gradient = torch.randn(n, channels, 5, width)
        torch.testing.assert_close(
            output_and_gradients(ours, images, gradient),
            output_and_gradients(theirs, images, gradient),
            **TOLERANCE,
        )
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), **TOLERANCE)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), **TOLERANCE)


@pytest.mark.parametrize("channels", [3, 16])
def test_batch_norm_of_a_single_value_has_finite_running_stats(channels):
    """PyTorch refuses it, but the last batch of an epoch may be a single coarse pixel."""
    layer = BatchNorm2d(channels, track_running_stats=True)
    assert layer(random_images(1, channels, 1, 1)).abs().max() == 0
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


def test_batch_norm_is_precise_far_from_zero():
    """A variance as mean of squares minus square of mean would lose all digits."""
    far = random_images(4, 3, 8, 8) + 1000
    output = BatchNorm2d(3, track_running_stats=True)(far)
    expected = nn.BatchNorm2d(3).double()(far.double()).float()
    torch.testing.assert_close(output, expected, rtol=0, atol=2e-3)
