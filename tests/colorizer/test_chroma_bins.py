import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer.chroma_bins import gradient_of_cross_entropy, likeliest, probabilities_of

BINS = 9  # centers at -1, -0.75, ..., 1
WINDOW = {"Cb": 12 / 127.5 / 1.772, "Cr": 12 / 127.5 / 1.402}  # of blue and red, as of chroma


def logits_of(probabilities: list[float], bins: int = BINS) -> torch.Tensor:
    """Of one pixel, the same for Cb and Cr."""
    return torch.tensor(probabilities * 2).clamp(min=1e-30).log().view(1, 2 * bins, 1, 1)


@given(
    arrays(np.float32, (3, 2 * BINS, 2, 5), elements=st.floats(-5, 5, width=32)),
    arrays(np.float32, (3, 2, 2, 5), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([1.0, 0.5]),
)
def test_the_gradient_is_that_of_pytorch_s_cross_entropy_with_shares_of_bins(logits, chroma, reach):
    centers = np.linspace(-reach, reach, BINS).reshape(BINS, 1, 1, 1, 1)
    apart = np.abs(chroma.clip(-reach, reach) - centers) * (BINS - 1) / (2 * reach)
    shares = (1 - apart).clip(0)  # (bins, 3, 2, 2, 5)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    given_logits = torch.from_numpy(logits).requires_grad_()
    torch.nn.functional.cross_entropy(
        given_logits.reshape(6, BINS, 2, 5),
        torch.from_numpy(shares.transpose(1, 2, 0, 3, 4).reshape(6, BINS, 2, 5)).float(),
        reduction="sum",
    ).backward()
    probabilities = probabilities_of(torch.from_numpy(logits))
    ours = gradient_of_cross_entropy(probabilities, torch.from_numpy(chroma), reach)
    torch.testing.assert_close(ours, given_logits.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("chroma", "reach"), [(-1.0, 1.0), (1.7, 1.0), (-0.6, 0.5), (0.9, 0.5)])
def test_the_outermost_bins_take_what_lies_beyond(chroma, reach):
    certain = [0.0] * BINS
    certain[0 if chroma < 0 else -1] = 1.0
    probabilities = probabilities_of(logits_of(certain))
    gradient = gradient_of_cross_entropy(probabilities, torch.full((1, 2, 1, 1), chroma), reach)
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize("reach", [1.0, 0.25])
@pytest.mark.parametrize("which", range(BINS))
def test_a_certain_bin_is_the_answer(which, reach):
    certain = [float(bin_ == which) for bin_ in range(BINS)]
    answer = likeliest(probabilities_of(logits_of(certain)), reach).flatten()
    assert answer.tolist() == pytest.approx([(-1 + which / 4) * reach] * 2)


def test_a_hill_that_fits_in_the_window_beats_a_higher_peak():
    bins = 101  # 0.02 apart; the windows of Cb and Cr reach 2.7 and 3.4 bins to each side
    probabilities = [0.0] * bins
    probabilities[10] = 0.4
    probabilities[60:63] = [0.2, 0.2, 0.2]
    answer = likeliest(probabilities_of(logits_of(probabilities, bins)), 1.0).flatten()
    assert answer.tolist() == pytest.approx([-1 + 61 * 0.02] * 2, abs=1e-6)


@given(
    arrays(np.float32, (1, 2 * 41, 2, 2), elements=st.floats(-3, 3, width=32)),
    st.sampled_from([1.0, 0.6]),
)
def test_no_window_of_bins_has_more_probability(logits, reach):
    answer = likeliest(probabilities_of(torch.from_numpy(logits)), reach)
    centers = np.linspace(-reach, reach, 41)
    bin_width = reach / 20
    for channel, half in enumerate(WINDOW.values()):
        some = np.exp(logits[0, channel * 41 :][:41].astype(np.float64))
        # Of a bin the share that the window covers.
        beyond = half + bin_width / 2 - np.abs(centers[:, None] - centers)
        covered = (beyond / bin_width).clip(0, 1)
        masses = np.einsum("cb,bhw->chw", covered, some)
        means = np.einsum("cb,b,bhw->chw", covered, centers, some) / masses
        best = masses > masses.max(axis=0) * (1 - 1e-4)
        off = np.abs(means - answer[0, channel].numpy())
        assert np.where(best, off, np.inf).min(axis=0).max() < 1e-4
