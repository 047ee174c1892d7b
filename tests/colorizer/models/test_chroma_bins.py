import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer.models.chroma_bins import bin_probabilities, decode_chroma

BINS = 9  # centers at -1, -0.75, ..., 1
MARGIN = 12
# Half the width of the window in Cb and in Cr, with which blue and red change by the margin.
HALF_WINDOW = {"Cb": MARGIN / 127.5 / 1.772, "Cr": MARGIN / 127.5 / 1.402}


def one_pixel(probabilities: list[float]) -> torch.Tensor:
    """Probabilities of one pixel, the same for Cb and Cr, by way of their logits."""
    logits = torch.tensor(probabilities * 2).clamp(min=1e-30).log()
    return bin_probabilities(logits.view(1, 2 * len(probabilities), 1, 1))


@pytest.mark.parametrize("chroma_range", [1.0, 0.25])
@pytest.mark.parametrize("certain", range(BINS))
def test_a_certain_bin_is_decoded_to_its_center(certain, chroma_range):
    probabilities = one_pixel([float(number == certain) for number in range(BINS)])
    chroma = decode_chroma(probabilities, chroma_range, MARGIN).flatten()
    assert chroma.tolist() == pytest.approx([(-1 + certain / 4) * chroma_range] * 2)


def test_a_mode_that_fits_in_the_window_beats_a_higher_peak():
    bins = 101  # 0.02 apart; half a window is 2.7 bins of Cb and 3.4 of Cr
    probabilities = [0.0] * bins
    probabilities[10] = 0.4
    probabilities[60:63] = [0.2, 0.2, 0.2]
    chroma = decode_chroma(one_pixel(probabilities), 1.0, MARGIN).flatten()
    assert chroma.tolist() == pytest.approx([-1 + 61 * 0.02] * 2, abs=1e-6)


def test_a_wider_margin_prefers_a_wider_mode():
    """Half a window is margin / 127.5 / 1.772 / 0.02 bins of Cb, margin / 127.5 / 1.402 of Cr.

    With a margin of 6 it is 1.33 and 1.68 bins. Around bin 61 it covers bins 60..62 entirely (half
    a window and half a bin are at least 1.5 bins) and no bin that is 4 away, so that it has 0.15;
    the peak at bin 10 has 0.4. With a margin of 24 it is 5.3 and 6.7 bins, covers bins 57..65
    entirely, and has 0.15 * 4 = 0.6.
    """
    probabilities = [0.0] * 101
    probabilities[10] = 0.4
    for number in (57, 61, 65):
        probabilities[number] = 0.15
    probabilities[59] = probabilities[63] = 0.075
    narrow, wide = (decode_chroma(one_pixel(probabilities), 1.0, margin) for margin in (6, 24))
    assert narrow.flatten().tolist() == pytest.approx([-1 + 10 * 0.02] * 2, abs=1e-6)
    assert wide.flatten().tolist() == pytest.approx([-1 + 61 * 0.02] * 2, abs=1e-6)


@given(
    arrays(np.float32, (1, 2 * 41, 2, 2), elements=st.floats(-3, 3, width=32)),
    st.sampled_from([1.0, 0.6]),
    st.sampled_from([MARGIN, 3, 40]),
)
def test_the_top_of_the_parabola_around_the_best_window_is_decoded(logits, chroma_range, margin):
    """By polyfit; windows that are equally probable may be decoded anywhere within half a bin."""
    chroma = decode_chroma(bin_probabilities(torch.from_numpy(logits)), chroma_range, margin)
    bins = np.arange(41)
    bin_width = chroma_range / 20
    distance = np.abs(bins[:, None] - bins)
    for channel, half_window in enumerate(HALF_WINDOW.values()):
        half = half_window * margin / MARGIN / bin_width  # in bins
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


def test_two_bins_have_no_third_for_a_parabola():
    chroma = decode_chroma(torch.tensor([[[[[0.9, 0.1], [0.2, 0.8]]]]]), 1.0, MARGIN)
    assert chroma.flatten().tolist() == [-1, 1]
