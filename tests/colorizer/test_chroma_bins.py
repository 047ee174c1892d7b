import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer.chroma_bins import cross_entropy, likeliest

BINS = 9  # centers at -1, -0.75, ..., 1
WINDOW = {"Cb": 12 / 127.5 / 1.772, "Cr": 12 / 127.5 / 1.402}  # of blue and red, as of chroma


def logits_of(probabilities: list[float], bins: int = BINS) -> torch.Tensor:
    """Of one pixel, the same for Cb and Cr."""
    return torch.tensor(probabilities * 2).clamp(min=1e-30).log().view(1, 2 * bins, 1, 1)


@given(
    arrays(np.float32, (3, 2 * BINS, 2, 5), elements=st.floats(-5, 5, width=32)),
    arrays(np.float32, (3, 2, 2, 5), elements=st.floats(-1, 1, width=32)),
)
def test_cross_entropy_is_pytorch_s_with_the_shares_of_bins_as_target(logits, chroma):
    centers = np.linspace(-1, 1, BINS).reshape(BINS, 1, 1, 1, 1)
    shares = (1 - np.abs(chroma - centers) * (BINS - 1) / 2).clip(0)  # (bins, 3, 2, 2, 5)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).reshape(6, BINS, 2, 5),
        torch.from_numpy(shares.transpose(1, 2, 0, 3, 4).reshape(6, BINS, 2, 5)).float(),
        reduction="sum",
    )
    ours = cross_entropy(torch.from_numpy(logits), torch.from_numpy(chroma))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("chroma", [-1.0, 1.0, -1.7, 1.7])
def test_the_outermost_bins_take_what_lies_beyond(chroma):
    certain = [0.0] * BINS
    certain[0 if chroma < 0 else -1] = 1.0
    assert cross_entropy(logits_of(certain), torch.full((1, 2, 1, 1), chroma)) == pytest.approx(0)


@pytest.mark.parametrize("which", range(BINS))
def test_a_certain_bin_is_the_answer(which):
    certain = [float(bin_ == which) for bin_ in range(BINS)]
    answer = likeliest(logits_of(certain)).flatten()
    assert answer.tolist() == pytest.approx([-1 + which / 4] * 2)


def test_a_hill_that_fits_in_the_window_beats_a_higher_peak():
    bins = 101  # 0.02 apart; the windows of Cb and Cr reach 2.7 and 3.4 bins to each side
    probabilities = [0.0] * bins
    probabilities[10] = 0.4
    probabilities[60:63] = [0.2, 0.2, 0.2]
    answer = likeliest(logits_of(probabilities, bins)).flatten()
    assert answer.tolist() == pytest.approx([-1 + 61 * 0.02] * 2, abs=1e-6)


@given(arrays(np.float32, (1, 2 * 41, 2, 2), elements=st.floats(-3, 3, width=32)))
def test_no_window_of_bins_has_more_probability(logits):
    answer = likeliest(torch.from_numpy(logits))
    centers = np.linspace(-1, 1, 41)
    for channel, reach in enumerate(WINDOW.values()):
        some = np.exp(logits[0, channel * 41 :][:41].astype(np.float64))
        # Of a bin 0.05 wide, the share that the window covers.
        covered = ((reach + 0.025 - np.abs(centers[:, None] - centers)) / 0.05).clip(0, 1)
        masses = np.einsum("cb,bhw->chw", covered, some)
        means = np.einsum("cb,b,bhw->chw", covered, centers, some) / masses
        best = masses > masses.max(axis=0) * (1 - 1e-4)
        off = np.abs(means - answer[0, channel].numpy())
        assert np.where(best, off, np.inf).min(axis=0).max() < 1e-4
