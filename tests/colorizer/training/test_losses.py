import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer.models.chroma_bins import bin_log_probabilities
from colorizer.training.losses import contrast_loss, cross_entropy, regression_loss

MARGIN = 12 / 127.5
WIDTH = 0.4 * MARGIN
BINS = 9  # centers at -1, -0.75, ..., 1

# Losses of a value by their definitions.
VALUES = {
    "mse": lambda d: d**2,
    "l1": lambda d: d.abs(),
    "huber": lambda d: (
        torch.nn.functional.huber_loss(d, torch.zeros_like(d), reduction="none", delta=MARGIN)
        / MARGIN
    ),
    "margin": lambda d: WIDTH * torch.sigmoid((d.abs() - MARGIN) / WIDTH),
}


@pytest.mark.parametrize("loss", VALUES)
@given(arrays(np.float64, (2, 5), elements=st.floats(-2, 2)))
def test_a_loss_is_the_sum_of_its_definition(loss, difference):
    d = torch.from_numpy(difference)
    target = torch.linspace(-1, 1, 5, dtype=torch.float64).expand(2, 5)
    ours = regression_loss(loss, target + d, target, MARGIN)
    torch.testing.assert_close(ours, VALUES[loss](d).sum(), rtol=1e-6, atol=1e-6)


def test_the_gradient_of_the_margin_loss_is_largest_at_the_margin_and_vanishes_far_from_it():
    """As shares of the largest gradient, that at the margin, which is 1/4."""
    prediction = torch.tensor([0, 0.5, 1, 5]).mul(MARGIN).requires_grad_()
    regression_loss("margin", prediction, torch.zeros(4), MARGIN).backward()
    zero, half, at_margin, far = prediction.grad * 4
    assert at_margin == pytest.approx(1)
    assert 0.5 < half < 0.7
    assert zero == 0
    assert far < 0.001


@given(
    arrays(np.float32, (3, 2 * BINS, 2, 5), elements=st.floats(-5, 5, width=32)),
    arrays(np.float32, (3, 2, 2, 5), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([1.0, 0.5]),
)
def test_cross_entropy_equals_pytorch_with_soft_targets(logits, chroma, chroma_range):
    centers = np.linspace(-chroma_range, chroma_range, BINS).reshape(BINS, 1, 1, 1, 1)
    distance = np.abs(chroma.clip(-chroma_range, chroma_range) - centers)
    shares = (1 - distance * (BINS - 1) / (2 * chroma_range)).clip(0)  # (bins, 3, 2, 2, 5)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    ours, theirs = (torch.from_numpy(logits).requires_grad_() for _ in range(2))
    expected = torch.nn.functional.cross_entropy(
        theirs.reshape(6, BINS, 2, 5),
        torch.from_numpy(shares.transpose(1, 2, 0, 3, 4).reshape(6, BINS, 2, 5)).float(),
        reduction="sum",
    )
    loss = cross_entropy(bin_log_probabilities(ours), torch.from_numpy(chroma), chroma_range)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-3)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("chroma", "chroma_range"), [(-1.0, 1.0), (1.7, 1.0), (-0.6, 0.5), (0.9, 0.5)]
)
def test_a_chroma_beyond_the_range_belongs_to_the_outermost_bin(chroma, chroma_range):
    certain = torch.full((BINS,), -70.0)
    certain[0 if chroma < 0 else -1] = 0.0
    target = torch.full((1, 2, 1, 1), chroma)
    log_probabilities = bin_log_probabilities(certain.repeat(2).view(1, 2 * BINS, 1, 1))
    assert cross_entropy(log_probabilities, target, chroma_range) < 1e-6


@given(
    arrays(np.float64, (2, 3, 4, 2, BINS), elements=st.floats(0.01, 1)),
    arrays(np.float32, (2, 2, 3, 4), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([1.0, 0.5]),
)
def test_contrast_loss_equals_its_definition(weights, chroma, chroma_range):
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    centers = np.linspace(-chroma_range, chroma_range, BINS)
    error = np.einsum("nhwkb,b->nkhw", probabilities, centers) - chroma
    d = np.abs(error - error.mean(axis=(2, 3), keepdims=True)) / 0.05
    expected = np.where(d < 1, d**2 / 2, d - 0.5).sum()
    tensors = torch.from_numpy(probabilities).float(), torch.from_numpy(chroma)
    ours = contrast_loss(*tensors, chroma_range).item()
    assert ours == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_contrast_loss_does_not_depend_on_the_tint():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(2, 3, 4, 2, BINS, generator=generator).softmax(dim=-1)
    chroma = torch.linspace(-0.3, 0.3, 48).view(2, 2, 3, 4)
    tint = torch.tensor([[0.1, -0.2], [0.3, 0.0]])[..., None, None]
    torch.testing.assert_close(
        contrast_loss(probabilities, chroma + tint, 1.0), contrast_loss(probabilities, chroma, 1.0)
    )
