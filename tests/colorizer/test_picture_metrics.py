import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from colorizer.picture_metrics import PictureTotals


def score(pictures: np.ndarray, targets: np.ndarray) -> PictureTotals:
    totals = PictureTotals(12)
    totals.add(pictures, targets)
    return totals


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)


def test_accuracy_by_hand():
    target = np.full((1, 16, 16, 3), 100, np.uint8)
    picture = target.copy()
    picture[0, :4] += 11  # near enough
    picture[0, 4:8] -= 12  # off
    assert score(picture, target).accuracy == 0.75


def test_differences_do_not_wrap_around():
    black, white = np.zeros((1, 16, 16, 3), np.uint8), np.full((1, 16, 16, 3), 250, np.uint8)
    assert score(black, white).accuracy == 0
    assert score(white, black).accuracy == 0


def test_psnr_is_scikit_images_on_all_pictures_together(pictures):
    target = pictures[::-1]
    expected = peak_signal_noise_ratio(target, pictures, data_range=255)
    assert score(pictures, target).psnr == pytest.approx(expected)
    assert expected == pytest.approx(10 * np.log10(255**2 / mean_squared_error(pictures, target)))


def test_exact_pictures_score_finite_numbers(pictures):
    scores = score(pictures, pictures)
    assert scores.accuracy == 1
    assert scores.ssim == pytest.approx(1)
    assert scores.psnr == pytest.approx(10 * np.log10(255**2 * pictures.size))


def test_ssim_is_the_published_formula_on_even_pictures():
    # Without contrast the structure term is 1, and what remains is the luminance term.
    bright, dark = np.full((1, 16, 16, 3), 200, np.uint8), np.full((1, 16, 16, 3), 100, np.uint8)
    constant = (0.01 * 255) ** 2
    expected = (2 * 200 * 100 + constant) / (200**2 + 100**2 + constant)
    assert score(bright, dark).ssim == pytest.approx(expected)


def test_batches_do_not_matter(pictures):
    target = pictures[::-1]
    whole, parts = score(pictures, target), score(pictures[:2], target[:2])
    parts.add(pictures[2:], target[2:])
    for name in ("accuracy", "psnr", "ssim"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name))
