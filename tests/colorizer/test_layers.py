import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from colorizer.layers import BatchNorm2d, Conv2d

CPU_TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def pictures(n: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Random pictures, channels last in memory."""
    return torch.randn(n, height, width, channels).permute(0, 3, 1, 2).requires_grad_()


def outcome(layer, given_pictures, gradient) -> list[torch.Tensor]:
    """What a layer answers and the gradients that it passes on."""
    layer.zero_grad()
    given_pictures.grad = None
    answer = layer(given_pictures)
    answer.backward(gradient)
    return [answer.detach(), given_pictures.grad, *(weight.grad for weight in layer.parameters())]


@given(
    inputs=st.sampled_from([1, 2, 3, 8, 17]),
    outputs=st.sampled_from([1, 2, 3, 5, 8, 16, 17]),
    kernel_size=st.sampled_from([1, 3, 5]),
    n=st.integers(0, 3),
    height=st.integers(1, 6),
    width=st.integers(1, 21),
)
def test_a_convolution_is_pytorch_s(inputs, outputs, kernel_size, n, height, width):
    torch.manual_seed(0)
    ours = Conv2d(inputs, outputs, kernel_size)
    theirs = nn.Conv2d(inputs, outputs, kernel_size, padding="same")
    theirs.load_state_dict(ours.state_dict())
    given_pictures = pictures(n, inputs, height, width)
    gradient = torch.randn(n, outputs, height, width)
    torch.testing.assert_close(
        outcome(ours, given_pictures, gradient),
        outcome(theirs, given_pictures, gradient),
        **CPU_TOLERANCE,
    )


def test_a_convolution_needs_no_gradient_of_its_pictures():
    layer = Conv2d(1, 8, 3)
    layer(pictures(2, 1, 6, 10).detach()).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", [Conv2d, lambda a, b, size: nn.Conv2d(a, b, size, padding=1)])
def test_initial_weights_are_those_that_pytorch_draws(kind):
    torch.manual_seed(5)
    drawn = kind(8, 3, 3)
    torch.manual_seed(5)
    expected = nn.Conv2d(8, 3, 3)
    assert torch.equal(drawn.weight, expected.weight)
    assert torch.equal(drawn.bias, expected.bias)


@given(
    channels=st.sampled_from([1, 3, 8, 16, 20]),
    n=st.integers(1, 4),
    width=st.integers(2, 9),
    last=st.booleans(),
    running=st.booleans(),
)
def test_a_batch_norm_is_pytorch_s(channels, n, width, last, running):
    torch.manual_seed(0)
    ours = BatchNorm2d(channels, running)
    theirs = nn.BatchNorm2d(channels, track_running_stats=running)
    for layer in (ours, theirs):
        torch.manual_seed(1)
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    for _ in range(2):
        given_pictures = (pictures(n, channels, 5, width) * 3 + 1).detach()
        if not last:  # in memory, too
            given_pictures = given_pictures.contiguous()
        given_pictures.requires_grad_()
        gradient = torch.randn(n, channels, 5, width)
        torch.testing.assert_close(
            outcome(ours, given_pictures, gradient),
            outcome(theirs, given_pictures, gradient),
            **CPU_TOLERANCE,
        )
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), **CPU_TOLERANCE)
    torch.testing.assert_close(
        ours.eval()(given_pictures), theirs.eval()(given_pictures), **CPU_TOLERANCE
    )


def test_a_batch_norm_of_a_single_value_has_averages():
    """PyTorch's refuses it, though the last batch of an epoch may be one coarse pixel."""
    layer = BatchNorm2d(16, running_averages=True)
    assert layer(pictures(1, 16, 1, 1)).abs().max() == 0
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


def test_a_batch_norm_keeps_its_digits_far_from_zero():
    """A variance taken as mean of squares less square of mean would lose them."""
    far = (pictures(4, 3, 8, 8) + 1000).detach()
    answer = BatchNorm2d(3, running_averages=True)(far)
    expected = nn.BatchNorm2d(3).double()(far.double()).float()
    torch.testing.assert_close(answer, expected, rtol=0, atol=2e-3)
