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


@given(
    arrays(np.float32, (3, 2 * BINS, 2, 5), elements=st.floats(-5, 5, width=32)),
    arrays(np.float32, (3, 2, 2, 5), elements=st.floats(-1.5, 1.5, width=32)),
    st.sampled_from([1.0, 0.5]),
)
def test_cross_entropy_equals_pytorch_with_soft_targets(logits, chroma, chroma_range):
    """A chroma beyond the range belongs to the outermost bin."""
    centers = np.linspace(-chroma_range, chroma_range, BINS).reshape(BINS, 1, 1, 1, 1)
    distance = np.abs(chroma.clip(-chroma_range, chroma_range) - centers)
    shares = (1 - distance * (BINS - 1) / (2 * chroma_range)).clip(0)  # (bins, 3, 2, 2, 5)
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
