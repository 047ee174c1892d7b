import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from colorizer.models.layers import BatchNorm2d, SameConv2d

CPU_TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def random_images(n: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Random images, channels last in memory."""
    return torch.randn(n, height, width, channels).permute(0, 3, 1, 2).requires_grad_()


def output_and_gradients(layer, images, gradient) -> list[torch.Tensor]:
    """The output of a layer and the gradients of its input and weights."""
    layer.zero_grad()
    images.grad = None
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
    theirs = nn.Conv2d(in_channels, out_channels, kernel_size, padding="same")
    theirs.load_state_dict(ours.state_dict())
    images = random_images(n, in_channels, height, width)
    gradient = torch.randn(n, out_channels, height, width)
    torch.testing.assert_close(
        output_and_gradients(ours, images, gradient),
        output_and_gradients(theirs, images, gradient),
        **CPU_TOLERANCE,
    )


def test_convolution_works_without_a_gradient_of_its_input():
    layer = SameConv2d(1, 8, 3)
    layer(random_images(2, 1, 6, 10).detach()).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "layer_type", [SameConv2d, lambda a, b, size: nn.Conv2d(a, b, size, padding=1)]
)
def test_initial_weights_equal_pytorch(layer_type):
    torch.manual_seed(5)
    drawn = layer_type(8, 3, 3)
    torch.manual_seed(5)
    expected = nn.Conv2d(8, 3, 3)
    assert torch.equal(drawn.weight, expected.weight)
    assert torch.equal(drawn.bias, expected.bias)


@given(
    channels=st.sampled_from([1, 3, 8, 16, 20]),
    n=st.integers(1, 4),
    width=st.integers(2, 9),
    channels_last=st.booleans(),
    track_running_stats=st.booleans(),
)
def test_batch_norm_equals_pytorch(channels, n, width, channels_last, track_running_stats):
    torch.manual_seed(0)
    ours = BatchNorm2d(channels, track_running_stats=track_running_stats)
    theirs = nn.BatchNorm2d(channels, track_running_stats=track_running_stats)
    for layer in (ours, theirs):
        torch.manual_seed(1)
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    for _ in range(2):
        images = (random_images(n, channels, 5, width) * 3 + 1).detach()
        if not channels_last:
            images = images.contiguous()
        images.requires_grad_()
        gradient = torch.randn(n, channels, 5, width)
        torch.testing.assert_close(
            output_and_gradients(ours, images, gradient),
            output_and_gradients(theirs, images, gradient),
            **CPU_TOLERANCE,
        )
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), **CPU_TOLERANCE)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), **CPU_TOLERANCE)


def test_batch_norm_of_a_single_value_has_finite_running_stats():
    """PyTorch refuses it, but the last batch of an epoch may be a single coarse pixel."""
    layer = BatchNorm2d(16, track_running_stats=True)
    assert layer(random_images(1, 16, 1, 1)).abs().max() == 0
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


def test_batch_norm_is_precise_far_from_zero():
    """A variance as mean of squares minus square of mean would lose all digits."""
    far = (random_images(4, 3, 8, 8) + 1000).detach()
    output = BatchNorm2d(3, track_running_stats=True)(far)
    expected = nn.BatchNorm2d(3).double()(far.double()).float()
    torch.testing.assert_close(output, expected, rtol=0, atol=2e-3)
