import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer.models.chroma_bins import bin_probabilities, decode_chroma

BINS = 9
MARGIN = 12
BLUE_PER_CB, RED_PER_CR = 1.772, 1.402  # ITU-T T.871


def one_pixel(probabilities: list[float]) -> torch.Tensor:
    """Probabilities of one pixel, the same for Cb and Cr, by way of their logits."""
    logits = torch.tensor(probabilities * 2).clamp(min=1e-30).log()
    return bin_probabilities(logits.view(1, 2 * len(probabilities), 1, 1))


@pytest.mark.parametrize("certain", range(BINS))
def test_a_certain_bin_is_decoded_to_its_center(certain):
    probabilities = one_pixel([float(number == certain) for number in range(BINS)])
    chroma = decode_chroma(probabilities, 0.5, MARGIN).flatten()
    assert chroma.tolist() == pytest.approx([(-1 + certain / 4) / 2] * 2)


def test_a_mode_that_fits_in_the_margin_beats_a_higher_peak():
    """Bins 57..65 have 0.6 in all, of which 60..62 have 0.15, and bin 10 has 0.4.

    Half a window is margin / 127.5 / 1.772 / 0.02 bins of Cb, margin / 127.5 / 1.402 / 0.02 of Cr:
    with a margin of 6 at most 1.7 bins, with one of 24 at least 5.3.
    """
    shares = {10: 0.4, 57: 0.15, 59: 0.075, 61: 0.15, 63: 0.075, 65: 0.15}
    probabilities = one_pixel([shares.get(number, 0.0) for number in range(101)])
    for margin, expected in {6: 10, 24: 61}.items():
        chroma = decode_chroma(probabilities, 1.0, margin).flatten()
        assert chroma.tolist() == pytest.approx([-1 + expected * 0.02] * 2, abs=1e-6)


@given(
    arrays(np.float32, (1, 2 * 41, 2, 2), elements=st.floats(-3, 3, width=32)),
    st.sampled_from([1.0, 0.6]),
    st.sampled_from([MARGIN, 3, 40]),
)
def test_the_top_of_the_parabola_around_the_best_window_is_decoded(logits, chroma_range, margin):
    """By polyfit; windows that are equally probable may be decoded anywhere within half a bin."""
    chroma = decode_chroma(bin_probabilities(torch.from_numpy(logits)), chroma_range, margin)
    bin_width = chroma_range / 20
    distance = np.abs(np.arange(41)[:, None] - np.arange(41))
    for channel, rgb_per_chroma in enumerate([BLUE_PER_CB, RED_PER_CR]):
        half = margin / 127.5 / rgb_per_chroma / bin_width  # of a window, in bins
        weights = np.exp(logits[0, channel * 41 :][:41].astype(np.float64)).reshape(41, 4)
        # For the window around each center, the share of every bin that it covers, at the margin
        # a fifth less.
        coverage = (half + 0.5 - distance).clip(0, 1) * (1 - 0.2 * distance / half)
        masses = coverage @ (weights / weights.sum(axis=0))  # (41, 4)
        for mass, decoded in zip(masses.T, chroma[0, channel].flatten().tolist(), strict=True):
            position = (decoded + chroma_range) / bin_width
            best = np.flatnonzero(mass > mass.max() - 1e-5)
            best = best[np.abs(best - position) < 0.501]
            assert best.size
            if best.size == 1 and 0 < best[0] < 40:
                square, slope, _ = np.polyfit([-1, 0, 1], mass[best[0] - 1 : best[0] + 2], 2)
                if square < -1e-4:
                    assert position == pytest.approx(best[0] - slope / (2 * square), abs=0.01)


def test_windows_that_differ_by_rounding_are_decoded_within_half_a_bin():
    """left + right - 2 * top was 0 here, and the top of the parabola was 29802 bins away."""
    probabilities = torch.zeros(20000, 1, 1, 2, 65)
    for number, value in {0: 0.23015422, 30: 0.26984569, 35: 0.26984587, 64: 0.23015422}.items():
        probabilities[..., number] = value
    assert decode_chroma(probabilities, 0.5, 24).abs().max() < 0.04  # bins 30 and 35: 0.03, 0.047
